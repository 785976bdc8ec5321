"""What a line-speaking driver needs of its link. The words (SCPI, TSP, SENTIO) know this and not what carries them."""

from dataclasses import dataclass
from threading import RLock
from typing import Protocol

from drivers.values import WireCounts


@dataclass(frozen=True)
class Probe:
    """A question without side effects that carries a number, and the line that answers it, in the instrument's language: so a link
    proves that what it reads now answers what was asked now.

    question, answer: format strings with the number as `tag`. The numbers 1 to `tags` are taken in turn.
    """

    question: str
    answer: str
    tags: int

    def pair(self, count: int) -> tuple[str, str]:
        """Question and answer of the count-th use."""
        tag = count % self.tags + 1
        return self.question.format(tag=tag), self.answer.format(tag=tag)


@dataclass(frozen=True)
class Block:
    """A binary answer. head: the text before its `#`, line ends included."""

    head: str
    data: bytes


class TextLink(Protocol):
    """Lines out, lines back, never a line that answers an older question.

    After a fault every use but `send_regardless`, `settle`, `resynchronise`, `interrupt` and `close` raises LinkError.
    """

    address: str
    lock: RLock
    """Held by whoever needs several messages in a row undisturbed."""

    @property
    def trusted(self) -> bool: ...
    def send(self, line: str) -> None:
        """Send one line that has no answer."""
        ...

    def query(self, line: str, timeout_s: float | None = None) -> str:
        """Send one line and return the line that answers it. Raises LinkTimeout, LinkLost, ProtocolError."""
        ...

    def query_block(self, line: str, size: int, timeout_s: float | None = None) -> Block:
        """Send one line that is answered by a binary block of `size` bytes, `#<n><len>` or `#0`. Raises as `query`."""
        ...

    def distrust(self, why: str) -> None:
        """An answer was none to its question, says who understands the language; the link has to be settled."""
        ...

    def settle(self, probe: Probe) -> None:
        """Make it trusted, whatever happened: drained and proven on this connection if that answers quickly, else on a new one.

        Costs nothing where nothing happened. Raises ConnectFailed, LinkTimeout.
        """
        ...

    def send_regardless(self, line: str) -> bool:
        """Send without waiting for anybody, even on a link no longer trusted; for what makes safe and has no answer.

        False when it could not leave.
        """
        ...

    def interrupt(self) -> None:
        """End whatever another thread waits for on this link, at once: it raises LinkLost there."""
        ...

    def resynchronise(self, timeout_s: float | None = None) -> None:
        """Start afresh on a new connection, where no late answer can arrive."""
        ...

    def counts(self) -> WireCounts: ...
    def close(self) -> None: ...
