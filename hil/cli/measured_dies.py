"""Measured dies of a wafer over HTTP, each with the maps that belong together.

A die counts with its newest defect map and the maps that was derived from; one that has maps of both states alone, as an imported
one may, is classified here."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.analysis.classify import classify
from hil.analysis.measured import MeasuredDie
from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, DefectMap

State = Literal["P", "AP"]
_LOOKED_AT = 200
"""Newest maps of a die among which those of both states are sought."""


def measured_dies(lab: LabClient, wafer: str) -> list[MeasuredDie]:
    """Of a wafer, ordered by (y, x); those that lack a state are left out. Raises NotFound for an unknown wafer."""
    read = {die for state in ("P", "AP") for die in lab.conductance(wafer, state).dies}
    found = [_measured(lab, wafer, die) for die in sorted(read, key=lambda die: (die[1], die[0]))]
    return [die for die in found if die is not None]


def _measured(lab: LabClient, wafer: str, die: DieIndex) -> MeasuredDie | None:
    metas = lab.maps(wafer, *die, limit=_LOOKED_AT)
    derived = next((meta for meta in metas if meta["kind"] == "defects" and {"P", "AP"} <= set(meta.get("inputs") or {})), None)
    if derived is not None:
        by_id = {meta["id"]: meta for meta in metas}
        p, ap = (by_id.get(derived["inputs"][state]) or lab.map_meta(derived["inputs"][state]) for state in ("P", "AP"))
    else:
        p, ap = (next((meta for meta in metas if meta["kind"] == "conductance" and meta["state"] == state), None) for state in ("P", "AP"))
    if p is None or ap is None:
        return None
    maps = _conductance(lab, p, "P"), _conductance(lab, ap, "AP")
    return MeasuredDie(*maps, classify(*maps) if derived is None else _defects(lab, derived), die)


def _conductance(lab: LabClient, meta: dict[str, Any], state: State) -> ConductanceMap:
    siemens: NDArray[np.float32] = lab.map(meta["id"]).array
    return ConductanceMap(siemens, state, float(meta["read_volts"]), meta)


def _defects(lab: LabClient, meta: dict[str, Any]) -> DefectMap:
    """The codes. Line faults and confidence stay with the service: what is made of the dies here asks for neither."""
    codes: NDArray[np.uint8] = lab.map(meta["id"]).array
    return DefectMap(codes, np.zeros(codes.shape, np.uint8), np.ones(codes.shape, np.float32), meta["rule"], meta)
