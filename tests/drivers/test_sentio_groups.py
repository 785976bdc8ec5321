"""What of a SENTIO is not measuring: heights, moves sideways, the wafer's way onto the chuck, its map, temperature and wear."""

import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from drivers.errors import MotionRefused, OverLimit, PositionNotVerified, ProberError, ProberFatal, ProberRetryable, ProtocolError
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import Sentio
from drivers.prober.sentio_map import BinInfo
from drivers.prober.sentio_state import Heights
from drivers.prober.sentio_thermal import SentioThermal
from drivers.prober.sentio_words import (
    Alignment,
    AxisOrient,
    DieCount,
    DieSelection,
    Fence,
    LoadPosition,
    Marker,
    RouteOrder,
    RouteStart,
    Site,
    Station,
    ThermoState,
    ThetaReference,
    XyReference,
)
from drivers.prober.soft_limits import SoftLimits
from tests.support.probing import prober_on
from tests.support.scripted_sentio import AXES_UM, CONTACT_UM, ScriptedSentio

HEIGHTS = Heights(CONTACT_UM + 30.0, 300.0, 15.0, 40.0)


# --- everything that needs a separated chuck, in one list: what is added to a group and forgotten here is found by the last test
Act = Callable[[Sentio], object]
ONLY_SEPARATED: dict[str, Act] = {
    "go to a die": lambda prober: prober.go_to_die(1, 0),
    "first": lambda prober: prober.stepping.first(),
    "next": lambda prober: prober.stepping.next(),
    "bin and next": lambda prober: prober.stepping.bin_and_next(1),
    "to place": lambda prober: prober.stepping.to_place(1),
    "home": lambda prober: prober.sideways.home(),
    "xy": lambda prober: prober.sideways.to(XyReference.HOME, 0.0, 0.0),
    "pitches": lambda prober: prober.sideways.by_pitches(1, 0),
    "theta": lambda prober: prober.sideways.turn(ThetaReference.RELATIVE, 0.1),
    "heights": lambda prober: prober.heights.set(HEIGHTS),
    "overtravel": lambda prober: prober.set_overtravel(True),
    "overtravel gap": lambda prober: prober.heights.set_overtravel_gap(10.0),
    "front": lambda prober: prober.wafer.to_load_position(LoadPosition.FRONT),
    "load": lambda prober: prober.wafer.load(Station.CASSETTE_1, 1),
    "unload": lambda prober: prober.wafer.unload(),
    "align": lambda prober: prober.wafer.align(),
    "find home": lambda prober: prober.wafer.find_home(),
    "release": lambda prober: prober.wafer.release(),
    "unlock": lambda prober: prober.wafer.unlock_doors(),
    "heat": lambda prober: prober.thermal.set(40.0),
    "clean": lambda prober: prober.clean(3),
    "create": lambda prober: prober.map.create(200),
    "grid": lambda prober: prober.map.set_grid((10_000, 10_000), (5_000, 5_000), 1000),
    "axis": lambda prober: prober.map.set_axis_orient(AxisOrient.UP_LEFT),
    "origin": lambda prober: prober.map.set_grid_origin(0, 0),
    "home die": lambda prober: prober.map.set_home_die(1, 1),
    "marker": lambda prober: prober.map.set_orient_marker(Marker.NOTCH, 270, 1000),
    "select": lambda prober: prober.map.select(DieSelection.GOOD),
    "select only": lambda prober: prober.map.select_only([(0, 0)]),
    "unselect": lambda prober: prober.map.unselect((0, 0)),
    "routing": lambda prober: prober.map.set_routing(RouteStart.UPPER_LEFT, RouteOrder.ROWS),
}


