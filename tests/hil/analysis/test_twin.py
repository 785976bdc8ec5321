"""A twin is taken for its original, and one made wrong is not."""

import tomllib
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from hil.analysis.likeness import likeness, predicted
from hil.analysis.measured import MeasuredDie
from hil.analysis.pillars import Pillars, cell_ap, cells, die_factors, fit_pillars, moments, normal_scores
from hil.analysis.twin import Twin, fit_twin
from hil.analysis.twin_defects import CAUSES, CLASSES, class_shares
from hil.analysis.twin_file import fab_text
from hil.model.defects import Defect
from simulator.physics.fab import Fab, load_fab
from simulator.physics.mtj import Junctions, Law, cell_siemens
from tests.hil.analysis.wafers import GEOMETRY, default_wafer, measured

PILLARS = Pillars(ohms_p=1990.0, tmr=1.2, access_ohms=1000.0, p_sigma=0.05, tmr_sigma=0.04, access_sigma=0.05)
SCORES = normal_scores(1)


@pytest.fixture(scope="module")
def twin() -> Twin:
    return fit_twin(default_wafer())


def _remade(twin: Twin, folder: Path, seed: int = 77) -> tuple[MeasuredDie, ...]:
    return measured(_fab(twin, folder), seed, len(twin.dies))


def _fab(twin: Twin, folder: Path) -> Fab:
    file = folder / "twin.toml"
    file.write_text(fab_text(twin, "a wafer of tests"), encoding="utf-8")
    return load_fab(str(file))


def test_a_twin_measured_again_is_taken_for_its_original(twin: Twin, tmp_path: Path) -> None:
    found = likeness(default_wafer(), _remade(twin, tmp_path))
    assert max(found.distances.values()) <= 0.01
    assert [each for each in found.counts if not each.holds] == []
    assert found.holds


def test_a_twin_whose_r_p_is_off_by_3_percent_is_rejected(twin: Twin, tmp_path: Path) -> None:
    off = replace(twin, dies={die: {**own, "ra_factor": own["ra_factor"] * 1.03} for die, own in twin.dies.items()})
    found = likeness(default_wafer(), _remade(off, tmp_path))
    assert min(found.distances.values()) > 0.1
    assert not found.holds


def test_a_twin_with_twice_the_shorts_is_rejected(twin: Twin, tmp_path: Path) -> None:
    dies = {die: {**own, "short_rate": 2 * own["short_rate"]} for die, own in twin.dies.items()}
    found = likeness(default_wafer(), _remade(replace(twin, dies=dies), tmp_path))
    assert [each.of for each in found.counts if not each.holds] == ["short"]


def test_the_foundry_behind_the_wafer_is_recovered(twin: Twin) -> None:
    fab = load_fab("default")
    for name, within in (("resistance_area_ohm_um2", 0.02), ("tmr", 0.02), ("ra_sigma", 0.05), ("tmr_sigma", 0.05), ("access_ohms", 0.03)):
        assert twin.parameters[name] == pytest.approx(getattr(fab, name), rel=within), name
    assert twin.parameters["short_rate"] == pytest.approx(0.006, rel=0.4)
    assert twin.parameters["stuck_p_rate"] == pytest.approx(fab.stuck_p_rate, rel=0.25)
    assert max(twin.distances.values()) < 0.01


def test_an_exact_twin_has_its_defects_where_they_were_found(tmp_path: Path) -> None:
    original = default_wafer()
    remade = _remade(fit_twin(original, exact=True), tmp_path)
    found, made = (np.stack([die.defects.codes for die in dies]) for dies in (original, remade))
    bad = np.isin(found, (Defect.SHORT, Defect.OPEN, Defect.STUCK_AP))
    assert np.mean(made[bad] == found[bad]) > 0.99
    assert np.mean(made[~bad] == found[~bad]) > 0.999
    assert likeness(original, remade).holds


def test_faulty_lines_are_made_where_they_lie(tmp_path: Path) -> None:
    fab = replace(load_fab("clean"), row_opens=1.0, column_opens=1.0, shorted_segments=1.0)
    original = measured(fab, 9, 5)
    remade = _remade(fit_twin(original), tmp_path)
    for one, other in zip(original, remade, strict=True):
        assert np.array_equal(one.defects.codes == Defect.OPEN, other.defects.codes == Defect.OPEN)
        assert np.mean((one.defects.codes == Defect.SHORT) != (other.defects.codes == Defect.SHORT)) < 1e-3
    # A row line is numbered by sub-array, group and row: this chip has one sub-array, and as many rows as lines.
    assert max(line for own in fit_twin(original).dies.values() for line in own.get("open_row_lines", [0])) < 4 * GEOMETRY.rows


