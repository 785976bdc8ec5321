"""Pulse, read, pulse again only what did not switch. Rule 1: nothing is pulsed twice without a reading in between that says
it has to be, above all not after an outcome that nobody knows. Rule 2: a junction has one budget of pulses for its step,
whoever gives them; a pulse that may have been given counts as given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.crossbar_verifying import MOST_PULSES
from drivers.errors import OutcomeUnknown
from hil.model.plans import CharacterisePlan, ProgramPlan
from hil.runs.context import Measured
from hil.runs.levels import Levels, Mask, Siemens, wrong_state
from hil.runs.metadata import read_path
from hil.runs.windows import Window, windows
from hil.station.reading import BoardWriting
from hil.station.station import Station

_FEW = 0.2
"""Up to this share of a kernel it is quicker to read junctions alone."""


@dataclass
class KernelWriter:
    """One kernel under the needles: pulses and reads it, counting what it did.

    begun: it may have been pulsed before its run was stopped, so that nobody knows what state it is in. to_p: (rows, columns) bool,
    whether the last pulse of each was one to P.
    pulses: (rows, columns) uint16, pulses that each junction got, or may have got. unknown: (rows, columns) bool, a pulse
    whose outcome was lost.
    """

    station: Station
    plan: CharacterisePlan | ProgramPlan
    kernel: int
    begun: bool = False
    pulses: NDArray[np.uint16] = field(init=False)
    unknown: Mask = field(init=False)
    to_p: Mask = field(init=False)
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    untrusted: int = 0

    def __post_init__(self) -> None:
        self.pulses = np.zeros(self.shape, np.uint16)
        self.unknown = np.zeros(self.shape, np.bool_)
        self.to_p = np.zeros(self.shape, np.bool_)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of a kernel."""
        chip = self.station.lab.chip
        return (chip.rows, chip.columns)

    @property
    def left(self) -> NDArray[np.int64]:
        """(rows, columns), pulses that each junction may still get: max_pulses for each state that is written, or, where the
        first pulse only shows what a state looks like, one for it."""
        most = self.plan.max_pulses
        return most + (most if isinstance(self.plan, CharacterisePlan) else 1) - self.pulses.astype(np.int64)

    def write(self, mask: Mask, to_p: bool) -> None:
        """One pulse on every junction of the mask that may still get one. An unknown outcome is noted; the next reading tells."""
        mask = mask & (self.left > 0)
        if not mask.any():
            return
        self.to_p[mask] = to_p
        volts = self.plan.pulse_volts if to_p else -self.plan.pulse_volts
        try:
            given = self.station.pulse(self.kernel, mask, volts, self.plan.pulse_s)
        except OutcomeUnknown as error:
            given = mask
            self._lost(mask, error)
        self.pulses += given.astype(np.uint16)

    def read(self, averages: int | None = None) -> Siemens:
        """averages: as the plan has it where not told; of the board only."""
        path = read_path(self.plan)
        reading = self.station.read_kernel(self.kernel, self.plan.read_volts, averages or self.plan.averages, path, self.plan.nplc)
        self.untrusted = max(self.untrusted, reading.flagged)
        return reading.siemens

    def read_twice(self) -> tuple[Siemens, Siemens]:
        """The plan's averages in two readings: their mean, and the second minus the first, which shows who does not keep a state.

        One reading, and NaN, where there is only one to take, and through the SMU, which takes its time.
        """
        first = self.plan.averages // 2
        if not first or read_path(self.plan) == "smu":
            whole = self.read()
            return whole, np.full_like(whole, np.nan)
        second = self.plan.averages - first
        one, two = self.read(first), self.read(second)
        mean = np.where(np.isnan(one), two, np.where(np.isnan(two), one, (first * one + second * two) / (first + second)))
        return mean.astype(np.float32), two - one

    def read_again(self, mask: Mask, times: int) -> Siemens:
        """(junctions of the mask, times) S, by the SMU; NaN where a reading is not to be trusted. Round after round, so that the readings
        of one junction lie as far apart in time as they can: part of its slow noise then averages as well."""
        places = [(self.kernel, int(row), int(column)) for row, column in np.argwhere(mask)]
        junctions = places * times
        plan = self.plan
        reading = self.station.read_junctions(junctions, plan.read_volts, plan.averages, "smu", plan.nplc)
        return np.ascontiguousarray(reading.siemens.reshape(times, len(places)).T)

    @property
    def board_writes(self) -> bool:
        """Whether the board can be left to write and verify; through the SMU it cannot, as it reads for itself."""
        return read_path(self.plan) == "board" and self.station.board_writes

    def by_the_board(self, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens:
        """The board pulses and reads the junctions of the masks by itself, until each is where it should be or has had its
        pulses. What the kernel reads then."""
        may = self.left > 0
        found: Siemens | None = None
        shown = self.station.board_shows(self.plan.read_volts)
        for window in windows(to_p & may, to_ap & may, known.midpoint, known.p - known.ap, shown):
            found = self._through(window)
        return self.read() if found is None else found

    def _through(self, window: Window) -> Siemens | None:
        """The board's last reading of the kernel; None when it does not show what the kernel is now."""
        sent = np.isfinite(window.targets)
        if not sent.any():
            return None
        most = min(int(self.left[sent].min()), MOST_PULSES)
        plan = self.plan
        how = BoardWriting(
            read_volts=plan.read_volts,
            averages=plan.averages,
            pulse_volts=plan.pulse_volts,
            pulse_s=plan.pulse_s,
            max_pulses=most,
            tolerance_siemens=window.tolerance,
            slack_siemens=window.slack,
        )
        try:
            written = self.station.write_verify(self.kernel, window.targets, how)
        except OutcomeUnknown as error:
            self.pulses += np.where(sent, most, 0).astype(np.uint16)
            self._lost(sent, error)
            return None
        self.pulses += written.pulses
        if written.cut is not None:
            text = f"kernel {self.kernel}: the board ended its writing before its time: {written.cut}; read back, the rest pulse by pulse"
            self.notes.append(("writing cut", text))
            return None
        self.untrusted = max(self.untrusted, written.found.flagged)
        return written.found.siemens

    def _lost(self, mask: Mask, error: OutcomeUnknown) -> None:
        self.unknown |= mask
        self.notes.append(("unknown pulse", f"kernel {self.kernel}: {error}; read back instead of repeating"))

    def insist(self, last: Siemens, among: Mask, known: Levels, to_p: bool) -> Siemens:
        """Pulse again, while it may get more, what `last` shows in the wrong state; its last readings, else `last`.

        A junction that could not be read (NaN) is left alone: nobody knows whether it needs a pulse.
        """
        for _ in range(self.plan.max_pulses - 1):
            todo = among & wrong_state(last, known, to_p) & (self.left > 0)
            if not todo.any():
                break
            self.write(todo, to_p)
            last = np.where(todo, self._read_some(todo), last)
        return last

    def _read_some(self, mask: Mask) -> Siemens:
        """(rows, columns): readings of the mask's junctions at least. The few that a kernel is held up by are read alone."""
        path = read_path(self.plan)
        if mask.mean() > _FEW or not (path == "smu" or self.station.board_reads_lists):
            return self.read()
        junctions = [(self.kernel, int(row), int(column)) for row, column in np.argwhere(mask)]
        found = np.full(self.shape, np.nan, np.float32)
        found[mask] = self.station.read_junctions(junctions, self.plan.read_volts, self.plan.averages, path, self.plan.nplc).siemens
        return found

    def measured(self, arrays: Mapping[str, NDArray[Any]]) -> Measured:
        """The step's result: `arrays` beside the pulses given (uint16) and those with one whose outcome was lost (uint8)."""
        own = {"pulses": self.pulses, "unknown": self.unknown.astype(np.uint8)}
        return Measured({**arrays, **own}, self.untrusted + int(self.unknown.sum()), tuple(self.notes))
