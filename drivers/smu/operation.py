"""One operation of a source meter at a time, each from a known state."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from drivers.errors import Busy


class Operations:
    """name: how errors call the instrument. wait_s: for the end of another thread's operation. restore: after one that failed."""

    def __init__(self, name: str, wait_s: float, restore: Callable[[], None]) -> None:
        self._name, self._wait_s, self._restore = name, wait_s, restore
        self._alone = threading.Lock()
        self._operator: int | None = None
        self._in_doubt = False

    @contextmanager
    def one(self) -> Generator[None]:
        """Alone, whatever the one before left restored. Raises Busy while another is under way, in this thread at once."""
        if self._operator == threading.get_ident() or not self._alone.acquire(timeout=self._wait_s):
            raise Busy(f"{self._name}: a sweep or a scan is under way; wait for its end, or switch the output off")
        try:
            self._operator = threading.get_ident()
            if self._in_doubt:
                self._restore()
            self._in_doubt = True
            yield
            self._in_doubt = False
        finally:
            self._operator = None
            self._alone.release()
