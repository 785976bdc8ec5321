"""Off wins over on, whichever thread says which: what was begun before an off energises nothing after it."""

import threading
from collections.abc import Callable

from drivers.errors import Refused

_SENDING_S = 0.05
"""What a line under way gets to leave before it is passed by."""


class Energising:
    """Every line that energises goes through here. name: how errors call the instrument."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sending = threading.Lock()
        self._offs = 0

    def begun(self) -> int:
        """Of an operation that is going to energise; given back with what it says."""
        return self._offs

    def say(self, begun: int, send: Callable[[], None]) -> None:
        """Send what energises. Raises Refused when output off was said since the operation began."""
        with self._sending:
            if self._offs != begun:
                raise Refused(f"{self._name}: the output was switched off meanwhile; nothing more is energised, begin again")
            send()

    def off(self, say_off: Callable[[], object]) -> None:
        """Nothing begun before energises after it. Where such a line is just leaving, off is said beside it and it is waited for."""
        self._offs += 1
        if not self._sending.acquire(blocking=False):
            say_off()
            if not self._sending.acquire(timeout=_SENDING_S):
                return
        self._sending.release()
