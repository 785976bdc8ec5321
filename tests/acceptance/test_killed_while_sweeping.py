"""The worker killed, or frozen with every port in its hands, in the middle of a sweep: its SMU's output is off soon, by the
instrument's own word."""

import os
import signal
from pathlib import Path

import pytest

from hil.model.runs import RunState
from tests.support.killed_host import kill
from tests.support.sweep_kills import OFF_S, Lane, kill_many, lane
from tests.support.waiting import until

KILLS = 3
LATEST_S = 2 * OFF_S
"""On a machine that does other things as well; the promise of 2 s is measured by `python -m benchmarks.kill_while_sweeping`."""


@pytest.mark.slow
@pytest.mark.parametrize("model", ["keithley2450", "keithley2600"])
def test_wherever_in_a_sweep_the_worker_is_killed_the_output_is_off_soon(tmp_path: Path, model: str) -> None:
    kills = kill_many(tmp_path, KILLS, lanes=1, seed=7, flags=("--smu", model))
    assert max(kill.off_s - kill.answer_s for kill in kills) <= LATEST_S
    assert all(kill.left_safe for kill in kills)
    assert {kill.told for kill in kills} == {"the worker died; the watchdog made the station safe as far as it could"}


def freeze(pid: int) -> None:
    """Its sockets stay open, and nobody answers on them."""
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("model", "clients", "seen_on"),
    [
        pytest.param("keithley2450", "200", True, id="many clients"),
        pytest.param("keithley2450", "2", True, id="two clients, the worker and we"),
        pytest.param("keithley2450", "1", False, id="one client, the worker"),
        pytest.param("keithley2600", "1", False, id="one client, of the other model"),
    ],
)
def test_a_frozen_worker_that_holds_every_port_is_made_up_for_soon(tmp_path: Path, model: str, clients: str, seen_on: bool) -> None:
    with lane(tmp_path, 3, ("--smu", model, "--smu-clients", clients)) as one:
        found = one.kill_one(freeze)
        assert found.off_s - found.answer_s <= LATEST_S
        assert found.was_on or not seen_on, "whoever is turned away sees nothing"
        assert found.left_safe
        assert found.told.startswith("no sign of life from the worker for 1.2 s")


def test_where_nobody_gets_through_it_is_said_loudly_and_tried_until_somebody_does(tmp_path: Path) -> None:
    """One client, the frozen worker, and no dead socket."""
    with lane(tmp_path, 3, ("--smu-clients", "1"), without="dead_socket") as one:
        pid = one.begin()
        freeze(pid)
        until(lambda: one.store.station().may_be_on is not None, 10)
        latched = one.store.station().may_be_on
        assert latched is not None
        assert "output off could not be verified" in latched
        assert "switch off at the front panel" in latched
        run = one.store.runs(1)[0]
        assert latched in [each.payload.get("text") for each in one.store.events(run_id=run.id)]
        kill(pid)
        until(lambda: one.store.station().may_be_on is None, 10)
        assert one.output.is_on() is False


def test_a_worker_that_thaws_after_that_leaves_the_output_off_and_its_run_failed(tmp_path: Path) -> None:
    with lane(tmp_path, 3) as one:
        frozen: list[int] = []

        def freeze_and_remember(pid: int) -> None:
            freeze(pid)
            frozen.append(pid)

        one.kill_one(freeze_and_remember)
        os.kill(frozen[0], signal.SIGCONT)
        until(lambda: newest_run(one) is RunState.FAILED, 30)
        assert one.output.is_on() is False
        assert one.store.station().may_be_on is None


def newest_run(one: Lane) -> RunState:
    return one.store.runs(1)[0].state
