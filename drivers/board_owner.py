"""When to speak for the owner of the session. The keep-alive speaks for him, not for the process: the board's dead man must
also work when he hangs."""

import threading

KEEP_ALIVE_S = 0.5
OWNER_PATIENCE_S = 5.0


class Owner:
    """keeping_alive: whether the board is to hear that he lives although he asks nothing: a path is closed, pulses are allowed."""

    def __init__(self, now_ns: int) -> None:
        self.keeping_alive = False
        self._called_ns = now_ns

    def calls(self, now_ns: int) -> None:
        """He lives."""
        self._called_ns = now_ns

    def to_be_spoken_for(self, outstanding: bool, sent_ns: int, now_ns: int) -> bool:
        """outstanding: something that he asked waits for its answer. sent_ns: when the board last heard from us."""
        if not (self.keeping_alive or outstanding):
            return False
        due = now_ns - sent_ns >= KEEP_ALIVE_S * 1e9
        return due and now_ns - self._called_ns <= OWNER_PATIENCE_S * 1e9 and threading.main_thread().is_alive()
