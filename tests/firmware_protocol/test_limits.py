"""Limits and geometry: the smaller limit wins, and a junction has one number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits

LIMITS = st.builds(
    Limits, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 65_535), st.integers(0, 65_535)
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(LIMITS, LIMITS)
def test_tightening_never_widens_anything(board: Limits, host: Limits) -> None:
    both = board.tightened(host)
    assert both == both.tightened(board) == both.tightened(host) == host.tightened(board)
    assert Limits.decode(both.encode()) == both


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(1, 30), st.integers(1, 30), st.data())
def test_a_junction_and_its_number_lead_to_each_other(kernels: int, rows: int, columns: int, data: st.DataObject) -> None:
    geometry = Geometry(kernels, rows, columns)
    device = data.draw(st.integers(0, geometry.devices - 1))
    assert geometry.device(*geometry.coordinates(device)) == device


@pytest.mark.parametrize("place", [(32, 0, 0), (0, 25, 0), (0, 0, 25), (-1, 0, 0)])
def test_a_junction_that_does_not_exist_is_named(place: tuple[int, int, int]) -> None:
    with pytest.raises(IndexError, match="outside 0 to"):
        Geometry().device(*place)


@pytest.mark.parametrize("shape", [(0, 1, 1), (256, 1, 1), (255, 255, 255)])
def test_a_geometry_that_the_link_cannot_carry_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"carries|fit"):
        Geometry(*shape)


def test_a_device_number_beyond_the_die_is_refused() -> None:
    with pytest.raises(IndexError, match="20000"):
        Geometry().coordinates(20_000)
