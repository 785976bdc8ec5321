"""The chuck: where it stands by every reference, what each height is, and what it does in contact."""

import pytest

from tests.simulator.sentio_bench import Bench


def test_it_stands_separated_on_the_home_die_ready_for_work() -> None:
    bench = Bench()
    assert bench.message("get_chuck_site_status Wafer") == "1,1,0,1"
    assert bench.message("get_chuck_site_heights Wafer") == "16000.0,250.0,20.0,50.0"
    assert bench.message("get_chuck_z Zero") == "15750.0"
    assert bench.message("get_chuck_xy Wafer, H") == "0.0,0.0"
    assert bench.message("map:die:get_current_index").split(",")[1:] == ["0", "0"]
    assert bench.world.die_in_contact is None


def test_the_needles_are_on_the_die_the_map_names_for_every_die() -> None:
    bench = Bench()
    for x, y in bench.world.wafer.dies:
        bench.message("move_chuck_separation ")
        assert bench.message(f"map:step_die {x}, {y}, 0") == f"{x},{y},0"
        bench.message("move_chuck_contact")
        assert bench.world.die_in_contact == (x, y)
        assert bench.needles.contact_ohms() < 20
    assert bench.kinds == []


# --- sideways
def test_every_reference_counts_in_the_wafers_frame_and_the_stage_itself_runs_the_other_way() -> None:
    bench = Bench()
    zero, stage = bench.numbers("get_chuck_xy"), bench.needles.stage_um
    bench.message("map:step_die 1, -2, 0")
    assert bench.message("chuck:get_xy H") == "10000.0,-20000.0,Home"
    assert bench.numbers("get_chuck_xy 0,zero") == pytest.approx((zero[0] + 10_000, zero[1] - 20_000), abs=0.01)
    assert bench.needles.stage_um == pytest.approx((stage[0] - 10_000, stage[1] + 20_000))


def test_a_move_answers_where_the_chuck_is_from_zero_and_the_chuck_group_by_the_reference_it_was_told() -> None:
    bench = Bench()
    home = bench.numbers("get_chuck_xy Wafer, Z")
    assert bench.numbers("move_chuck_xy H, 1000, 2000") == pytest.approx((home[0] + 1000, home[1] + 2000), abs=0.01)
    assert bench.message("chuck:move_xy H,100,200") == "100.0,200.0,Home"
    assert bench.numbers("move_chuck_xy R, 1, -1") == pytest.approx((home[0] + 101, home[1] + 199), abs=0.01)
    assert bench.numbers("move_chuck_home ") == pytest.approx(home, abs=0.01)
    assert bench.message("move_chuck_center") == "150000.0,150000.0"
    assert bench.message("move_chuck_xy zero,1000.0,2000.0") == "1000.0,2000.0"
    assert bench.message("get_chuck_xy Wafer, C") == "-149000.0,-148000.0"


def test_a_user_origin_counts_from_home() -> None:
    bench = Bench()
    bench.message("set_user_coordinate_origin chuck,1000,500")
    assert bench.message("get_chuck_xy Wafer, U") == "-1000.0,-500.0"
    bench.message("move_chuck_xy U, 0, 0")
    assert bench.message("get_chuck_xy Wafer, H") == "1000.0,500.0"


@pytest.mark.parametrize(("fence", "refused"), [("Round", True), ("Rectangle", False), ("SoftwareLimit", False), ("Disable", False)])
def test_the_fence_keeps_the_chuck_from_the_casing(fence: str, refused: bool) -> None:
    bench = Bench()
    bench.message(f"service:chuck_fence {fence}")
    assert (bench.code("move_chuck_xy C, 120000, 120000") == 8) is refused
    assert bench.code("move_chuck_xy C, 160000, 0") == 8


def test_index_moves_count_dies_and_come_back_into_contact() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.message("move_chuck_index Home, 1, 1")
    assert bench.world.die_in_contact == (1, 1)
    bench.message("move_chuck_index Relative, -1, 0")
    assert bench.world.die_in_contact == (0, 1) and bench.kinds == []
    assert bench.message("map:die:get_current_index").endswith("0,1")


def test_a_free_move_off_a_dies_centre_leaves_no_die_active() -> None:
    bench = Bench()
    bench.message("move_chuck_xy H, 0, 500")
    assert bench.say("map:die:get_current_index") == "12,0,No die active"
    bench.message("move_chuck_xy H, 10000, 0")
    assert bench.message("map:die:get_current_index").endswith("1,0")


