"""What statistics, twin and change detection start from: the maps of one die that belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.analysis.noise import step_siemens
from hil.model.defects import Defect
from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, DefectMap

KINDS = (Defect.SHORT, Defect.OPEN, Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR, Defect.UNSTABLE)
"""Kinds of defect; the other codes are good and not known."""


@dataclass(frozen=True)
class MeasuredDie:
    """The three maps of one die that belong together. die: where it lies on the wafer, where that is known."""

    p: ConductanceMap
    ap: ConductanceMap
    defects: DefectMap
    die: DieIndex | None = None

    @property
    def good(self) -> NDArray[np.bool_]:
        """Junctions classed good that conduct in both states, (kernels, rows, columns)."""
        return (self.defects.codes == Defect.GOOD) & (self.p.siemens > 0) & (self.ap.siemens > 0)


def places(dies: Sequence[MeasuredDie]) -> list[DieIndex] | None:
    """Where the dies lie; None unless all of them say it."""
    known = [each.die for each in dies if each.die is not None]
    return known if len(known) == len(dies) else None


def reading_step(each: ConductanceMap) -> float:
    """Width of the converter's steps in a map, S; 0 where the SMU read it or nobody says how."""
    if each.meta.get("path") != "board":
        return 0.0
    return float(np.sqrt(12.0)) * step_siemens(each.read_volts, max(int(each.meta.get("averages") or 1), 1))
