"""Maps are read-only values; their ids cover array and provenance."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hil.model.maps import ConductanceMap, DefectMap, canonical_json, from_npy_bytes, map_id, npy_bytes

SHAPE = (2, 3, 4)


def codes(value: int = 0) -> np.ndarray:
    return np.full(SHAPE, value, np.uint8)


def test_a_map_keeps_its_own_copy_that_nobody_can_change() -> None:
    siemens = np.full(SHAPE, 2e-4, np.float32)
    kept = ConductanceMap(siemens, "P", 0.1)
    siemens[0, 0, 0] = 0.0
    assert kept.siemens[0, 0, 0] == np.float32(2e-4)
    with pytest.raises(ValueError, match="read-only"):
        kept.siemens[0, 0, 0] = 1.0


def test_wrong_types_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        ConductanceMap(np.zeros(SHAPE), "P", 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="confidence"):
        DefectMap(codes(), codes(), np.zeros((1, 1, 1), np.float32), "rule")


def test_counts_name_the_classes_that_occur() -> None:
    some = codes()
    some[0, 0, :2] = 1
    some[1, 2, 3] = 255
    assert DefectMap(some, codes(), np.ones(SHAPE, np.float32), "rule").counts() == {"good": 21, "short": 2, "not_measured": 1}


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(st.sampled_from([np.float32, np.uint8]), hnp.array_shapes(max_dims=4, max_side=5)))
def test_npy_bytes_come_back_as_they_were(array: np.ndarray) -> None:
    back = from_npy_bytes(npy_bytes(array))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array, equal_nan=array.dtype == np.float32)
    assert npy_bytes(back) == npy_bytes(array)


def test_a_pickle_in_npy_clothes_is_refused() -> None:
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        from_npy_bytes(buffer.getvalue())


def test_an_id_covers_array_and_metadata() -> None:
    assert map_id({"x": 1}, "aa") == map_id({"x": 1}, "aa")
    assert len({map_id({"x": 1}, "aa"), map_id({"x": 2}, "aa"), map_id({"x": 1}, "bb")}) == 3


def test_nan_never_enters_metadata() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"temperature_c": math.nan})
