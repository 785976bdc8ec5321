"""The answering half of a session: every ordered request is executed once, in order, and answered as often as asked.

The cache of answers is at least as long as the window. Were it shorter, a request whose answer was lost could fall out
of it while its sender still waits, and neither end would ever move again.
"""

from enum import Enum, auto

SEQ_MODULUS = 1 << 16
_HALF = SEQ_MODULUS >> 1


class Place(Enum):
    """Where a sequence number stands. NEW: execute it. AGAIN: answer from the cache. GAP: refuse, once, naming the
    expected one. GAP_AGAIN: that gap has been refused already. STALE: executed long ago; nothing to say."""

    NEW = auto()
    AGAIN = auto()
    GAP = auto()
    GAP_AGAIN = auto()
    STALE = auto()


class Answers:
    """What was executed and what was answered in one session."""

    def __init__(self, window: int, cache: int) -> None:
        if not 1 <= window <= cache:
            raise ValueError(f"a cache of {cache} answers is shorter than the window of {window}; the link would stand still")
        self._cache_size = cache
        self._cache: dict[int, bytes] = {}
        self._refused_gap = False
        self.expected = 1

    def restart(self) -> None:
        """A new session: the next sequence number is 1, nothing is remembered."""
        self._cache.clear()
        self._refused_gap = False
        self.expected = 1

    def place(self, seq: int) -> Place:
        """Classify; NEW and GAP advance the state, so that each is returned once per number and per gap."""
        ahead = (seq - self.expected) % SEQ_MODULUS
        if ahead == 0:
            self.expected = (seq + 1) % SEQ_MODULUS
            self._refused_gap = False
            self._cache.pop((seq - self._cache_size) % SEQ_MODULUS, None)
            return Place.NEW
        if ahead < _HALF:
            first, self._refused_gap = not self._refused_gap, True
            return Place.GAP if first else Place.GAP_AGAIN
        return Place.AGAIN if seq in self._cache else Place.STALE

    def remember(self, seq: int, wire: bytes) -> None:
        """The last numbers are kept, in whatever order they were answered: what waits is answered after what is refused at once."""
        if (self.expected - seq) % SEQ_MODULUS <= self._cache_size:
            self._cache[seq] = wire

    def recall(self, seq: int) -> bytes:
        """Raises KeyError unless `place` said AGAIN."""
        return self._cache[seq]
