"""What a trainer samples from."""

import json

import numpy as np
import pytest

from hil.analysis.classify import RULE, classify
from hil.analysis.statistics import MeasuredDie, defect_rates, line_rates, wafer_statistics
from hil.model.defects import Defect
from hil.model.maps import DefectMap
from tests.hil.analysis.dies import SIGMA, P, die


def _dies(count: int, rates: dict[Defect, float]) -> list[MeasuredDie]:
    rng = np.random.default_rng(8)
    measured = [die(rates, rng).measured(rng) for _ in range(count)]
    return [MeasuredDie(p, ap, classify(p, ap)) for p, ap in measured]


def test_rates_are_counts_of_the_classified_junctions_of_every_die() -> None:
    dies = _dies(6, {Defect.SHORT: 0.01, Defect.STUCK_AP: 0.004})
    rates = defect_rates([each.defects for each in dies])
    for kind in (Defect.SHORT, Defect.STUCK_AP, Defect.OPEN):
        per_die = tuple(np.count_nonzero(each.defects.codes == kind) for each in dies)
        rate = rates[kind.name.lower()]
        assert (rate.per_die, rate.count, rate.trials) == (per_die, sum(per_die), 6 * 5000)
    assert 0.008 < rates["short"].rate < 0.012
    assert rates["open"].count == 0


def test_junctions_that_were_not_measured_are_no_trials() -> None:
    (one,) = _dies(1, {})
    codes = one.defects.codes.copy()
    codes[:4] = Defect.NOT_MEASURED
    half = DefectMap(codes, one.defects.line_fault, one.defects.confidence, RULE)
    assert defect_rates([half])["short"].trials == codes.size // 2


def test_lines_of_which_too_little_was_measured_are_no_trials() -> None:
    (one,) = _dies(1, {})
    codes = one.defects.codes.copy()
    codes[:4] = Defect.NOT_MEASURED
    codes[5, 2, :13] = codes[6, 2, :12] = Defect.NO_CONTACT
    rates = line_rates([DefectMap(codes, one.defects.line_fault, one.defects.confidence, RULE)])
    assert rates["open_row"].trials == rates["shorted_row"].trials == 4 * 25 - 1
    assert rates["open_column"].trials == rates["shorted_column"].trials == 4 * 25


def test_a_dead_die_counts_in_every_rate() -> None:
    made = [die({}, np.random.default_rng(1)), die({Defect.OPEN: 1.0}, np.random.default_rng(2))]
    maps = [classify(*each.measured(np.random.default_rng(3))) for each in made]
    rate = defect_rates(maps)["open"]
    assert (rate.per_die, rate.trials) == ((0, 5000), 10_000)
    assert line_rates(maps)["open_row"].per_die == (0, 8 * 25)


def test_line_faults_are_counted_as_lines() -> None:
    made = die({}, np.random.default_rng(9))
    made.p[2, 7, :] = made.ap[2, 7, :] = 0.0
    made.p[3, :, 4] = made.ap[3, :, 4] = 950e-6
    found = classify(*made.measured(np.random.default_rng(10)))
    rates = line_rates([found])
    assert {name: rate.count for name, rate in rates.items()} == {"open_row": 1, "shorted_row": 0, "open_column": 0, "shorted_column": 1}
    assert rates["open_row"].trials == 8 * 25


def test_the_whole_is_plain_json_with_distributions_of_each_class() -> None:
    statistics = wafer_statistics(_dies(3, {Defect.SHORT: 0.01}))
    assert json.loads(json.dumps(statistics, allow_nan=False))["dies"] == 3
    good = statistics["conductance"]["good"]["P"]
    assert good["mean_siemens"] == pytest.approx(P, rel=0.01)
    assert good["sigma_siemens"] == pytest.approx(SIGMA, rel=0.1)
    assert statistics["conductance"]["short"]["AP"]["quantiles_siemens"]["0.5"] == pytest.approx(940e-6, rel=0.01)
    assert "open" not in statistics["conductance"]
    assert statistics["rules"] == [RULE]


def test_a_wafer_without_a_map_has_no_statistics_but_no_error_either() -> None:
    statistics = wafer_statistics([])
    assert (statistics["dies"], statistics["junctions"], statistics["conductance"]) == (0, 0, {})


def _dead(of: MeasuredDie, code: Defect) -> MeasuredDie:
    codes = np.full(of.defects.codes.shape, code, np.uint8)
    return MeasuredDie(of.p, of.ap, DefectMap(codes, of.defects.line_fault, of.defects.confidence, RULE), of.die)


@pytest.mark.parametrize("code", [Defect.OPEN, Defect.SHORT, Defect.NOT_MEASURED, Defect.STUCK_P])
@pytest.mark.parametrize("others", [0, 1, 2])
def test_dies_that_are_nothing_but_bad_make_statistics_without_a_nan(code: Defect, others: int) -> None:
    dies = _dies(others + 1, {Defect.SHORT: 0.01})
    statistics = wafer_statistics([_dead(dies[0], code), *dies[1:]])
    json.dumps(statistics, allow_nan=False)
    assert (statistics["sampling"] is None) == (others == 0)
    for rate in statistics["rates"].values():
        assert 0.0 <= rate["low"] <= rate["rate"] <= rate["high"] <= 1.0


def test_a_faulty_line_is_no_sign_that_dies_differ_in_isolated_defects() -> None:
    rng = np.random.default_rng(11)
    made = [die({Defect.OPEN: 0.002}, rng) for _ in range(8)]
    for row in (3, 12):
        made[0].p[:, row, :] = made[0].ap[:, row, :] = 0.0
    statistics = wafer_statistics([MeasuredDie(p, ap, classify(p, ap)) for p, ap in (each.measured(rng) for each in made)])
    assert statistics["lines"]["open_row"]["counts"][0] == 8
    assert statistics["isolated"]["open"]["cv"]["low"] == 0.0
    assert statistics["isolated"]["open"]["per_die"][0] < 30 < statistics["rates"]["open"]["per_die"][0]
    whole = statistics["rates"]["open"]
    assert whole["low"] < whole["rate"] < whole["high"]
    assert whole["high"] - whole["low"] > statistics["isolated"]["open"]["high"] - statistics["isolated"]["open"]["low"]


def test_one_wafer_has_one_answer() -> None:
    dies = _dies(3, {Defect.SHORT: 0.003, Defect.OPEN: 0.001})
    assert wafer_statistics(dies) == wafer_statistics(dies)
