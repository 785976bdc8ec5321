"""Fab files: single dies that differ, and junctions whose conductances are given rather than made."""

from pathlib import Path

import numpy as np
import pytest

from simulator.fast import wafer_maps
from simulator.options import options
from simulator.physics.die import GOOD, OPEN, SHORT, STUCK_AP, STUCK_P, classes
from simulator.physics.fab import PRESETS, FabError, load_fab
from simulator.physics.mtj import Law
from simulator.physics.wafer import Wafer, nearest_dies
from tests.simulator.worlds import SEED


def wafer(folder: Path, text: str, seed: int = SEED, dies: int = 36) -> Wafer:
    file = folder / "fab.toml"
    file.write_text(text)
    return Wafer(seed, load_fab(str(file)), nearest_dies(dies))


def shares(codes: np.ndarray) -> dict[int, int]:
    return {code: int(np.count_nonzero(codes == code)) for code in (SHORT, OPEN, STUCK_P, STUCK_AP)}


# --- single dies
def test_a_die_that_the_file_names_has_its_own_parameters_and_the_others_stay_as_they_were(tmp_path) -> None:
    made = wafer(tmp_path, 'base = "clean"\nstability = 55\n[dies."0,0"]\ncritical_volts = 0.5\n')
    plain = Wafer(SEED, load_fab(str(tmp_path / "fab.toml")).of_die((1, 0)))
    assert made.die((0, 0)).junctions.critical_volts.mean() == pytest.approx(0.5, rel=0.05)
    assert made.die((0, 0)).junctions.stability.mean() == pytest.approx(55, rel=0.02)
    assert np.array_equal(made.die((1, 0)).junctions.critical_volts, plain.die((1, 0)).junctions.critical_volts)


def test_factors_of_a_die_take_the_place_of_the_draw_and_of_the_gradient(tmp_path) -> None:
    text = 'base = "clean"\ndie_sigma = 0.2\ngradient = 0.3\n[dies."0,0"]\nra_factor = 1.1\ntmr_factor = 0.9\n'
    for seed in (1, 2, 3):
        die = wafer(tmp_path, text, seed).die((0, 0))
        assert np.median(die.junctions.ohms_p) == pytest.approx(1.1 * 1989.4, rel=0.005)
        assert die.junctions.tmr.mean() == pytest.approx(0.9 * 1.2, rel=0.005)


def test_the_other_draws_of_a_die_do_not_depend_on_its_factors(tmp_path) -> None:
    free = wafer(tmp_path, 'base = "clean"').die((0, 0))
    fixed = wafer(tmp_path, 'base = "clean"\n[dies."0,0"]\nra_factor = 1.1\n').die((0, 0))
    ratio = fixed.junctions.ohms_p / free.junctions.ohms_p
    assert np.ptp(ratio) < 1e-12


def test_a_rate_without_spread_is_the_rate_of_every_die(tmp_path) -> None:
    made = wafer(tmp_path, 'base = "clean"\nshort_rate = 0.005\nshort_rate_shape = 0\n')
    counts = np.array([shares(made.die(index).true_classes())[SHORT] for index in made.dies])
    assert counts.mean() == pytest.approx(100, rel=0.06)
    assert counts.var() < 2 * counts.mean()


def test_junctions_and_lines_that_the_file_names_are_bad_whatever_is_drawn(tmp_path) -> None:
    text = (
        'base = "clean"\n[dies."0,0"]\nshort_devices = [7, 19999]\nopen_devices = [8]\nstuck_p_devices = [9]\nstuck_ap_devices = [10]\n'
        "open_row_lines = [399]\nopen_column_lines = [0]\n"
    )
    codes = wafer(tmp_path, text).die((0, 0)).true_classes().reshape(-1)
    assert [int(code) for code in codes[[7, 8, 9, 10]]] == [SHORT, OPEN, STUCK_P, STUCK_AP]
    assert shares(codes) == {SHORT: 1, OPEN: 1 + 50 + 100, STUCK_P: 1, STUCK_AP: 1}  # the last short hangs on the open row