@pytest.mark.parametrize("act", ONLY_SEPARATED)
@pytest.mark.parametrize("z_um", [CONTACT_UM - 100.0, CONTACT_UM, CONTACT_UM + 20.0, CONTACT_UM + 400.0])
def test_nothing_but_down_and_a_step_in_z_while_the_needles_may_touch(act: str, z_um: float):
    device = ScriptedSentio(z_um=z_um)
    untouched = (device.route, device.orient, device.heights, device.celsius, device.vacuum_on, device.doors_locked)
    with prober_on(device) as (prober, _), pytest.raises(MotionRefused, match="separate first"):
        ONLY_SEPARATED[act](prober)
    assert device.moves == []
    assert untouched == (device.route, device.orient, device.heights, device.celsius, device.vacuum_on, device.doors_locked)


@pytest.mark.parametrize("act", ONLY_SEPARATED)
def test_separated_every_one_of_them_goes_through(act: str):
    with prober_on(ScriptedSentio()) as (prober, server):
        ONLY_SEPARATED[act](prober)
        assert "*RCS 1" in server.lines


def test_holding_binning_and_counting_are_allowed_in_contact():
    device = ScriptedSentio(z_um=CONTACT_UM)
    with prober_on(device) as (prober, _):
        prober.wafer.hold()
        prober.wafer.lock_doors()
        prober.wafer.set_fence(Fence.ROUND)
        prober.map.set_bin((0, 0), 3)
        prober.map.set_value((0, 0), 0.5)
        prober.upkeep.signal(green=1)
        assert prober.map.bin_of((0, 0)) == 3
    assert device.moves == []


# --- heights
def test_heights_are_set_within_a_window_and_read_back():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        assert prober.heights.set(HEIGHTS) == HEIGHTS == prober.heights.read()
        prober.separate()
        assert prober.heights.set_overtravel_gap(25.0) == 25.0


@pytest.mark.parametrize(
    ("heights", "told"),
    [
        (Heights(CONTACT_UM + 501.0, 250.0, 20.0, 50.0), "may be changed by 500 um"),
        (Heights(CONTACT_UM, 250.0, 61.0, 50.0), r"limits\.overtravel_um 60"),
        (Heights(CONTACT_UM, 10.0, 20.0, 5.0), "separation gap of 10 um"),
        (Heights(math.nan, 250.0, 20.0, 50.0), "may be changed"),
    ],
)
def test_heights_that_would_ram_the_needles_are_refused(heights: Heights, told: str):
    device = ScriptedSentio()
    with prober_on(device) as (prober, _), pytest.raises(OverLimit, match=told):
        prober.heights.set(heights)
    assert device.heights[0] == CONTACT_UM


def test_the_first_contact_height_is_set_at_the_prober_by_somebody_looking():
    device = ScriptedSentio(contact_set=False, z_um=0.0)
    with prober_on(device) as (prober, _), pytest.raises(OverLimit, match=r"nan um is set .*looking"):
        prober.heights.set(HEIGHTS)
    assert not device.contact_set


@pytest.mark.parametrize("act", ["heights", "overtravel gap", "overtravel"])
def test_heights_that_read_back_differently_are_told(act: str):
    words = ("set_chuck_site_heights", "set_chuck_overtravel_gap", "enable_chuck_overtravel")
    device = ScriptedSentio(lies=dict.fromkeys(words, b"0,0,OK\n"))
    with prober_on(device) as (prober, _), pytest.raises(PositionNotVerified, match="reads back"):
        ONLY_SEPARATED[act](prober)


# --- sideways
@pytest.mark.parametrize("version", ["24.0.7", "26.2.0"])
def test_free_moves_end_where_they_were_sent(version: str):
    device = ScriptedSentio(version=version)
    with prober_on(device) as (prober, _):
        prober.sideways.to(XyReference.HOME, 100.0, -200.0)
        assert device.xy_um() == (100.0, -200.0)
        prober.sideways.to(XyReference.RELATIVE, 50.0, 0.0)
        assert device.xy_um() == (150.0, -200.0)
        prober.sideways.to(XyReference.ZERO, AXES_UM[0] + 7.0, AXES_UM[1] - 9.0)
        assert device.xy_um() == (7.0, -9.0)
        prober.sideways.by_pitches(-1, 2)
        assert device.xy_um() == (-10_000.0, 20_000.0)
        assert prober.sideways.home().die is None, "over home, and no die is active"
        assert device.xy_um() == (0.0, 0.0)


