"""The populations that numbers are compared on: all of them there, and each what its name says."""

import tomllib
from pathlib import Path

import pytest

from hil.training.populations import PRESETS, names, population
from simulator.physics.fab import load_fab

RATES = ("0.05", "0.1", "0.3", "1", "3")


@pytest.mark.parametrize("times", [3, 10])
@pytest.mark.parametrize("percent", RATES)
def test_a_population_is_what_its_name_says(times: int, percent: str) -> None:
    fab = population(f"{times}x-{percent}").fab
    told = tomllib.loads(Path(fab).read_text(encoding="utf-8"))
    assert told.pop("bad_rate") == pytest.approx(float(percent) / 100)
    assert told.pop("short_times") == times
    assert told == {"model": "levels", "siemens_p": 335e-6}
    load_fab(fab)


def test_there_are_all_rates_at_both_strengths_the_mixed_one_and_the_presets() -> None:
    fixed = {f"{times}x-{percent}" for times in (3, 10) for percent in RATES}
    assert set(names()) == fixed | {"mixed"} | set(PRESETS)


def test_no_two_populations_are_the_same() -> None:
    assert len({population(name).digest for name in names()}) == len(names())
