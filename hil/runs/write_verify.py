"""Pulse, read, pulse again only what did not switch. Rule: nothing is pulsed twice without a reading in between that says
it has to be, above all not after an outcome that nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OutcomeUnknown
from hil.model.plans import CharacterisePlan, ProgramPlan
from hil.runs.context import Measured
from hil.runs.levels import Levels, Mask, Siemens, wrong_state
from hil.runs.metadata import read_path
from hil.station.reading import BoardWriting
from hil.station.station import Station

_WINDOW, _MARGIN = 0.75, 0.1
"""Half a window around a target, and what is left of it for noise between two readings, in gaps of the two states."""


@dataclass
class KernelWriter:
    """One kernel under the needles: pulses and reads it, counting what it did.

    begun: it may have been pulsed before its run was stopped, so that nobody knows what state it is in.
    pulses: (rows, columns) uint16, pulses that each junction got, or may have got. unknown: (rows, columns) bool, a pulse
    whose outcome was lost.
    """

    station: Station
    plan: CharacterisePlan | ProgramPlan
    kernel: int
    begun: bool = False
    pulses: NDArray[np.uint16] = field(init=False)
    unknown: Mask = field(init=False)
    notes: list[str] = field(default_factory=list[str])
    untrusted: int = 0

    def __post_init__(self) -> None:
        self.pulses = np.zeros(self.shape, np.uint16)
        self.unknown = np.zeros(self.shape, np.bool_)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of a kernel."""
        chip = self.station.lab.chip
        return (chip.rows, chip.columns)

    def write(self, mask: Mask, to_p: bool) -> None:
        """One pulse on every junction of the mask. An unknown outcome is noted; the reading that follows tells."""
        if not mask.any():
            return
        volts = self.plan.pulse_volts if to_p else -self.plan.pulse_volts
        try:
            given = self.station.pulse(self.kernel, mask, volts, self.plan.pulse_s)
        except OutcomeUnknown as error:
            given = mask
            self.unknown |= mask
            self.notes.append(f"kernel {self.kernel}: {error}; read back instead of repeating")
        self.pulses += given.astype(np.uint16)

    def read(self) -> Siemens:
        reading = self.station.read_kernel(self.kernel, self.plan.read_volts, self.plan.averages, read_path(self.plan))
        self.untrusted = max(self.untrusted, reading.flagged)
        return reading.siemens

    def read_if_begun(self) -> Siemens:
        """What a kernel begun before holds now; all NaN for a fresh one, whose state nobody needs to know."""
        return self.read() if self.begun else np.full(self.shape, np.nan, np.float32)

    @property
    def board_writes(self) -> bool:
        """Whether the board can be left to write and verify; through the SMU it cannot, as it reads for itself."""
        return read_path(self.plan) == "board" and self.station.board_writes

    def write_by_the_board(self, seen: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens | None:
        """The board pulses and reads by itself what of the masks `seen` says a pulse can bring over. Its last reading of the
        kernel; None when nobody knows what it did."""
        writable = known.could_switch(seen)
        gap = known.p - known.ap
        # Windows that meet at the midpoint and reach one gap beyond the states: whatever lies farther out is broken.
        half = _WINDOW * gap
        targets = np.select([to_p & writable, to_ap & writable], [known.midpoint + half, known.midpoint - half], np.nan)
        plan = self.plan
        how = BoardWriting(
            read_volts=plan.read_volts,
            averages=plan.averages,
            pulse_volts=plan.pulse_volts,
            pulse_s=plan.pulse_s,
            max_pulses=plan.max_pulses,
            tolerance_siemens=half - _MARGIN * gap,
            slack_siemens=_MARGIN * gap,
        )
        try:
            written = self.station.write_verify(self.kernel, targets, how)
        except OutcomeUnknown as error:
            lost = np.isfinite(targets)
            self.unknown |= lost
            self.pulses += lost.astype(np.uint16)
            self.notes.append(f"kernel {self.kernel}: {error}; read back instead of repeating")
            return None
        self.pulses += written.pulses
        self.untrusted = max(self.untrusted, written.found.flagged)
        return written.found.siemens

    def insist(self, last: Siemens, among: Mask, known: Levels, to_p: bool) -> Siemens:
        """Pulse again, up to the plan's max_pulses in all, what `last` shows in the wrong state; its last readings, else `last`.

        A junction that could not be read (NaN) is left alone: nobody knows whether it needs a pulse.
        """
        for _ in range(self.plan.max_pulses - 1):
            todo = among & wrong_state(last, known, to_p)
            if not todo.any():
                break
            self.write(todo, to_p)
            last = np.where(todo, self.read(), last)
        return last

    def measured(self, arrays: Mapping[str, NDArray[Any]]) -> Measured:
        """The step's result: `arrays` beside the pulses given (uint16) and those with one whose outcome was lost (uint8)."""
        own = {"pulses": self.pulses, "unknown": self.unknown.astype(np.uint8)}
        return Measured({**arrays, **own}, self.untrusted + int(self.unknown.sum()), tuple(self.notes))
