"""Noise told by junctions that do not switch."""

import numpy as np
import pytest

from hil.analysis.measured import MeasuredDie
from hil.analysis.noise import reading_noise
from hil.analysis.noise_check import noise_factor
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap, DefectMap

SHAPE = (8, 25, 25)
META = {"averages": 4, "path": "board"}


def _die(times: float, stuck: int, rng: np.random.Generator) -> MeasuredDie:
    """Stuck junctions read with so many times the model's noise; one in ten of them switches a little all the same."""
    codes = np.zeros(SHAPE, np.uint8)
    codes.flat[:stuck] = Defect.STUCK_P
    level = np.full(SHAPE, 335e-6)
    noise = times * reading_noise(level, 0.1, META)
    p, ap = (level + noise * rng.standard_normal(SHAPE) for _ in range(2))
    p.flat[: stuck // 10] += 2e-5
    maps = [ConductanceMap(values.astype(np.float32), state, 0.1, dict(META)) for values, state in ((p, "P"), (ap, "AP"))]
    return MeasuredDie(maps[0], maps[1], DefectMap(codes, codes * 0, codes.astype(np.float32), "rule-1"))


@pytest.mark.parametrize("times", [0.7, 1.0, 1.4])
def test_the_noise_that_shows_is_told_whatever_switches_a_little(times: float) -> None:
    rng = np.random.default_rng(1)
    found = noise_factor([_die(times, 1500, rng) for _ in range(2)])
    assert abs(found.variance - times**2) < 4 * found.doubt
    assert found.doubt < 0.1 * found.variance


def test_too_few_stuck_junctions_leave_the_model_as_it_is() -> None:
    found = noise_factor([_die(2.0, 20, np.random.default_rng(2))])
    assert (found.variance, found.doubt) == (1.0, 0.0)
    assert noise_factor([]).variance == 1.0
