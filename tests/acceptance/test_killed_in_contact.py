"""The worker killed with any byte of what it says and hears while it moves, touches and measures: the watchdog has the needles off the
wafer within 2 s and the motion itself, the output off first; nothing is damaged and no touchdown is forgotten.
Three hundred kills: `python -m benchmarks.kill_in_contact`."""

from pathlib import Path

import pytest

from hil.model.plans import PLAN
from tests.support.contact_kills import PLANS, SEPARATED_S, kill_many

KILLS = 6


def test_no_kind_of_plan_is_spared() -> None:
    assert {killed.plan["kind"] for killed in PLANS} == set(PLAN.json_schema()["discriminator"]["mapping"])


@pytest.mark.slow
def test_wherever_in_a_run_the_worker_is_killed_the_needles_are_up_in_time_and_nothing_is_damaged(tmp_path: Path) -> None:
    found = kill_many(tmp_path, KILLS, lanes=1, seed=3)
    assert any(kill.was_up for kill in found.kills)
    assert max(kill.late_s for kill in found.kills) <= 2 * SEPARATED_S, "twice the promise: this machine does other things as well"
    assert not any(kill.lifted_live for kill in found.kills)
    assert found.damage == []
    assert found.unbooked == 0
    assert found.false_alarms == []