def test_a_free_move_that_ends_elsewhere_or_nobody_knows_where_is_told():
    device = ScriptedSentio(lies={"chuck:move_xy": b"0,0,0.0,0.0,Home\n"})
    with prober_on(device) as (prober, server):
        with pytest.raises(PositionNotVerified, match="reads back"):
            prober.sideways.to(XyReference.HOME, 100.0, 0.0)
        for reference in (XyReference.MACHINE, XyReference.USER, XyReference.CENTRE):
            with pytest.raises(OverLimit, match="cannot be checked"):
                prober.sideways.to(reference, 0.0, 0.0)
        assert sum(line.startswith("chuck:move_xy") for line in server.lines) == 1


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda p: p.sideways.to(XyReference.HOME, 0.0, -6_000.0), r"chuck y = 144000 um"),
        (lambda p: p.sideways.to(XyReference.ZERO, 0.0, 144_000.0), r"chuck y = 144000 um"),
        (lambda p: p.sideways.by_pitches(0, 1), r"chuck y = 160000 um"),
        (lambda p: p.go_to_die(0, 1), r"chuck y = 160000 um"),
    ],
)
def test_no_move_leaves_the_labs_axis_limits(act: Act, told: str):
    limits = SoftLimits(chuck_y_um=(145_000.0, 155_000.0))
    device = ScriptedSentio()
    with prober_on(device, limits=limits) as (prober, _), pytest.raises(OverLimit, match=told):
        act(prober)
    assert device.moves == []


# --- the wafer's way onto the chuck
def test_a_prober_that_is_ready_is_not_initialised_and_one_that_is_not_is():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        prober.wafer.initialise()
        assert device.moves == []
        device.ready = False
        prober.wafer.initialise()
        assert device.moves == ["initialise"]
        assert prober.not_aligned() == "the machine was initialised"


def test_an_initialisation_that_leaves_the_machine_as_it_was_is_told():
    device = ScriptedSentio(ready=False, lies={"wait_complete": b"0,1,OK\n"})
    with prober_on(device) as (prober, server), pytest.raises(MotionRefused, match="initialised, and still not ready"):
        prober.wafer.initialise()
    assert "wait_complete 1, 180" in server.lines


def test_a_cold_prober_is_initialised_loaded_and_aligned_before_any_height_is_set():
    device = ScriptedSentio(ready=False, contact_set=False, z_um=0.0)
    with prober_on(device) as (prober, _):
        prober.wafer.initialise()
        assert prober.wafer.load(Station.CASSETTE_1, 3, 90) == "WAFER-7"
        prober.wafer.align()
        with pytest.raises(MotionRefused, match="lowered"):
            prober.contact()
    assert "initialise" in device.moves


def test_a_wafer_without_an_id_has_none():
    with prober_on(ScriptedSentio(lies={"loader:load_wafer": b"0,0,OK\n"})) as (prober, _):
        assert prober.wafer.load(Station.WALLET, 1) == ""


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda p: p.wafer.load(Station.CASSETTE_1, 1), "a wafer was loaded"),
        (lambda p: p.wafer.to_load_position(LoadPosition.FRONT), "at a load position"),
        (lambda p: p.sideways.turn(ThetaReference.RELATIVE, 0.1), "turned"),
        (lambda p: p.wafer.release(), "vacuum was switched off"),
        (lambda p: p.thermal.set(85.0), "brought to 85 degrees"),
    ],
)
def test_what_may_have_moved_the_wafer_costs_the_alignment_until_it_is_aligned_again(spoil: Act, why: str):
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        assert prober.not_aligned() is None, "whoever set home has aligned it"
        spoil(prober)
        assert why in (prober.not_aligned() or "")
        device.vacuum_on, device.z_um, device.die = True, CONTACT_UM - 250.0, (0, 0)
        with pytest.raises(MotionRefused, match=f"not aligned; align it first .*{why}"):
            prober.contact()
        prober.wafer.align(Alignment.UPDATE_DIE_SIZE)
        assert prober.not_aligned() is None
        assert prober.contact().in_contact