def test_a_junction_that_no_die_has_is_refused_by_its_number(tmp_path) -> None:
    with pytest.raises(FabError, match="short_devices holds 20000; a die has 0 to 19999"):
        wafer(tmp_path, "short_devices = [20000]").die((0, 0))


def test_every_constant_of_the_laws_is_a_parameter(tmp_path) -> None:
    text = (
        'base = "clean"\nswitching_exponent = 2\nwrite_asymmetry = 1.2\nattempt_s = 2e-9\ndamping_s = 1e-9\nbreakdown_exponent = 40\n'
        "half_volts = 0.6\n"
    )
    law = wafer(tmp_path, text).die((0, 0)).law
    assert law == Law(half_volts=0.6, asymmetry=1.2, exponent=2.0, attempt_s=2e-9, damping_s=1e-9, tddb_exponent=40.0)
    assert Wafer(SEED, PRESETS["default"]).die((0, 0)).law == Law()


def test_a_square_law_disturbs_at_a_lower_voltage(tmp_path) -> None:
    lost = []
    for exponent in (1, 2):
        die = wafer(tmp_path, f'base = "clean"\nswitching_exponent = {exponent}\n').die((0, 0))
        die.state_p[:] = False
        die.pulse(np.arange(20_000), 0.37, 1e-6, np.random.default_rng(0))
        lost.append(float(die.state_p.mean()))
    assert lost[0] < 0.1 < 0.5 < lost[1]


# --- levels
def test_levels_have_the_conductances_of_the_file_at_any_bias(tmp_path) -> None:
    die = wafer(tmp_path, 'model = "levels"').die((2, 1))
    parallel, antiparallel = die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1)
    assert np.median(parallel) == pytest.approx(335e-6, rel=0.002)
    assert np.median(antiparallel) == pytest.approx(167.5e-6, rel=0.002)
    logs = np.log(parallel).ravel(), np.log(antiparallel).ravel()
    assert [float(each.std()) for each in logs] == pytest.approx([0.05, 0.05], rel=0.03)
    assert abs(np.corrcoef(*logs)[0, 1]) < 0.03
    for state_p, siemens in ((True, parallel), (False, antiparallel)):
        assert np.allclose(die.cell_siemens(state_p, 0.8), siemens, rtol=1e-12)
    assert set(np.unique(die.true_classes())) <= {GOOD, 5}


def test_bad_junctions_of_the_levels_come_in_the_shares_given(tmp_path) -> None:
    made = wafer(tmp_path, 'model = "levels"\nbad_rate = 0.01\n')
    dies = [made.die(index) for index in made.dies]
    found = shares(np.stack([die.true_classes() for die in dies]))
    expected = {SHORT: 3600, OPEN: 720, STUCK_P: 1440, STUCK_AP: 1440}
    assert found == pytest.approx(expected, rel=0.12)
    shorts = np.concatenate([die.cell_siemens(False, 0.1)[die.true_classes() == SHORT] for die in dies])
    assert np.median(shorts) == pytest.approx(3.35e-3, rel=0.03)
    assert np.log(shorts).std() == pytest.approx(0.3, rel=0.1)


def test_a_mixed_population_spreads_its_rates_evenly_over_their_logarithm(tmp_path) -> None:
    text = 'model = "levels"\nbad_rate_low = 0.0005\nbad_rate_high = 0.02\n'
    rates = []
    for seed in (1, 2):
        made = wafer(tmp_path, text, seed)
        rates += [sum(shares(made.die(index).true_classes()).values()) / 20_000 for index in made.dies]
    assert 0.0001 < min(rates) < 0.001 and 0.012 < max(rates) < 0.023
    assert np.median(rates) == pytest.approx(np.sqrt(0.0005 * 0.02), rel=0.5)


