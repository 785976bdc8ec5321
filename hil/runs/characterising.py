"""Both states of every junction of one kernel: a screening pass by the board, and where the plan's path is auto the SMU on what that leaves
in doubt.

Rule 1: what is read again is read in the state it is in first; then it gets one pulse into the other. It gets another only if the SMU shows
it where it was, although the board had seen it switch, and while its budget lasts (see `write_verify`).
Rule 2: what is in doubt is judged by the die so far: a kernel alone does not know its die's limits well."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.analysis.classify import classify
from hil.analysis.remeasure import READINGS, SLOW_AP, SLOW_P, Repeated, in_doubt, mean_of
from hil.model.maps import ConductanceMap
from hil.runs.context import Arrays, Measured
from hil.runs.levels import Levels, Mask, Siemens, levels
from hil.runs.reread import repeats_of
from hil.runs.write_verify import KernelWriter

_SWITCHES = 0.1
"""A junction whose states the board saw differ by so much of the kernel's gap can be told in which of them it is."""
_ENOUGH_KERNELS = 8
"""So many kernels measured before show what a good junction of the die is: its limits are then known better than a reading is."""


def characterise(writer: KernelWriter, before: Mapping[int, Arrays]) -> Measured:
    """Write all P, read, write all AP, read; then bring over those that did not follow, AP first because the kernel is in AP; then read
    again what is in doubt.

    One that was begun before is written like a fresh one: of a junction that reads like P nobody knows whether it is in P.
    before: kernels of the die that are measured already. arrays (rows, columns): p, ap float32 S, the last reading after each state was
    written; p_change, ap_change (see `read_twice`); p_error, ap_error, smu_p, smu_ap (see `AgainRead`); pulses uint16; unknown uint8.
    """
    everything = np.ones(writer.shape, np.bool_)
    writer.write(everything, to_p=True)
    p, p_change = writer.read_twice()
    writer.write(everything, to_p=False)
    ap, ap_change = writer.read_twice()
    known = levels(p, ap)
    ap = writer.insist(ap, everything, known, to_p=False)
    p = writer.insist(p, everything, known, to_p=True)
    again = AgainRead.nothing(p, ap)
    if writer.plan.path == "auto":
        doubt = _doubtful(writer, before, {"p": p, "ap": ap, "p_change": p_change, "ap_change": ap_change})
        if doubt.any():
            again = _Again(writer, doubt, known, p, ap).read()
    return writer.measured({**again.arrays(), "p_change": p_change, "ap_change": ap_change})


@dataclass
class AgainRead:
    """p, ap: what the kernel reads, S, by the SMU where that read it. p_error, ap_error: standard uncertainty of the SMU's, NaN elsewhere.
    smu_p, smu_ap: how many readings of the SMU stand behind a value, 0 for the board's."""

    p: Siemens
    ap: Siemens
    p_error: Siemens
    ap_error: Siemens
    smu_p: NDArray[np.uint8]
    smu_ap: NDArray[np.uint8]

    @classmethod
    def nothing(cls, p: Siemens, ap: Siemens) -> "AgainRead":
        none, never = np.full(p.shape, np.nan, np.float32), np.zeros(p.shape, np.uint8)
        return cls(p.copy(), ap.copy(), none.copy(), none.copy(), never.copy(), never.copy())

    def take(self, mask: Mask, found: Repeated, in_p: bool) -> None:
        """found: of the mask's junctions, in order; those without one good reading are left as they were."""
        name = "p" if in_p else "ap"
        read = found.count > 0
        where = tuple(np.argwhere(mask)[read].T)
        getattr(self, name)[where] = found.siemens[read]
        getattr(self, f"{name}_error")[where] = found.error[read]
        getattr(self, f"smu_{name}")[where] = found.count[read]

    def arrays(self) -> dict[str, NDArray[np.float32] | NDArray[np.uint8]]:
        return dict(vars(self))


class _Again:
    """The SMU on the junctions in doubt. p, ap: what the board read."""

    def __init__(self, writer: KernelWriter, doubt: Mask, known: Levels, p: Siemens, ap: Siemens) -> None:
        self._writer, self._doubt, self._known = writer, doubt, known
        self._p, self._ap = p, ap
        self._found = AgainRead.nothing(p, ap)

    def read(self) -> AgainRead:
        in_p = self._writer.to_p.copy()
        self._read(self._doubt & ~in_p, in_p=False)
        self._read(self._doubt & in_p, in_p=True)
        # Without a pulse left the board's reading of the other state is all there is.
        other = self._doubt & (self._writer.left > 0)
        self._bring(other & ~in_p, to_p=True)
        self._bring(other & in_p, to_p=False)
        return self._found

    def _bring(self, mask: Mask, to_p: bool) -> None:
        """Each into the other state, which the SMU then reads."""
        self._writer.write(mask, to_p)
        self._read(mask, to_p)
        for _ in range(self._writer.plan.max_pulses - 1):
            mask = mask & self._where_it_was(to_p) & (self._writer.left > 0)
            if not mask.any():
                return
            self._writer.write(mask, to_p)
            self._read(mask, to_p)

    def _read(self, mask: Mask, in_p: bool) -> None:
        if mask.any():
            readings = self._writer.read_again(mask, READINGS)
            self._found.take(mask, mean_of(readings, SLOW_P if in_p else SLOW_AP), in_p)

    def _where_it_was(self, to_p: bool) -> Mask:
        """What the board saw switch, and what the SMU reads nearer to the state it came from."""
        target, origin = (self._p, self._ap) if to_p else (self._ap, self._p)
        reads = self._found.p if to_p else self._found.ap
        switches = self._p - self._ap > _SWITCHES * (self._known.p - self._known.ap)
        return switches & (np.abs(reads - target) > np.abs(reads - origin))


def _doubtful(writer: KernelWriter, before: Mapping[int, Arrays], own: Arrays) -> Mask:
    """(rows, columns): by the classes that this kernel's junctions have among those of the die so far."""
    kernels = {**{kernel: before[kernel] for kernel in list(before)[-_ENOUGH_KERNELS:]}, writer.kernel: own}
    order = sorted(kernels)
    known = {place: kernels[kernel] for place, kernel in enumerate(order)}
    plan, meta = writer.plan, {"path": "board", "averages": writer.plan.averages}
    p, ap = (np.stack([kernels[kernel][name] for kernel in order]) for name in ("p", "ap"))
    maps = ConductanceMap(p, "P", plan.read_volts, meta), ConductanceMap(ap, "AP", plan.read_volts, meta)
    found = classify(*maps, repeats=repeats_of(known, len(order)))
    return in_doubt(found, order.index(writer.kernel))
