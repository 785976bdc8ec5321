"""Values of the lab. They check themselves once, on construction, and are then trusted. No I/O."""
