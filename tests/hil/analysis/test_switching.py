"""Critical voltage and thermal stability from counts, against dies whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hil.analysis.switching import SwitchingTable, analyse_switching
from hil.analysis.switching_law import Assumptions, Cells, junction_volts
from simulator.physics import mtj
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from tests.support.switching_bench import VOLTS, switched_die

HALF_THE_VOLTS = {exponent: [round(float(each), 4) for each in volts[::2]] for exponent, volts in VOLTS.items()}


def counted(exponent: int, junctions: int = 30, **fields: object) -> tuple[SwitchingTable, object]:
    return switched_die(3, exponent, junctions, 4, **{"pulse_volts": HALF_THE_VOLTS[exponent], **fields})


@pytest.mark.parametrize("exponent", [1, 2])
def test_array_means_are_recovered_and_the_exponent_is_chosen_with_its_odds(exponent: int) -> None:
    table, truth = switched_die(3, exponent, 30, 4, pulse_volts=HALF_THE_VOLTS[exponent])
    found = analyse_switching([table])
    assert found.exponent == exponent and found.as_json()["log10_odds"] > 2
    for name, polarity in found.polarities.items():
        fit = polarity.fits[exponent]  # type: ignore[index]
        assert fit.critical_volts.mean == pytest.approx(truth.critical(name), rel=0.05)
        assert fit.stability.mean == pytest.approx(truth.stability, rel=0.05)
        for interval in (fit.critical_volts, fit.stability):
            assert interval.low is not None and interval.high is not None
            assert interval.low < interval.mean < interval.high < 1.2 * interval.low


def test_one_width_cannot_tell_the_exponents_apart_and_the_odds_say_so() -> None:
    table, _ = counted(1, pulse_s=[1e-6])
    assert analyse_switching([table]).as_json()["log10_odds"] < 1


def test_the_voltage_across_the_junction_is_what_the_divider_leaves_of_the_pulse() -> None:
    die = Wafer(3, PRESETS["clean"]).die((0, 0))
    some = die.junctions[0, 0]
    nominal = replace(some, series_ohms=np.full(25, 1000.0))
    law = mtj.Law()
    cells = Cells(*(mtj.cell_siemens(nominal, np.full(25, p), 0.1, law)[0] for p in (True, False)), read_volts=0.1)
    volts = np.array([0.3, 0.5, 0.8])
    for from_p in (True, False):
        across = np.stack([mtj.cell_siemens(nominal, np.full(25, from_p), volt, law)[1] for volt in volts], axis=1)
        assert junction_volts(cells, -volts, Assumptions(), from_p=from_p) == pytest.approx(across, rel=2e-3)


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    table, _ = counted(1, junctions=12, pulse_s=[2e-8, 1e-6])
    trials = table.trials.copy()
    trials[0] = 0
    shorted = table.siemens_p.copy()
    shorted[1] = 2e-3
    found = analyse_switching([replace(table, trials=trials, switched=np.minimum(table.switched, trials), siemens_p=shorted)])
    polarity = found.polarities["p_to_ap"]
    assert list(polarity.left_out.values()) == [int(trials[:, table.pulse_volts < 0, 0].sum()), 1, 1]
    assert len(polarity.places) == 10 and polarity.places[0] == (0, 0, *(int(each) for each in table.places[2]))


def test_pulses_that_never_or_always_switch_are_no_ground_for_a_fit() -> None:
    table, _ = counted(1, junctions=10, pulse_volts=[0.2, 0.25, -0.9])
    for polarity in analyse_switching([table]).polarities.values():
        assert not polarity.fits and polarity.why is not None and "from never to always" in polarity.why


def test_few_junctions_cannot_show_how_they_differ_and_the_result_says_that_it_is_assumed() -> None:
    table, _ = counted(1, junctions=4)
    fit = analyse_switching([table]).polarities["p_to_ap"].fits[1]
    assert fit.spread_assumed and fit.critical_spread == pytest.approx(0.05)


def test_each_junction_has_its_own_estimate_on_request() -> None:
    table, _ = counted(1, junctions=12)
    told = analyse_switching([table]).as_json(junctions=True)["polarities"]["ap_to_p"]["fits"]["1"]["junctions"]
    die = Wafer(3, PRESETS["clean"]).die((0, 0))
    truth = die.junctions[tuple(table.places.T)].critical_volts
    assert [[each["kernel"], each["row"], each["column"]] for each in told] == table.places.tolist()
    assert [each["critical_volts"] for each in told] == pytest.approx(truth, rel=0.08)
    assert all(0 < each["critical_volts_sigma"] < 0.03 for each in told)


def test_dies_of_one_run_are_analysed_together_and_the_result_is_json() -> None:
    table, _ = counted(1, junctions=10)
    found = analyse_switching([table, replace(table, die=(1, 0))])
    assert len(found.polarities["ap_to_p"].places) == 20 and found.polarities["ap_to_p"].places[10][:2] == (1, 0)
    json.dumps(found.as_json(junctions=True), allow_nan=False)


def test_dies_of_different_conditions_are_refused() -> None:
    table, _ = counted(1, junctions=2)
    with pytest.raises(ValueError, match="different conditions"):
        analyse_switching([table, replace(table, pulse_s=table.pulse_s * 2)])
    with pytest.raises(ValueError, match="no die"):
        analyse_switching([])


def test_without_a_trial_there_is_no_fit_and_no_odds() -> None:
    table, _ = counted(1, junctions=2)
    nothing = np.zeros_like(table.trials)
    told = analyse_switching([replace(table, trials=nothing, switched=nothing)]).as_json()
    assert told["polarities"]["ap_to_p"]["fits"] == {} and told["log10_odds"] == 0