def test_levels_can_follow_any_distribution_and_correlation(tmp_path) -> None:
    text = (
        'model = "levels"\nquantiles_p = [180e-6, 200e-6, 210e-6, 220e-6, 240e-6]\nlevel_correlation = 0.8\nlevel_sigma_ap = 0.02\n'
        "siemens_p = 200e-6\n"
    )
    die = wafer(tmp_path, text).die((0, 0))
    parallel, antiparallel = die.cell_siemens(True, 0.1).ravel(), die.cell_siemens(False, 0.1).ravel()
    assert np.quantile(parallel, [0.25, 0.5, 0.75]) == pytest.approx([200e-6, 210e-6, 220e-6], rel=0.01)
    assert np.log(antiparallel).std() == pytest.approx(0.02, rel=0.05)
    ranks = [each.argsort().argsort() for each in (parallel, antiparallel)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(0.79, abs=0.03)


def test_levels_are_written_and_read_like_pillars(tmp_path) -> None:
    die = wafer(tmp_path, 'model = "levels"\nbad_rate = 0.01\n').die((0, 0))
    rng, good = np.random.default_rng(0), die.true_classes() == GOOD
    for volts, state_p in ((0.8, True), (-0.8, False)):
        for _ in range(3):
            die.pulse(np.arange(20_000), volts, 1e-7, rng)
        assert np.count_nonzero(die.state_p[good] != state_p) < 5


def test_a_die_as_the_board_reads_it_classes_as_it_is(tmp_path) -> None:
    made = wafer(tmp_path, 'model = "levels"\nbad_rate = 0.01\n', dies=1)
    siemens_p, siemens_ap = wafer_maps(made, seed=1)
    measured, truth = classes(siemens_p[0].astype(float), siemens_ap[0].astype(float)), made.die((0, 0)).true_classes()
    assert np.count_nonzero(measured != truth) < 20


# --- what is refused
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "spins"', "model is 'spins'; it must be pillars or levels"),
        ('model = "levels"\nbase = "harsh"', "base is 'harsh'; the presets' defects are of pillars"),
        ('model = "levels"\ndiameter_nm = 60', "diameter_nm is of the model 'pillars'; this file's model is 'levels'"),
        ("siemens_p = 1e-4", "siemens_p is of the model 'levels'; this file's model is 'pillars'"),
        ('[dies."0,0"]\nshortrate = 1', "dies.\"0,0\": unknown parameter 'shortrate'"),
        ('[dies."0,0"]\nmodel = "levels"', 'dies."0,0": model is of the wafer, not of one die'),
        ('[dies."0;0"]\nra_factor = 1', 'dies."0;0": a die is named by its column and row, as in dies."-1,2"'),
        ('[dies."0,0"]\nra_factor = 0', 'dies."0,0": ra_factor is 0; it must be above 0'),
        ("bad_short = 0.6", "bad_short 0.6, bad_open 0.1, bad_stuck_p 0.2, bad_stuck_ap 0.2: shares must add up to 1"),
        ("bad_rate_high = 0.1", "bad_rate_low is 0; a log-uniform range needs both ends above 0"),
        ('model = "levels"\nquantiles_p = [2e-4, 1e-4]', "quantiles_p has 2 values; it must have 2 or more, none below the one before"),
        ("short_devices = [1.5]", "short_devices holds 1.5; it must hold whole numbers"),
        ("short_devices = 3", "short_devices is 3; it must be a list of numbers"),
        ("dies = 3", "dies must be a table"),
    ],
)
def test_a_fab_file_that_contradicts_itself_is_refused(tmp_path, text: str, message: str) -> None:
    with pytest.raises(FabError) as refused:
        wafer(tmp_path, text)
    assert message in str(refused.value)


def test_the_pretended_lab_takes_a_fab_file_of_either_model(tmp_path) -> None:
    file = tmp_path / "fab.toml"
    for text in ('model = "levels"\nbad_rate = 0.003\n', 'base = "paper-like"\n[dies."0,0"]\nra_factor = 1.05\n'):
        file.write_text(text)
        assert options(["--fab", str(file)]).fab == load_fab(str(file)) != PRESETS["default"]
