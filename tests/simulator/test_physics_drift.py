"""What time does to a die: states relax, conductances flicker, and a hot die forgets sooner."""

import numpy as np
import pytest

from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from simulator.board import IDEAL
from simulator.physics.die import GOOD, UNSTABLE, Die, Spread
from simulator.physics.drift import FLICKER_HZ, Flicker
from simulator.physics.fab import PRESETS, Fab
from simulator.physics.mtj import hold_s
from simulator.physics.wafer import Wafer
from simulator.world import World
from tests.simulator.worlds import SEED

YEAR_S = 3.15e7


def die_of(seed: int = 1, **changes: float) -> Die:
    return Die(Fab(**{**vars(PRESETS["clean"]), **changes}), Geometry(), Spread(), np.random.default_rng(seed))


def holding(hold: float, seed: int = 1) -> Die:
    """Every junction of it holds a state so many seconds."""
    return die_of(seed, stability=float(np.log(hold / 1e-9)), stability_sigma=0.0, diameter_sigma=0.0)


# --- states
@pytest.mark.parametrize("state_p", [True, False])
@pytest.mark.parametrize("waited", [0.001, 0.3, 1.0, 30.0])
def test_both_states_relax_towards_half_and_half(state_p: bool, waited: float) -> None:
    die = holding(1.0)
    die.state_p[:] = state_p
    die.pass_time(waited)
    assert np.mean(die.state_p != state_p) == pytest.approx((1 - np.exp(-2 * waited)) / 2, abs=0.015)


def test_many_short_waits_are_one_long_wait() -> None:
    at_once, in_steps = holding(100.0), holding(100.0)
    for die, steps in ((at_once, 1), (in_steps, 500)):
        die.state_p[:] = True
        for step in range(steps):
            die.pass_time(50.0 * (step + 1) / steps)
    lost = [float(np.mean(~die.state_p)) for die in (at_once, in_steps)]
    assert lost == pytest.approx([(1 - np.exp(-1)) / 2] * 2, abs=0.015)


def test_a_die_of_the_default_fab_keeps_its_stable_states_for_years() -> None:
    die = Wafer(SEED, PRESETS["default"]).die((0, 0))
    before, good = die.state_p.copy(), die.true_classes() == GOOD
    die.pass_time(10 * YEAR_S)
    assert np.count_nonzero((die.state_p != before)[good]) < 20


def test_an_unstable_junction_does_not_keep_what_is_written_and_is_truly_that() -> None:
    die, rng = die_of(unstable_rate=0.02), np.random.default_rng(0)
    unstable = die.true_classes() == UNSTABLE
    assert np.count_nonzero(unstable) == pytest.approx(400, rel=0.2)
    for volts, state_p in ((0.8, True), (-0.8, False)):
        now_s = die.now_s
        die.pulse(np.arange(20_000), volts, 1e-7, rng)
        assert np.mean(die.state_p[unstable] == state_p) > 0.95
        die.pass_time(now_s + 60.0)
        assert np.mean(die.state_p[unstable] == state_p) == pytest.approx(0.5, abs=0.1)
        assert np.mean(die.state_p[~unstable] == state_p) > 0.999


def test_stuck_junctions_do_not_relax() -> None:
    die = die_of(stability=20.0, stuck_p_rate=0.01, stuck_ap_rate=0.01)
    stuck_p, stuck_ap = die._stuck_p, die._stuck_ap
    die.pass_time(1e6)
    assert die.state_p[stuck_p].all() and not die.state_p[stuck_ap].any()


def test_a_hot_die_forgets_what_a_cold_one_keeps() -> None:
    lost = []
    for temperature_c in (25.0, 125.0):
        die = die_of(stability=40.0)
        die.temperature_c = temperature_c
        die.state_p[:] = True
        die.pass_time(600.0)
        lost.append(float(np.mean(~die.state_p)))
    assert lost[0] < 0.001 and lost[1] > 0.2


def test_a_baked_wafer_has_relaxed_at_the_temperature_it_had() -> None:
    clock_ns = [0]
    world = World(Wafer(SEED, Fab(**{**vars(PRESETS["clean"]), "stability": 40.0})), now_ns=lambda: clock_ns[0])
    die = world.wafer.die((0, 0))
    die.state_p[:] = True
    world.warm(125.0)
    clock_ns[0] += int(600e9)
    world.warm(25.0)
    clock_ns[0] += int(1e9)
    world.touch((0, 0))
    world.read_kernel_amps(0, 0.1, 1)
    assert np.mean(~die.state_p) > 0.2


