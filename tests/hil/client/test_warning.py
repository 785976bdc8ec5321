"""Whoever asks the service anything, in Python or at a terminal, is told that an output may be on."""

import json
import threading
from pathlib import Path

import pytest

from hil.client import LabClient
from hil.model.runs import RunState
from hil.runs.bench import MAY_BE_ON, note_outcome
from hil.store import open_store
from tests.hil.cli.conftest import Command, hil
from tests.support.service import Service, running_run

__all__ = ["hil"]

SILENT = {"smu": "no answer within 1 s; switch off at the front panel", "crossbar": "safe", "prober": "safe"}
SAFE = dict.fromkeys(SILENT, "safe")
WARNING = f"{MAY_BE_ON}: {SILENT['smu']}"


def test_a_client_is_told_once_and_knows_it_until_it_is_over(service: Service) -> None:
    told: list[str] = []
    with LabClient(service.url, service.token(), on_warning=told.append) as lab:
        lab.runs()
        assert (lab.warning, told) == (None, [])
        note_outcome(service.store, SILENT)
        for _ in range(3):
            lab.runs()
        assert (lab.warning, told) == (WARNING, [WARNING])
        note_outcome(service.store, SAFE)
        lab.runs()
        assert lab.warning is None
        note_outcome(service.store, SILENT)
        lab.wafers()
        assert told == [WARNING, WARNING]


def test_an_answer_that_is_an_error_tells_it_too(service: Service) -> None:
    told: list[str] = []
    note_outcome(service.store, SILENT)
    with LabClient(service.url, service.token(), on_warning=told.append) as lab, pytest.raises(Exception, match="not known to be safe"):
        lab.reset()
    assert told == [WARNING]


@pytest.mark.parametrize("words", [["runs"], ["wafers"], ["release"]])
def test_every_command_says_it_in_red_beside_its_result(service: Service, hil: Command, words: list[str]) -> None:
    access = ["--url", service.url, "--token", service.token("operate")]
    assert "WARNING" not in hil(*words, *access).err
    note_outcome(service.store, SILENT)
    said = hil(*words, "--json", *access)
    assert said.err == f"WARNING: {WARNING}\n"
    json.loads(said.out)
    assert said.code == 0


def test_watching_a_run_tells_it_the_moment_it_is_known(service: Service, hil: Command) -> None:
    run = running_run(service.store)
    access = ["--url", service.url, "--token", service.token()]

    def befalls() -> None:
        note_outcome(service.store, SILENT)
        service.store.set_state(run, RunState.FAILED, "the line was lost")

    timer = threading.Timer(0.3, befalls)
    timer.start()
    said = hil("watch", run, *access)
    timer.join()
    assert said.code == 1
    assert f"WARNING: {WARNING}" in said.err.splitlines()
    assert f"the line was lost; {MAY_BE_ON}" in said.out


def test_checking_the_instruments_tells_what_the_station_has_latched(hil: Command, tmp_path: Path) -> None:
    nowhere = 'driver = "none"\naddress = "none"\n'
    lab = tmp_path / "lab.toml"
    lab.write_text(
        f'[station]\ndata = "data"\n[prober]\n{nowhere}[smu]\n{nowhere}[crossbar]\n{nowhere}[wafer]\ndies = [[0, 0]]\n', encoding="utf-8"
    )
    assert "WARNING" not in hil("check", "--lab", lab).err
    assert not (tmp_path / "data").exists(), "looking makes nothing"
    store = open_store(tmp_path / "data")
    note_outcome(store, SILENT)
    store.close()
    assert hil("check", "--lab", lab).err == f"WARNING: {WARNING}\n"
    (tmp_path / "data" / "hil.sqlite").write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    assert "cannot be read" in hil("check", "--lab", lab).err
