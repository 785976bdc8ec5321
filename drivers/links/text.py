"""What a line-speaking driver needs of its link. The words (SCPI, SENTIO) know this and not what carries them."""

from threading import RLock
from typing import Protocol

from drivers.values import WireCounts


class TextLink(Protocol):
    """Lines out, lines back, never a line that answers an older question.

    After a fault every use but `send_regardless`, `resynchronise` and `close` raises LinkError.
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

    def send_regardless(self, line: str) -> bool:
        """Send even on a link no longer trusted; for what makes safe and has no answer. False when it could not leave."""
        ...

    def resynchronise(self) -> None:
        """Start afresh on a new connection, where no late answer can arrive."""
        ...

    def counts(self) -> WireCounts: ...
    def close(self) -> None: ...
