"""Arrays on the wire, negotiated by Accept. Rule: npy is the default, JSON only for those who name it; each form has a
strong ETag that is known before any byte is read; a single map's npy bytes are the bytes in the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray
from pydantic_core import to_json

from hil.api.problems import Problem, shown
from hil.model.lab import DieIndex
from hil.model.maps import from_npy_bytes, npy_bytes

ReadObject = Callable[[str], bytes]


class Form(StrEnum):
    """Media types, in the order in which the server prefers them."""

    NPY = "application/x-npy"
    ARROW = "application/vnd.apache.arrow.stream"
    JSON = "application/json"

    @property
    def tag(self) -> str:
        return self.name.lower()


def _parse_range(text: str) -> tuple[str, float]:
    """(media range, q) of one part of Accept; q 0 where it is malformed."""
    media, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media.lower(), min(max(float(value), 0.0), 1.0)
            except ValueError:
                return media.lower(), 0.0
    return media.lower(), 1.0


def _quality(form: Form, ranges: Mapping[str, float]) -> float:
    """q of a form: the most specific range decides; a wildcard never asks for JSON."""
    if form in ranges:
        return ranges[form]
    if form is Form.JSON:
        return 0.0
    return ranges.get("application/*", ranges.get("*/*", 0.0))


def negotiate(accept: str | None) -> Form:
    """Raises Problem 406 naming what was asked and what there is."""
    if accept is None or not accept.strip():
        return Form.NPY
    ranges = dict(_parse_range(part) for part in accept.split(","))
    best = max(Form, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) <= 0:
        raise Problem(406, f"Accept is {shown(accept)}; this can be given as {', '.join(Form)}")
    return best


@dataclass(frozen=True)
class Row:
    """One die's part of an array, or an object of no die. objects: sha256 of each array by name, the main one first."""

    objects: Mapping[str, str]
    map_id: str | None = None
    die: DieIndex | None = None
    measured_at: str | None = None


@dataclass(frozen=True)
class ArrayResource:
    """What a URL shows, before any byte of it is read.

    identity: differs whenever the content does. rows: the dies, (y, x) ordered; exactly one unless stacked.
    shape, dtype: of one row's main array, for a stack without rows. names: of the arrays each row holds, the main one first.
    """

    identity: str
    rows: tuple[Row, ...]
    names: tuple[str, ...]
    stacked: bool = False
    shape: tuple[int, ...] = ()
    dtype: DTypeLike = np.float32
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def body(self, form: Form, read: ReadObject) -> bytes:
        """Bytes of one form. Raises what `read` raises (NotFound, Corrupt)."""
        if form is Form.NPY:
            return npy_bytes(self._column(self.names[0], read)) if self.stacked else read(self.rows[0].objects[self.names[0]])
        columns = {name: self._column(name, read) for name in self.names}
        return _arrow(self.rows, columns, self.stacked) if form is Form.ARROW else _json(self.rows, columns, self.stacked)

    def _column(self, name: str, read: ReadObject) -> NDArray[Any]:
        """(rows, ...) of a stack, (...) of a single array."""
        arrays = [from_npy_bytes(read(row.objects[name])) for row in self.rows]
        if not self.stacked:
            return arrays[0]
        return np.stack(arrays) if arrays else np.empty((0, *self.shape), self.dtype)


def _arrow(rows: tuple[Row, ...], columns: Mapping[str, NDArray[Any]], stacked: bool) -> bytes:
    """An IPC stream with one record batch: x, y, map_id, measured_at, and each array as a canonical fixed_shape_tensor."""
    fields: dict[str, Any] = {}
    if (rows and rows[0].die is not None) or stacked:
        fields["x"] = pa.array([row.die[0] if row.die else None for row in rows], pa.int32())
        fields["y"] = pa.array([row.die[1] if row.die else None for row in rows], pa.int32())
        fields["map_id"] = pa.array([row.map_id for row in rows], pa.string())
        fields["measured_at"] = pa.array([row.measured_at for row in rows], pa.string())
    for name, column in columns.items():
        fields[name] = _tensor(column if stacked else column[np.newaxis])
    batch = pa.record_batch(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _tensor(stack: NDArray[Any]) -> Any:
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(stack.dtype), stack.shape[1:])
    storage = pa.array(np.ascontiguousarray(stack).reshape(-1))
    per_row = int(np.prod(stack.shape[1:]))
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(storage, per_row))


def _json(rows: tuple[Row, ...], columns: Mapping[str, NDArray[Any]], stacked: bool) -> bytes:
    """Nested lists; not measured is null. Exact: a float32 is written as the double it equals.

    Written row by row: each call holds the interpreter to its end, and the whole of a wafer would hold up everybody else.
    """
    first = next(iter(columns.values()))
    described: list[dict[str, Any]] = [{"die": row.die, "map_id": row.map_id, "measured_at": row.measured_at} for row in rows]
    head = {"dies": described} if stacked else described[0]
    written = to_json({**head, "shape": first.shape})[:-1]
    arrays = (b",%b:%b" % (to_json(name), _nested(column)) for name, column in columns.items())
    return b"%b%b}" % (written, b"".join(arrays))


def _nested(column: NDArray[Any]) -> bytes:
    if column.ndim < 2:
        return to_json(column.tolist(), inf_nan_mode="null")
    return b"[%b]" % b",".join(to_json(row.tolist(), inf_nan_mode="null") for row in column)
