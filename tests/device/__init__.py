"""One suite, two ends: whatever stands here holds for the simulator's controller and for the firmware in C alike."""
