"""What a line does to bytes, without sockets and without a clock: it takes its time, and with a plan of faults it goes wrong.

Rule 1: ten bits a byte, each direction its own; a byte is there when its last bit is, whatever was sent in one go.
Rule 2: times are computed from when sending began, so nothing drifts however late or often `take` is called.
"""

from collections import deque
from dataclasses import dataclass
from itertools import groupby

from simulator.faults import Carried, FaultyDirection, Incident, LinePlan

BITS_PER_BYTE = 10
CHUNK_NS = 1_000_000
"""While a long frame travels, what is there of it is handed over this often."""
_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class _Travelling:
    begins_ns: int
    what: bytes | Incident
    taken: int = 0


class Wire:
    """One direction. baud: bits per second, 0 for a wire that takes no time. delimiter: one byte, the last of a frame."""

    def __init__(self, baud: int, delimiter: bytes = b"\0") -> None:
        self._baud, self._delimiter = baud, delimiter
        self._free_ns = 0
        self._travelling: deque[_Travelling] = deque()
        self.waiting = 0
        """Bytes sent and not yet taken."""

    def send(self, what: bytes | Incident, now_ns: int) -> None:
        """Begins now, or when what was sent before has left."""
        begins_ns = max(self._free_ns, now_ns)
        self._travelling.append(_Travelling(begins_ns, what))
        self._free_ns = begins_ns + self._takes_ns(what)
        if isinstance(what, bytes):
            self.waiting += len(what)

    def take(self, now_ns: int) -> list[bytes | Incident]:
        """What has arrived by now and was not taken before, in order."""
        arrived: list[bytes | Incident] = []
        while self._travelling and self._travelling[0].begins_ns <= now_ns:
            first = self._travelling[0]
            if isinstance(first.what, bytes):
                there = self._arrived_of(first.what, now_ns - first.begins_ns)
                arrived.append(first.what[first.taken : there])
                self.waiting -= there - first.taken
                first.taken = there
                if there < len(first.what):
                    break
            else:
                arrived.append(first.what)
            self._travelling.popleft()
        return _joined(arrived)

    def due_ns(self) -> int | None:
        """When to take next: at the end of a frame, or of a chunk of a long one; None with nothing on the way."""
        if not self._travelling:
            return None
        first = self._travelling[0]
        if not self._baud or isinstance(first.what, Incident):
            return first.begins_ns
        frame_end = first.what.find(self._delimiter, first.taken) + 1 or len(first.what)
        return first.begins_ns + min(self._bytes_ns(frame_end), self._bytes_ns(first.taken) + CHUNK_NS)

    def _takes_ns(self, what: bytes | Incident) -> int:
        return self._bytes_ns(len(what)) if self._baud and isinstance(what, bytes) else 0

    def _bytes_ns(self, count: int) -> int:
        """Rounded up: after it, all of them are there."""
        return -(-count * BITS_PER_BYTE * _NS_PER_S // self._baud)

    def _arrived_of(self, data: bytes, since_ns: int) -> int:
        if not self._baud:
            return len(data)
        return min(len(data), since_ns * self._baud // (BITS_PER_BYTE * _NS_PER_S))


def _joined(arrived: list[bytes | Incident]) -> list[bytes | Incident]:
    """Neighbouring bytes in one piece, empty ones left out."""
    joined: list[bytes | Incident] = []
    for are_bytes, group in groupby(arrived, lambda what: isinstance(what, bytes)):
        if not are_bytes:
            joined.extend(group)
        elif data := b"".join(what for what in group if isinstance(what, bytes)):
            joined.append(data)
    return joined


class Way:
    """One direction of one connection: first the faults, then the wire, on which damaged bytes take their time like any others."""

    def __init__(self, wire: Wire, faulty: FaultyDirection | None) -> None:
        self._wire = wire
        self._faulty = faulty
        self.take, self.due_ns = self._wire.take, self._wire.due_ns

    def send(self, data: bytes, now_ns: int) -> None:
        carried: list[Carried] = [(now_ns, data)] if self._faulty is None else self._faulty.carry(data, now_ns)
        for at_ns, what in carried:
            self._wire.send(what, at_ns)

    @property
    def waiting(self) -> int:
        """Bytes that have not arrived yet."""
        return self._wire.waiting


@dataclass(frozen=True)
class LineSettings:
    """baud: 0 for as fast as the transport. plan: None for a line that never fails. delimiter: what ends a frame, or a line of text."""

    baud: int = 0
    plan: LinePlan | None = None
    seed: int | str = 0
    delimiter: bytes = b"\0"


class Cable:
    """The line to one instrument: makes the two ways of each connection, which count their frames together.

    begun_ns: from when the plan's times count.
    """

    def __init__(self, settings: LineSettings, begun_ns: int) -> None:
        self._settings = settings
        plan = settings.plan or LinePlan()
        self._to_device, self._to_host = (
            FaultyDirection(way, f"{settings.seed} {name}", settings.delimiter, begun_ns) if way.fails else None
            for name, way in (("to_device", plan.to_device), ("to_host", plan.to_host))
        )

    def connection(self) -> tuple[Way | None, Way | None]:
        """(to the device, to the host) of one more connection; None for a way that changes nothing."""
        return self._way(self._to_device), self._way(self._to_host)

    def _way(self, faulty: FaultyDirection | None) -> Way | None:
        if faulty is None and not self._settings.baud:
            return None
        return Way(Wire(self._settings.baud, self._settings.delimiter), faulty and faulty.beside())
