"""Output off, whatever state the connection is in. Shared by every source-measure unit.

Rule 1: the words that switch off are the first thing sent, on the connection that is there, and wait for nobody: not for a lock, not
for the answer that another thread is waiting for.
Rule 2: off is believed only when read back; if not on this connection, then on a second one, and if the instrument turns that away,
after its other clients were cut off. Until then the needles count as live (OutputMayBeOn).
Rule 3: all of it within about a second.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import DriverError, LinkError, LinkTimeout, OutputMayBeOn
from drivers.links.text import TextLink

_WITHIN_S = 1.0
_SHARE = 0.3
"""Of that, for the connection that is there, and for a second one."""
_RETRY_S = 0.02
"""Between two tries to connect to an instrument whose last client has just left."""


@dataclass(frozen=True)
class OffWords:
    """lines: what switches off, first the one that does; none has an answer. is_on: asks for the output's state, timeout_s at most."""

    lines: tuple[str, ...]
    is_on: Callable[[TextLink, float], bool]


class OutputSwitch:
    """connect: a second connection, timeout_s at most; raises ConnectFailed. cut_off: makes the instrument drop its clients, those of
    other processes included, timeout_s at most; None where it cannot."""

    def __init__(
        self,
        name: str,
        link: TextLink,
        words: OffWords,
        connect: Callable[[float], TextLink],
        cut_off: Callable[[float], None] | None = None,
    ) -> None:
        self._name, self._link, self._words = name, link, words
        self._connect, self._cut_off = connect, cut_off

    def off(self) -> None:
        """Any thread may call it. Raises OutputMayBeOn, caused by what failed first."""
        deadline = time.monotonic() + _WITHIN_S
        self._say(self._link)
        failures: list[DriverError] = []
        for attempt in (self._here, self._beside, self._instead):
            try:
                attempt(deadline)
            except DriverError as error:
                failures.append(error)
            else:
                return
        raise OutputMayBeOn(
            f"{self._name}: output off could not be verified ({'; '.join(map(str, failures))}); "
            "treat the needles as live and switch off at the front panel"
        ) from failures[0]

    def _here(self, deadline: float) -> None:
        """On the connection that is there, if nobody is using it and it can be trusted."""
        until = time.monotonic() + _SHARE * _WITHIN_S
        if not self._link.lock.acquire(timeout=_left(min(until, deadline))):
            raise LinkTimeout("another question is being answered")
        try:
            if not self._link.trusted:
                raise LinkError("the connection was in doubt")
            self._require_off(self._link, min(until, deadline))
        finally:
            self._link.lock.release()

    def _beside(self, deadline: float) -> None:
        self._on_another(min(time.monotonic() + _SHARE * _WITHIN_S, deadline))

    def _instead(self, deadline: float) -> None:
        """For an instrument that takes one client: ours leaves, everybody else's is cut off, and we connect anew."""
        self._link.interrupt()
        if self._cut_off is not None:
            with contextlib.suppress(LinkError):
                self._cut_off(_left(deadline))
        while True:
            try:
                return self._on_another(deadline)
            except LinkError:
                if _left(deadline) <= _RETRY_S:
                    raise
                time.sleep(_RETRY_S)

    def _on_another(self, deadline: float) -> None:
        link = self._connect(_left(deadline))
        try:
            self._say(link)
            self._require_off(link, deadline)
        finally:
            link.close()

    def _say(self, link: TextLink) -> None:
        # In one piece: no line of another thread may come between them
        link.send_regardless("\n".join(self._words.lines))

    def _require_off(self, link: TextLink, deadline: float) -> None:
        if self._words.is_on(link, _left(deadline)):
            raise OutputMayBeOn(f"the output reads on after {self._words.lines[0]}")


def _left(deadline: float) -> float:
    """Seconds until a deadline, enough of them to be a time-out."""
    return max(1e-3, deadline - time.monotonic())
