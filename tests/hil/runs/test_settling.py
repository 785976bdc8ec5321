"""Pulse commands that a process left open: resolved at the next start by the controller they were meant for, never repeated."""

import logging
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from drivers.crossbar import Crossbar, open_crossbar
from firmware_protocol.codes import Opcode
from firmware_protocol.framing import Frame, Kind
from hil.model.lab import load_lab
from hil.model.runs import RunState
from hil.runs.settling import settle_left
from hil.store.logs import PulseIntents
from hil.store.protocol import Store
from tests.hil.runs.behind_relay import behind_relay
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import GEOMETRY, SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.tampering import changed
from tests.support.waiting import until

HOME = (0, 0)


def _connected(lab: SimulatedLab, intents: PulseIntents) -> "closing[Crossbar]":
    section = lab.config.crossbar
    return closing(open_crossbar(section.address, section.baud, intents))


def _row(row: int) -> np.ndarray:
    mask = np.zeros((GEOMETRY.rows, GEOMETRY.columns), np.bool_)
    mask[row] = True
    return mask


def _killed(lab: SimulatedLab, store: Store, run: str = "r1") -> None:
    """What a host leaves that is killed after one command was answered and before the next one left: two open intents."""
    intents = store.pulse_ids()
    with _connected(lab, intents) as crossbar:
        assert settle_left(intents, crossbar) is None
        intents.at(run, "W1", HOME)
        crossbar.pulse(0, _row(0), 0.8, 1e-7)
    # By another hand, as the first one would put down with it what it had learnt of its own.
    other = store.pulse_ids()
    other.at(run, "W1", HOME)
    other.reserve(3, 0.8, 1e-7)


def _told(store: Store) -> dict[str | None, str]:
    return {event.run: event.payload["text"] for event in store.events(limit=5000) if "pulses settled" in event.payload.values()}


def _open(store: Store) -> list[int]:
    return [each.count for each in store.pulse_ids().unsettled()]


def test_the_next_start_learns_what_was_executed_and_what_was_never_sent(
    lab: SimulatedLab, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    _killed(lab, store)
    assert _open(store) == [25, 3]
    pulses = lab.controller_pulses()
    intents = store.pulse_ids()
    with _connected(lab, intents) as crossbar, caplog.at_level(logging.WARNING):
        settle_left(intents, crossbar)
        assert settle_left(intents, crossbar) is None, "once"
    text = "2 pulse commands of the last process were settled: 1 executed, 1 not executed (pulses: 25 executed, 3 refused)"
    assert _told(store) == {None: text, "r1": text}
    assert caplog.messages == [text]
    assert _open(store) == []
    assert lab.controller_pulses() == pulses, "nothing is pulsed for it"


def test_of_a_controller_that_restarted_only_what_it_cannot_have_forgotten_is_known(lab: SimulatedLab, store: Store) -> None:
    _killed(lab, store)
    lab.controller.reboot(8, time.monotonic_ns())
    intents = store.pulse_ids()
    with _connected(lab, intents) as crossbar:
        told = settle_left(intents, crossbar)
    assert told is not None
    assert told.startswith("2 pulse commands of the last process were settled: 1 unknown, 1 not executed (pulses: 3 refused, 25 unknown)")
    assert "read back before it is pulsed again" in told


def test_an_answer_without_a_meaning_settles_as_unknown_and_keeps_nobody_from_connecting(lab: SimulatedLab, store: Store) -> None:
    _killed(lab, store)

    def senseless(frame: Frame) -> Frame:
        return frame._replace(payload=b"?") if frame.opcode == Opcode.QUERY_PULSE and frame.kind is Kind.RESPONSE else frame

    with behind_relay(lab, "crossbar") as (toml, line):
        line.to_host = changed(senseless)
        with Service(load_lab(toml), store):
            until(lambda: store.station().snapshot.get("error", "unset") is None, 10)
    assert _open(store) == []
    assert "unknown" in (_told(store)["r1"])


def test_another_controller_is_not_asked(lab: SimulatedLab, store: Store, tmp_path: Path) -> None:
    _killed(lab, store)
    (tmp_path / "other").mkdir()
    with SimulatedLab(tmp_path / "other", seed=6) as other:
        intents = store.pulse_ids()
        with _connected(other, intents) as crossbar:
            told = settle_left(intents, crossbar)
    assert told is not None
    assert "settled: 2 unknown (pulses: 28 unknown)" in told


def test_a_worker_settles_before_it_takes_a_run_and_tells_the_run_it_belongs_to(lab: SimulatedLab, store: Store) -> None:
    with Service(lab.config, store) as service:
        until(lambda: bool(store.station().snapshot), 20)
        service.stop()
        run = service.submit(plan_of(kind="characterise", dies=[HOME]))
    store.set_state(run.id, RunState.RUNNING)
    _killed(lab, store, run.id)
    with Service(lab.config, store) as service:
        until(lambda: run.id in _told(store), 20)
        assert store.run(run.id).state is RunState.INTERRUPTED
        store.want(run.id, "resume")
        assert service.ended(run).state is RunState.FINISHED
    assert _told(store)[run.id].startswith("2 pulse commands of the last process were settled: 1 executed, 1 not executed")
