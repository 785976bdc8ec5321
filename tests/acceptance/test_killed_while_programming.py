"""Killed without warning in the middle of programming: every pulse command is accounted for, none is given twice, the outputs
are off within 2 s by the board's own dead man, and the run goes on where it was."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.crossbar import read_status
from hil.runs.programming import OK
from hil.store import open_store
from hil.store.protocol import Store
from tests.acceptance.processes import Service, SimulatedLab, wait_until
from tests.support.kill_cycles import LOG, OFF_S, audit, kill_many
from tests.support.killed_host import FIRST_UV

KILLS = 6


def test_a_host_killed_at_any_point_leaves_no_pulse_unaccounted_for_and_the_outputs_off(tmp_path: Path) -> None:
    kills, audits = kill_many(tmp_path, KILLS, lanes=2, seed=4)
    assert [text for each in audits for text in each.wrong] == []
    assert all(each.pulses == each.fates["executed"] > 0 for each in audits)
    assert sum(kill.left for kill in kills) > 0, "no kill hit a command: the test shows nothing"
    assert [kill.unresolved for kill in kills] == [0] * KILLS
    assert max(kill.off_s for kill in kills) <= OFF_S


def test_the_audit_finds_every_way_in_which_books_and_junctions_can_differ(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    intents = store.pulse_ids()
    for number, outcomes in enumerate((["executed"], ["executed"], ["refused"], ["unknown"], ["executed", "executed"], None)):
        first = intents.reserve(2 if number == 4 else 1, (FIRST_UV + number) * 1e-6, 1e-7)
        if outcomes is not None:
            intents.settle(first, outcomes)
    intents.flush()
    store.close()
    amplitudes = [FIRST_UV, FIRST_UV + 2, FIRST_UV + 3, FIRST_UV + 4, FIRST_UV + 4, FIRST_UV + 9]
    (tmp_path / LOG).write_text("".join(f"7 {amplitude} 100\n" for amplitude in amplitudes))
    assert audit(tmp_path).wrong == [
        "intent 7 was never settled",
        "intent 2: 1 of 1 executed says the store, 0 say the junctions",
        "intent 3: 0 of 1 executed says the store, 1 say the junctions",
        "intent 5: a junction was pulsed more often than 1 times",
        f"1 pulses of {FIRST_UV + 9} uV belong to no intent",
    ]


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path / "sim", "--fab", "clean") as lab:
        yield lab


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The service's own, to look at."""
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()


def _payloads(store: Store, run: str, name: str, value: str) -> list[dict[str, str]]:
    return [event.payload for event in store.events(run_id=run, limit=5000) if event.payload.get(name) == value]


def test_a_killed_service_tells_what_became_of_its_last_pulses_and_finishes_the_die(
    sim: SimulatedLab, store: Store, tmp_path: Path
) -> None:
    target = np.random.default_rng(1).integers(0, 2, (32, 25, 25)).astype(np.uint8)
    with Service(sim.toml, tmp_path / "data") as service:
        client = service.client()
        plan = {"kind": "program", "wafer": "W1", "dies": [[0, 0]], "target": {"object": client.put_object(target)}}
        run = client.start(plan)
        wait_until(lambda: client.run(run.id).done >= 5, 60, "some kernels are written")
        service.kill_all()
    left = store.pulse_ids().unsettled()
    wait_until(lambda: read_status(sim.config()["crossbar"]["address"]).state == "SAFE", OFF_S, "the board's dead man")
    with Service(sim.toml, tmp_path / "data", "again") as again:
        client = again.client()
        wait_until(lambda: client.run(run.id).state == "interrupted" and not store.pulse_ids().unsettled(), 20, "all settled")
        assert len(_payloads(store, run.id, "note", "pulses settled")) == (1 if left else 0)
        kept = client.run(run.id).done
        client.resume(run.id)
        wait_until(lambda: client.run(run.id).state in {"finished", "failed"}, 60, "the resumed run")
        ended = client.run(run.id)
        assert (ended.state, ended.done) == ("finished", 32), ended.error
        assert kept >= 5
        (programmed,) = _payloads(store, run.id, "name", "program_codes")
        assert np.mean(client.get_object(programmed["object"]) == OK) > 0.999
