"""The prober's language: what it answers to whom, and how tolerant it is of how it is said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.instruments.sentio.codes import Code, meaning
from tests.simulator.sentio_bench import Bench


@pytest.fixture(scope="module")
def shared() -> Bench:
    """One bench for many examples."""
    return Bench()


# --- who it is
def test_it_says_what_it_is_and_that_it_is_simulated() -> None:
    bench = Bench()
    assert bench.say("*IDN?") == "MPI Corporation,TS2000-SE,SIM20261122,SENTIO 26.2.0"
    assert bench.say("status:get_machine_id") == "0,0,SIM20261122"
    assert bench.say("status:get_version") == "0,0,Version: 26.2.0"
    assert bench.say("status:get_machine_status") == "0,0,Ready,,"


def test_an_older_version_says_so_and_knows_fewer_commands() -> None:
    bench = Bench(version="24.0.7")
    assert bench.say("status:get_version") == "0,0,Version: 24.0.7"
    assert bench.say("*IDN?").endswith("SENTIO 24.0.7")
    for line in ("chuck:move_z Contact,0", "chuck:get_xy H", "scope:get_site_num", "get_positioner_site West,1", "list_project_files"):
        assert bench.say(line) == f"2,0,Unsupported remote command: {line}"
    assert bench.message("get_chuck_z Z") == bench.message("get_chuck_z Zero") == "15750.0"


@pytest.mark.parametrize("line", ["*RCS 1", "*LOCAL", "*REMOTE", "*CLS", "", "   ", "\r", "\t\r"])
def test_orders_that_begin_with_a_star_and_blank_lines_get_no_answer(line: str) -> None:
    assert Bench().say(line) == ""


def test_questions_that_begin_with_a_star_are_answered_without_a_head() -> None:
    bench = Bench()
    assert [bench.say(line) for line in ("*RCS?", "*OPC?", "*GET? anything")] == ["1", "1", "0"]


def test_an_unknown_command_is_named_in_the_answer() -> None:
    assert Bench().say("frobnicate 1") == "2,0,Unsupported remote command: frobnicate 1"


@pytest.mark.parametrize("line", ["qal:calibration_execute", "siph:fast_alignment", "siph:top:east:coupling U", "select_module Qalibria"])
def test_a_module_that_is_not_installed_has_no_handler(line: str) -> None:
    assert Bench().code(line) == 3


def test_every_code_can_be_said_in_words() -> None:
    assert meaning(23) == "Contact height not set" and meaning(999) == "Error 999"
    assert len({meaning(code) for code in Code}) == len(Code)


# --- how it may be said
@pytest.mark.parametrize(
    "line", ["map:step_die 2, -1, 0", "map:step_die 2,-1", "MAP:STEP_DIE 2,-1,", "map:step_die 2 , -1 , 0 \r", "map:step_die\t+2,\t-1"]
)
def test_every_clients_way_of_naming_a_die_is_understood(line: str) -> None:
    bench = Bench()
    assert bench.message(line) == "2,-1,0"
    assert bench.message("map:die:get_current_index").split(",")[1:] == ["2", "-1"]


@pytest.mark.parametrize("site", ["Wafer", "wafer", "WAFER", "0", ""])
def test_sites_are_known_by_name_and_number_and_the_active_one_without(site: str) -> None:
    bench = Bench()
    assert bench.message(f"get_chuck_site_status {site}") == "1,1,0,1"
    assert bench.message(f"get_chuck_site_heights {site}") == "16000.0,250.0,20.0,50.0"


@pytest.mark.parametrize("word", ["True", "true", "1", "ON", "on"])
def test_booleans_come_in_any_form(word: str) -> None:
    bench = Bench()
    bench.message(f"enable_chuck_overtravel {word}")
    assert bench.message("get_chuck_site_status Wafer") == "1,1,1,1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("map:step_die 9, 9, 0", 8),
        ("map:step_die 0", 7),
        ("map:step_die a, b", 6),
        ("map:step_die 0.5, 0", 6),
        ("map:step_die 0_1, 0", 6),
        ("map:step_die 0,0,3", 8),
        ("map:step_die 0,0,x", 6),
        ("move_chuck_xy H, 9e9, 0", 8),
        ("move_chuck_xy H, nan, 0", 6),
        ("move_chuck_xy Q, 0, 0", 6),
        ("move_chuck_z Z, 50000", 8),
        ("move_chuck_z C, 1", 8),
        ("move_chuck_z Q, 0", 6),
        ("move_chuck_theta Z, 200", 8),
        ("get_chuck_site_status Nowhere", 6),
        ("get_chuck_site_status 17", 6),
        ("get_chuck_site_status ChuckCamera2", 13),
        ("set_chuck_overtravel_gap 5000", 120),
        ("set_chuck_overtravel_gap -1", 120),
        ("set_chuck_separation_gap -1", 8),
        ("set_chuck_site_heights Wafer,16000", 7),
        ("set_chuck_site_heights Wafer,16000,250,5000,50", 120),
        ("set_stepping_contact_mode Whatever", 6),
        ("set_chuck_speed Ludicrous", 6),
        ("service:chuck_fence Brick", 6),
        ("status:get_soaking_time 33.00", 200),
        ("status:get_prop nothing", 6),
        ("enable_chuck_overtravel maybe", 6),
        ("query_command_status 7", 32),
        ("wait_complete 7, 1", 32),
        ("abort_command 7", 32),
        ("move_chuck_load nowhere", 6),
        ("move_chuck_work_area Offaxis", 13),
        ("map:path:get_die 99", 8),
        ("map:create 5000", 8),
        ("map:set_grid_params 0,0,0,0,0", 8),
        ("map:set_grid_params 1,1,0,0,0", 8),
        ("map:bins:load nothing.xbt", 9),
        ("map:open nothing.xwmf", 9),
        ("map:bins:set_bin 99", 8),
        ("map:bins:get_bin_info 99", 8),
        ("map:poi:step 3", 8),
        ("open_project nothing", 9),
        ("status:set_chuck_temp 900", 8),
        ("move_chuck_hover", 12),
        ("get_indexer_pos", 122),
        ("move_vce_z vce01, Z, 0", 13),
        ("vis:switch_camera offaxis", 36),
        ("vis:switch_camera brownie", 6),
        ("vis:get_prop calib, chuck", 35),
        ("vis:find_pattern nothing, 70, 0, CenterOfRoi", 20),
        ("vis:compensation:enable topography, True", 121),
        ("loader:load_wafer cas2, 1", 80),
        ("loader:load_wafer cas1, 26", 81),
        ("loader:load_wafer cas1, 1", 160),
        ("loader:load_wafer cas1, 1, 400", 83),
        ("loader:load_wafer nowhere, 1", 6),
        ("loader:prealign Notch, 0", 85),
        ("loader:query_wafer_status cas1, 1", 65),
        ("loader:transfer_wafer cas1, 2, pa, 1", 65),
    ],
)
def test_what_is_wrong_is_refused_with_its_code_and_changes_nothing(line: str, code: int) -> None:
    bench = Bench()
    assert bench.code(line) == code
    assert bench.message("get_chuck_xy Wafer, H") == "0.0,0.0"
    assert bench.message("get_chuck_site_heights Wafer") == "16000.0,250.0,20.0,50.0"
    assert bench.message("map:die:get_current_index").endswith("0,0")
    assert bench.message("map:get_num_dies Present") == "36"


# --- who may
def test_the_newest_client_that_asks_for_remote_control_moves_the_chuck() -> None:
    bench = Bench()
    other = bench.prober.connect()
    bench.say("*RCS 1")
    bench.message("map:step_die 1,0")
    assert bench.code("map:step_die 0,0", other) == 12
    assert bench.say("get_chuck_z Z", other) == "0,0,15750.0"
    assert bench.say("stop_chuck_xyz", other) == "0,0,OK"
    bench.say("*RCS 1", other)
    assert bench.code("map:step_die 1,0") == 12
    other.close()
    assert bench.message("map:step_die 1,0") == "1,0,0"


def test_whoever_says_local_leaves_control_to_the_next() -> None:
    bench = Bench()
    other = bench.prober.connect()
    bench.message("map:step_die 1,0")
    bench.say("*LOCAL", other)
    assert bench.code("map:step_die 0,0", other) == 12, "it was not theirs to give"
    bench.say("*LOCAL")
    assert bench.message("map:step_die 0,0", other) == "0,0,0"


def test_a_lost_connection_leaves_the_chuck_where_it_is() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.port.close()
    assert bench.world.die_in_contact == (0, 0)


# --- bytes
@given(st.binary(max_size=120))
@settings(max_examples=200, deadline=None)
def test_no_bytes_upset_it_or_move_it_into_contact(shared: Bench, data: bytes) -> None:
    port = shared.prober.connect()
    port.feed(data + b"\n", 0)
    while port.take(0):
        pass
    assert shared.say("status:get_version", port) == "0,0,Version: 26.2.0"
    port.close()
    assert shared.world.die_in_contact is None


@given(st.lists(st.integers(1, 30), max_size=10))
@settings(max_examples=50, deadline=None)
def test_answers_do_not_depend_on_how_the_bytes_are_split(shared: Bench, cuts: list[int]) -> None:
    text = b"status:get_version\r\nget_chuck_z Z\n\n*RCS 1\nget_door_status prober\n"
    port, at = shared.prober.connect(), 0
    for cut in [*cuts, len(text)]:
        port.feed(text[at : at + cut], 0)
        at += cut
    assert [port.take(0) for _ in range(4)] == [b"0,0,Version: 26.2.0\n", b"0,0,15750.0\n", b"0,0,1,1\n", b""]
    port.close()


def test_a_client_that_never_ends_its_line_costs_no_memory_and_is_heard_when_it_does() -> None:
    bench = Bench()
    for _ in range(20):
        bench.port.feed(b"x" * 65_536, 0)
    bench.port.feed(b"\nstatus:get_version\n", 0)
    assert bench.heard().startswith("2,0,Unsupported remote command: xxx")
    assert bench.heard() == "0,0,Version: 26.2.0"


def test_a_client_that_sends_more_than_it_waits_for_is_heard_no_further() -> None:
    bench = Bench(real=True)
    assert not bench.port.full
    bench.port.feed(b"map:step_die 1,0\n" * 300, 0)
    assert bench.port.full and bench.port.speaks_on
