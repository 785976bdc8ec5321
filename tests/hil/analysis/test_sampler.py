"""Dies drawn from a wafer's statistics, by what a trainer would notice."""

import json
from typing import Any

import numpy as np
import pytest

from hil.analysis.sampler import DieSampler, SamplerError, sample_dies
from hil.analysis.statistics import MeasuredDie, wafer_statistics
from hil.model.defects import Defect
from hil.model.maps import DefectMap
from tests.hil.analysis.wafers import default_wafer


@pytest.fixture(scope="module")
def statistics() -> dict[str, Any]:
    """As it comes over HTTP."""
    return json.loads(json.dumps(wafer_statistics(default_wafer()), allow_nan=False))


@pytest.fixture(scope="module")
def drawn(statistics: dict[str, Any]) -> Any:
    return sample_dies(statistics, 120, np.random.default_rng(2))


def test_rates_of_every_kind_are_those_of_the_wafer(statistics: dict[str, Any], drawn: Any) -> None:
    for name in ("short", "stuck_p", "stuck_ap", "low_tmr"):
        rate = statistics["rates"][name]
        assert rate["low"] / 1.3 < np.mean(drawn.codes == Defect[name.upper()]) < 1.3 * rate["high"], name


def test_dies_differ_in_shorts_as_much_as_those_measured(statistics: dict[str, Any], drawn: Any) -> None:
    shorts = np.count_nonzero(drawn.codes == Defect.SHORT, axis=(1, 2, 3))
    cv = statistics["isolated"]["short"]["cv"]
    assert 0.6 * cv["low"] < shorts.std() / shorts.mean() < 1.4 * cv["high"]
    assert shorts.std() > 3 * np.sqrt(shorts.mean())


@pytest.mark.parametrize("kind", [Defect.GOOD, Defect.SHORT, Defect.STUCK_P, Defect.LOW_TMR])
def test_conductances_of_a_class_are_distributed_as_measured(kind: Defect, drawn: Any) -> None:
    for state in ("p", "ap"):
        seen = np.concatenate([getattr(die, state).siemens[die.defects.codes == kind] for die in default_wafer()])
        made = (drawn.siemens_p if state == "p" else drawn.siemens_ap)[drawn.codes == kind]
        for level in (0.1, 0.5, 0.9):
            assert np.quantile(made, level) == pytest.approx(np.quantile(seen, level), rel=0.05)


def test_both_states_of_a_junction_belong_together(drawn: Any) -> None:
    def correlation(p: np.ndarray, ap: np.ndarray) -> float:
        return float(np.corrcoef(np.log(p), np.log(ap))[0, 1])

    seen = [(die.p.siemens[die.good], die.ap.siemens[die.good]) for die in default_wafer()]
    good = drawn.codes == Defect.GOOD
    measured = correlation(*(np.concatenate(each) for each in zip(*seen, strict=True)))
    assert correlation(drawn.siemens_p[good], drawn.siemens_ap[good]) == pytest.approx(measured, abs=0.05)
    shorts = drawn.codes == Defect.SHORT
    assert correlation(drawn.siemens_p[shorts], drawn.siemens_ap[shorts]) > 0.95


def test_open_lines_come_as_lines(statistics: dict[str, Any]) -> None:
    often = {**statistics, "lines": {name: {**line, "per_die": 2.0 * (name == "open_row")} for name, line in statistics["lines"].items()}}
    codes = sample_dies(often, 20, np.random.default_rng(3)).codes
    rows = np.count_nonzero((codes == Defect.OPEN).sum(axis=-1) >= 24)
    assert 50 < rows < 120  # 40 lines, two kernel rows each


def test_the_generator_alone_decides(statistics: dict[str, Any]) -> None:
    first, second = (sample_dies(statistics, 2, np.random.default_rng(4)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    sampler, rng = DieSampler(statistics), np.random.default_rng(4)
    one_by_one = [sampler.draw(1, rng).codes[0] for _ in range(2)]
    assert np.array_equal(np.stack(one_by_one), first.codes)


def test_shapes_and_types_are_those_of_measured_stacks(drawn: Any) -> None:
    assert drawn.siemens_p.shape == drawn.siemens_ap.shape == drawn.codes.shape == (120, 8, 25, 25)
    assert (drawn.siemens_p.dtype, drawn.codes.dtype) == (np.float32, np.uint8)
    assert np.isfinite(drawn.siemens_p).all() and np.isfinite(drawn.siemens_ap).all()


def test_a_wafer_of_dead_dies_cannot_be_drawn_from() -> None:
    die = default_wafer()[0]
    codes = np.full(die.defects.codes.shape, Defect.OPEN, np.uint8)
    dead = MeasuredDie(die.p, die.ap, DefectMap(codes, die.defects.line_fault, die.defects.confidence, "rule-1"), die.die)
    statistics = wafer_statistics([dead])
    assert statistics["sampling"] is None
    with pytest.raises(SamplerError, match="good junction"):
        sample_dies(statistics, 1, np.random.default_rng(1))


def test_kinds_that_come_together_on_measured_dies_come_together_on_drawn_ones() -> None:
    base = default_wafer()
    rng = np.random.default_rng(5)
    dies: list[MeasuredDie] = []
    for number in range(30):
        codes = np.zeros(base[0].defects.codes.shape, np.uint8)
        bad = rng.gamma(1.5, 0.01 / 1.5)
        codes[rng.random(codes.shape) < bad] = Defect.SHORT
        codes[rng.random(codes.shape) < bad] = Defect.STUCK_P
        maps = base[number % len(base)]
        dies.append(MeasuredDie(maps.p, maps.ap, DefectMap(codes, codes * 0, codes.astype(np.float32), "rule-1")))
    found = sample_dies(wafer_statistics(dies), 120, np.random.default_rng(6)).codes
    counts = [np.count_nonzero(found == kind, axis=(1, 2, 3)) for kind in (Defect.SHORT, Defect.STUCK_P)]
    assert np.corrcoef(*counts)[0, 1] > 0.6
