"""The vendor's own client, sentio-prober-control 26.2.0, unchanged, drives the simulated prober."""

import contextlib
import io
from collections.abc import Iterator

import pytest

from simulator.instruments.sentio import Sentio
from tests.simulator.worlds import world
from tests.witnesses.served import Served, served
from tests.witnesses.served_prober import served_prober, vendor_client

with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner on import
    from sentio_prober_control.Sentio.Enumerations import (
        AutoAlignCmd,
        AxisOrient,
        ChuckSite,
        DieNumber,
        LoadPosition,
        RoutingPriority,
        RoutingStartPoint,
        SteppingContactMode,
        ThermoChuckState,
        XyReference,
        ZReference,
    )
    from sentio_prober_control.Sentio.Enumerations import (
        TestSelection as Selection,
    )
    from sentio_prober_control.Sentio.ProberBase import ProberException
    from sentio_prober_control.Sentio.ProberSentio import SentioProber


@pytest.fixture
def lab() -> Iterator[Served]:
    with served(world("clean")) as running:
        yield running


@pytest.fixture
def prober(lab: Served) -> Iterator[SentioProber]:
    with vendor_client(lab.prober_port) as client:
        yield client


def test_it_connects_as_to_version_26_2(prober: SentioProber) -> None:
    assert prober.status.get_version() == "Version: 26.2.0"
    assert prober.status.get_machine_id() == "SIM20261122"
    assert prober.status.get_machine_status() == (True, False, False)


def test_it_walks_the_wafer_touching_every_die_once_without_damage(prober: SentioProber, lab: Served) -> None:
    prober.set_stepping_contact_mode(SteppingContactMode.LockContact)
    walked = [prober.map.step_first_die()]
    while True:
        assert prober.move_chuck_contact() == 16000.0
        assert lab.world.die_in_contact == walked[-1][:2]
        assert prober.move_chuck_separation() == 15750.0
        if prober.map.end_of_route():
            break
        walked.append(prober.map.step_next_die())
    assert {die[:2] for die in walked} == set(lab.world.wafer.dies) and len(walked) == 36
    assert lab.world.damage == []
    with pytest.raises(ProberException) as ended:
        prober.map.step_next_die()
    assert ended.value.error() == 11
    assert prober.setup.contact_counter.get() == 36


def test_it_steps_to_negative_dies_and_reads_back_where_it_is(prober: SentioProber) -> None:
    assert prober.map.step_die(-3, 0) == (-3, 0, 0)
    assert prober.map.die.get_current_index()[1:] == (-3, 0)
    assert prober.get_chuck_xy(ChuckSite.Wafer, XyReference.Home) == (-30000.0, 0.0)
    assert prober.chuck.get_xy(XyReference.Home) == (-30000.0, 0.0, XyReference.Home)
    assert prober.map.get_num_dies(DieNumber.Selected) == 36
    assert prober.map.bin_step_next_die(1)[:2] == (-2, 0)


def test_it_moves_in_z_by_every_reference(prober: SentioProber) -> None:
    assert prober.chuck.move_z(ZReference.Contact, 0) == (16000.0, ZReference.Contact)
    assert prober.chuck.move_z(ZReference.Separation, 0) == (15750.0, ZReference.Separation)
    assert prober.chuck.get_z(ZReference.Zero) == (15750.0, ZReference.Zero)
    assert prober.chuck.move_xy(XyReference.Home, 1000, 2000) == (1000.0, 2000.0, XyReference.Home)
    assert prober.move_chuck_home() == prober.get_chuck_xy_pos()
    assert prober.get_chuck_xy(ChuckSite.Wafer, XyReference.Home) == (0.0, 0.0)


def test_it_reads_and_sets_heights_and_overtravel(prober: SentioProber) -> None:
    assert prober.get_chuck_site_status(ChuckSite.Wafer) == (True, True, False, True)
    assert prober.get_chuck_site_height(ChuckSite.Wafer) == (16000.0, 250.0, 20.0, 50.0)
    prober.set_chuck_overtravel_gap(30)
    prober.enable_chuck_overtravel(True)
    assert prober.move_chuck_contact() == 16030.0
    with pytest.raises(ProberException) as refused:
        prober.set_chuck_overtravel_gap(5000)
    assert refused.value.error() == 120
    assert prober.set_chuck_site_height(ChuckSite.Wafer, 16000, 250, 20, 50)[1:] == (16000.0, 250.0, 20.0, 50.0)