def test_a_vacuum_seen_off_costs_the_alignment_though_it_came_back():
    device = ScriptedSentio(vacuum_on=False)
    with prober_on(device) as (prober, _):
        assert not prober.state().vacuum_on
        device.vacuum_on = True
        with pytest.raises(MotionRefused, match=r"not aligned; .*vacuum was seen off"):
            prober.contact()


def test_a_few_degrees_do_not_cost_the_alignment():
    with prober_on(ScriptedSentio()) as (prober, _):
        prober.thermal.set(29.0)
        assert prober.not_aligned() is None


def test_coming_back_from_a_load_position_costs_nothing_more():
    with prober_on(ScriptedSentio()) as (prober, _):
        prober.wafer.to_load_position(LoadPosition.CENTRE)
        assert prober.not_aligned() is None


def test_an_alignment_may_move_the_home_and_the_dies_keep_their_names():
    device = ScriptedSentio()

    def script(line: str) -> Any:
        if line == "vis:align_wafer":
            device.home_die, device.pitch_um = (5, 5), (10_003.0, 9_998.0)
        return device(line)

    with prober_on(script) as (prober, _):
        assert prober.go_to_die(1, 1).die == (1, 1)
        grid = prober.wafer.align()
        assert (grid.home_index, grid.pitch_um) == ((5, 5), (10_003.0, 9_998.0))
        assert prober.go_to_die(1, 1).die == (1, 1)
    assert device.die == (6, 6)


@pytest.mark.parametrize(
    ("after", "told"), [({"pitch_um": (9_000.0, 10_000.0)}, "another wafer's"), ({"home_set": False}, "no home position is set")]
)
def test_an_alignment_that_leaves_another_map_or_no_home_is_none(after: dict[str, Any], told: str):
    device = ScriptedSentio()

    def script(line: str) -> Any:
        if line.startswith("vis:align"):
            for name, value in after.items():
                setattr(device, name, value)
        return device(line)

    with prober_on(script) as (prober, _):
        with pytest.raises(PositionNotVerified, match=told):
            prober.wafer.align()
        assert prober.not_aligned() == "an alignment was begun"


def test_a_failed_alignment_is_the_probers_word_and_no_alignment():
    with prober_on(ScriptedSentio(lies={"vis:align_wafer": b"37,0,Accuracy 12 um\n"})) as (prober, _):
        with pytest.raises(ProberError, match="AlignAccuracyBad"):
            prober.wafer.align()
        assert prober.not_aligned() is not None


def test_a_home_found_elsewhere_renames_the_probers_dies_and_not_ours():
    device = ScriptedSentio()

    def script(line: str) -> Any:
        if line == "vis:find_home":
            device.home_die, device.die = (3, 3), (3, 3)
        return device(line)

    with prober_on(script) as (prober, _):
        assert prober.go_to_die(0, 0).die == (0, 0)
        assert prober.wafer.find_home().die == (0, 0)
        assert prober.go_to_die(1, 0).die == (1, 0)
    assert device.die == (4, 3)


def test_home_is_found_and_doors_locked_and_seen():
    device = ScriptedSentio(doors_locked=False)
    with prober_on(device) as (prober, _):
        assert prober.wafer.find_home().home_set
        assert prober.wafer.doors() == (True, False)
        prober.wafer.lock_doors()
        assert prober.wafer.doors() == (True, True)
        prober.wafer.unlock_doors()
        assert not device.doors_locked


@pytest.mark.parametrize("act", ["front", "load", "unload", "align", "find home", "clean"])
def test_nothing_big_moves_with_a_door_open(act: str):
    device = ScriptedSentio(doors_closed=False)
    with prober_on(device) as (prober, _), pytest.raises(MotionRefused, match="door is open"):
        ONLY_SEPARATED[act](prober)
    assert device.moves == []


