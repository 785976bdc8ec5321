"""Flat device numbers and coordinates: one to one, row-major, in range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.geometry import Geometry

SMALL = st.builds(Geometry, st.integers(1, 8), st.integers(1, 8), st.integers(1, 8))


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_device_numbers_are_numpys_row_major_order(geometry: Geometry) -> None:
    numbers = np.arange(geometry.devices).reshape(geometry.shape)
    for device in range(geometry.devices):
        where = geometry.coordinates(device)
        assert numbers[where] == device
        assert geometry.device(*where) == device


@pytest.mark.parametrize(("where", "says"), [((32, 0, 0), "kernel 32"), ((0, 25, 0), "row 25"), ((0, 0, -1), "column -1")])
def test_a_coordinate_out_of_range_is_named(where: tuple[int, int, int], says: str) -> None:
    with pytest.raises(IndexError, match=says):
        Geometry().device(*where)


def test_a_device_number_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match="20000"):
        Geometry().coordinates(20_000)


@pytest.mark.parametrize("shape", [(0, 1, 1), (256, 1, 1), (255, 255, 2)])
def test_a_chip_that_the_link_cannot_address_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"kernels|16-bit"):
        Geometry(*shape)
