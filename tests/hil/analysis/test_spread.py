"""What an uncalibrated board's lines disagree by, seen in the die itself."""

import numpy as np

from hil.analysis.spread import line_sigma

SHAPE = (32, 25, 25)


def _die(rng: np.random.Generator) -> np.ndarray:
    return 335e-6 * (1 + 0.04 * rng.standard_normal(SHAPE))


def test_lines_that_are_alike_show_nothing() -> None:
    good = np.ones(SHAPE, np.bool_)
    assert all(line_sigma(_die(np.random.default_rng(seed)), good) < 0.6e-6 for seed in range(20))


def test_gains_that_differ_by_line_are_seen_at_their_size() -> None:
    rng = np.random.default_rng(1)
    gains = 1 + 0.01 * rng.standard_normal(25)
    found = line_sigma(_die(rng) * gains, np.ones(SHAPE, np.bool_))
    assert 0.7 < found / (335e-6 * gains.std()) < 1.3


def test_too_few_good_junctions_show_nothing() -> None:
    good = np.zeros(SHAPE, np.bool_)
    good[0, 0, :3] = True
    assert line_sigma(_die(np.random.default_rng(2)), good) == 0.0
