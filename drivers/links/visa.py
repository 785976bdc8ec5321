"""Lines and binary blocks over a VISA address, a socket or GPIB, that cannot desynchronise.

Rule 1: an answer is trusted only if it came whole, in time, and with nothing waiting when its question was sent. After anything
else the link is dirty and refuses every use until it is settled: drained and proven by a tagged probe, or connected anew.
Rule 2: a block is read by its count, never up to a terminator that its own bytes may contain.
Rule 3: every wait has a deadline. What makes safe waits for nobody: it takes no lock.
"""

import contextlib
import time
from collections.abc import Generator
from threading import RLock

from drivers.errors import ConnectFailed, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.links.text import Block, Probe
from drivers.links.visa_wire import Wire, open_wire
from drivers.values import WireCounts

_PROVEN_WITHIN_S = 0.5
"""What the present connection gets to prove itself before a new one is made."""
_HEAD_LIMIT = 256
"""Bytes before the `#` of a block."""
_END = b"\n"


class VisaLink:
    """One connection to one instrument. Satisfies drivers.links.text.TextLink.

    timeout_s: default deadline of connecting and of each answer, s. line_limit: longest line sent, bytes; answer_limit: longest line
    that comes. unit: what one line is called in `counts`. must_connect: raises ConnectFailed from the constructor when nothing
    listens; otherwise that is told by whoever uses it first.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float,
        unit: str = "messages",
        line_limit: int = 4096,
        answer_limit: int | None = None,
        *,
        must_connect: bool = True,
    ) -> None:
        self.address = address
        self.lock = RLock()
        self._timeout_s, self._unit = timeout_s, unit
        self._line_limit, self._answer_limit = line_limit, answer_limit or line_limit
        self._sent = self._received = self._errors = self._late = self._timeouts = self._reconnects = self._probes = 0
        self._buffer = bytearray()
        self._fault: str | None = None
        self._closed = False
        self._wire: Wire | None = None
        try:
            self._wire = open_wire(address, timeout_s)
        except ConnectFailed as error:
            if must_connect:
                raise
            self._fault = str(error)

    @property
    def trusted(self) -> bool:
        """Whether an answer may be believed; False from a fault until the link is settled."""
        return self._fault is None

    def send(self, line: str) -> None:
        data = self._encoded(line)
        with self._exchange() as wire:
            self._require_silence(wire)
            self._write(wire, data, time.monotonic() + self._timeout_s)

    def query(self, line: str, timeout_s: float | None = None) -> str:
        with self._asked(line, timeout_s) as (wire, deadline, lateness):
            answer = self._read_until(wire, _END, self._answer_limit, deadline, lateness)
            self._received += 1
            return answer.decode("utf-8", "replace").rstrip()

    def query_block(self, line: str, size: int, timeout_s: float | None = None) -> Block:
        """Raises ProtocolError when the block says that it is of another size, or is not followed by the end of the line."""
        with self._asked(line, timeout_s) as (wire, deadline, lateness):
            head = self._read_until(wire, b"#", _HEAD_LIMIT, deadline, lateness)
            announced = self._announced_size(wire, size, deadline, lateness)
            if announced != size:
                raise ProtocolError(f"{self.address}: a block of {announced} bytes, not of {size}")
            data = self._read_count(wire, size, deadline, lateness)
            if self._read_count(wire, 1, deadline, lateness) != _END:
                raise ProtocolError(f"{self.address}: a block of {size} bytes goes on behind its end")
            self._received += 1
            return Block(head.decode("utf-8", "replace"), data)

    def distrust(self, why: str) -> None:
        with self.lock:
            self._note_fault(why)

    def settle(self, probe: Probe) -> None:
        with self.lock:
            if self._fault is None and self._is_silent():
                return
            # Said first: whatever breaks this off leaves the link dirty.
            self._note_fault("between two questions something came, or the instrument went")
            if not self._proves(probe, min(self._timeout_s, _PROVEN_WITHIN_S)):
                self.resynchronise()
                if not self._proves(probe, self._timeout_s):
                    self._note_fault("a new connection did not answer either")
                    raise LinkTimeout(f"{self.address}: a new connection is not answered within {self._timeout_s:g} s; is it busy?")
            self._fault = None

    def send_regardless(self, line: str) -> bool:
        wire = self._wire
        left = wire is not None and wire.write_now(line.encode("ascii") + _END)
        self._sent += left
        return left

    def interrupt(self) -> None:
        self._note_fault("interrupted")
        if self._wire is not None:
            self._wire.shut()

    def resynchronise(self, timeout_s: float | None = None) -> None:
        with self.lock:
            self._require_open()
            self._drop()
            self._fault = self._fault or "not connected"
            self._wire = open_wire(self.address, timeout_s or self._timeout_s, afresh=True)
            self._reconnects += 1
            self._fault = None

    def counts(self) -> WireCounts:
        return WireCounts(
            self._unit, self._sent, self._received, self._errors, late=self._late, timeouts=self._timeouts, reconnects=self._reconnects
        )

    def close(self) -> None:
        """Idempotent; a read in progress in another thread ends with LinkLost."""
        self._closed, self._fault = True, "closed"
        if self._wire is not None:
            self._wire.shut()
        with self.lock:
            self._drop()

    # --- one exchange
    @contextlib.contextmanager
    def _exchange(self) -> Generator[Wire]:
        """Alone on a trusted link. Whatever ends it otherwise than well, a cancellation included, leaves the link dirty."""
        with self.lock:
            if self._fault is not None or self._wire is None:
                raise LinkError(f"{self.address}: the link is not trusted since: {self._fault}; resynchronise before using it again")
            try:
                yield self._wire
            except BaseException as error:
                self._timeouts += isinstance(error, LinkTimeout)
                self._errors += 1
                self._note_fault(str(error))
                raise

    @contextlib.contextmanager
    def _asked(self, line: str, timeout_s: float | None) -> Generator[tuple[Wire, float, str]]:
        """The line sent; then until when its answer has time, and what a late one is called."""
        data = self._encoded(line)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        with self._exchange() as wire:
            self._require_silence(wire)
            self._write(wire, data, deadline)
            yield wire, deadline, f"no answer to {line!r} within {limit_s:g} s"

    def _encoded(self, line: str) -> bytes:
        data = line.encode("ascii") + _END
        if len(data) > self._line_limit or _END in data[:-1]:
            raise ValueError(f"{self.address}: {data[:60]!r} ({len(data)} bytes) is not one line of at most {self._line_limit} bytes")
        return data

    def _write(self, wire: Wire, data: bytes, deadline: float) -> None:
        wire.write(data, deadline)
        self._sent += 1

    def _require_silence(self, wire: Wire) -> None:
        """Anything waiting now answers an older question."""
        if not self._buffer and not wire.readable(0.0):
            return
        waiting = bytes(self._buffer) or wire.peek()
        self._late += 1
        raise ProtocolError(f"{self.address}: {waiting[:60]!r} arrived that nobody asked for")

    # --- reading
    def _read_until(self, wire: Wire, mark: bytes, limit: int, deadline: float, lateness: str) -> bytes:
        """What comes before the mark, which is taken too."""
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > limit:
                raise ProtocolError(f"{self.address}: a line longer than {limit} bytes: {bytes(self._buffer[:60])!r}")
            self._receive(wire, deadline, lateness)
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    def _read_count(self, wire: Wire, count: int, deadline: float, lateness: str) -> bytes:
        while len(self._buffer) < count:
            self._receive(wire, deadline, lateness)
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def _announced_size(self, wire: Wire, size: int, deadline: float, lateness: str) -> int:
        """Of `#<n><len>` what it says, of `#0` what is expected."""
        digits = self._read_count(wire, 1, deadline, lateness)
        if digits == b"0":
            return size
        if digits.isdigit():
            digits = self._read_count(wire, int(digits), deadline, lateness)
        if not digits.isdigit():
            raise ProtocolError(f"{self.address}: {digits!r} is no size of a block")
        return int(digits)

    def _receive(self, wire: Wire, deadline: float, lateness: str) -> None:
        if not wire.readable(deadline - time.monotonic()):
            raise LinkTimeout(f"{self.address}: {lateness}")
        self._buffer += wire.take()

    # --- settling
    def _is_silent(self) -> bool:
        try:
            return self._wire is not None and not self._buffer and not self._wire.readable(0.0)
        except LinkLost:
            return False

    def _proves(self, probe: Probe, within_s: float) -> bool:
        """Whether the connection answers a probe of its own. Asked twice: the rest of a cut answer spoils the first."""
        wire = self._wire
        if wire is None:
            return False
        deadline = time.monotonic() + within_s
        try:
            self._discard(wire, deadline)
            for count in (self._probes, self._probes + 1):
                self._write(wire, self._encoded(probe.pair(count)[0]), deadline)
            self._probes += 2
            return self._comes(wire, probe.pair(self._probes - 1)[1].encode("ascii"), deadline)
        except LinkError:
            return False

    def _discard(self, wire: Wire, deadline: float) -> None:
        waited = bool(self._buffer)
        self._buffer.clear()
        while wire.readable(0.0) and time.monotonic() < deadline:
            wire.take()
            waited = True
        self._late += waited

    def _comes(self, wire: Wire, wanted: bytes, deadline: float) -> bool:
        """Whether a line comes in time; every other one is late, and dropped."""
        rest = b""
        while wire.readable(deadline - time.monotonic()):
            *lines, rest = (rest + wire.take()).split(_END)
            # Behind its own answer nothing is owed: what came with it is dropped like the rest.
            if wanted in (line.strip() for line in lines):
                return True
            rest = rest[-self._line_limit :]
        return False

    def _require_open(self) -> None:
        if self._closed:
            raise LinkError(f"{self.address}: the link was closed; open the instrument again")

    def _note_fault(self, why: str) -> None:
        self._fault = self._fault or why or "an exchange was broken off"

    def _drop(self) -> None:
        self._buffer.clear()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
