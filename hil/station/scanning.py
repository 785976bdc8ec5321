"""Junction after junction to the SMU without a word of the host in between: the controller connects one and raises a line, the SMU
measures it and raises the other.

Rule 1: a reading belongs to a junction only if every count agrees: steps, edges out, edges in and readings, none missed and none too
early; and the sentinel, one junction measured again and again, reads alike each time. Otherwise nothing of the scan is kept. The SMU
waits for one edge more than there are steps: one that nobody sent is a reading too many, and not the next junction's.
Rule 2: of a scan that the controller ended before its time, what all counts agree on is kept, and a fresh one goes on from the first
junction without a reading. Nothing is guessed.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from drivers.board_values import ScanReading
from drivers.errors import EmergencyStopped, LinkError
from drivers.protocols import SmuScan, SourceMeter
from drivers.smu.planning import Course, Pace, plan_readings
from drivers.smu.values import Floats, ScanSettings, SmuTrace, SourceSettings
from hil.model.lab import LabConfig
from hil.station.errors import ScanRefused
from hil.station.instruments import Instruments
from hil.station.safety import attempt
from hil.station.smu_path import Checkpoint, Junction, SmuRead, SmuReadings, energised, junction_limits, line_hertz, model_of

T = TypeVar("T")

SENTINEL_EVERY = 250
MEASURED_SIEMENS = 1e-3
"""The range is set to what a junction of so much conductance draws: shorts may be beyond it, all else is measured finely."""
_SENTINEL_ALIKE = 0.05
"""Readings of the sentinel lie within this share of their median, to either side; telegraph noise of a junction is less."""
_SENTINEL_FLOOR_SIEMENS = 20e-6
"""And what noise at the shortest aperture makes of any; the two states of a junction differ by many times that."""
_MOST_STRETCHES = 8
"""Fresh scans for one task: lines that lose more edges than that want mending."""
_TRIES = 3
"""A question to the SMU whose line was lost is asked again: its buffer keeps what could not be fetched."""
_LAST_READINGS_S = 1.0
_EARLY = ("TIMED_OUT", "ABORTED", "DEAD_MAN")
_SENTINEL = -1
_TOO_MANY = 1
"""Readings that are waited for beside those wanted."""


@dataclass(frozen=True)
class Counts:
    """What each side counted of one stretch. steps: of all of it, sentinels included. missed: edges that the SMU had no time for."""

    board: ScanReading
    readings: int
    missed: int

    def trusted(self) -> int:
        """How many steps, from the first, have a reading that can only be theirs. Raises ScanRefused, EmergencyStopped."""
        board = self.board
        if board.ended == "STOPPED":
            raise EmergencyStopped("crossbar: an emergency stop ended the scan; find out why, then reset it")
        if self.missed or board.overruns:
            raise ScanRefused(str(self))
        if board.sound and self.readings == board.steps:
            return board.steps
        # The last edge out may have found no answer, and the last reading no edge back: neither is counted on.
        if board.ended in _EARLY and board.edges_in <= self.readings <= board.edges_out <= board.edges_in + 1:
            return board.edges_in
        raise ScanRefused(str(self))

    def __str__(self) -> str:
        board = self.board
        return (
            f"{board.steps} steps, {board.edges_out} edges to the SMU, {board.edges_in} edges back ({board.overruns} too early), "
            f"{self.readings} readings, {self.missed} edges missed by the SMU; the controller says {board.ended}"
        )


def scan(
    instruments: Instruments, lab: LabConfig, first: int, count: int, how: SmuRead, checkpoint: Checkpoint, settle_s: float = 0.0
) -> SmuReadings:
    """Junctions `first` to `first + count - 1` in the order kernel, row, column, at one level, through the trigger lines.

    settle_s: beside the time of the switch. checkpoint: called at least twice a second, and may raise. What a junction of more than
    MEASURED_SIEMENS draws is limited. Raises ScanRefused, EmergencyStopped, OverLimit, LinkError; all is off and isolated then too.
    """
    smu, limits = instruments.smu, lab.limits
    model = model_of(smu)
    limit_amps = model.limit_that_holds("volts", min(limits.current_amps, abs(how.read_volts) * MEASURED_SIEMENS))
    pace = Pace(how.nplc, settle_s, autozero=False, line_hertz=line_hertz(smu))
    readings = len(step_order(count)) + _TOO_MANY
    course = plan_readings(model, readings, how.read_volts, limit_amps, pace, junction_limits(limits), triggered=True)
    settings = SourceSettings(
        limit_amps,
        range_volts=abs(how.read_volts),
        nplc=how.nplc,
        limit_volts=limits.read_volts,
        measure_range_amps=limit_amps,
        autozero=False,
    )
    with energised(instruments, settings):
        return _Task(instruments, lab.chip.shape, how.read_volts, course, settle_s, checkpoint).all_of(first, count)


def step_order(count: int) -> NDArray[np.int64]:
    """(steps,): which of `count` junctions each step connects, the sentinel as -1: before the first and after every SENTINEL_EVERY."""
    parts = [[_SENTINEL, *range(start, min(start + SENTINEL_EVERY, count))] for start in range(0, count, SENTINEL_EVERY)]
    last = [_SENTINEL] if count % SENTINEL_EVERY == 0 else []
    return np.array([*(step for part in parts for step in part), *last], np.int64)


def require_alike(sentinels: SmuTrace, sentinel: Junction, counts: str) -> None:
    """Raises ScanRefused unless all readings of the sentinel show one and the same junction."""
    limited, amps, volts = sentinels.limited, sentinels.amps, np.abs(sentinels.level)
    if limited.all():
        return
    spread = float(np.abs(amps - np.median(amps)).max()) if not limited.any() else float("inf")
    allowed = max(_SENTINEL_ALIKE * abs(float(np.median(amps))), _SENTINEL_FLOOR_SIEMENS * float(volts.max()))
    # NaN is not alike either.
    if not spread <= allowed:
        raise ScanRefused(f"junction {sentinel}, measured {len(amps)} times between the others, differs by {spread:.3g} A ({counts})")


class _Task:
    """One call of `scan`: as many stretches as it takes."""

    def __init__(
        self,
        instruments: Instruments,
        shape: tuple[int, int, int],
        read_volts: float,
        course: Course,
        settle_s: float,
        checkpoint: Checkpoint,
    ) -> None:
        self._instruments, self._shape, self._volts = instruments, shape, read_volts
        self._course, self._settle_s, self._checkpoint = course, settle_s, checkpoint
        self._sentinels: list[SmuTrace] = []

    def all_of(self, first: int, count: int) -> SmuReadings:
        sentinel, step_s = self._place(first), self._course.duration_s / len(step_order(count))
        parts: list[SmuTrace] = []
        counts: list[str] = []
        done = 0
        while done < count:
            if len(counts) == _MOST_STRETCHES:
                raise ScanRefused(f"{done} of {count} junctions after {len(counts)} scans, the last one: {counts[-1]}")
            trace, said = self._stretch(first + done, count - done, sentinel, step_s)
            counts.append(said)
            parts.append(trace)
            done += len(trace)
        require_alike(joined(self._sentinels), sentinel, "; then ".join(counts))
        whole = joined(parts)
        return SmuReadings(whole.amps, np.where(whole.limited, np.nan, whole.volts), whole.limited)

    def _place(self, device: int) -> Junction:
        kernel, row, column = (int(each) for each in np.unravel_index(device, self._shape))
        return kernel, row, column

    def _stretch(self, first: int, count: int, sentinel: Junction, step_s: float) -> tuple[SmuTrace, str]:
        """Readings of the junctions from `first` on, as far as it came, and the counts in words. step_s: of one of them."""
        smu, crossbar = self._instruments.smu, self._instruments.crossbar
        order = step_order(count)
        self._checkpoint()
        with (
            smu.scan(ScanSettings(len(order) + _TOO_MANY, self._volts)) as readings,
            crossbar.scan(
                self._place(first),
                count,
                settle_s=self._settle_s,
                step_timeout_s=self._course.step_timeout_s,
                sentinel=sentinel,
                sentinel_every=SENTINEL_EVERY,
            ) as steps,
            _off_first(self._instruments.smu),
        ):
            fetched = _Fetched(readings)
            for _ in steps.progress():
                self._checkpoint()
                fetched.more()
            board = steps.result()
            fetched.last(min(board.edges_in, len(order)), step_s)
            counts = Counts(board, len(fetched), fetched.missed())
        kept = order[: counts.trusted()]
        trace = fetched.trace(len(kept))
        if np.any(kept == _SENTINEL):
            self._sentinels.append(_only(trace, kept == _SENTINEL))
        return _only(trace, kept != _SENTINEL), str(counts)


@contextmanager
def _off_first(smu: SourceMeter) -> Generator[None]:
    """Whatever goes wrong inside: the output is off before the scan is ended on either side."""
    try:
        yield
    except BaseException:
        attempt(smu.output_off)
        raise


class _Fetched:
    """Readings fetched so far, while the instrument goes on."""

    def __init__(self, readings: SmuScan) -> None:
        self._readings = readings
        self._parts: list[SmuTrace] = []

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def more(self) -> None:
        """What came since. Raises LinkError."""
        self._parts.append(_asked(self._readings.read))

    def last(self, wanted: int, step_s: float) -> None:
        """Until as many as the controller saw taken are here, or the instrument has had its time; and what one step later is there beyond
        them."""
        end_s = time.monotonic() + _LAST_READINGS_S
        self.more()
        while len(self) < wanted and time.monotonic() < end_s:
            self.more()
        time.sleep(step_s)
        self.more()

    def missed(self) -> int:
        return _asked(self._readings.missed_edges)

    def trace(self, count: int) -> SmuTrace:
        """The first `count`."""
        whole = joined(self._parts)
        return _only(whole, np.arange(len(whole)) < count)


def _asked(question: Callable[[], T]) -> T:
    for _ in range(_TRIES - 1):
        try:
            return question()
        except LinkError:
            continue
    return question()


def joined(parts: list[SmuTrace]) -> SmuTrace:
    """Readings one after another; at_s of each part from its own beginning. None at all for no parts."""

    def column(name: str) -> Floats:
        return np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])

    return SmuTrace("volts", column("level"), column("volts"), column("amps"), column("limited").astype(np.bool_), column("at_s"))


def _only(trace: SmuTrace, which: NDArray[np.bool_]) -> SmuTrace:
    return SmuTrace("volts", *(getattr(trace, name)[which] for name in ("level", "volts", "amps", "limited", "at_s")))
