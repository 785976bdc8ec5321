"""One client's connection to one instrument: transport, line and port, moved by whatever happens first.

Rule 1: `take` is called only while the line has room: less than about a frame waits on a line with a speed, nothing waits for a
client that does not read. Such a client is heard no more either, so that memory stays bounded.
Rule 2: one timer, set for the first thing that will be due; nothing is polled.
Rule 3: bytes that were sent before a client left still arrive; a stop followed by a hang-up is a stop.
"""

import asyncio
from collections.abc import Callable

from simulator.channel import READ_BYTES, Channel, End
from simulator.clock import Clock
from simulator.faults import Incident
from simulator.hosted_port import HostedPort
from simulator.line import Way

FRAME_BYTES = 2_100
"""About the longest frame: with more than this on its way the line has no room."""
LINE_READ_BYTES = 4_096
"""What a serial port's driver keeps of what a host writes; more has to wait on the host's side."""
_BURST_BYTES = 65_536
_BURST_NS = 2_000_000


class Session:
    """ways: what lies between, (to the device, to the host); None for nothing. on_reboot: the line restarts the instrument.
    on_end: the session is over, its transport closed."""

    def __init__(
        self,
        clock: Clock,
        port: HostedPort,
        end: End,
        ways: tuple[Way | None, Way | None],
        on_reboot: Callable[[], None],
        on_end: Callable[["Session"], None],
    ) -> None:
        self._now_ns, self._port = clock.now_ns, port
        self._to_device, self._to_host = ways
        self._on_reboot, self._on_end = on_reboot, on_end
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(end, self._received, self._input_ended, self.run)
        self._channel.read_bytes = LINE_READ_BYTES if self._to_device else READ_BYTES
        self._timer: tuple[int, asyncio.Handle] | None = None
        self._ending = self._port_closed = self._over = False
        self._channel.read_on(True)

    def run(self) -> None:
        """Move everything that can move now. An instrument that raises loses this client; the error goes on to the loop."""
        if self._over:
            return
        try:
            now_ns = self._now_ns()
            if self._to_device is not None:
                self._arrive(self._to_device, now_ns, self._feed)
            if not self._over:
                self._speak(now_ns)
                self._settle(now_ns)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """At once, as when the cable is pulled; nothing that was on its way arrives."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer[1].cancel()
        self._channel.close()
        self._close_port()
        self._on_end(self)

    def _received(self, data: bytes) -> None:
        now_ns = self._now_ns()
        if self._to_device is not None:
            self._to_device.send(data, now_ns)
        else:
            try:
                self._port.feed(data, now_ns)
            except BaseException:
                self.close()
                raise
        self.run()

    def _input_ended(self) -> None:
        self._ending = True
        self.run()

    def _feed(self, data: bytes, now_ns: int) -> None:
        if not self._port_closed:
            self._port.feed(data, now_ns)

    def _write(self, data: bytes, _: int) -> None:
        self._channel.write(data)

    def _arrive(self, way: Way, now_ns: int, deliver: Callable[[bytes, int], None]) -> None:
        for what in way.take(now_ns):
            if isinstance(what, bytes):
                deliver(what, now_ns)
            elif what is Incident.REBOOT:
                self._on_reboot()
            else:
                if what is Incident.RESET:
                    self._channel.reset()
                self.close()
                return

    def _speak(self, now_ns: int) -> None:
        said = self._taken(now_ns)
        if self._to_host is None:
            if said:
                self._channel.write(b"".join(said))
            return
        for data in said:
            self._to_host.send(data, now_ns)
        self._arrive(self._to_host, self._now_ns(), self._write)

    def _taken(self, now_ns: int) -> list[bytes]:
        """What the instrument has to say, as far as there is room, at most a burst: other clients wait for their turn."""
        said: list[bytes] = []
        size, latest_ns = 0, now_ns + _BURST_NS
        while now_ns < latest_ns and size < _BURST_BYTES and self._has_room(size) and self._may_take:
            data = self._port.take(now_ns)
            if not data:
                break
            said.append(data)
            size += len(data)
            now_ns = self._now_ns()
        return said

    @property
    def _may_take(self) -> bool:
        return not self._port_closed or self._port.speaks_on

    def _has_room(self, more_bytes: int = 0) -> bool:
        if self._channel.pending:
            return False
        return self._to_host is None or self._to_host.waiting + more_bytes < FRAME_BYTES

    def _settle(self, now_ns: int) -> None:
        """After everything has moved: end, or listen and set the timer."""
        if self._over:
            return
        if self._ending and not self._on_its_way(self._to_device):
            self._close_port()
            done = not self._may_take and not self._on_its_way(self._to_host) and not self._channel.pending
            if done or self._channel.broken:
                self.close()
                return
        crowded = self._to_device is not None and self._to_device.waiting >= LINE_READ_BYTES
        self._channel.read_on(not (self._ending or crowded or self._port.full or self._channel.waits_for_reader))
        self._set_timer(now_ns)

    def _on_its_way(self, way: Way | None) -> bool:
        return way is not None and way.due_ns() is not None

    def _close_port(self) -> None:
        if not self._port_closed:
            self._port_closed = True
            self._port.close()

    def _set_timer(self, now_ns: int) -> None:
        due_ns = self._due_ns(now_ns)
        if due_ns is None or (self._timer is not None and self._timer[0] <= due_ns):
            return  # A timer that comes too early finds nothing to do and sets the next.
        if self._timer is not None:
            self._timer[1].cancel()
        delay_ns = due_ns - self._now_ns()
        handle = self._loop.call_soon(self._timed) if delay_ns <= 0 else self._loop.call_later(delay_ns / 1e9, self._timed)
        self._timer = due_ns, handle

    def _timed(self) -> None:
        self._timer = None
        self.run()

    def _due_ns(self, now_ns: int) -> int | None:
        times = [way.due_ns() for way in (self._to_device, self._to_host) if way is not None]
        if self._may_take and self._has_room():
            times.append(self._port.due_ns(now_ns))
        return min((each for each in times if each is not None), default=None)
