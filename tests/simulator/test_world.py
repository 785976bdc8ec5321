"""One world for three instruments: what is seen depends on needles, selection and bias, and damage is remembered."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.codes import Route
from simulator.physics import known_bias as known_biases
from simulator.world import World
from tests.simulator.worlds import touching, world

OPEN_AMPS = 1e-11


def seen(made: World, volts: float = 0.1) -> float:
    return made.smu_amps(volts, 1e-3, 1e-3).amps


def test_without_contact_every_path_reads_open() -> None:
    made = world()
    for route, device in ((Route.NONE, None), (Route.JUNCTION, 7), (Route.CONTACT_PADS, None)):
        made.select(route, device)
        assert abs(seen(made)) < OPEN_AMPS
    board = made.read_kernel_amps(0, 0.1, 16)
    assert np.abs(board).max() < 1e-6 < np.median(touching().read_kernel_amps(0, 0.1, 16))


def test_needles_up_or_between_dies_or_on_no_wafer_read_open() -> None:
    made = touching()
    made.select(Route.CONTACT_PADS, None)
    assert abs(seen(made, 1e-3)) > 1e-5
    made.lift()
    assert abs(seen(made, 1e-3)) < OPEN_AMPS
    x_um, y_um = made.needles.stage_of((0, 0))
    made.needles.move_stage(x_um + 40.0, y_um)
    made.move_chuck_z(16_020.0)
    assert made.die_in_contact is None and abs(seen(made, 1e-3)) < OPEN_AMPS
    made.lift()
    made.touch((0, 0))
    made.needles.wafer_loaded = False
    assert abs(seen(made, 1e-3)) < OPEN_AMPS


def test_the_smu_sees_the_selected_junction_and_nothing_when_none_is_selected() -> None:
    made = touching("clean")
    truth = {device: made.wafer.die((0, 0)).at(device) for device in (0, 20_000 - 1)}
    for device, (cell, state_p) in truth.items():
        made.select(Route.JUNCTION, device)
        ohms = float(cell.ohms_p) * (1.0 if bool(state_p) else 1.0 + float(cell.tmr)) + float(cell.series_ohms)
        assert seen(made, 0.01) == pytest.approx(0.01 / ohms, rel=0.02)
    made.select(Route.NONE, None)
    assert abs(seen(made)) < OPEN_AMPS


def test_another_die_shows_other_values() -> None:
    made = touching("clean")
    here = made.read_kernel_amps(0, 0.1, 64)
    made.touch((1, 0))
    assert np.corrcoef(here.ravel(), made.read_kernel_amps(0, 0.1, 64).ravel())[0, 1] < 0.9


def test_stage_and_wafer_run_opposite_ways() -> None:
    made = touching(die=(2, -1))
    home, here = made.needles.stage_of((0, 0)), made.needles.stage_um
    assert here[0] - home[0] == pytest.approx(-20_000) and here[1] - home[1] == pytest.approx(10_000)
    assert made.die_in_contact == (2, -1)


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="device 20000 is outside 0 to 19999"):
        world().select(Route.JUNCTION, 20_000)


def test_the_contact_pads_are_a_few_ohm_less_with_overtravel_more_with_wear() -> None:
    made = touching()
    made.select(Route.CONTACT_PADS, None)

    def ohms() -> float:
        point = made.smu_amps(1e-3, 1e-3, 1e-2)
        return point.volts / point.amps

    deep = ohms()
    made.move_chuck_z(made.needles.contact_z_um)
    shallow = ohms()
    for die in made.wafer.dies * 6:
        made.touch(die)
    made.touch((0, 0))
    worn = ohms()
    assert 1 < deep < shallow < 20 and worn > deep
    made.needles.clean()
    assert ohms() == pytest.approx(deep, abs=0.1)


@given(st.floats(0.02, 1.0), st.floats(1e-8, 1e-3))
@settings(max_examples=40, deadline=None)
def test_at_the_limit_the_voltage_is_reduced_until_the_current_is_the_limit(volts: float, limit: float) -> None:
    made = touching("clean")
    made.select(Route.JUNCTION, 5)
    point = made.smu_amps(volts, 0.0, limit)
    assert abs(point.amps) <= limit * 1.02
    if point.in_compliance:
        assert point.volts < volts and point.amps == pytest.approx(limit, rel=1e-3)
    else:
        assert point.volts == volts


def test_a_current_source_stops_at_its_voltage_limit() -> None:
    made = touching("clean")
    made.select(Route.JUNCTION, 5)
    point = made.smu_volts(1e-5, 0.0, 1.0)
    assert not point.in_compliance and point.amps == pytest.approx(1e-5, rel=1e-6) and 0.01 < point.volts < 0.1
    made.select(Route.NONE, None)
    assert made.smu_volts(1e-5, 0.0, 1.0)[1:] == (True, 1.0)


def test_the_smu_can_switch_a_junction_and_a_low_read_does_not() -> None:
    made = touching("clean")
    die = made.wafer.die((0, 0))
    die.state_p[:] = False
    made.select(Route.JUNCTION, 3)
    for _ in range(100):
        made.smu_amps(0.1, 1e-2, 1e-3)
    assert not die.state_p.any()
    made.smu_amps(0.8, 1e-2, 1e-3)
    assert die.state_p.reshape(-1)[3] and die.state_p.sum() == 1


def test_the_smu_can_break_a_junction_for_good() -> None:
    made = touching("clean")
    made.select(Route.JUNCTION, 3)
    made.smu_amps(3.0, 1e-2, 1.0)
    die = made.wafer.die((0, 0))
    assert die.true_classes().reshape(-1)[3] == 1 and np.count_nonzero(die.true_classes()) == 1


def test_a_level_left_on_stresses_whatever_is_selected_next() -> None:
    made = touching("clean")
    die = made.wafer.die((0, 0))
    die.state_p[:] = False
    made.set_output(True, 0.8)
    made.select(Route.JUNCTION, 11)
    assert die.state_p.reshape(-1)[11] and die.state_p.sum() == 1


def test_pulses_write_only_what_is_in_contact() -> None:
    made = world("clean")
    die = made.wafer.die((0, 0))
    die.state_p[:] = False
    made.pulse(np.arange(625), 0.8, 1e-7)
    assert not die.state_p.any()
    made.touch((0, 0))
    for _ in range(5):
        made.pulse(np.arange(625), 0.8, 1e-7)
    assert die.state_p[0].all() and not die.state_p[1:].any()


@pytest.mark.parametrize("drive_rows", [True, False])
def test_a_product_is_the_sum_of_its_cells(drive_rows: bool) -> None:
    made = touching("clean")
    made.board.gain[:], made.board.offset_amps[:] = 1.0, 0.0
    inputs = np.random.default_rng(0).uniform(-0.1, 0.1, (8, 25))
    die = made.wafer.die((0, 0))
    siemens = np.where(die.state_p[4], die.cell_siemens(True, 0.05)[4], die.cell_siemens(False, 0.05)[4])
    expected = inputs @ (siemens if drive_rows else siemens.T)
    got = made.vmm_amps(4, inputs, drive_rows)
    assert got.shape == (8, 25)
    assert np.abs(got - expected).max() < 5e-6


def test_a_product_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="24 inputs for 25 driven lines"):
        touching().vmm_amps(0, np.zeros((1, 24)), True)


def test_the_board_is_the_same_for_every_wafer_of_a_seed() -> None:
    assert np.array_equal(world("clean").board.offset_amps, world("harsh").board.offset_amps)
    assert not np.array_equal(world(seed=1).board.offset_amps, world(seed=2).board.offset_amps)


def test_moving_sideways_in_contact_is_damage() -> None:
    made = touching()
    made.needles.move_stage(0.0, 0.0)
    assert [damage.kind for damage in made.damage] == ["xy_in_contact"]
    assert made.damage[0].die == (0, 0)


def test_touching_down_with_the_output_on_is_damage() -> None:
    made = world()
    made.set_output(True, 0.1)
    made.touch((1, 1))
    assert [(damage.kind, damage.die) for damage in made.damage] == [("hot_touchdown", (1, 1))]


def test_lifting_with_the_output_on_is_damage() -> None:
    made = touching()
    made.set_output(True, 0.1)
    made.lift()
    assert [damage.kind for damage in made.damage] == ["hot_lift"]


def test_too_much_overtravel_is_damage() -> None:
    made = touching()
    made.move_chuck_z(made.needles.contact_z_um + 150.0)
    assert [damage.kind for damage in made.damage] == ["overtravel"]


def test_a_careful_walk_over_the_wafer_leaves_no_damage_and_counts_its_touchdowns() -> None:
    made = world()
    for die in made.wafer.dies:
        made.touch(die)
        assert made.die_in_contact == die
    made.lift()
    assert made.damage == [] and made.needles.touchdowns == 36
    assert made.needles.touchdowns_of_die == dict.fromkeys(made.wafer.dies, 1)


def test_a_warmer_chuck_lowers_the_ratio_of_the_states() -> None:
    made = touching("clean")
    die = made.wafer.die((0, 0))
    die.state_p[:] = False
    cold = made.read_kernel_amps(0, 0.1, 1000).mean()
    made.temperature_c = 85.0
    assert made.read_kernel_amps(0, 0.1, 1000).mean() > 1.01 * cold


def test_single_junctions_read_as_they_do_in_their_kernel() -> None:
    made = touching("clean")
    devices = np.array([19_999, 0, 3 * 625 + 26])
    whole = np.array([made.read_kernel_amps(kernel, 0.1, 1000) for kernel in range(32)]).ravel()
    single = made.read_devices_amps(devices, 0.1, 1000)
    assert single == pytest.approx(whole[devices], rel=0.01)
    made.lift()
    assert np.abs(made.read_devices_amps(devices, 0.1, 16)).max() < 1e-6


def test_a_voltage_for_each_pulse_drives_each_its_own_way() -> None:
    made = touching("clean")
    die = made.wafer.die((0, 0))
    die.state_p[0] = False
    die.state_p[0, 0, :2] = True
    for _ in range(3):
        made.pulse(np.array([0, 1, 2, 3]), np.array([-1.0, 1.0, 1.0, -1.0]), 1e-6)
    assert list(die.state_p[0, 0, :4]) == [False, True, True, False]


def test_pulses_on_one_junction_keep_their_order_and_their_voltages() -> None:
    made = touching("clean")
    die = made.wafer.die((0, 0))
    made.pulse(np.array([5, 5, 5]), np.array([1.0, -1.0, 1.0]), 1e-6)
    assert die.state_p[0].flat[5]
    made.pulse(np.array([5, 5, 5]), np.array([-1.0, 1.0, -1.0]), 1e-6)
    assert not die.state_p[0].flat[5]


def test_an_edge_on_a_trigger_line_is_heard_by_all_who_still_listen() -> None:
    line = world().trigger.ready
    heard: list[tuple[str, int]] = []
    stop = line.listen(lambda now_ns: heard.append(("first", now_ns)))
    line.listen(lambda now_ns: heard.append(("second", now_ns)))
    line.edge(7)
    stop()
    line.edge(8)
    assert heard == [("first", 7), ("second", 7), ("second", 8)]
    assert line.edges == 2


def test_a_voltage_that_comes_again_and_again_is_computed_for_the_whole_die_and_one_of_a_sweep_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[float] = []
    known_bias = known_biases.KnownBias

    def made_for(junctions: Any, law: Any, cell_volts: float, temperature_c: float) -> Any:
        made.append(cell_volts)
        return known_bias(junctions, law, cell_volts, temperature_c)

    monkeypatch.setattr(known_biases, "KnownBias", made_for)
    on_die = touching("clean")
    for device in range(3):
        on_die.select(Route.JUNCTION, device)
        for volts in np.linspace(0.01, 0.1, 100):
            for _ in range(4):
                on_die.smu_amps(float(volts), 0.0, 1.0)
    assert made == []
    for device in range(100):
        on_die.select(Route.JUNCTION, device)
        on_die.smu_amps(0.1, 0.0, 1.0)
    assert made == [0.1]
