"""The prober's language and chuck: what it answers, where it stands, what it refuses."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.instruments.sentio import Sentio
from simulator.instruments.sentio_chuck import travel_s
from simulator.instruments.sentio_map import WaferMap
from tests.simulator.worlds import world


class Bench:
    def __init__(self, *, cold: bool = False, kelvin_per_s: float | None = None) -> None:
        self.world = world("clean")
        self.prober = Sentio(self.world, cold=cold, kelvin_per_s=kelvin_per_s)
        self.port = self.prober.connect()
        self.now_ns = 0

    def say(self, line: str) -> str:
        return self.port.feed(line.encode() + b"\n", self.now_ns).data.decode().rstrip("\n")

    def code(self, line: str) -> int:
        return int(self.say(line).split(",")[0]) & 1023

    def message(self, line: str) -> str:
        code, _, message = self.say(line).split(",", 2)
        assert int(code) & 1023 == 0, (line, message)
        return message

    def busy_s(self, line: str) -> float:
        return self.port.feed(line.encode() + b"\n", self.now_ns).busy_ns / 1e9


@pytest.fixture(scope="module")
def shared() -> Bench:
    """One bench for many examples."""
    return Bench()


def test_it_says_what_it_is_and_that_it_is_simulated() -> None:
    bench = Bench()
    assert bench.say("*IDN?") == "MPI Corporation,TS2000-SE,SIM20261122,SENTIO 26.2.0"
    assert bench.say("status:get_machine_id") == "0,0,SIM20261122"
    assert bench.say("status:get_version") == "0,0,Version: 26.2.0"
    assert bench.say("status:get_machine_status") == "0,0,Ready,,"


@pytest.mark.parametrize("line", ["*RCS 1", "*LOCAL", "", "   ", "\r"])
def test_remote_local_and_blank_lines_get_no_answer(line: str) -> None:
    assert Bench().say(line) == ""


def test_an_unknown_command_is_named_in_the_answer() -> None:
    assert Bench().say("frobnicate 1") == "2,0,Unsupported remote command: frobnicate 1"


def test_it_stands_separated_on_the_home_die_ready_for_work() -> None:
    bench = Bench()
    assert bench.message("get_chuck_site_status Wafer") == "1,1,0,1"
    assert bench.message("get_chuck_site_heights Wafer") == "16000.0,250.0,20.0,50.0"
    assert bench.message("get_chuck_z Zero") == "15750.0"
    assert bench.message("get_chuck_xy Wafer, H") == "0.0,0.0"
    assert bench.message("map:die:get_current_index").split(",")[1:] == ["0", "0"]
    assert bench.world.die_in_contact is None


@pytest.mark.parametrize("line", ["map:step_die 2, -1, 0", "map:step_die 2,-1", "MAP:STEP_DIE 2,-1,", "map:step_die 2 , -1 , 0 \r"])
def test_every_clients_way_of_naming_a_die_is_understood(line: str) -> None:
    bench = Bench()
    assert bench.message(line) == "2,-1,0"
    assert bench.message("map:die:get_current_index").split(",")[1:] == ["2", "-1"]


def test_the_needles_are_on_the_die_the_map_names_for_every_die() -> None:
    bench = Bench()
    for x, y in bench.world.wafer.dies:
        bench.message("move_chuck_separation ")
        assert bench.message(f"map:step_die {x}, {y}, 0") == f"{x},{y},0"
        bench.message("move_chuck_contact")
        assert bench.world.die_in_contact == (x, y)
    assert bench.world.damage == []


def test_home_counts_in_the_wafers_frame_and_the_stage_runs_the_other_way() -> None:
    bench = Bench()
    stage_home = [float(text) for text in bench.message("get_chuck_xy").split(",")]
    bench.message("map:step_die 1, -2, 0")
    assert bench.message("chuck:get_xy H") == "10000.0,-20000.0,Home"
    stage = [float(text) for text in bench.message("get_chuck_xy 0,zero").split(",")]
    assert stage[0] - stage_home[0] == pytest.approx(-10_000) and stage[1] - stage_home[1] == pytest.approx(20_000)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("map:step_die 9, 9, 0", 8),
        ("map:step_die 0", 7),
        ("map:step_die a, b", 6),
        ("map:step_die 0.5, 0", 6),
        ("map:step_die 0,0,3", 8),
        ("move_chuck_xy H, 9e9, 0", 8),
        ("move_chuck_z Z, 50000", 8),
        ("move_chuck_z Q, 0", 6),
        ("get_chuck_site_status AuxLeft", 13),
        ("get_chuck_site_status Nowhere", 6),
        ("set_chuck_overtravel_gap 5000", 120),
        ("set_chuck_overtravel_gap -1", 120),
        ("set_chuck_site_heights Wafer,16000", 7),
        ("set_stepping_contact_mode Whatever", 6),
        ("status:get_soaking_time 33.00", 200),
        ("enable_chuck_overtravel maybe", 6),
        ("query_command_status 7", 32),
        ("move_chuck_load nowhere", 6),
        ("map:path:get_die 99", 8),
        ("status:set_chuck_temp 900", 8),
        ("move_chuck_hover", 12),
        ("map:create 5000", 8),
        ("map:set_grid_params 0,0,0,0,0", 8),
        ("move_chuck_xy H, nan, 0", 6),
    ],
)
def test_what_is_wrong_is_refused_with_its_code_and_changes_nothing(line: str, code: int) -> None:
    bench = Bench()
    assert bench.code(line) == code
    assert bench.message("get_chuck_xy Wafer, H") == "0.0,0.0"
    assert bench.message("get_chuck_site_heights Wafer") == "16000.0,250.0,20.0,50.0"


def test_contact_goes_to_overtravel_when_that_is_enabled() -> None:
    bench = Bench()
    assert bench.message("move_chuck_contact") == "16000.0"
    bench.message("enable_chuck_overtravel True")
    assert bench.message("move_chuck_contact") == "16020.0"
    assert bench.message("get_chuck_site_status Wafer") == "1,1,1,1"
    assert bench.message("move_chuck_separation ") == "15750.0"
    assert bench.message("move_chuck_separation ") == "15750.0"


def test_long_and_short_references_move_the_same() -> None:
    bench = Bench()
    assert bench.message("chuck:move_z Contact,0") == "16000.0,Contact"
    assert bench.message("chuck:move_z Separation,0") == "15750.0,Separation"
    assert bench.message("move_chuck_z C, -100") == "15900.0"
    assert bench.message("move_chuck_z R, -50") == "15850.0"
    assert bench.message("chuck:get_z Zero") == "15850.0,Zero"
    assert bench.message("get_chuck_z C") == "-150.0"
    assert bench.message("chuck:move_xy H,1000,2000") == "1000.0,2000.0,Home"


@pytest.mark.parametrize(
    "line", ["map:step_die 1,0", "map:step_next_die", "move_chuck_xy H, 0, 500", "move_chuck_home ", "move_chuck_index Home, 1, 1"]
)
def test_locked_contact_refuses_to_move_sideways(line: str) -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode LockContact")
    bench.message("move_chuck_contact")
    assert bench.code(line) == 12
    assert bench.world.die_in_contact == (0, 0) and bench.world.damage == []


def test_back_to_contact_separates_steps_and_touches_again() -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode BackToContact")
    bench.message("move_chuck_contact")
    bench.message("map:step_die 1,0")
    assert bench.world.die_in_contact == (1, 0) and bench.world.damage == []


def test_step_to_separation_leaves_the_chuck_down() -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode StepToSeparation")
    bench.message("move_chuck_contact")
    bench.message("map:step_die 1,0")
    assert bench.message("get_chuck_z Z") == "15750.0" and bench.world.damage == []


def test_an_unlocked_free_move_in_contact_drags_the_needles() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.message("move_chuck_xy R, 100, 0")
    assert [damage.kind for damage in bench.world.damage] == ["xy_in_contact"]
    assert bench.code("map:die:get_current_index") == 12


def test_the_route_ends_with_a_status_bit_and_then_an_error() -> None:
    bench = Bench()
    first = bench.say("map:step_first_die")
    assert first == "0,0,-2,2,0"
    walked = [first]
    while not walked[-1].startswith("1024,"):
        walked.append(bench.say("map:step_next_die"))
    assert len(walked) == 36 and {tuple(map(int, step.split(",")[2:4])) for step in walked} == set(bench.world.wafer.dies)
    assert bench.code("map:step_next_die") == 11
    bench.message("map:step_previous_die")
    assert bench.message("map:get_num_dies Selected") == bench.message("map:get_num_dies selected") == "36"


@given(st.sampled_from(["ul", "ur", "ll", "lr"]), st.sampled_from(["r", "c", "wr", "wc"]), st.sampled_from(["UR", "UL", "DR", "DL"]))
@settings(max_examples=64, deadline=None)
def test_every_routing_visits_every_die_once_and_starts_in_its_corner(start: str, priority: str, orient: str) -> None:
    wafer_map = WaferMap.of_wafer(tuple(itertools.product(range(-2, 3), range(-1, 2))), 1000.0)
    wafer_map.start, wafer_map.priority, wafer_map.orient = start, priority, orient
    route = wafer_map.route()
    assert sorted(route) == sorted(wafer_map.dies)
    x_um, y_um = wafer_map.from_home_um(route[0])
    assert (y_um > 0) == (start[0] == "u") and (x_um > 0) == (start[1] == "r")
    if priority.startswith("w"):
        assert all(abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1 for one, other in itertools.pairwise(route))


@given(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from(["UR", "UL", "DR", "DL"]), st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=100, deadline=None)
def test_die_and_place_are_inverse_in_every_orientation(column: int, row: int, orient: str, home_column: int, home_row: int) -> None:
    wafer_map = WaferMap.of_wafer(tuple(itertools.product(range(-5, 6), range(-5, 6))), 1234.5)
    wafer_map.orient, wafer_map.home = orient, (home_column, home_row)
    assert wafer_map.at_um(*wafer_map.from_home_um((column, row)), tolerance_um=0.1) == (column, row)


def test_a_new_map_holds_the_dies_that_fit_and_steps_to_their_places() -> None:
    bench = Bench()
    bench.message("map:create 200")
    bench.message("map:set_grid_params 15000, 15000, 0, 0, 1000")
    count = int(bench.message("map:get_num_dies Present"))
    assert 90 < count < 140
    bench.message("map:set_home_die 0, 0")
    bench.message("map:step_die 1, 0")
    assert bench.message("get_chuck_xy Wafer, H") == "15000.0,0.0"
    assert bench.world.needles.die_below is None
    bench.message("map:path:select_dies n")
    assert bench.code("map:step_first_die") == 8


def test_bins_are_kept_per_die() -> None:
    bench = Bench()
    bench.message("map:step_first_die")
    bench.message("map:bin_step_next_die 1")
    assert bench.message("map:bins:get_bin -2, 2") == "1"
    bench.message("map:bins:set_bin 7, 0, 0")
    bench.message("map:bins:set_value 0.5, 0, 0")
    assert bench.message("map:bins:get_bin 0, 0") == "7"
    assert bench.message("map:bins:get_bin_info 0") == "0,Pass,pass,#00FF00"


def test_a_cold_prober_knows_neither_home_nor_contact_until_it_is_set_up() -> None:
    bench = Bench(cold=True)
    assert bench.message("get_chuck_site_status Wafer") == "0,0,0,0"
    assert (bench.code("move_chuck_contact"), bench.code("move_chuck_home ")) == (23, 18)
    assert bench.code("vis:align_wafer") == 86 and bench.code("set_vacuum Wafer, True") == 68
    assert bench.say("start_initialization") == "0,1,OK" and bench.say("wait_complete 1, 180") == "0,1,OK"
    bench.message("loader:load_wafer cas1, 1, 0")
    bench.message("set_vacuum Wafer, True")
    bench.message("vis:align_wafer update")
    bench.message("vis:find_home")
    bench.message("set_chuck_site_heights Wafer,16000,250,20,50")
    assert bench.message("get_chuck_site_status Wafer") == "1,1,0,1"
    bench.message("map:step_die -3, 0")
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact == (-3, 0)


@pytest.mark.parametrize(
    ("line", "state", "code"), [("set_vacuum Wafer, False", "vacuum", 68), ("", "door", 66), ("clear_contact", "height", 23)]
)
def test_contact_needs_vacuum_closed_doors_and_a_contact_height(line: str, state: str, code: int) -> None:
    bench = Bench()
    bench.say(line)
    if state == "door":
        bench.prober.doors_closed = False
    assert bench.code("move_chuck_contact") == code
    assert bench.world.die_in_contact is None


def test_a_wrong_contact_height_does_not_reach_the_wafer() -> None:
    bench = Bench()
    bench.message("set_chuck_site_heights Wafer,15900,250,20,50")
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact is None


def test_the_newest_client_that_asks_for_remote_control_moves_the_chuck() -> None:
    bench = Bench()
    other = bench.prober.connect()
    bench.say("*RCS 1")
    bench.message("map:step_die 1,0")
    assert other.feed(b"map:step_die 0,0\n", 0).data.startswith(b"12,")
    assert other.feed(b"get_chuck_z Z\n", 0).data == b"0,0,15750.0\n"
    assert other.feed(b"stop_chuck_xyz\n", 0).data == b"0,0,OK\n"
    other.feed(b"*RCS 1\n", 0)
    assert bench.code("map:step_die 1,0") == 12
    other.close()
    assert bench.message("map:step_die 1,0") == "1,0,0"


def test_a_lost_connection_leaves_the_chuck_where_it_is() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.port.close()
    assert bench.world.die_in_contact == (0, 0)


def test_moves_take_their_time_and_none_takes_none() -> None:
    bench = Bench()
    assert 0.2 < bench.busy_s("map:step_die 1,0") < 2.0
    assert 0.05 < bench.busy_s("move_chuck_contact") < 1.0
    assert bench.busy_s("move_chuck_contact") < 0.01


@given(st.floats(0, 1e5), st.floats(0, 1e5))
@settings(max_examples=50, deadline=None)
def test_a_longer_way_never_takes_less_time(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert travel_s(near, 6e4, 4e5) <= travel_s(far, 6e4, 4e5)


def test_the_chuck_warms_up_at_its_rate_and_never_in_contact() -> None:
    bench = Bench(kelvin_per_s=0.5)
    assert bench.message("status:get_chuck_thermo_state") == "Uncontrolled"
    bench.message("move_chuck_contact")
    assert bench.code("status:set_chuck_temp 40.00, False") == 12
    bench.message("status:set_chuck_temp 40.00, True")
    assert bench.message("get_chuck_z Z") == "15750.0"
    assert bench.message("status:get_chuck_thermo_state") == "Heating"
    bench.now_ns = 10_000_000_000
    assert bench.message("status:get_chuck_temp") == "30.00"
    assert bench.world.temperature_c == 30.0
    bench.now_ns = 60_000_000_000
    assert bench.message("status:get_chuck_temp") == bench.message("status:get_chuck_temp_setpoint") == "40.00"
    assert bench.message("status:get_chuck_thermo_state") == "Controlling"


def test_touchdowns_are_counted_and_cleaning_cleans() -> None:
    bench = Bench()
    for _ in range(3):
        bench.message("move_chuck_contact")
        bench.message("move_chuck_separation ")
    assert bench.message("setup:contact_counter:get") == "3"
    assert bench.world.needles.dirt_ohms > 0
    bench.message("aux:cleaning:start 5")
    assert bench.world.needles.dirt_ohms == 0
    bench.message("setup:contact_counter:reset")
    assert bench.message("setup:contact_counter:get") == "0"


@given(st.binary(max_size=120))
@settings(max_examples=200, deadline=None)
def test_no_bytes_upset_it_or_move_it_into_contact(shared: Bench, data: bytes) -> None:
    port = shared.prober.connect()
    port.feed(data, 0)
    port.feed(b"\n", 0)
    assert port.feed(b"status:get_version\n", 0).data == b"0,0,Version: 26.2.0\n"
    assert shared.world.die_in_contact is None


@given(st.lists(st.integers(1, 30), max_size=10))
@settings(max_examples=50, deadline=None)
def test_answers_do_not_depend_on_how_the_bytes_are_split(shared: Bench, cuts: list[int]) -> None:
    text = b"status:get_version\r\nget_chuck_z Z\n\n*RCS 1\nget_door_status prober\n"
    port, got, at = shared.prober.connect(), b"", 0
    for cut in [*cuts, len(text)]:
        got += port.feed(text[at : at + cut], 0).data
        at += cut
    port.close()
    assert got == b"0,0,Version: 26.2.0\n0,0,15750.0\n0,0,1,1\n"
