"""Maps of one die. Arrays are (kernels, rows, columns), read-only; a value that was not measured is NaN, never 0."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect

MapState = Literal["P", "AP", "as_found", "programmed"]
MapKind = Literal["conductance", "defects"]
MetaValue = Any
Meta = dict[str, MetaValue]
"""JSON object: the metadata of the contract (wafer, x, y, run id, read_volts, path, measured_at, origin, ...)."""


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    kept = np.ascontiguousarray(array).copy() if array.flags.writeable else array
    kept.flags.writeable = False
    return kept


@dataclass(frozen=True)
class ConductanceMap:
    """Conductance of every junction on one die.

    siemens: (kernels, rows, columns) float32, read-only; NaN where not measured.
    state: what was written before reading. read_volts: bias across the cell while reading, V. uncertainty: standard uncertainty of each,
    S. uncorrected: what the instrument read before anything known was taken off, S. Both as siemens, or None where nobody knows.
    """

    siemens: NDArray[np.float32]
    state: MapState
    read_volts: float
    meta: Meta = field(default_factory=dict)
    uncertainty: NDArray[np.float32] | None = None
    uncorrected: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.siemens.ndim != 3 or self.siemens.dtype != np.float32:
            raise ValueError(f"siemens is {self.siemens.dtype} {self.siemens.shape}; needs float32 (kernels, rows, columns)")
        object.__setattr__(self, "siemens", _frozen(self.siemens))
        for name, array in self.parts().items():
            if array.shape != self.siemens.shape or array.dtype != np.float32:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, siemens is float32 {self.siemens.shape}")
            object.__setattr__(self, name, _frozen(array))

    def parts(self) -> dict[str, NDArray[np.float32]]:
        """The arrays beside siemens that there are, by name."""
        named = {"uncertainty": self.uncertainty, "uncorrected": self.uncorrected}
        return {name: array for name, array in named.items() if array is not None}

    @property
    def kind(self) -> MapKind:
        return "conductance"

    @property
    def array(self) -> NDArray[Any]:
        return self.siemens


@dataclass(frozen=True)
class DefectMap:
    """Class of every junction on one die, derived from conductance maps by a named, versioned rule.

    codes: (kernels, rows, columns) uint8, see Defect. line_fault: same shape, uint8 bits, see LineFault.
    confidence: same shape, float32 in 0 to 1.
    """

    codes: NDArray[np.uint8]
    line_fault: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    rule: str
    meta: Meta = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.codes.ndim != 3 or self.codes.dtype != np.uint8:
            raise ValueError(f"codes is {self.codes.dtype} {self.codes.shape}; needs uint8 (kernels, rows, columns)")
        for name in ("line_fault", "confidence"):
            if getattr(self, name).shape != self.codes.shape:
                raise ValueError(f"{name} is {getattr(self, name).shape}, codes is {self.codes.shape}")
        for name in ("codes", "line_fault", "confidence"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))

    @property
    def kind(self) -> MapKind:
        return "defects"

    @property
    def state(self) -> None:
        return None

    @property
    def array(self) -> NDArray[Any]:
        return self.codes

    def counts(self) -> dict[str, int]:
        """Junctions per class, by lower-case name; classes that do not occur are left out."""
        values, numbers = np.unique(self.codes, return_counts=True)
        return {Defect(int(value)).name.lower(): int(number) for value, number in zip(values, numbers, strict=True)}


def npy_bytes(array: NDArray[Any]) -> bytes:
    """The one form an array has in the store and on the wire: npy 1.0, C order, little-endian."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def from_npy_bytes(data: bytes) -> NDArray[Any]:
    """Raises ValueError on anything that is not a plain npy array."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: object) -> str:
    """Sorted keys, no spaces, no NaN: the form that is hashed. Raises ValueError on NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def map_id(meta: Meta, object_sha256: str) -> str:
    """sha256 over metadata and array: two measurements of one die never share an id, even when every bit agrees."""
    return sha256_hex(f"{canonical_json(meta)}\n{object_sha256}".encode())