def test_a_vacuum_that_does_not_hold_is_told():
    device = ScriptedSentio(vacuum_on=False, lies={"set_vacuum": b"0,0,OK\n"})
    with prober_on(device) as (prober, _), pytest.raises(PositionNotVerified, match="is a wafer seated"):
        prober.wafer.hold()


def test_the_fence_is_never_switched_off():
    with prober_on(ScriptedSentio()) as (prober, server):
        with pytest.raises(MotionRefused, match="fence"):
            prober.wafer.set_fence(Fence.DISABLE)
        assert server.lines == []


# --- the map
def test_a_map_is_set_up_and_its_dies_are_named_anew():
    device = ScriptedSentio()
    with prober_on(device, grid=DieGrid((15_000.0, 15_000.0))) as (prober, _):
        prober.map.create(200)
        prober.map.set_grid((15_000, 15_000), (7_500, 7_500), 1000)
        prober.map.set_axis_orient(AxisOrient.DOWN_LEFT)
        prober.map.set_grid_origin(0, 0)
        prober.map.set_home_die(2, 2)
        prober.map.set_orient_marker(Marker.NOTCH, 270, 1000)
        prober.map.set_routing(RouteStart.UPPER_LEFT, RouteOrder.WINDING_ROWS)
        assert prober.go_to_die(1, 0).die == (1, 0), "the map just set is the one that is walked"
        assert device.die == (1, 2)
        for home in (5, 2):
            prober.map.set_home_die(home, home)
            assert prober.go_to_die(1, 0).die == (1, 0)
            assert device.die == (home - 1, home)
        grid = prober.map.read()
        assert (grid.axis_orient, grid.home_index, grid.pitch_um) == ("DL", (2, 2), (15_000.0, 15_000.0))
        prober.map.select_only([(0, 0), (1, 2)])
        assert device.route == ((2, 2), (1, 0))
        prober.map.unselect((0, 0))
        assert prober.map.count(DieCount.SELECTED) == 1
        assert prober.stepping.route() == [(1, 2)]
        assert prober.stepping.first().die == (1, 2)
    assert device.xy_um() == (15_000.0, 30_000.0)


def test_bins_are_told_by_die_and_their_table_is_read_strictly():
    device = ScriptedSentio(home_die=(3, 3), die=(3, 3))
    with prober_on(device) as (prober, _):
        prober.map.set_bin((1, 0), 7)
        assert device.bins == {(4, 3): 7}
        assert prober.map.bin_of((1, 0)) == 7
        assert prober.map.bin_of((0, 0)) == -1
        prober.map.clear_bins()
        assert device.bins == {}
        assert prober.map.bin_info(0) == BinInfo(0, "Pass", "pass", "#00FF00")
        device.lies["map:bins:get_bin_info"] = b"0,0,1,Fail,fail,#FF0000\n"
        with pytest.raises(ProtocolError, match="of bin 0"):
            prober.map.bin_info(0)


# --- temperature
class Hours:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    def clock(self) -> float:
        return self.now_s


@contextmanager
def thermal_on(device: ScriptedSentio):
    hours = Hours()
    with prober_on(device) as (prober, server):
        yield SentioThermal(prober._guard, hours.sleep, hours.clock), hours, server


def test_a_temperature_is_set_as_the_version_wants_it_and_read():
    for version, line in (("24.0.7", "status:set_chuck_temp 40.00"), ("26.2.0", "status:set_chuck_temp 40.00, False")):
        with prober_on(ScriptedSentio(version=version)) as (prober, server):
            prober.thermal.set(40.0)
            assert line in server.lines
            assert (prober.thermal.temperature_c(), prober.thermal.setpoint_c(), prober.chuck_temperature_c()) == (40.0, 40.0, 40.0)
            assert prober.thermal.state() is ThermoState.CONTROLLING