# --- up and down
def test_long_and_short_references_move_the_same() -> None:
    bench = Bench()
    assert bench.message("chuck:move_z Contact,0") == "16000.0,Contact"
    assert bench.message("chuck:move_z Separation,0") == "15750.0,Separation"
    assert bench.message("move_chuck_z S, 100") == "15850.0"
    assert bench.message("get_chuck_z Contact") == bench.message("get_chuck_z C") == "-150.0"
    assert bench.message("chuck:get_z Zero") == "15850.0,Zero"
    assert bench.message("get_chuck_z S") == "100.0"


def test_contact_goes_to_overtravel_when_that_is_enabled() -> None:
    bench = Bench()
    assert bench.message("move_chuck_contact") == "16000.0"
    bench.message("enable_chuck_overtravel True")
    assert bench.message("move_chuck_contact") == "16020.0"
    assert bench.message("get_chuck_site_status Wafer") == "1,1,1,1"
    assert bench.message("move_chuck_separation ") == "15750.0"
    assert bench.message("move_chuck_separation ") == "15750.0"


def test_nothing_goes_above_contact_but_by_the_overtravel_that_is_enabled() -> None:
    bench = Bench()
    assert bench.code("move_chuck_z Contact, 5") == 8
    bench.message("enable_chuck_site_overtravel Wafer, True")
    assert bench.message("chuck:move_z Contact,10") == "16010.0,Contact"
    assert bench.code("move_chuck_z Contact, 21") == 8
    bench.message("clear_contact")
    assert bench.message("move_chuck_z Zero, 16015") == "16015.0", "without a contact height up to the end of the axis"


def test_hover_and_lift_have_heights_of_their_own() -> None:
    bench = Bench()
    bench.message("enable_chuck_hover True")
    assert bench.message("move_chuck_hover") == "15950.0" and not bench.needles.touching
    assert bench.message("move_chuck_lift") == "10000.0"
    assert bench.message("chuck:lift False") == "OK" and bench.message("get_chuck_z Z") == "15750.0"


def test_gaps_are_of_one_site_or_of_all() -> None:
    bench = Bench()
    bench.message("set_chuck_site_heights AuxLeft,15000,200,10,40")
    bench.message("set_chuck_overtravel_gap 30")
    bench.message("set_chuck_site_separation_gap Wafer, 300")
    assert bench.message("get_chuck_site_heights Wafer") == "16000.0,300.0,30.0,50.0"
    assert bench.message("get_chuck_site_heights AuxLeft") == "15000.0,200.0,30.0,40.0"


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


def test_separation_goes_with_open_doors_and_without_vacuum() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.prober.doors_closed = False
    bench.prober.chuck.vacuum_on = False
    assert bench.message("move_chuck_separation ") == "15750.0" and bench.kinds == []


def test_a_wrong_contact_height_does_not_reach_the_wafer() -> None:
    bench = Bench()
    bench.message("set_chuck_site_heights Wafer,15900,250,20,50")
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact is None


# --- in contact
@pytest.mark.parametrize(
    "line",
    [
        "map:step_die 1,0",
        "map:step_next_die",
        "map:subsite:step 0",
        "move_chuck_xy H, 0, 500",
        "chuck:move_xy H,0,500",
        "move_chuck_home ",
        "move_chuck_center",
        "move_chuck_index Home, 1, 1",
        "move_chuck_theta R, 1",
        "move_chuck_xyt 1, 1, 0.1",
        "move_chuck_site AuxLeft",
        "aux:cleaning:start 5",
        "vis:align_wafer",
        "vis:find_home",
    ],
)
def test_locked_contact_refuses_to_move_sideways_or_round(line: str) -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode LockContact")
    bench.message("move_chuck_contact")
    assert bench.code(line) == 12
    assert bench.world.die_in_contact == (0, 0) and bench.kinds == []
    bench.message("move_chuck_z C, -100")
    assert bench.code(line) == 38, "between contact and separation"


def test_back_to_contact_separates_steps_and_touches_again() -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode BackToContact")
    bench.message("move_chuck_contact")
    bench.message("map:step_die 1,0")
    assert bench.world.die_in_contact == (1, 0) and bench.kinds == []


def test_step_to_separation_leaves_the_chuck_down() -> None:
    bench = Bench()
    bench.message("set_stepping_contact_mode StepToSeparation")
    bench.message("move_chuck_contact")
    bench.message("map:step_die 1,0")
    assert bench.message("get_chuck_z Z") == "15750.0" and bench.kinds == []


