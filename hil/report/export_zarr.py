"""zarr: arrays of a wafer, (dies, kernels, rows, columns), a chunk a die. The group's attributes name the dies, their maps and origins."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hil.report.exports import Exported, ExportedDie, ExportFailed, facts_of

FILL: dict[str, tuple[DTypeLike, Any]] = {
    "siemens_p": (np.float32, np.nan),
    "siemens_ap": (np.float32, np.nan),
    "siemens_as_found": (np.float32, np.nan),
    "uncertainty_p": (np.float32, np.nan),
    "uncertainty_ap": (np.float32, np.nan),
    "confidence": (np.float32, np.nan),
    "codes": (np.uint8, 255),
    "line_fault": (np.uint8, 0),
}
"""Arrays with the value of what was not measured. An array without a map in the whole wafer is left out."""


def write_zarr(exported: Exported, path: Path) -> None:
    """Raises ExportFailed where zarr is not installed."""
    zarr = _library()
    group = zarr.create_group(store=path)
    arrays: dict[str, Any] = {}
    told: list[dict[str, Any]] = []
    for place, die in enumerate(exported.pull()):
        for name, array in _named(die).items():
            if name not in arrays:
                dtype, fill = FILL[name]
                shape = (exported.measured, *array.shape)
                arrays[name] = group.create_array(name, shape=shape, chunks=(1, *array.shape), dtype=dtype, fill_value=fill)
            arrays[name][place] = array
        told.append({"die": list(die.die), "origin": die.origin, "measured_at": die.measured_at, "maps": dict(die.map_ids)})
    dimensions = ["die", "kernel", "row", "column"]
    group.update_attributes({**facts_of(exported), "dies": told, "dimensions": dimensions, "units": {"siemens": "S", "uncertainty": "S"}})


def _named(die: ExportedDie) -> dict[str, NDArray[Any]]:
    named: dict[str, NDArray[Any] | None] = {f"siemens_{state.lower()}": array for state, array in die.siemens.items()}
    named |= {f"uncertainty_{state.lower()}": die.uncertainty.get(state) for state in ("P", "AP")}
    named |= {"codes": die.codes, "line_fault": die.line_fault, "confidence": die.confidence}
    return {name: array for name, array in named.items() if array is not None}


def _library() -> Any:
    # Only here: it is an extra, and every other format works without it.
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ExportFailed(f"the zarr format needs the export extra ({error.name} is missing): pip install 'mtj-hil[export]'") from error
    return zarr