def test_heat_is_waited_for_and_then_soaked_as_the_prober_has_it():
    device = ScriptedSentio(setpoint_c=60.0, thermo="Heating")
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            device.thermo = "Soaking"

    with thermal_on(device) as (thermal, hours, _):
        thermal.wait(within_s=100.0, checkpoint=look)
        assert hours.now_s == 5.0 + 120.0
        assert thermal.soaking_s(33.0) is None
        thermal.wait(within_s=1.0, soak_s=2.5)
        assert hours.now_s == 127.5


def test_heat_that_does_not_come_is_told_and_a_chuck_that_reports_an_error_is_not_waited_for():
    device = ScriptedSentio(setpoint_c=60.0, thermo="Heating")
    with thermal_on(device) as (thermal, _, _server):
        with pytest.raises(ProberRetryable, match=r"still heating at 25 of 60 degrees after 10 s"):
            thermal.wait(within_s=10.0)
        device.thermo = "Error"
        with pytest.raises(ProberFatal, match="reports an error"):
            thermal.wait(within_s=10.0)
        device.thermo = "At temperature"
        with pytest.raises(ProtocolError, match="one of soaking"):
            thermal.wait(within_s=10.0)


def test_waiting_for_heat_can_be_given_up():
    def stop() -> None:
        raise KeyboardInterrupt

    with thermal_on(ScriptedSentio(thermo="Cooling")) as (thermal, hours, _), pytest.raises(KeyboardInterrupt):
        thermal.wait(within_s=1e6, checkpoint=stop)
    assert hours.now_s == 0.0


def test_a_soaking_time_that_fails_otherwise_is_an_error():
    with prober_on(ScriptedSentio(lies={"status:get_soaking_time": b"1,0,Internal\n"})) as (prober, _), pytest.raises(ProberFatal):
        prober.thermal.soaking_s(60.0)


# --- wear
def test_contacts_are_counted_by_the_prober_and_may_be_reset():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        before = prober.contact_count()
        prober.contact()
        assert prober.contact_count() == before + 1 == prober.upkeep.contacts()
        prober.upkeep.reset_contacts()
        assert prober.contact_count() == 0


def test_the_needles_are_cleaned_on_their_pad():
    with prober_on(ScriptedSentio()) as (prober, server):
        prober.clean(5)
        prober.upkeep.clean()
        prober.upkeep.clean_by_itself(True)
        prober.upkeep.renew_pad(Site.AUX_LEFT)
        prober.upkeep.signal(red=2)
        said = [line for line in server.lines if line.startswith(("aux", "set_signal"))]
    assert said == [
        "aux:cleaning:start 5",
        "aux:cleaning:start",
        "aux:cleaning:enable_auto True",
        "aux:cleaning:reset_touch_count AuxLeft",
        "set_signal_tower 2,-1,-1,-1",
    ]


# --- nothing forgotten
NEEDS_NO_SEPARATION = {
    "stepping": {"previous", "planned", "route", "route_length"},
    "sideways": set[str](),
    "heights": {"read"},
    "map": {"read", "count", "set_bin", "bin_of", "set_value", "bin_info", "clear_bins"},
    "wafer": {"initialise", "hold", "doors", "lock_doors", "set_fence"},
    "thermal": {"temperature_c", "setpoint_c", "state", "soaking_s", "wait"},
    "upkeep": {"contacts", "reset_contacts", "clean_by_itself", "renew_pad", "signal"},
}


def test_every_method_of_every_group_stands_in_one_of_the_two_lists():
    with prober_on(ScriptedSentio()) as (prober, _):
        for group, free in NEEDS_NO_SEPARATION.items():
            methods = {name for name in dir(getattr(prober, group)) if not name.startswith("_")}
            tried = {name for act in ONLY_SEPARATED.values() for name in act.__code__.co_names}
            assert methods <= tried | free | {"clean", "set_overtravel", "to_die"}, f"{group}: {methods - tried - free}"
