"""A link without a wire: its far end is a function, so that ten thousand replies take seconds. Dirty after a fault, like every link."""

from collections.abc import Callable
from threading import RLock

from drivers.errors import LinkError, LinkTimeout
from drivers.links.text import Block, Probe
from drivers.values import WireCounts

Speaker = Callable[[str], bytes | None]
"""The answer to a line, terminator and all; None: no answer comes."""


class SpokenLink:
    """Satisfies drivers.links.text.TextLink."""

    def __init__(self, speaker: Speaker) -> None:
        self.address = "TCPIP0::nowhere::1::SOCKET"
        self.lock = RLock()
        self._speaker = speaker
        self._fault: str | None = None
        self._sent = 0

    @property
    def trusted(self) -> bool:
        return self._fault is None

    def send(self, line: str) -> None:
        self._require_trusted()
        self._sent += 1
        self._speaker(line)

    def query(self, line: str, timeout_s: float | None = None) -> str:
        self._require_trusted()
        self._sent += 1
        answer = self._speaker(line)
        if answer is None or b"\n" not in answer:
            self._fault = "late"
            raise LinkTimeout(f"no answer to {line!r} within {timeout_s:g} s")
        return answer.split(b"\n")[0].decode("utf-8", "replace").rstrip()

    def query_block(self, line: str, size: int, timeout_s: float | None = None) -> Block:
        raise NotImplementedError

    def distrust(self, why: str) -> None:
        self._fault = why

    def settle(self, probe: Probe) -> None:
        self._fault = None

    def send_regardless(self, line: str) -> bool:
        self._speaker(line)
        return True

    def interrupt(self) -> None:
        self._fault = "interrupted"

    def resynchronise(self, timeout_s: float | None = None) -> None:
        self._fault = None

    def counts(self) -> WireCounts:
        return WireCounts("lines", self._sent, 0)

    def close(self) -> None:
        self._fault = "closed"

    def _require_trusted(self) -> None:
        if self._fault is not None:
            raise LinkError(f"not trusted since: {self._fault}")
