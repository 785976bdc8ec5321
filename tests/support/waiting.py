"""Waiting for another thread or process: poll with a deadline, never a guess."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Fails the test when the condition does not hold within the deadline."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"not reached within {deadline_s} s"
        time.sleep(0.002)
