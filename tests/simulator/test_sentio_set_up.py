"""From an empty chuck to a wafer that can be measured: loading, aligning, heights, warmth, cleaning, doors."""

import pytest

from tests.simulator.sentio_bench import Bench


def loaded(*, aligned: bool = True, seed: int = 20261122) -> Bench:
    """A cold station that was set up with its own commands."""
    bench = Bench(cold=True, seed=seed)
    bench.message("start_initialization")
    bench.message("loader:load_wafer cas1, 1, 0")
    if aligned:
        bench.message("vis:align_wafer")
    bench.message("vis:find_home")
    bench.message("set_chuck_site_heights Wafer,16000,250,20,50")
    bench.message("move_chuck_separation ")
    return bench


def touches(bench: Bench, die: tuple[int, int]) -> tuple[int, int] | None:
    """The die whose pads the needles are on after stepping to one and touching down."""
    bench.message("move_chuck_separation ")
    bench.message(f"map:step_die {die[0]}, {die[1]}")
    bench.message("move_chuck_contact")
    return bench.world.die_in_contact


# --- from cold
def test_a_cold_prober_knows_neither_home_nor_contact_until_it_is_set_up() -> None:
    bench = Bench(cold=True)
    assert bench.message("get_chuck_site_status Wafer") == "0,0,0,0"
    assert bench.message("status:get_machine_status") == "NotReady,,"
    assert (bench.code("move_chuck_contact"), bench.code("move_chuck_home ")) == (23, 18)
    assert bench.code("vis:align_wafer") == 86 and bench.code("set_vacuum Wafer, True") == 68
    assert bench.code("move_chuck_xy Z, 1, 1") == 100
    assert bench.say("start_initialization") == "0,1,OK" and bench.say("wait_complete 1, 180") == "0,1,OK"
    assert bench.message("loader:load_wafer cas1, 1, 0") == "SIM-WAFER"
    bench.message("set_vacuum Wafer, True")
    bench.message("vis:align_wafer update")
    bench.message("vis:find_home")
    bench.message("set_chuck_site_heights Wafer,16000,250,20,50")
    assert bench.message("get_chuck_site_status Wafer") == "1,1,0,1"
    bench.message("map:step_die -3, 0")
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact == (-3, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wafer_that_was_aligned_is_met_on_every_die_and_one_that_was_not_is_missed_at_the_edge(seed: int) -> None:
    bench = loaded(seed=seed)
    assert all(touches(bench, die) == die for die in bench.world.wafer.dies)
    askew = loaded(aligned=False, seed=seed)
    assert touches(askew, (0, 0)) == (0, 0)
    assert touches(askew, (3, 0)) is None, "the wafer lies askew"
    assert bench.kinds == askew.kinds == []


def test_a_wafer_never_lies_twice_the_same() -> None:
    bench = loaded()
    first = bench.needles.home_stage_um, bench.needles.lying_deg
    bench.message("loader:unload_wafer")
    assert not bench.needles.wafer_loaded and bench.message("get_chuck_site_status Wafer") == "0,1,0,0"
    assert bench.code("vis:align_wafer") == 86 and bench.code("vis:auto_focus F") == 24 and bench.code("loader:unload_wafer") == 86
    bench.message("loader:load_wafer cas1, 1")
    assert (bench.needles.home_stage_um, bench.needles.lying_deg) != first


# --- the loader
def test_the_loader_carries_the_one_wafer_from_place_to_place() -> None:
    bench = Bench(cold=True)
    bench.message("start_initialization")
    assert bench.message("loader:scan_station cas1") == "1" + 24 * "0"
    assert bench.message("loader:query_wafer_status cas1, 1") == "Cassette1,1,100,0,0.0"
    assert [bench.message(f"loader:has_station {name}") for name in ("cas1", "cas2", "pa", "ww")] == ["1", "0", "1", "0"]
    assert bench.message("loader:has_cassette cas1") == "1,100" and bench.message("loader:has_cassette cas2") == "0,0"
    bench.message("loader:transfer_wafer cas1, 1, pa, 1")
    bench.message("loader:prealign Notch, 180")
    assert bench.message("loader:read_wafer_id 90, T") == "SIM-WAFER"
    assert bench.code("loader:transfer_wafer cas1, 1, pa, 1") == 64
    assert bench.message("loader:query_station_status pa") == "1"
    bench.message("loader:set_wafer_id pa, 1, W17")
    assert bench.message("loader:query_wafer_id pa, 1") == "W17"
    assert bench.message("loader:swap_wafer") == "False,True"
    assert bench.needles.wafer_loaded and bench.message("loader:query_wafer_status chuck, 1") == "Cassette1,1,100,180,0.0"
    bench.message("loader:unload_wafer cas1, 7")
    assert bench.message("loader:query_station_status cas1")[6] == "1"


def test_the_loader_is_busy_while_it_works_and_a_wafer_half_way_is_put_back() -> None:
    bench = Bench(cold=True, real=True)
    bench.message("start_initialization")
    bench.message("wait_complete 1, 180")
    other = bench.prober.connect()
    bench.send("loader:transfer_wafer cas1, 1, pa, 1")
    bench.wait(5)
    assert bench.message("status:get_machine_status", other) == "Ready,Running,LoaderBusy"
    bench.message("stop_chuck_xyz", other)
    assert bench.heard().startswith("2,") and bench.message("status:get_machine_status", other) == "Ready,,"
    assert bench.message("loader:query_station_status cas1").startswith("1")


def test_loader_commands_that_start_answer_later() -> None:
    bench = Bench(cold=True)
    bench.message("start_initialization")
    bench.say("wait_all 90")
    assert bench.say("loader:start_prepare_station cas1") == "0,2,OK"
    assert bench.say("wait_complete 2, 90") == f"0,2,{'1' + 24 * '0'}"
    bench.say("loader:start_prepare_wafer cas1, 1, 90, 1, cas1, 3")
    assert bench.say("wait_complete 3, 90") == "0,3,SIM-WAFER"
    bench.say("loader:start_read_wafer_id 90, T")
    assert bench.say("wait_complete 4, 90") == "0,4,SIM-WAFER"
    assert bench.code("loader:start_prepare_station nowhere") == 6


def test_a_virtual_carrier_has_an_end() -> None:
    bench = Bench()
    carrier = bench.message("loader:vc:list")
    assert bench.say(f"loader:vc:start_initialize {carrier},Start,False") == "0,1,OK"
    assert bench.message("wait_complete 1") == "Ready SIM-WAFER Cassette1 1 25.0 0"
    bench.say("loader:vc:start_next_step")
    assert bench.message("wait_complete 2") == "Ready,SIM-WAFER,Cassette1,1,25.0,0"
    bench.say("loader:vc:start_next_step")
    assert bench.code("wait_complete 3") == 16
    assert bench.code("loader:vc:select nothing") == 6


# --- aligning
def test_aligning_with_the_die_size_may_change_the_home_die_and_the_home_position() -> None:
    bench = Bench()
    bench.message("vis:align_wafer auto")
    assert bench.message("map:get_home_die") == "-1,-1"
    assert bench.message("map:die:get_current_index").endswith("-1,-1")
    bench.message("map:step_die 2, 1")
    assert bench.numbers("get_chuck_xy Wafer, H") == pytest.approx((30_000, 20_000), abs=5), "home is another place now"
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact == (2, 1), "and dies keep their names"


def test_the_next_wafers_home_is_looked_for_where_the_last_ones_was() -> None:
    bench = Bench()
    bench.message("vis:align_wafer auto")
    bench.message("loader:unload_wafer")
    bench.message("loader:load_wafer cas1, 1")
    bench.message("vis:align_wafer")
    assert bench.message("vis:find_home") == "OK" and bench.message("map:die:get_current_index").endswith("-1,-1")
    assert touches(bench, (1, 2)) == (1, 2)


def test_aligning_without_vacuum_is_not_accurate() -> None:
    bench = Bench()
    bench.message("set_vacuum 0")
    assert bench.code("vis:align_wafer") == 37


def test_home_is_found_only_where_it_can_be_seen() -> None:
    bench = Bench()
    bench.message("chuck:set_home 100000,100000")
    assert bench.code("vis:find_home") == 21
    assert bench.say("map:die:get_current_index") == "12,0,No die active"


def test_a_wafer_that_nothing_holds_slips_when_the_chuck_moves() -> None:
    bench = Bench()
    bench.message("set_vacuum Wafer, False")
    for _ in range(5):
        bench.message("map:step_die 2, 0")
        bench.message("map:step_die 0, 0")
    assert bench.needles.die_below is None, "the prober still believes it"
    bench.message("set_vacuum Wafer, True")
    bench.message("vis:align_wafer")
    bench.message("vis:find_home")
    assert bench.needles.die_below == (0, 0)


# --- temperature
def test_the_chuck_warms_up_at_its_rate_and_never_in_contact() -> None:
    bench = Bench(kelvin_per_s=0.5)
    assert bench.message("status:get_chuck_thermo_state") == "Uncontrolled"
    bench.message("move_chuck_contact")
    assert bench.code("status:set_chuck_temp 40.00, False") == 12
    bench.message("status:set_chuck_temp 40.00, True")
    assert bench.message("get_chuck_z Z") == "10000.0"
    assert bench.message("status:get_chuck_thermo_state") == "Heating"
    bench.wait(10)
    assert bench.message("status:get_chuck_temp") == "30.00"
    assert 25.0 < bench.world.temperature_c < 30.0, "the wafer lags behind"
    bench.wait(60)
    assert bench.message("status:get_chuck_temp") == bench.message("status:get_chuck_temp_setpoint") == "40.00"
    assert bench.message("status:get_chuck_thermo_state") == "Controlling"
    bench.wait(600)
    assert bench.world.temperature_c == 40.0
    assert bench.message("status:set_chuck_temp 25") == "OK" and bench.message("status:get_chuck_thermo_state") == "Cooling"


def test_a_hot_chuck_soaks_and_the_wafer_grows_towards_the_needles() -> None:
    bench = Bench(kelvin_per_s=0.5)
    before = bench.needles.first_touch_um()
    bench.message("status:set_chuck_temp 85")
    bench.wait(130)
    assert bench.message("status:get_chuck_thermo_state") == "Soaking" and bench.message("status:get_soaking_time 85.00") == "300"
    bench.wait(400)
    assert bench.message("status:get_chuck_thermo_state") == "Controlling"
    assert bench.needles.first_touch_um() == pytest.approx(before - 30.0, abs=1.0)
    grown = bench.numbers("vis:find_thermal_die_size")
    assert grown[0] == pytest.approx(1.000156, abs=1e-6)
    bench.message("vis:align_wafer update")
    assert bench.numbers("map:get_index_size")[0] == pytest.approx(10_001.56, abs=0.01)


def test_a_cold_chuck_sinks_away_from_the_needles() -> None:
    bench = Bench()
    bench.message("status:set_chuck_temp -40")
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact is None and bench.kinds == []


def test_a_touchdown_while_it_still_warms_up_is_damage_in_the_end() -> None:
    bench = Bench(kelvin_per_s=0.5)
    bench.message("status:set_chuck_temp 60")
    bench.message("move_chuck_contact")
    bench.wait(600)
    assert set(bench.kinds) == {"thermal_in_contact"}


def test_thermal_modes_are_kept_and_checked() -> None:
    bench = Bench()
    bench.message("status:set_chuck_thermo_energy_mode Fast")
    assert bench.message("status:get_chuck_thermo_energy_mode") == "Fast"
    bench.message("status:set_chuck_thermo_hold_mode True")
    assert bench.message("status:get_chuck_thermo_hold_mode") == "Active"
    bench.message("status:set_high_purge True")
    assert bench.message("status:get_high_purge_state") == "ON"
    assert bench.code("status:set_chuck_thermo_mode Nuclear") == 6


# --- topography
def test_contact_follows_the_measured_shape_of_the_wafer() -> None:
    bench = Bench()
    bench.say("vis:compensation:start_execute Topography")
    assert bench.message("wait_all 90") == "OK"
    assert bench.message("vis:compensation:enable topography, True") == "None,Topography"
    heights = []
    for die in ("-4, 0", "3, -1", "0, 2"):
        bench.message("move_chuck_separation ")
        bench.message(f"map:step_die {die}")
        heights.append(float(bench.message("move_chuck_contact")))
        overtravel = bench.needles.overtravel_um
    assert len(set(heights)) == 3 and max(heights) - min(heights) < 10
    bench.message("move_chuck_separation ")
    bench.message("move_chuck_home ")
    bench.message("move_chuck_contact")
    assert bench.needles.overtravel_um == pytest.approx(overtravel, abs=1.0)
    assert bench.message("get_chuck_site_heights Wafer").startswith("16000.0,"), "what is commissioned stays"


# --- cleaning and counting
def test_touchdowns_are_counted_and_cleaning_cleans() -> None:
    bench = Bench()
    for _ in range(3):
        bench.message("move_chuck_contact")
        bench.message("move_chuck_separation ")
    assert bench.message("setup:contact_counter:get") == "3"
    dirty = bench.needles.dirt_ohms
    bench.message("aux:cleaning:start 5")
    assert bench.needles.dirt_ohms < dirty / 100
    assert bench.message("setup:contact_counter:get") == "3", "touches of the pad do not count"
    assert bench.message("map:die:get_current_index").endswith("0,0") and bench.message("get_chuck_z Z") == "15750.0"
    bench.message("setup:contact_counter:reset")
    assert bench.message("setup:contact_counter:get") == "0" and bench.kinds == []
    bench.message("set_chuck_site_heights Wafer,15000,250,20,50")
    bench.message("move_chuck_separation ")
    bench.message("move_chuck_contact")
    assert bench.message("setup:contact_counter:get") == "1" and bench.needles.touchdowns == 3, "it counts what the chuck did"


def test_a_cleaning_pad_wears_until_there_is_a_new_one() -> None:
    bench = Bench()
    for _ in range(20):
        bench.message("aux:cleaning:start 100")
    assert bench.message("aux:get_substrate_info AuxLeft") == "CleaningPad,SIM-PAD,0.0"
    assert bench.message("aux:get_element_touch_count AuxLeft,0101") == "2000"
    bench.needles.dirt_ohms = 100.0
    bench.message("aux:cleaning:start 5")
    assert bench.needles.dirt_ohms == 100.0
    bench.message("aux:cleaning:reset_touch_count AuxLeft")
    bench.message("aux:cleaning:start 5")
    assert bench.needles.dirt_ohms < 1.0


def test_automatic_cleaning_comes_before_a_step_after_a_hundred_touchdowns() -> None:
    bench = Bench()
    bench.message("aux:cleaning:enable_auto True")
    for seen in range(1, 121):
        bench.message("move_chuck_separation ")
        bench.message(f"map:step_die_seq {seen % 36}")
        bench.message("move_chuck_contact")
    assert bench.needles.wear.since_cleaning < 30 and bench.needles.wear.cleaning_pad == 3
    assert bench.world.die_in_contact is not None and bench.kinds == []


def test_auxiliary_sites_say_what_lies_on_them() -> None:
    bench = Bench()
    assert [bench.message(f"aux:get_substrate_type {site}") for site in ("AuxLeft", "AuxRight")] == ["CleaningPad", "OK"]
    assert bench.code("aux:get_element_type AuxRight,0101") == 2
    assert bench.code("aux:get_element_type 0999") == 6 and bench.message("aux:get_element_type 0101") == "Align"
    assert bench.code("aux:get_substrate_type Wafer") == 6


# --- doors
@pytest.mark.parametrize(
    ("door", "line", "code"),
    [
        ("prober", "move_chuck_contact", 66),
        ("front", "move_chuck_contact", 60),
        ("side", "move_chuck_contact", 67),
        ("loader", "loader:unload_wafer", 61),
        ("tray", "loader:unload_wafer", 69),
        ("prober", "set_door_lock prober,1", 62),
        ("loader", "set_door_lock loader,1", 63),
    ],
)
def test_every_open_door_has_its_code(door: str, line: str, code: int) -> None:
    bench = Bench()
    bench.prober.doors.open(door)
    assert bench.code(line) == code
    bench.prober.doors.close(door)
    assert bench.code(line) == 0


def test_doors_say_whether_they_are_closed_and_locked() -> None:
    bench = Bench()
    assert bench.message("get_door_status prober") == "1,1"
    bench.message("set_door_lock prober,0")
    assert bench.message("get_door_status prober") == "1,0"
    assert bench.code("get_door_status barn") == 6


# --- the rest of the panel
def test_messages_are_answered_by_an_operator_and_hints_need_none() -> None:
    bench = Bench(real=True)
    assert bench.takes_s("status:show_message Ready?,YesNo,Question,Hint") == pytest.approx(2.0, abs=0.1)
    assert bench.message("status:show_message Ready?,YesNo,Question,Hint") == "Yes"
    assert bench.say('status:start_show_hint "a, b", "c", "OK", "True"') == "0,1,OK"
    assert bench.say("wait_complete 1, 1").startswith("19,") and bench.say("wait_complete 1, 10") == "0,1,Ok"
    assert bench.message('status:show_hint "a", "b"') == "OK"


def test_projects_and_files_are_known_by_name() -> None:
    bench = Bench()
    bench.message("open_project C:\\somewhere\\sample_round, False")
    assert bench.message("get_project Name") == "sample_round" and bench.message("get_project").endswith("sample_round.trex")
    bench.message("save_project mine")
    bench.message("clear_contact")
    bench.message("open_project mine, True")
    assert bench.message("get_chuck_site_heights Wafer").startswith("16000.0"), "heights restored, valid or not"
    assert "mine" in bench.message("list_project_files")
    bench.message("map:save C:\\a.xwmf")
    bench.message("map:open C:\\a.xwmf")
    bench.message("file_transfer D:\\b.csv, YWJj")
    bench.message("map:subsite:import D:\\b.csv")


def test_the_microscope_and_the_positioners_have_stages_of_their_own() -> None:
    bench = Bench()
    assert bench.message("move_scope_xy H, 100, 200") == "100.0,200.0" and bench.message("get_scope_xy") == "100.0,200.0"
    assert bench.message("scope:get_xy Home") == "100.0,200.0,Home"
    assert bench.message("step_scope_site_first").startswith("home,") and bench.message("step_scope_site topo") == "topo,0.0,2000.0"
    assert bench.code("step_scope_site_next") == 11
    assert bench.message("get_scope_site 0") == "home,0.0,0.0,Home,True"
    assert bench.message("probe:east:get_site_num") == bench.message("get_positioner_site_num East") == "0"
    assert bench.message("move_positioner_xy East,zero,1,2") == "1.0,2.0"
    assert bench.message("probe:top:east:get_xy Z") == "1.0,2.0,Zero"
    assert bench.message("move_positioner_contact East") == "1000.0" and not bench.needles.touching
    assert bench.code("move_scope_z Z, 1e6") == 8


def test_cameras_keep_what_they_are_set_to() -> None:
    bench = Bench()
    bench.message("vis:set_prop light, scope, 200")
    assert bench.message("vis:get_prop light, scope") == "200" and bench.message("vis:get_prop image_size, scope") == "1280,1024"
    bench.message("vis:switch_light scope, False")
    assert bench.message("vis:get_light_status scope") == "0"
    assert [bench.message(f"vis:has_camera {name}") for name in ("scope", "offaxis")] == ["1", "0"]
    assert bench.message("vis:pattern:is_trained scope, mark") == "0"
    bench.message("vis:pattern:train mark")
    assert bench.message("vis:pattern:is_trained scope, mark") == "1"
    bench.message("vis:pattern:set_chuck_pos scope, mark, 1, 2")
    assert bench.message("vis:pattern:get_chuck_pos scope, mark") == "1.0,2.0"
    x, y, score, _ = bench.numbers("vis:find_pattern mark, 70, 0, CenterOfRoi")
    assert abs(x) < 5 and abs(y) < 5 and score > 90
    assert bench.message("vis:imagpro:move_z Zero, 100") == "100.0" and bench.message("vis:imagpro:get_z Center") == "-400.0"
    assert bench.message("vis:snap_image **download**, 0").startswith("/9j/")
