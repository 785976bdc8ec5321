"""The map: names and places of dies, the route, subsites, bins and points of interest."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.instruments.sentio.route import Route
from simulator.instruments.sentio.wafer_map import WaferMap
from tests.simulator.sentio_bench import Bench

ORIENTS = ["UR", "UL", "DR", "DL"]


def grid(columns: range, rows: range) -> WaferMap:
    return WaferMap.of_wafer(itertools.product(columns, rows), 1234.5)


# --- the route
def test_the_route_ends_with_a_status_bit_and_then_an_error() -> None:
    bench = Bench()
    first = bench.say("map:step_first_die")
    assert first == "0,0,-2,2,0"
    walked = [first]
    while not walked[-1].startswith("1024,"):
        walked.append(bench.say("map:step_next_die"))
    assert len(walked) == 36 and {tuple(map(int, step.split(",")[2:4])) for step in walked} == set(bench.world.wafer.dies)
    assert bench.say("map:step_next_die") == "1035,0,End of route reached!"
    bench.message("map:step_previous_die")
    assert bench.message("map:get_num_dies Selected") == bench.message("map:get_num_dies selected") == bench.message("map:get_num_dies")
    assert bench.message("map:get_die_seq") == "34"
    assert bench.say("map:step_die_seq 35, 0") == walked[-1]
    bench.message("map:step_die_seq 0")
    assert bench.code("map:step_previous_die") == 11


@given(st.sampled_from(["ul", "ur", "ll", "lr"]), st.sampled_from(["r", "c", "wr", "wc"]), st.sampled_from(ORIENTS))
@settings(max_examples=64, deadline=None)
def test_every_routing_visits_every_die_once_and_starts_in_its_corner(start: str, priority: str, orient: str) -> None:
    wafer_map = grid(range(-2, 3), range(-1, 2))
    wafer_map.orient = orient
    dies = Route(wafer_map, start, priority).dies()
    assert sorted(dies) == sorted(wafer_map.dies)
    x_um, y_um = wafer_map.from_home_um(dies[0])
    assert (y_um > 0) == (start[0] == "u") and (x_um > 0) == (start[1] == "r")
    if priority.startswith("w"):
        assert all(abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1 for one, other in itertools.pairwise(dies))


def test_dies_that_are_not_part_of_the_route_can_be_visited_and_not_stepped_on_from() -> None:
    bench = Bench()
    bench.message("map:die:unselect 0, 0")
    assert bench.message("map:get_num_dies Selected") == "35" and bench.message("map:get_num_dies Present") == "36"
    assert bench.message("map:step_die 0, 0") == "0,0,0"
    assert bench.message("map:die:get_current_index") == "-1,0,0"
    assert bench.code("map:step_next_die") == 12
    bench.message("map:die:select 0, 0")
    assert bench.message("map:step_next_die").endswith(",0")


def test_dies_are_added_removed_and_asked_after() -> None:
    bench = Bench()
    assert [bench.message(f"map:die:get_status {die}") for die in ("0, 0", "9, 9")] == ["1", "3"]
    bench.message("map:die:add 9, 9")
    assert bench.message("map:die:get_status 9, 9") == "2"
    bench.message("map:die:remove 0, 0")
    assert bench.code("map:step_die 0,0") == 8
    assert bench.say("map:die:get_current_index") == "12,0,No die active"


# --- names and places
@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from(ORIENTS), st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=100, deadline=None)
def test_name_die_and_place_are_inverse_in_every_orientation_and_origin(
    column: int, row: int, orient: str, origin_column: int, origin_row: int
) -> None:
    wafer_map = grid(range(-5, 6), range(-5, 6))
    wafer_map.orient, wafer_map.origin = orient, (origin_column, origin_row)
    assert wafer_map.base(wafer_map.named((column, row))) == (column, row)
    assert wafer_map.at_um(*wafer_map.from_home_um((column, row)), tolerance_um=0.1) == (column, row)


@pytest.mark.parametrize(("orient", "beside"), [("UR", (10_000, 0)), ("UL", (-10_000, 0)), ("DR", (10_000, 0)), ("DL", (-10_000, 0))])
def test_columns_grow_as_the_axes_are_set(orient: str, beside: tuple[int, int]) -> None:
    bench = Bench()
    bench.message(f"map:set_axis_orient {orient}")
    bench.message("map:step_die 1, 0")
    assert bench.numbers("get_chuck_xy Wafer, H") == beside
    bench.message("map:step_die 0, 1")
    assert bench.numbers("get_chuck_xy Wafer, H") == (0, 10_000 if orient[0] == "U" else -10_000)
    assert bench.message("map:get_axis_orient") == orient


def test_another_grid_origin_renames_the_dies_and_moves_none() -> None:
    bench = Bench()
    bench.message("map:set_grid_origin -4, -3")
    assert bench.message("map:get_home_die") == "4,3"
    assert bench.message("map:die:get_current_index").endswith("4,3")
    bench.message("map:step_die 5, 3")
    assert bench.needles.die_below == (1, 0)


def test_another_home_die_says_that_the_home_position_is_its() -> None:
    bench = Bench()
    bench.message("map:set_home_die 1, 1")
    assert bench.message("map:die:get_current_index").endswith("1,1"), "the chuck stands at home"
    bench.message("map:step_die 0, 0")
    assert bench.numbers("get_chuck_xy Wafer, H") == (-10_000, -10_000)


def test_a_new_map_holds_the_dies_that_fit_and_steps_to_their_places() -> None:
    bench = Bench()
    bench.message("map:create 200")
    bench.message("map:set_grid_params 15000, 15000, 0, 0, 1000")
    assert 90 < int(bench.message("map:get_num_dies Present")) < 140
    assert bench.message("map:get_grid_params") == "15000.0,15000.0,0.0,0.0,1000.0"
    bench.message("map:set_home_die 0, 0")
    bench.message("map:step_die 1, 0")
    assert bench.message("get_chuck_xy Wafer, H") == "15000.0,0.0"
    assert bench.needles.die_below is None
    bench.message("map:path:select_dies n")
    assert bench.code("map:step_first_die") == 8


def test_the_wafers_centre_is_the_corner_that_four_dies_share() -> None:
    wafer_map = grid(range(1), range(1))
    wafer_map.pitch_um = (30_000.0, 30_000.0)
    wafer_map.create(100)
    assert wafer_map.dies == {(0, 0), (-1, 0), (0, -1), (-1, -1)}
    wafer_map.offset_um = (-15_000.0, -15_000.0)
    wafer_map.fill()
    assert (0, 0) in wafer_map.dies and (1, 1) not in wafer_map.dies and len(wafer_map.dies) == 5


def test_a_rectangular_map_lies_around_the_centre() -> None:
    bench = Bench()
    bench.message("map:create_rect 20, 10")
    bench.message("map:set_grid_origin -10, -5")
    assert [bench.message(f"map:die:get_status {die}") for die in ("0, 0", "19, 9", "20, 9", "-1, 0")] == ["1", "1", "3", "3"]
    assert (bench.message("map:get_num_cols"), bench.message("map:get_num_rows")) == ("20", "10")


@pytest.mark.parametrize(
    ("told", "asked", "answer"),
    [
        ("map:set_orient_marker Flat,90,32500", "map:get_orient_marker", "Flat,90.0,32500.0"),
        ("map:set_flat_params 180, 50000", "map:get_orient_marker", "Flat,180.0,50000.0"),
        ("map:set_street_size 80, 90", "map:get_street_size", "80,90"),
        ("map:set_index_size 3333, 4444", "map:get_index_size", "3333.0,4444.0"),
        ("map:set_diameter 150", "map:get_diameter", "150"),
        ("map:set_routing ur,wc", "map:get_routing", "UR,WC"),
        ("map:set_prop scale, 3", "map:get_prop scale", "3"),
        ("map:set_color_scheme 1", "map:get_prop die_reference_is_set", "True"),
    ],
)
def test_what_is_set_up_can_be_read_back(told: str, asked: str, answer: str) -> None:
    bench = Bench()
    bench.message(told)
    assert bench.message(asked) == answer


# --- subsites
def with_subsites(count: int) -> Bench:
    bench = Bench()
    bench.message("map:subsite:reset")
    for number in range(1, count):
        assert bench.message(f"map:subsite:add s{number}, {100 * number}, {-50 * number}, UR") == str(number)
    return bench


def test_subsites_lie_beside_the_dies_home_position() -> None:
    bench = with_subsites(3)
    assert bench.message("map:subsite:get_num ") == bench.message("map:subsite:get_num GP") == "3"
    assert bench.message("map:subsite:get 1, MAP") == "s1,100.0,-50.0" and bench.message("map:subsite:get 1, DL") == "s1,-100.0,50.0"
    bench.message("map:step_die 1, 0, 2")
    assert bench.numbers("get_chuck_xy Wafer, H") == (10_200, -100)
    assert bench.message("map:die:get_current_subsite") == "2"
    assert bench.message("map:step_next_die").endswith(",2"), "stepping stays on the subsite"
    assert bench.message("map:subsite:step s1").endswith(",1")


def test_stepping_subsites_goes_on_to_the_next_die_and_says_where_a_die_ends() -> None:
    bench = with_subsites(3)
    bench.message("map:step_first_die")
    said = [bench.say("map:subsite:step_next") for _ in range(3)]
    assert said == ["0,0,-2,2,1", "2048,0,-2,2,2", "0,0,-1,2,0"]
    assert bench.message("map:subsite:step_previous") == "-2,2,2"
    bench.message("map:step_die_seq 35, 2")
    assert bench.say("map:subsite:bin_step_next 1") == "1035,0,End of route reached!"
    assert bench.message("map:bins:get_bin") == "1"
    bench.message("map:step_die_seq 35, 1")
    assert bench.say("map:subsite:step_next").startswith("3072,"), "last die and last subsite"


def test_subsites_that_are_switched_off_are_not_routable() -> None:
    bench = with_subsites(3)
    bench.message("map:subsite:set_state 1, 0")
    assert bench.message("map:subsite:get_state 1") == "0" and bench.message("map:subsite:get_num GS") == "2"
    assert bench.code("map:step_die 0, 0, 1") == 14 and bench.code("map:step_first_die 1") == 14
    bench.message("map:subsite:set_state 1, 1, 0, 0")
    assert bench.message("map:subsite:get_state 1, 0, 0") == "1"
    assert bench.message("map:step_die 0, 0, 1") == "0,0,1"
    assert bench.say("map:step_next_die") == "1035,0,End of route reached!", "no other die has it"
    bench.message("map:subsite:remove 1")
    assert bench.message("map:subsite:get_num") == "2" and bench.code("map:subsite:remove 0") == 12


# --- bins
def test_bins_are_kept_per_die_and_subsite() -> None:
    bench = with_subsites(2)
    bench.message("map:step_first_die")
    bench.message("map:bin_step_next_die 1")
    assert bench.message("map:bins:get_bin -2, 2") == "1"
    bench.message("map:bins:set_bin 7, 0, 0, 1")
    bench.message("map:bins:set_value 0.5, 0, 0")
    assert (bench.message("map:bins:get_bin 0, 0, 1"), bench.message("map:bins:get_bin 0, 0")) == ("7", "-1")
    bench.message("map:bins:clear_all")
    assert bench.message("map:bins:get_bin 0, 0, 1") == "-1"


def test_the_binning_table_says_what_a_bin_means() -> None:
    bench = Bench()
    assert bench.message("map:bins:get_bin_info 0") == "0,Pass,Pass,#00FF00"
    bench.message("map:bins:set_bin_info 2, Leaky, fail, #123456")
    assert bench.message("map:bins:get_bin_info 2") == "2,Leaky,Fail,#123456"
    bench.message("map:bins:resize 20")
    assert bench.message("map:bins:get_num_bins") == "20"
    bench.message("map:bins:load C:\\ProgramData\\MPI Corporation\\Sentio\\config\\defaults\\default_bins.xbt")
    assert bench.message("map:bins:get_bin_info 2").startswith("2,Bin 2,Undefined")


def test_the_route_can_be_made_from_bins() -> None:
    bench = Bench()
    bench.message("map:bins:set_all 0, a")
    bench.message("map:bins:set_bin 1, 0, 0")
    bench.message("map:bins:set_bin 5, 1, 0")
    assert bench.message("map:path:create_from_bins fail") == "1"
    assert bench.message("map:path:add_bins 4-6") == "2"
    assert bench.message("map:path:remove_bins 1,2") == "1"
    assert bench.message("map:step_first_die") == "1,0,0"
    bench.message("map:bins:set_all -1")
    assert bench.message("map:path:create_from_bins unbinned") == "36"
    assert bench.code("map:path:add_bins plenty") == 6


# --- points of interest
def test_points_of_interest_are_stepped_on_the_active_die_until_there_is_none() -> None:
    bench = Bench()
    bench.message("map:poi:reset chuck, DieCenter")
    for number, x_um in enumerate((0, 250)):
        bench.message(f"map:poi:add {x_um}, 100, poi_{number}")
    assert bench.message("map:poi:get_num") == "2" and bench.message("map:poi:get 1") == "250.0,100.0,poi_1"
    bench.message("map:step_die 1, 0")
    assert bench.message("map:poi:step_first") == "1,0,0"
    assert bench.message("map:poi:step_next") == "1,0,1"
    assert bench.numbers("get_chuck_xy Wafer, H") == (10_250, 100)
    assert bench.code("map:poi:step_next") == 11
    bench.message("map:poi:step poi_0")
    assert bench.numbers("get_chuck_xy Wafer, H") == (10_000, 100)
    bench.message("map:poi:remove")
    assert bench.message("map:poi:get_num") == "0"
