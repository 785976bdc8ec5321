"""Ten thousand random steps on each end: requests, time, faults, restarts; the promises hold after every one."""

import pytest

from tests.support.device_end import ENDS, device_end
from tests.support.device_walk import Walk

STEPS = 10_000


@pytest.mark.parametrize("name", ENDS)
def test_ten_thousand_random_steps_break_no_promise(name: str) -> None:
    for seed in range(4):
        with device_end(name) as end:
            walk = Walk(end, seed)
            for _ in range(STEPS // 4):
                walk.step()
            assert len(end.pulses()) > 1000, "a walk that pulses nothing proves nothing"
            assert min(walk.counts.values()) >= 5