def test_levels_take_any_distribution(tmp_path: Path) -> None:
    scores = np.array([NormalDist().inv_cdf(level) for level in np.linspace(0.005, 0.995, 81)])
    quantiles = tuple(3e-4 * np.exp(0.06 * scores + 0.008 * scores**2))
    fab = replace(load_fab("clean"), model="levels", siemens_p=3e-4, ap_over_p=0.5, quantiles_p=quantiles, die_sigma=0.0, gradient=0.0)
    original = measured(fab, 11, 3)
    twin = fit_twin(original)
    assert twin.model == "levels"
    assert likeness(original, _remade(twin, tmp_path)).holds


def test_the_file_is_a_fab_file_and_says_what_it_is(twin: Twin, tmp_path: Path) -> None:
    text = fab_text(twin, "wafer\nW1")
    assert text.startswith("# Twin of wafer W1: 12 dies")
    assert all(len(line) <= 130 for line in text.splitlines() if line.startswith("#"))
    told = tomllib.loads(text)
    assert set(told["dies"]) == {f"{x},{y}" for x, y in twin.dies}
    fab = _fab(twin, tmp_path)
    assert fab.of_die((0, 0)).ra_factor == pytest.approx(twin.dies[(0, 0)]["ra_factor"], rel=1e-5)
    assert fab.telegraph_rate == 0.0


def test_what_cannot_be_fitted_is_said() -> None:
    dies = default_wafer()
    with pytest.raises(ValueError, match="at least one die"):
        fit_twin([])
    with pytest.raises(ValueError, match="lies"):
        fit_twin([replace(dies[0], die=None)])
    with pytest.raises(ValueError, match=r"0\.1 V, 0\.2 V"):
        fit_twin([dies[0], replace(dies[1], p=replace(dies[1].p, read_volts=0.2))])
    dead = np.full(dies[0].defects.codes.shape, Defect.OPEN, np.uint8)
    with pytest.raises(ValueError, match="good junctions"):
        fit_twin([replace(dies[0], defects=replace(dies[0].defects, codes=dead))])
    with pytest.raises(ValueError, match="no measured die in common"):
        likeness(dies[:2], dies[2:5])


# --- pillars
def test_cells_conduct_as_the_simulators_do() -> None:
    ohms, tmr, series = np.array([1500.0, 1990.0, 3000.0]), np.array([0.8, 1.2, 1.5]), np.full(3, 1000.0)
    nothing = np.zeros(3)
    junctions = Junctions(ohms, tmr, nothing, series, nothing + 1, nothing + 60, nothing + 1)
    for state_p, mine in ((True, 1 / (ohms + series)), (False, cell_ap(ohms, tmr, series, 0.1))):
        assert mine == pytest.approx(cell_siemens(junctions, np.full(3, state_p), 0.1, Law())[0], rel=1e-6)


def test_a_population_is_found_from_its_moments() -> None:
    found = fit_pillars(moments(*cells(PILLARS, SCORES, 0.1)), PILLARS.access_ohms, 0.1, SCORES)
    for name in ("ohms_p", "tmr", "p_sigma", "tmr_sigma", "access_sigma"):
        assert getattr(found, name) == pytest.approx(getattr(PILLARS, name), rel=1e-3), name


def test_factors_of_a_die_are_found_from_its_means() -> None:
    moved = replace(PILLARS, ohms_p=PILLARS.ohms_p * 1.08, tmr=PILLARS.tmr * 0.93)
    means = moments(*cells(moved, SCORES, 0.1)).mean
    assert die_factors(PILLARS, means, 0.1, SCORES) == pytest.approx((1.08, 0.93), rel=1e-6)


def test_no_pillar_conducts_more_than_its_access_device() -> None:
    with pytest.raises(ValueError, match="behind 4000 Ohm"):
        fit_pillars(moments(*cells(PILLARS, SCORES, 0.1)), 4000.0, 0.1, SCORES)


def test_causes_make_classes_as_often_as_the_simulator_has_it() -> None:
    shares = class_shares(PILLARS, SCORES, 0.1)
    assert shares[:, :4] == pytest.approx(np.eye(6)[:, :4])
    codes = np.concatenate([die.defects.codes.ravel() for die in measured(replace(load_fab("clean"), pinhole_rate=0.02), 12, 4)])
    pinhole = shares[:, CAUSES.index("pinhole_rate")]
    assert np.mean(codes == Defect.SHORT) / 0.02 == pytest.approx(pinhole[CLASSES.index("short")], rel=0.3)


def test_a_second_count_is_predicted_from_the_first() -> None:
    low, high = predicted(100, 1.0)
    assert (low, high) == (74, 130)
    assert predicted(0, 1.0)[0] == 0
    rng = np.random.default_rng(1)
    held = 0
    for first, second in rng.poisson(60, (2000, 2)):
        low, high = predicted(int(first), 1.0)
        held += low <= second <= high
    assert 0.94 < held / 2000 < 0.98
