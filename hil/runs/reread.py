"""What a die shows of the SMU's second look with path auto: which value came by which way, beside the maps.

smu_readings  uint8 (states, kernels, rows, columns), states P and AP of a characterisation, the one of a reading: how many readings of
              the SMU stand behind the value, 0 where it is the board's. Every map of the die names its sha256 and its counts under
              `reread`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.repeats import Repeats
from hil.model.maps import ConductanceMap, Meta, npy_bytes, sha256_hex
from hil.model.runs import Event, ObjectMeasured
from hil.runs.context import Arrays
from hil.runs.metadata import DieResults

OfKernels = Mapping[int, Arrays]
NAME = "smu_readings"


@dataclass(frozen=True)
class Reread:
    """readings: as above, None where the plan's path is not auto. meta: for the maps."""

    readings: NDArray[np.uint8] | None
    meta: Meta

    def told(self, measured: ConductanceMap) -> ConductanceMap:
        """The map, saying so."""
        return replace(measured, meta={**measured.meta, **self.meta})

    def events(self, die: DieResults) -> Iterator[Event]:
        if self.readings is not None and not die.is_stored(NAME):
            yield ObjectMeasured(die.index, NAME, self.readings, die.describe_object())


def reread(die: DieResults, kernels: OfKernels, names: Sequence[str]) -> Reread:
    """names: of the steps' arrays that count readings, one a state. Steps of before there was such a thing have none: all by the board."""
    if die.plan.path != "auto":
        return Reread(None, {})
    readings = np.stack([_whole(kernels, name, die.context.kernels, np.uint8(0)) for name in names])
    told = {
        "path": "smu",
        "junctions": int(np.any(readings, axis=0).sum()),
        "values": int(np.count_nonzero(readings)),
        "nplc": getattr(die.plan, "nplc", None),
        "object": sha256_hex(npy_bytes(readings)),
    }
    return Reread(readings, {"reread": told})


def repeats_of(kernels: OfKernels, count: int) -> Repeats:
    """What the arrays of `count` kernels say beside the two maps, (kernels, rows, columns); NaN where a step says nothing."""
    names = ("p_error", "ap_error", "p_change", "ap_change")
    return Repeats(*(_whole(kernels, name, count, np.float32(np.nan)) for name in names))


def _whole(kernels: OfKernels, name: str, count: int, missing: Any) -> NDArray[Any]:
    """(count, rows, columns)."""
    whole = np.full((count, *_shape(kernels, name)), missing)
    for kernel, arrays in kernels.items():
        if name in arrays:
            whole[kernel] = arrays[name]
    return whole


def _shape(kernels: OfKernels, name: str) -> tuple[int, ...]:
    """(rows, columns). A step's arrays come in any order, and not all of them are of a kernel's shape."""
    own = [arrays[name].shape for arrays in kernels.values() if name in arrays]
    return next(iter(own or [array.shape for arrays in kernels.values() for array in arrays.values() if array.ndim == 2]))