def test_it_is_refused_a_step_in_locked_contact_and_a_die_that_does_not_exist(prober: SentioProber, lab: Served) -> None:
    prober.set_stepping_contact_mode(SteppingContactMode.LockContact)
    prober.move_chuck_contact()
    with pytest.raises(ProberException) as locked:
        prober.map.step_die(1, 0)
    prober.move_chuck_separation()
    with pytest.raises(ProberException) as unknown:
        prober.map.step_die(9, 9)
    assert (locked.value.error(), unknown.value.error()) == (12, 8)
    assert lab.world.damage == []


def test_it_initialises_loads_aligns_and_finds_home(prober: SentioProber) -> None:
    prober.comm.send("start_initialization")
    assert prober.comm.read_line() == "0,1,OK"
    prober.wait_complete(1, 180)
    prober.move_chuck_load(LoadPosition.Front)
    prober.move_chuck_load(LoadPosition.Center)
    prober.vision.align_wafer(AutoAlignCmd.UpdateDieSize)
    prober.vision.find_home()
    assert prober.map.step_die(2, 1) == (2, 1, 0)


def test_it_sets_temperature_doors_and_vacuum(prober: SentioProber) -> None:
    prober.status.set_chuck_temp(40)
    assert prober.status.get_chuck_temp() == prober.status.get_chuck_temp_setpoint() == 40.0
    assert prober.status.get_chuck_thermo_state() == ThermoChuckState.Controlling
    assert prober.status.get_soaking_time(40) == 0.0
    prober.set_vacuum(ChuckSite.Wafer, True)
    assert prober.get_door_status("prober") == (True, True)
    prober.aux.cleaning.start(5)


def test_it_sets_up_a_map_of_its_own_and_steps_it_to_the_end(prober: SentioProber) -> None:
    prober.map.create(200)
    prober.map.set_grid_params(30000, 30000, 0, 0, 1000)
    prober.map.set_axis_orient(AxisOrient.UpRight)
    prober.map.set_grid_origin(0, 0)
    prober.map.set_home_die(0, 0)
    prober.map.path.select_dies(Selection.Good)
    prober.map.path.set_routing(RoutingStartPoint.UpperLeft, RoutingPriority.RowBiDir)
    assert prober.map.get_grid_params() == (30000.0, 30000.0, 0.0, 0.0, 1000.0)
    assert prober.map.get_routing() == (RoutingStartPoint.UpperLeft, RoutingPriority.RowBiDir)
    dies = [prober.map.step_first_die()]
    while not prober.map.end_of_route():
        dies.append(prober.map.step_next_die())
        prober.map.bins.set_bin(1, *dies[-1][:2])
    assert len(dies) == prober.map.get_num_dies(DieNumber.Present) == len(set(dies)) > 4


def test_an_unknown_command_reaches_it_as_the_probers_own_words(prober: SentioProber) -> None:
    with pytest.raises(ProberException, match="Unsupported remote command: frobnicate 1"):
        prober.send_cmd("frobnicate 1")


# --- two at a time, on a clock that is real
def test_a_second_client_sees_the_chuck_on_its_way_and_stops_it() -> None:
    lab = world("clean")
    with (
        served_prober(Sentio(lab, wall_ns=lambda busy_ns: busy_ns), "real") as port,
        vendor_client(port) as two,
        vendor_client(port) as one,
    ):
        one.map.step_die(-4, 0)
        one.comm.send("map:step_die 3, 0, 0")
        seen = [-40_000.0]
        while seen[-1] < -20_000.0:
            seen.append(two.get_chuck_xy(ChuckSite.Wafer, XyReference.Home)[0])
        two.send_cmd("stop_chuck_xyz")
        assert one.comm.read_line() == "2,0,Chuck motion was stopped"
        stopped = two.get_chuck_xy(ChuckSite.Wafer, XyReference.Home)
        assert seen == sorted(seen) and len(set(seen)) > 2 and seen[-1] <= stopped[0] < 30_000.0
        assert one.map.step_die(3, 0) == (3, 0, 0) and lab.needles.die_below == (3, 0)
