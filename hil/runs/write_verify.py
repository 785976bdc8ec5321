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
from hil.runs.metadata import read_path
from hil.station.station import Station

Mask = NDArray[np.bool_]
Siemens = NDArray[np.float32]

_ONE_STATE = 0.1
"""Two medians closer than this share of the lower one are one state: the kernel does not switch."""


@dataclass(frozen=True)
class Levels:
    """Typical conductance of a kernel's two states, S, from its own medians. valid: the two can be told apart."""

    p: float
    ap: float

    @property
    def valid(self) -> bool:
        return self.p - self.ap > _ONE_STATE * abs(self.ap)

    @property
    def midpoint(self) -> float:
        return (self.p + self.ap) / 2

    def could_switch(self, siemens: Siemens) -> Mask:
        """Within one gap of the two states. Beyond it lies broken metal, which no pulse mends: shorts and opens."""
        gap = self.p - self.ap
        return (siemens > self.ap - gap) & (siemens < self.p + gap)


def levels(p: Siemens, ap: Siemens) -> Levels:
    """From readings after writing P and after writing AP; NaN are left out."""
    return Levels(_median(p), _median(ap))


@dataclass
class KernelWriter:
    """One kernel under the needles: pulses and reads it, counting what it did.

    pulses: (rows, columns) uint16, pulses that each junction got, or may have got. unknown: (rows, columns) bool, a pulse
    whose outcome was lost.
    """

    station: Station
    plan: CharacterisePlan | ProgramPlan
    kernel: int
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


def wrong_state(siemens: Siemens, known: Levels, to_p: bool) -> Mask:
    """Readings on the other side of the midpoint that a pulse could still bring over. NaN is never wrong."""
    if not known.valid:
        return np.zeros(siemens.shape, np.bool_)
    beyond = siemens < known.midpoint if to_p else siemens > known.midpoint
    return beyond & known.could_switch(siemens)


def _median(siemens: Siemens) -> float:
    finite = siemens[np.isfinite(siemens)]
    return float(np.median(finite)) if finite.size else float("nan")
