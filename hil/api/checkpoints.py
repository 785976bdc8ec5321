"""What an uploaded checkpoint must be: safetensors, read as far as its header. Rule: nothing is unpickled, and no tensor is looked at.

Source: the safetensors format: 8 bytes little-endian length, a JSON header, then the tensors' bytes without gaps."""

import math
import struct
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from pydantic_core import from_json

LONGEST_HEADER = 1_000_000
_LENGTH = struct.Struct("<Q")
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}


def header_of(data: bytes) -> dict[str, Any]:
    """{"metadata": the header's own, parsed where a value is JSON, "tensors": {name: {"dtype", "shape"}}}.

    Raises ValueError saying what is wrong.
    """
    if len(data) < _LENGTH.size:
        raise ValueError("it is shorter than the length of a header")
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if length > LONGEST_HEADER or start > len(data):
        raise ValueError(f"a header of {length} bytes; the limit is {LONGEST_HEADER}, the body holds {len(data)}")
    header: Any = from_json(data[_LENGTH.size : start])
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    own: Any = header.pop("__metadata__", {})
    if not isinstance(own, dict) or not all(isinstance(value, str) for value in own.values()):
        raise ValueError("__metadata__ is no object of texts")
    tensors = {str(name): _tensor(str(name), told) for name, told in header.items()}
    _check_extent({name: told["data_offsets"] for name, told in header.items()}, len(data) - start)
    return {"metadata": {str(key): _json_or_text(value) for key, value in own.items()}, "tensors": tensors}


class _Tensor(BaseModel):
    """One entry of the header. data_offsets: first byte and the one after the last, of those after the header."""

    model_config = ConfigDict(strict=True, extra="forbid")

    dtype: str
    shape: list[NonNegativeInt]
    data_offsets: list[NonNegativeInt] = Field(min_length=2, max_length=2)


def _tensor(name: str, told: Any) -> dict[str, Any]:
    try:
        tensor = _Tensor.model_validate(told)
        size = _BYTES[tensor.dtype] * math.prod(tensor.shape)
    except (KeyError, ValidationError) as error:
        raise ValueError(f"tensor {name[:80]} is not described by dtype, shape and data_offsets") from error
    begin, end = tensor.data_offsets
    if end - begin != size:
        raise ValueError(f"tensor {name[:80]}: {tensor.dtype} {tensor.shape} is {size} bytes, its place is {end - begin}")
    return {"dtype": tensor.dtype, "shape": tensor.shape}


def _check_extent(places: Mapping[str, Any], present: int) -> None:
    at = 0
    for begin, end in sorted((int(begin), int(end)) for begin, end in places.values()):
        if begin != at:
            raise ValueError(f"the tensors leave a gap or overlap at byte {at}")
        at = end
    if at != present:
        raise ValueError(f"the tensors take {at} bytes, the body holds {present}")


def _json_or_text(text: str) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