def test_no_time_passes_in_a_lab_without_a_clock() -> None:
    world = World(Wafer(SEED, Fab(**{**vars(PRESETS["clean"]), "stability": 20.0})))
    die = world.wafer.die((0, 0))
    before = die.state_p.copy()
    world.touch((0, 0))
    world.read_kernel_amps(0, 0.001, 1)
    assert np.array_equal(die.state_p[1:], before[1:])


def test_how_long_a_state_holds_is_the_neel_arrhenius_law() -> None:
    law = die_of().law
    assert hold_s(60.0, law) == pytest.approx(1e-9 * np.exp(60.0))
    assert hold_s(60.0, law, 85.0) < 1e-4 * hold_s(60.0, law)


# --- noise
def test_flicker_is_gaussian_of_variance_one_and_its_own_for_every_junction() -> None:
    flicker = Flicker(20_000, np.random.default_rng(0))
    for now_s in (0.0, 3.3, 1e5):
        values = flicker.at(now_s)
        assert values.mean() == pytest.approx(0.0, abs=0.03)
        assert values.std() == pytest.approx(1.0, abs=0.03)
        assert np.mean(np.abs(values) > 3.0) == pytest.approx(0.0027, abs=0.0015)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


def test_flicker_forgets_slowly_as_equal_power_in_each_decade_does() -> None:
    flicker = Flicker(20_000, np.random.default_rng(0))
    first = flicker.at(0.0)
    for lag_s in (0.01, 0.1, 1.0, 10.0, 100.0):
        expected = np.cos(2 * np.pi * FLICKER_HZ * lag_s).mean()
        assert np.mean(first * flicker.at(lag_s)) == pytest.approx(expected, abs=0.05)


def test_flicker_is_the_same_whenever_it_is_asked() -> None:
    one, other = (Flicker(100, np.random.default_rng(3)) for _ in range(2))
    one.at(7.0)
    assert np.array_equal(one.at(2.0), other.at(2.0))
    assert not np.array_equal(one.at(3.0), other.at(2.0))


def test_reading_again_at_once_does_not_average_the_slow_noise_and_waiting_does() -> None:
    die, rng = die_of(flicker_p=0.002, flicker_ap=0.002), np.random.default_rng(0)
    die.state_p[:] = True
    truth = die.cell_siemens(True, 0.1)[0]

    def left(times_s: np.ndarray) -> float:
        total = np.zeros_like(truth)
        for now_s in times_s:
            die.pass_time(now_s)
            total += die.read(0, 0.1, 100, 1e-5, rng)
        return float(np.std(total / len(times_s) / truth))

    at_once = left(np.full(50, 10.0))
    assert at_once == pytest.approx(0.002, rel=0.1)
    assert left(np.linspace(10.0, 20_000.0, 50)) < 0.5 * at_once


def test_an_smu_sees_the_flicker_and_the_two_levels_of_a_junction() -> None:
    clock_ns = [0]
    fab = Fab(**{**vars(PRESETS["clean"]), "flicker_p": 0.01, "flicker_ap": 0.01, "read_noise_p": 0.0, "read_noise_ap": 0.0})
    world = World(Wafer(SEED, fab), IDEAL, lambda: clock_ns[0])
    world.touch((0, 0))
    world.select(Route.JUNCTION, 3)
    at_once = [world.smu_amps(0.1, 1e-3, 1e-3).amps for _ in range(20)]
    later = []
    for _ in range(20):
        clock_ns[0] += int(37e9)
        later.append(world.smu_amps(0.1, 1e-3, 1e-3).amps)
    assert np.std(at_once) / np.mean(at_once) < 1e-6
    assert 0.003 < np.std(later) / np.mean(later) < 0.03
    noisy = World(Wafer(SEED, Fab(**{**vars(fab), "flicker_p": 0.0, "flicker_ap": 0.0, "telegraph_rate": 1.0})), IDEAL)
    noisy.touch((0, 0))
    noisy.select(Route.JUNCTION, 3)
    levels = np.array([noisy.smu_amps(0.1, 1e-3, 1e-3).amps for _ in range(40)])
    assert 0.02 < np.ptp(levels) / levels.mean() < 0.05
    assert np.all((np.abs(levels - levels.min()) < 1e-10) | (np.abs(levels - levels.max()) < 1e-10))
