"""STDF V4: a part is a die. Tests: 1 share of good junctions, 10 + code junctions of each class; then arrays of a kernel, rows one after
another, as MPR: 1000 + kernel conductance in P, 2000 + kernel in AP, 3000 + kernel as found, 4000 + kernel class codes.

NaN: not measured. Origin and map ids stand in DTR records. No part passes or fails; soft and hard bins are those of `exports.BINS`.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.frames import StdfWafer
from hil.report import stdf
from hil.report.exports import BINS, NOT_CLASSIFIED, Exported, ExportedDie, ExportFailed, bin_of

FIRST_TEST = {"P": 1000, "AP": 2000, "as_found": 3000, "defects": 4000}
FIRST_CLASS = 10
_CLASS_PLACES = {defect: place for place, defect in enumerate(Defect)}


def write_stdf(exported: Exported, path: Path) -> None:
    """Raises ExportFailed for kernels of more junctions than a record holds."""
    at = int(datetime.fromisoformat(exported.exported_at).timestamp())
    wafer = StdfWafer()
    bins: Counter[int] = Counter()
    with path.open("wb") as file:
        file.write(stdf.far() + stdf.mir(at, exported.wafer, ("mtj-hil export", exported.code_version)))
        file.write(stdf.wcr(wafer.wf_flat, (wafer.pos_x, wafer.pos_y), (wafer.center_x, wafer.center_y)))
        file.write(stdf.wir(at, exported.wafer))
        for die in exported.pull():
            for each in _part(die, wafer.frame.index_of(die.die)):
                file.write(each)
            bins[bin_of(die).code] += 1
        file.write(stdf.wrr(at, bins.total(), exported.wafer))
        for each in (*BINS, NOT_CLASSIFIED):
            file.write(stdf.sbr(each.code, bins[each.code], each.name))
        file.write(stdf.mrr(at))


def _part(die: ExportedDie, place: tuple[int, int]) -> Iterator[bytes]:
    x, y = die.die
    yield stdf.dtr(f"die {x},{y} origin: {die.origin}")
    for name, map_id in die.map_ids.items():
        yield stdf.dtr(f"die {x},{y} map {name}: {map_id}")
    yield stdf.pir()
    tests = list(_tests(die))
    yield from tests
    yield stdf.prr(len(tests), bin_of(die).code, place, (f"{x},{y}", f"measured at {die.measured_at}; {die.origin}"))


def _tests(die: ExportedDie) -> Iterator[bytes]:
    if die.good_fraction is not None:
        yield stdf.ptr(1, die.good_fraction, "share of good junctions", "")
    for name, number in die.counts().items():
        yield stdf.ptr(FIRST_CLASS + _CLASS_PLACES[Defect[name.upper()]], float(number), f"junctions: {name}", "")
    for state, siemens in die.siemens.items():
        yield from _kernels(FIRST_TEST[state], siemens, f"conductance {state}", "S")
    if die.codes is not None:
        yield from _kernels(FIRST_TEST["defects"], die.codes.astype(np.float32), "class codes", "")


def _kernels(first: int, values: NDArray[np.float32], name: str, units: str) -> Iterator[bytes]:
    if not stdf.fits(values[0].size):
        raise ExportFailed(f"a kernel of {values[0].size} junctions is more than an STDF record holds; take another format")
    for kernel, array in enumerate(values):
        yield stdf.mpr(first + kernel, array.ravel(), f"{name}, kernel {kernel}", units)
