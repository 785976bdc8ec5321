"""Where dies are and what the prober calls them, compared with the service's own converters, which share no line with this."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit, PositionNotVerified
from drivers.prober.die_grid import DieGrid, from_home, from_zero
from drivers.prober.soft_limits import SoftLimits
from hil.model.frames import Notch, SentioMap, centre_um

SMALL = st.integers(-60, 60)
DIES = st.tuples(SMALL, SMALL)
NOTCHES = st.sampled_from(("down", "left", "up", "right"))
ORIENTS = st.sampled_from(("UR", "UL", "DR", "DL"))


@given(NOTCHES, ORIENTS, DIES, DIES, DIES)
def test_the_prober_is_told_the_same_index_as_the_services_frame_says(
    notch: Any, orient: Any, home: tuple[int, int], home_index: tuple[int, int], die: tuple[int, int]
):
    grid = DieGrid(home=home, notch=notch, axis_orient=orient, home_index=home_index)
    frame = SentioMap(orient, home_die=home_index, notch=Notch(notch), home=home).frame
    assert grid.index_of(die) == frame.index_of(die)
    assert grid.die_at(grid.index_of(die)) == die


@given(NOTCHES, DIES, DIES)
def test_a_die_is_as_far_from_home_on_the_chuck_as_on_the_wafer(notch: Any, home: tuple[int, int], die: tuple[int, int]):
    grid = DieGrid((7_000.0, 3_000.0), home, notch)
    from_home = centre_um((die[0] - home[0], die[1] - home[1]), grid.pitch_um)
    assert grid.centre_um(die) == pytest.approx(Notch(notch).drawn(from_home))  # type: ignore[arg-type]
    assert grid.is_at(die, grid.centre_um(die))


def test_dies_are_a_pitch_apart_from_the_home_die():
    grid = DieGrid(pitch_um=(10_000.0, 5_000.0), home=(1, 1))
    assert grid.centre_um((3, 0)) == (20_000.0, -5_000.0)
    assert grid.is_at((3, 0), (20_004.0, -5_003.0))
    assert not grid.is_at((3, 0), (20_011.0, -5_000.0))
    assert grid.index_of((3, 0)) == (3, 0), "without a map read from the prober, dies have the prober's names"


def test_places_from_home_and_from_zero_differ_by_where_home_is():
    home_um = (150_000.0, 149_000.0)
    assert from_zero(home_um, (10_000.0, -5_000.0)) == (160_000.0, 144_000.0)
    assert from_home(home_um, from_zero(home_um, (123.0, 4.0))) == (123.0, 4.0)


@pytest.mark.parametrize(
    ("notch", "mapped_um", "pitch_um"), [("down", (7_001.0, 3_000.0), (7_001.0, 3_000.0)), ("left", (3_000.0, 7_001.0), (7_001.0, 3_000.0))]
)
def test_the_probers_own_pitch_is_used_where_it_is_the_wafers(notch: Any, mapped_um: tuple[float, float], pitch_um: tuple[float, float]):
    grid = DieGrid((7_000.0, 3_000.0), notch=notch).as_mapped("UL", (4, 5), mapped_um, "prober")
    assert (grid.pitch_um, grid.axis_orient, grid.home_index) == (pitch_um, "UL", (4, 5))


@pytest.mark.parametrize("mapped_um", [(7_008.0, 3_000.0), (3_000.0, 7_000.0), (0.0, 0.0), (-7_000.0, 3_000.0)])
def test_the_map_of_another_wafer_is_not_walked(mapped_um: tuple[float, float]):
    with pytest.raises(PositionNotVerified, match=r"the pitch of lab\.toml"):
        DieGrid((7_000.0, 3_000.0)).as_mapped("UR", (0, 0), mapped_um, "prober")


# --- soft limits
def test_only_the_labs_dies_may_be_touched():
    limits = SoftLimits(dies=frozenset({(0, 0), (1, 0)}))
    limits.check_die((1, 0), "prober")
    with pytest.raises(OverLimit, match=r"die \(9, 9\) is not one of the 2 dies of \[wafer\] in lab\.toml"):
        limits.check_die((9, 9), "prober")
    SoftLimits().check_die((9, 9), "prober")


@pytest.mark.parametrize(
    ("axes_um", "refused"), [((10.0, 1e9), None), ((0.0, 0.0), None), ((-0.1, 0.0), "x"), ((100.1, 0.0), "x"), ((math.nan, 0.0), "x")]
)
def test_the_chuck_stays_within_its_axes(axes_um: tuple[float, float], refused: str | None):
    limits = SoftLimits(chuck_x_um=(0.0, 100.0))
    assert limits.bound_axes
    if refused is None:
        limits.check_axes(axes_um, "prober")
        return
    with pytest.raises(OverLimit, match=rf"chuck {refused} = .* outside 0 to 100 um \(limits\.chuck_{refused}_um\)"):
        limits.check_axes(axes_um, "prober")


@pytest.mark.parametrize("overtravel_um", [-0.1, 60.1, math.nan, math.inf])
def test_overtravel_has_a_hard_maximum(overtravel_um: float):
    for allowed_um in (0.0, 60.0):
        SoftLimits().check_overtravel(allowed_um, "prober")
    with pytest.raises(OverLimit, match=r"limits\.overtravel_um 60 um"):
        SoftLimits().check_overtravel(overtravel_um, "prober")
