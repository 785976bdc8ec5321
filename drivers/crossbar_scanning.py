"""Triggered scans: the board connects junction after junction to the SMU, hand in hand over two trigger lines.

Rule 1: a scan ends isolated, whatever ended it. Rule 2: the counts of edges decide whether its readings can be trusted.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from drivers.board_operation import LongOperation
from drivers.board_values import ScanReading
from drivers.crossbar_reading import state_name
from drivers.crossbar_session import CrossbarSession
from drivers.crossbar_units import whole
from drivers.errors import ProtocolError, Refused
from firmware_protocol import messages
from firmware_protocol.codes import NO_DEVICE, DeviceState
from firmware_protocol.messages import Malformed, Progress

_MOST_SETTLE_S = 1.0


class RunningScan:
    """One scan under way; made by `Crossbar.scan`."""

    def __init__(self, operation: LongOperation) -> None:
        self._operation = operation

    def progress(self) -> Iterator[tuple[int, int]]:
        """(steps measured, steps in all) as it goes, until it is over. Raises LinkError."""
        for event in self._operation.events():
            if isinstance(event, Progress):
                yield event.done, event.total

    def result(self) -> ScanReading:
        """Waits for the end. Raises LinkError."""
        state = state_name(self._operation.finish().state)
        try:
            found = messages.ScanResult.decode(self._operation.result(0))
        except Malformed as error:
            raise ProtocolError(f"crossbar: the result of the scan is garbled: {error}") from error
        return ScanReading(state, found.steps, found.edges_out, found.edges_in, found.overruns)


class Scanning(CrossbarSession):
    """SCAN."""

    @contextmanager
    def scan(
        self,
        first: tuple[int, int, int],
        count: int,
        *,
        settle_s: float,
        step_timeout_s: float,
        sentinel: tuple[int, int, int] | None = None,
        sentinel_every: int = 0,
    ) -> Generator[RunningScan]:
        """Entering begins it: the first junction is connected and the edge to the SMU given. Leaving ends it, and leaves the
        board isolated. first, sentinel: (kernel, row, column). step_timeout_s: without an edge of the SMU it ends TIMED_OUT.

        Raises Refused (nothing is connected), OverLimit, LinkError.
        """
        if not (0.0 <= settle_s <= _MOST_SETTLE_S and 1e-3 <= step_timeout_s <= 3600.0):
            raise Refused(f"crossbar: settle_s {settle_s} is at most {_MOST_SETTLE_S}, step_timeout_s {step_timeout_s} at least 1 ms")
        if (sentinel is None) != (sentinel_every == 0) or not 0 <= whole(sentinel_every, "sentinel_every") <= 0xFFFF:
            raise Refused("crossbar: a sentinel and sentinel_every (1 to 65535) go together")
        device = self._device(*first)
        if not 1 <= whole(count, "count") <= self._geometry.devices - device:
            raise Refused(f"crossbar: a scan of {count} junctions from {first} does not fit the die")
        marker = NO_DEVICE if sentinel is None else self._device(*sentinel)
        request = messages.Scan(device, count, marker, sentinel_every, round(settle_s * 1e6), round(step_timeout_s * 1e3))
        if self._state is DeviceState.ARMED:
            self.isolate()
        try:
            with self._operation(request, step_timeout_s) as operation:
                self._state = DeviceState.SELECTED
                yield RunningScan(operation)
        finally:
            self._left_isolated()

    def _left_isolated(self) -> None:
        if self._state is DeviceState.SELECTED and not self._link.down:
            self._enter_what_it_says()
