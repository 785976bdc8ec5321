"""The table by which the benchmark judges confidences, and the benchmark itself on a small wafer."""

import numpy as np
import pytest

from benchmarks.classify import Calls, print_classes, print_reliability
from benchmarks.reliability import LEAST_CALLS, Bin, bins_of, log_losses
from firmware_protocol.geometry import Geometry
from tests.support.classification_bench import Lab


def _calls(rng: np.random.Generator, count: int = 50_000) -> tuple[np.ndarray, np.ndarray]:
    confidence = 1 - 10 ** rng.uniform(-5, -0.3, count)
    return confidence, rng.random(count) < confidence


def test_honest_confidences_hold_in_every_bin_and_exaggerated_ones_do_not() -> None:
    confidence, hit = _calls(np.random.default_rng(1))
    assert all(each.holds for each in bins_of(confidence, hit))
    assert not all(each.holds for each in bins_of(1 - (1 - confidence) / 3, hit))
    assert not all(each.holds for each in bins_of(1 - np.minimum(3 * (1 - confidence), 1), hit))


def test_every_bin_has_calls_enough_to_count_and_every_call_is_in_one() -> None:
    bins = list(bins_of(*_calls(np.random.default_rng(2))))
    assert sum(each.calls for each in bins) == 50_000
    assert min(each.calls for each in bins) >= LEAST_CALLS
    assert len(bins) > 3
    assert len(list(bins_of(*_calls(np.random.default_rng(3), 40)))) == 1


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.00528), (1000, 0.99472, 1.0), (500, 0.4590, 0.5410)])
def test_the_interval_of_a_share_is_the_exact_one(hits: int, low: float, high: float) -> None:
    assert Bin(1000, 0.5, hits).interval == pytest.approx((low, high), abs=2e-4)


def test_who_knows_classes_loses_less_than_who_knows_how_frequent_they_are() -> None:
    rng = np.random.default_rng(4)
    truth = rng.choice(3, 10_000, p=[0.9, 0.06, 0.04])
    called = np.where(rng.random(10_000) < 0.98, truth, 0)
    stated, by_prior = log_losses(truth, called, np.full(10_000, 0.98))
    assert stated < 0.5 * by_prior


def test_the_benchmark_meets_its_aims_on_a_small_wafer(capsys: pytest.CaptureFixture[str]) -> None:
    calls = Calls.of(list(Lab(11, "harsh", Geometry(8, 25, 25), calibrated=False).classified("auto", 2)))
    assert print_reliability(calls)
    assert print_classes(calls), capsys.readouterr().out