def test_an_unlocked_free_move_in_contact_drags_the_needles() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.message("move_chuck_xy R, 100, 0")
    assert bench.kinds == ["xy_in_contact"]


def test_an_unlocked_turn_in_contact_drags_them_too() -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.message("move_chuck_theta R, 0.1")
    assert bench.kinds == ["theta_in_contact"]


@pytest.mark.parametrize("line", ["map:step_die 1,0", "move_chuck_home ", "move_chuck_index Home, 1, 0", "vis:align_wafer"])
def test_a_separation_that_does_not_separate_drags_them_by_a_step_as_well(line: str) -> None:
    bench = Bench()
    bench.message("map:step_die 0,1")
    bench.message("set_chuck_site_heights Wafer,16050,20,20,10")
    bench.message("move_chuck_contact")
    bench.say(line)
    assert "xy_in_contact" in bench.kinds


@pytest.mark.parametrize("line", ["move_chuck_load front", "start_initialization", "loader:unload_wafer", "move_chuck_xyt 10, 10, 0.1"])
def test_what_goes_far_goes_down_first(line: str) -> None:
    bench = Bench()
    bench.message("move_chuck_contact")
    bench.message(line)
    assert not bench.needles.touching and bench.kinds == []


# --- sites
def test_the_chuck_visits_its_sites_low_and_finds_back_to_where_it_was() -> None:
    bench = Bench()
    bench.message("map:step_die 2,1")
    before = bench.numbers("get_chuck_xy")
    bench.message("move_chuck_contact")
    bench.message("move_chuck_site AuxLeft")
    assert bench.message("get_chuck_site_name") == "AuxLeft" and bench.message("get_chuck_site_index") == "2"
    assert bench.message("get_chuck_position_hint") == "Probing,AuxLeft"
    assert bench.say("map:die:get_current_index") == "12,0,No die active"
    assert bench.code("move_chuck_contact") == 23, "no contact height there"
    x, y, z, theta = bench.numbers("move_chuck_site Wafer")
    assert (x, y) == before and (z, theta) == (15_750.0, 0.0)
    assert bench.message("map:die:get_current_index").endswith("2,1") and bench.kinds == []


def test_homes_can_be_read_and_set() -> None:
    bench = Bench()
    home = bench.message("chuck:get_home Wafer")
    assert home == f"{bench.message('get_chuck_xy')},Wafer" and bench.message("get_chuck_site_pos Wafer") == home.replace("Wafer", "0.0")
    bench.message("map:step_die 1,0")
    bench.message("chuck:set_home ")
    assert bench.message("get_chuck_xy Wafer, H") == "0.0,0.0"
    bench.message(f"chuck:set_home {home}")
    assert bench.message("get_chuck_xy Wafer, H") == "10000.0,0.0"
    bench.message("set_chuck_site_pos Wafer,100000,110000,0.5")
    assert bench.message("get_chuck_site_pos Wafer") == "100000.0,110000.0,0.5"


def test_stepping_comes_back_to_the_wafer_from_wherever_the_chuck_is() -> None:
    bench = Bench()
    for away in ("move_chuck_site AuxLeft", "move_chuck_load front", "move_chuck_load side"):
        bench.message(away)
        assert bench.message("map:step_die 1, 1") == "1,1,0"
        assert bench.message("get_chuck_position_hint") == "Probing,Wafer"
        assert bench.message("move_chuck_contact") == "16000.0" and bench.world.die_in_contact == (1, 1)
        bench.message("move_chuck_separation ")
    assert bench.kinds == []


def test_there_is_no_contact_at_a_load_position() -> None:
    bench = Bench()
    bench.message("move_chuck_load front")
    assert bench.message("get_chuck_position_hint") == "FrontLoad,Wafer"
    assert bench.code("move_chuck_contact") == 12
    bench.message("move_chuck_work_area Probing")
    assert bench.code("move_chuck_contact") == 0


def test_a_chuck_knows_its_sites_as_a_stage_does() -> None:
    bench = Bench()
    assert bench.message("chuck:get_site_num") == "6" == bench.message("get_chuck_site_count")
    assert bench.message("chuck:get_site 2") == "AuxLeft,40000.0,150000.0,Zero,True"
    assert bench.message("chuck:step_site_first").startswith("Wafer,") and bench.message("chuck:step_site 1").startswith("AuxRight,")
    for _ in range(4):
        bench.message("chuck:step_site_next")
    assert bench.code("chuck:step_site_next") == 11
