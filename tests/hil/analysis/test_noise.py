"""Noise of a reading: as assumed, and as a calibration has measured it."""

import numpy as np
import pytest

from hil.analysis.noise import ASSUMED, STEP_AMPS, Noise, measured, reading_noise, step_siemens

SIEMENS = np.array([[1.9e-4, 3.3e-4, np.nan]])


def _told(path: str, **more: object) -> dict[str, object]:
    return {"path": path, "averages": 4, **more}


def test_a_map_that_says_its_noise_is_believed() -> None:
    noise = Noise(1e-7, (1.9e-4, 3.3e-4), (0.003, 0.001))
    by_smu = reading_noise(SIEMENS, 0.1, _told("smu", noise=noise.as_json()))
    np.testing.assert_allclose(by_smu[0, :2], [0.003 * 1.9e-4, 0.001 * 3.3e-4])
    assert reading_noise(SIEMENS, 0.1, _told("board", noise=noise.as_json()))[0, 0] < reading_noise(SIEMENS, 0.1, _told("board"))[0, 0]
    assert reading_noise(SIEMENS, 0.1, _told("board", noise=None))[0, 0] == reading_noise(SIEMENS, 0.1, _told("board"))[0, 0]
    assert np.isnan(by_smu[0, 2])


def test_averaging_takes_off_noise_but_not_its_slow_part_nor_all_of_a_step() -> None:
    once, often, always = (reading_noise(SIEMENS, 0.1, {"averages": averages})[0, 0] for averages in (1, 64, 100_000))
    assert once > 4 * often > 4 * always
    assert always > step_siemens(0.1, 100_000) == step_siemens(0.1, 16)
    assert step_siemens(0.1, 1) == pytest.approx(STEP_AMPS / 0.1 / 12**0.5)


def test_noise_is_found_by_repeating_also_where_some_junctions_jump() -> None:
    rng = np.random.default_rng(0)
    level = np.concatenate([np.full(800, 1.9e-4), np.full(800, 3.3e-4)])[:, None]
    relative = np.where(level < 2.5e-4, 0.003, 0.001)
    smu = level * (1 + relative * rng.standard_normal((1600, 3)))
    board = 0.1 * level + ASSUMED.amps / 4 * rng.standard_normal((1600, 3))
    smu[:20, 0] *= 1.8
    found = measured(board, smu, np.full(1600, 0.1), 16)
    assert found.amps == pytest.approx(ASSUMED.amps, rel=0.05)
    np.testing.assert_allclose(found.relative_at(np.array([1.9e-4, 3.3e-4])), [0.003, 0.001], rtol=0.1)


def test_where_no_junction_was_seen_the_largest_noise_counts() -> None:
    noise = Noise(0.0, (1.9e-4, 3.3e-4), (0.003, 0.001))
    assert noise.relative_at(np.array([9e-4])) == [0.003]
    assert noise.relative_at(np.array([1e-5])) == [0.003]
