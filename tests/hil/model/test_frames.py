"""One wafer frame: what four conventions call a die, by examples drawn by hand, and there and back for every way a wafer can lie."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.model.frames import DieFrame, E142Map, FrameError, G85Map, Notch, OutOfFrame, SentioMap, StdfWafer, centre_um

SMALL = st.integers(-200, 200)
DIES = st.tuples(SMALL, SMALL)
NOTCHES = st.sampled_from(Notch)
CORNERS = ("LowerLeft", "LowerRight", "UpperLeft", "UpperRight")
AXES = ("UpRight", "UpLeft", "DownRight", "DownLeft")
ORIENTS = ("UR", "UL", "DR", "DL")

SENTIO = st.builds(SentioMap, st.sampled_from(ORIENTS), DIES, DIES, NOTCHES, DIES)
STDF = st.builds(StdfWafer, st.sampled_from("DLUR"), st.sampled_from("RL"), st.sampled_from("UD"), SMALL, SMALL, DIES)
RECTANGLES = st.lists(DIES, min_size=1, max_size=8)


@st.composite
def semi_maps(draw: st.DrawFn) -> tuple[DieFrame, tuple[int, int]]:
    """A frame of E142 or G85, and a die within it."""
    dies = draw(RECTANGLES)
    turn = draw(st.sampled_from((0, 90, 180, 270)))
    if draw(st.booleans()):
        return G85Map.around(dies, turn, draw(st.integers(1, 4))).frame, draw(st.sampled_from(dies))
    return E142Map.around(dies, turn, draw(st.sampled_from(CORNERS)), draw(st.sampled_from(AXES))).frame, draw(st.sampled_from(dies))


# --- there and back
@given(SENTIO, DIES)
def test_a_die_of_sentios_map_is_the_same_die_again(sentio: SentioMap, die: tuple[int, int]):
    for frame in (sentio.frame, sentio.native):
        assert frame.die_at(frame.index_of(die)) == die
        assert frame.index_of(frame.die_at(die)) == die


@given(STDF, DIES)
def test_a_die_of_an_stdf_file_is_the_same_die_again(wafer: StdfWafer, die: tuple[int, int]):
    assert wafer.frame.die_at(wafer.frame.index_of(die)) == die


@given(semi_maps())
def test_a_die_of_a_semi_map_is_the_same_die_again(found: tuple[DieFrame, tuple[int, int]]):
    frame, die = found
    assert frame.die_at(frame.index_of(die)) == die


@given(SENTIO, STDF, semi_maps())
def test_a_die_goes_round_all_conventions_and_keeps_its_name(sentio: SentioMap, wafer: StdfWafer, found: tuple[DieFrame, tuple[int, int]]):
    semi, die = found
    carried = die
    for frame in (sentio.frame, sentio.native, wafer.frame, semi):
        carried = frame.die_at(frame.index_of(carried))
    assert carried == die


@pytest.mark.parametrize(("notch", "x_right", "y_up"), list(product(Notch, (True, False), (True, False))))
def test_every_way_to_draw_and_count_keeps_neighbours_neighbours_and_names_apart(notch: Notch, x_right: bool, y_up: bool):
    frame = DieFrame(notch, x_right, y_up, anchor=(2, -1), anchor_index=(7, 5))
    dies = list(product(range(-3, 4), repeat=2))
    named = {die: frame.index_of(die) for die in dies}
    assert len(set(named.values())) == len(dies)
    assert named[(2, -1)] == (7, 5)
    for x, y in dies:
        for other in ((x + 1, y), (x, y + 1)):
            if other in named:
                assert sum(abs(a - b) for a, b in zip(named[(x, y)], named[other], strict=True)) == 1


def test_the_sixteen_ways_are_eight_each_found_twice():
    steps = {
        (frame.index_of((1, 0)), frame.index_of((0, 1)))
        for frame in (DieFrame(notch, x_right, y_up) for notch, x_right, y_up in product(Notch, (True, False), (True, False)))
    }
    assert len(steps) == 8


# --- drawn by hand: the notch at the left is the wafer turned clockwise, so what was above the home die is now to its right
@pytest.mark.parametrize(("notch", "above"), [("down", (0, 1)), ("left", (1, 0)), ("up", (0, -1)), ("right", (-1, 0))])
def test_the_die_above_the_home_die_points_away_from_the_notch(notch: str, above: tuple[int, int]):
    assert Notch(notch).drawn((0, 1)) == above
    assert SentioMap(notch=Notch(notch)).frame.index_of((0, 1)) == above
    assert StdfWafer(wf_flat=notch[0].upper()).frame.index_of((0, 1)) == above  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("orient", "right", "up"),
    [("UR", (1, 0), (0, 1)), ("UL", (-1, 0), (0, 1)), ("DR", (1, 0), (0, -1)), ("DL", (-1, 0), (0, -1))],
)
def test_sentio_counts_the_way_its_axes_point(orient: str, right: tuple[int, int], up: tuple[int, int]):
    frame = SentioMap(orient).frame  # type: ignore[arg-type]
    assert (frame.index_of((1, 0)), frame.index_of((0, 1))) == (right, up)


def test_sentios_own_grid_is_the_users_moved_by_its_origin():
    user = SentioMap("DR", grid_origin=(-3, 4), home_die=(3, 4))
    assert user.frame.index_of((0, 0)) == (3, 4)
    assert user.native.index_of((0, 0)) == (0, 0)
    assert user.native.index_of((1, 2)) == (1, 2), "right and up, whatever the user chose"


def test_an_stdf_file_is_anchored_at_the_wafers_middle():
    frame = StdfWafer(pos_y="D", center_x=100, center_y=50, centre=(-1, 1)).frame
    assert frame.index_of((-1, 1)) == (100, 50)
    assert frame.index_of((0, 2)) == (101, 49)


def test_an_e142_map_from_the_upper_left_reads_like_a_page():
    frame = E142Map.around(product(range(-3, 3), range(-2, 4)), origin="UpperLeft", axes="DownRight").frame
    assert frame.index_of((-3, 3)) == (0, 0)
    assert frame.index_of((2, 3)) == (5, 0)
    assert frame.index_of((-3, -2)) == (0, 5)
    assert G85Map((-3, -2), (2, 3)).frame == frame


def test_a_map_turned_by_ninety_degrees_has_its_columns_where_rows_were():
    upright, turned = (E142Map((0, 0), (4, 1), degrees) for degrees in (0, 90))
    assert (upright.size, turned.size) == ((5, 2), (2, 5))
    # Notch at the left: the home die, lower left before, is now the upper left one.
    assert turned.frame.index_of((0, 0)) == (0, 4)


def test_the_middle_of_an_odd_map_is_an_origin_and_of_an_even_one_there_is_none():
    assert E142Map((-1, -1), (1, 1), origin_location="Center").frame.index_of((0, 0)) == (0, 0)
    with pytest.raises(FrameError, match="6 dies in a line have none in the middle"):
        _ = E142Map((-3, -3), (2, 2), origin_location="Center").frame


# --- what is refused
@given(DIES)
def test_a_die_beside_the_rectangle_of_a_semi_map_has_no_name(die: tuple[int, int]):
    frame = E142Map((-2, -2), (2, 2), 180, "UpperRight", "DownLeft").frame
    if all(abs(each) <= 2 for each in die):
        assert all(0 <= each <= 4 for each in frame.index_of(die))
        return
    with pytest.raises(OutOfFrame, match=r"counts from \(0, 0\) to \(4, 4\)"):
        frame.index_of(die)


@pytest.mark.parametrize("die", [(32_768, 0), (0, -32_768), (-40_000, 40_000)])
def test_what_does_not_fit_sixteen_bits_is_refused_never_wrapped(die: tuple[int, int]):
    frame = StdfWafer().frame
    assert frame.index_of((32_767, -32_767)) == (32_767, -32_767)
    for convert in (frame.index_of, frame.die_at):
        with pytest.raises(OutOfFrame, match="32767"):
            convert(die)


@pytest.mark.parametrize(
    ("fields", "told"), [({"wf_flat": " "}, "WF_FLAT"), ({"pos_x": " ", "pos_y": " "}, "POS_X, POS_Y"), ({"center_x": -32_768}, "CENTER_X")]
)
def test_an_stdf_file_that_leaves_its_orientation_open_is_not_guessed_at(fields: dict[str, object], told: str):
    with pytest.raises(FrameError, match=told):
        StdfWafer(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("origin", [0, 5, -1])
def test_a_g85_origin_that_names_no_corner_is_refused(origin: int):
    with pytest.raises(FrameError, match="names no corner"):
        _ = G85Map((0, 0), (1, 1), origin_location=origin).frame


@pytest.mark.parametrize("degrees", [45, 89.9, float("nan")])
def test_a_wafer_between_the_axes_has_no_whole_dies(degrees: float):
    with pytest.raises(FrameError, match="between the axes"):
        _ = E142Map((0, 0), (1, 1), degrees).frame


@pytest.mark.parametrize("die", [(0.5, 0), (1.0, 2.0), ("1", 0)])
def test_a_die_is_whole_numbers(die: tuple[int, int]):
    with pytest.raises(FrameError, match="no pair of whole numbers"):
        DieFrame().index_of(die)


def test_numbers_of_any_integer_type_come_out_plain():
    index = DieFrame().index_of((np.int16(3), np.int64(-4)))
    assert index == (3, -4)
    assert {type(each) for each in index} == {int}


def test_a_map_without_dies_has_no_corners():
    with pytest.raises(FrameError, match="without a die"):
        E142Map.around([])


@pytest.mark.parametrize(("notch", "degrees"), [("down", 0), ("left", 90), ("up", 180), ("right", 270)])
def test_degrees_count_clockwise_from_the_bottom(notch: str, degrees: int):
    assert Notch(notch).degrees == degrees
    assert Notch.at_degrees(degrees - 360) is Notch(notch)


def test_centres_are_a_pitch_apart():
    assert centre_um((-2, 3), (10_000.0, 5_000.0)) == (-20_000.0, 15_000.0)
