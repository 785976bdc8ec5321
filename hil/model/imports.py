"""Maps measured elsewhere: what is asked for one die, and what their numbers must be.

Rule 1: a value that cannot be a conductance is refused with the value and the limit, never clipped; NaN stays "not measured".
Rule 2: what is imported says so (`origin`): it was neither measured nor simulated by this service.
"""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hil.model.lab import ChipSection
from hil.model.layout import to_die, to_kernels
from hil.model.plans import ObjectRef, PositiveFinite

ImportState = Literal["P", "AP", "as_found"]
Units = Literal["siemens", "microsiemens", "ohms"]
LEAST_SIEMENS, MOST_SIEMENS = -2e-5, 0.1
"""What a cell can read: down to a board's offset (12 uS were seen), up to 10 Ohm."""
_SCALE = {"siemens": 1.0, "microsiemens": 1e-6}


class ImportRefused(ValueError):
    """An array that is no conductance map of a die. field, value and limit for the problem document; the text names all three."""

    def __init__(self, field: str, value: Any, limit: Any, text: str) -> None:
        super().__init__(text)
        self.field, self.value, self.limit = field, value, limit


class ImportBody(BaseModel):
    """maps: by what was written before reading: arrays stored with PUT /objects, in kernels (32, 25, 25) or as they lie on the die (100,
    200). units: of the arrays. read_volts: bias across the cell. measured_at: when, if known. source: instrument, laboratory, file.
    declared_origin: what the source says of itself, such as "simulated; seed=7".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    maps: Annotated[dict[ImportState, ObjectRef], Field(min_length=1, examples=[{"P": {"object": "ab" * 32}, "AP": {"object": "cd" * 32}}])]
    units: Units = "siemens"
    read_volts: PositiveFinite = 0.1
    measured_at: Annotated[AwareDatetime | None, Field(examples=["2026-03-01T12:00:00Z"])] = None
    temperature_c: Annotated[float | None, Field(ge=-273.15, le=1000, allow_inf_nan=False)] = None
    source: Annotated[str, Field(max_length=500, examples=["probe station 2, file W7_P.npy"])] = ""
    declared_origin: Annotated[str, Field(max_length=200)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""


def imported_siemens(array: NDArray[Any], units: Units, chip: ChipSection, name: str) -> NDArray[np.float32]:
    """(kernels, rows, columns) S. name: of the map, for the refusal. Raises ImportRefused."""
    if array.dtype.kind not in "fiu":
        raise ImportRefused(name, str(array.dtype), "numbers", f"map {name} is {array.dtype}; give floating-point numbers")
    values = _in_kernels(array.astype(np.float64), chip, name)
    if not np.isfinite(values).any():
        raise ImportRefused(name, "no finite value", "at least one", f"map {name} holds no finite value; nothing was measured")
    siemens = _converted(values, units)
    outside = (siemens < LEAST_SIEMENS) | (siemens > MOST_SIEMENS)
    if outside.any():
        raise _absurd(values, siemens, outside, name, units)
    return siemens.astype(np.float32)


def _in_kernels(values: NDArray[np.float64], chip: ChipSection, name: str) -> NDArray[np.float64]:
    on_die = to_die(np.empty(chip.shape, np.bool_)).shape if chip.kernels % 8 == 0 else None
    if values.shape == chip.shape:
        return values
    if values.shape == on_die:
        return np.asarray(to_kernels(values, chip.rows, chip.columns), dtype=np.float64)
    limit = f"{chip.shape} (kernel, row, column)" + (f" or {on_die} as on the die" if on_die else "")
    raise ImportRefused(name, list(values.shape), limit, f"map {name} has shape {values.shape}; it must be {limit}")


def _converted(values: NDArray[np.float64], units: Units) -> NDArray[np.float64]:
    if units != "ohms":
        # Infinity is no conductance; it is caught as beyond the limit.
        return values * _SCALE[units]
    with np.errstate(divide="ignore"):
        return 1.0 / values


def _absurd(values: NDArray[Any], siemens: NDArray[Any], outside: NDArray[np.bool_], name: str, units: Units) -> ImportRefused:
    kernel, row, column = (int(each) for each in np.argwhere(outside)[0])
    value, found = float(values[kernel, row, column]), float(siemens[kernel, row, column])
    limit = f"{LEAST_SIEMENS:g} to {MOST_SIEMENS:g} S"
    text = (
        f"map {name}, junction ({kernel}, {row}, {column}): {value:g} {units} is {found:g} S, outside {limit}, as are {int(outside.sum())} "
        f"of {outside.size}; are these really {units}? NaN means not measured"
    )
    return ImportRefused(name, value, limit, text)
