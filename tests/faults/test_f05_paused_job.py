"""Fault 5, the job's side: an instrument's line is lost in the middle of a run. The run is paused, not failed; the link comes back by
itself, the needles do not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest

from drivers.crossbar import open_crossbar
from firmware_protocol.codes import Opcode
from hil.model.lab import load_lab
from hil.model.runs import RunState
from hil.store.protocol import Store
from hil.store.records import RunRecord
from tests.hil.runs.behind_relay import behind_relay
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.relay import Relay, unchanged
from tests.support.simulated_lab import CountedPulseIds
from tests.support.tampering import lost, struck
from tests.support.waiting import until

LONG = plan_of(kind="characterise", max_pulses=20)
DEAD_MAN_S = 3.0
TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Bench:
    service: Service
    line: Relay


@contextmanager
def through_a_line(lab: SimulatedLab, store: Store, section: str) -> Iterator[Bench]:
    with behind_relay(lab, section) as (toml, line):
        config = load_lab(toml)
        hasty = getattr(config, section).model_copy(update={"timeout_s": TIMEOUT_S})
        with Service(config.model_copy(update={section: hasty}), store) as service:
            until(lambda: store.station().snapshot.get("error", "unset") is None, 20)
            yield Bench(service, line)


def lose(line: Relay) -> None:
    line.to_device = line.to_host = lost
    line.cut()


def mend(line: Relay) -> None:
    line.to_device = line.to_host = unchanged


def mended(bench: Bench, store: Store) -> None:
    """The station says first that it has no instruments, then, with the line whole again, that it has."""
    until(lambda: store.station().snapshot["error"] is not None, 15)
    mend(bench.line)
    until(lambda: store.station().snapshot["error"] is None, 15)


def half(line: Relay) -> Callable[[bytes], bytes]:
    def strike(data: bytes) -> bytes:
        threading.Timer(0.01, lose, [line]).start()
        return data[: len(data) // 2]

    return strike


def whole(line: Relay) -> Callable[[bytes], bytes]:
    def strike(data: bytes) -> bytes:
        threading.Timer(0.01, lose, [line]).start()
        return data

    return strike


def swallowed(line: Relay) -> Callable[[bytes], bytes]:
    def strike(_: bytes) -> bytes:
        lose(line)
        return b""

    return strike


def numbers(store: Store, run: RunRecord) -> list[int]:
    return [event.payload["index"] for event in store.events(run_id=run.id, limit=5000) if event.kind == "step"]


def contacts(store: Store, run: RunRecord) -> int:
    return sum(event.kind == "contact" for event in store.events(run_id=run.id, limit=5000))


@pytest.mark.parametrize(
    ("way", "opcode", "strike"),
    [
        ("to_device", Opcode.PROGRAM, half),
        ("to_device", Opcode.PROGRAM, whole),
        ("to_host", Opcode.PROGRAM, swallowed),
        ("to_host", Opcode.READ_BLOCK, half),
    ],
    ids=["mid-frame", "mid-batch", "answer lost", "mid-reading"],
)
def test_f05_a_lost_controller_pauses_the_job_which_goes_on_by_a_persons_word_alone(
    lab: SimulatedLab, store: Store, way: str, opcode: Opcode, strike: Callable[[Relay], Callable[[bytes], bytes]]
) -> None:
    with through_a_line(lab, store, "crossbar") as bench:
        run = bench.service.submit(LONG)
        bench.service.underway(run, 1)
        setattr(bench.line, way, struck(opcode, strike(bench.line)))
        other = bench.service.submit(plan_of(kind="contact_check", dies=[(0, 0)]))
        elsewhere = bench.service.submit(plan_of(kind="contact_check", dies=[(0, 0)], wafer="W2"))
        paused = bench.service.reached(run, RunState.PAUSED)
        until(lab.is_safe, DEAD_MAN_S)
        assert paused.error is not None
        assert bench.line.address in paused.error
        assert f"`hil resume {run.id}`" in paused.error
        assert 0 < paused.done < paused.total
        assert store.station().held is None
        touchdowns = lab.world.needles.touchdowns
        mended(bench, store)
        assert store.pulse_ids().unsettled() == [], "executed, refused or unknown: nothing is left open"
        for waiting in (other, elsewhere):
            assert store.run(waiting.id).state is RunState.QUEUED, "no needle moves while nobody has looked"
        assert (store.run(run.id).state, lab.world.needles.touchdowns) == (RunState.PAUSED, touchdowns)
        made = contacts(store, run)
        store.want(run.id, "resume")
        finished = bench.service.ended(run)
        assert (finished.state, finished.error) == (RunState.FINISHED, None)
        assert numbers(store, run) == list(range(8)), "each kernel kept once, in order"
        assert contacts(store, run) == made + 2 - paused.done // 4, "contact is proven anew"
        assert bench.service.ended(other).state is RunState.FINISHED
        assert bench.service.ended(elsewhere).state is RunState.FINISHED
    assert lab.world.damage == []


def test_f05_a_lost_smu_pauses_the_job_too_and_is_said_to_be_on_perhaps_until_it_answers(lab: SimulatedLab, store: Store) -> None:
    with through_a_line(lab, store, "smu") as bench:
        run = bench.service.submit(LONG)
        bench.service.underway(run, 1)
        lose(bench.line)
        paused = bench.service.reached(run, RunState.PAUSED)
        assert "the run is paused: when the instrument is back" in (paused.error or "")
        assert "not verified safe" in (paused.error or "")
        assert "SMU's output may be on" in (store.station().may_be_on or "")
        mended(bench, store)
        assert store.station().may_be_on is None
        store.want(run.id, "resume")
        assert bench.service.ended(run).state is RunState.FINISHED
    assert numbers(store, run) == list(range(8))


def test_f05_a_prober_that_is_back_at_once_lifts_the_needles_and_the_job_is_paused_all_the_same(lab: SimulatedLab, store: Store) -> None:
    with through_a_line(lab, store, "prober") as bench:
        run = bench.service.submit(LONG)
        bench.service.underway(run, 1)
        bench.line.cut()
        assert bench.service.reached(run, RunState.PAUSED).error is not None
        assert lab.is_safe()
        assert store.station().may_be_on is None
        store.want(run.id, "resume")
        assert bench.service.ended(run).state is RunState.FINISHED
    assert numbers(store, run) == list(range(8))


def test_f05_resumed_too_early_it_is_paused_again_and_nothing_is_lost(lab: SimulatedLab, store: Store) -> None:
    with through_a_line(lab, store, "crossbar") as bench:
        run = bench.service.submit(LONG)
        bench.service.underway(run, 1)
        lose(bench.line)
        done = bench.service.reached(run, RunState.PAUSED).done
        store.want(run.id, "resume")
        until(lambda: len([each for each in states(store, run) if each == "paused"]) == 2, 10)
        assert store.run(run.id).done == done
        mend(bench.line)
        store.want(run.id, "resume")
        assert bench.service.ended(run).state is RunState.FINISHED
    assert numbers(store, run) == list(range(8))


def states(store: Store, run: RunRecord) -> list[str]:
    return [event.payload["state"] for event in store.events(run_id=run.id, limit=5000) if event.kind == "run"]


def test_f05_a_link_lost_while_nothing_is_measured_is_tried_again_with_longer_and_longer_pauses_and_comes_back(
    lab: SimulatedLab, store: Store
) -> None:
    with through_a_line(lab, store, "crossbar") as bench:
        tried: list[float] = []

        def noted(_: bytes) -> bytes:
            if not tried or time.monotonic() - tried[-1] > 2 * TIMEOUT_S / 3:
                tried.append(time.monotonic())
            return b""

        lose(bench.line)
        bench.line.to_device = noted
        until(lambda: len(tried) >= 4, 20)
        mended(bench, store)
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        assert pauses[-1] > pauses[0], pauses


def test_f05_a_controller_that_somebody_else_took_is_no_lost_line_and_fails_the_run(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        run = service.submit(LONG)
        service.underway(run, 1)
        open_crossbar(lab.config.crossbar.address, 921_600, CountedPulseIds()).close()
        assert service.ended(run).state is RunState.FAILED
        assert store.station().held is not None
