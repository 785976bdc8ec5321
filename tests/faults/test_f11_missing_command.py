"""Fault 11, the service's side: a command that the firmware's dictionary does not list is unavailable in the API, by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from firmware_protocol import messages
from hil.model.lab import LabConfig, load_lab
from hil.model.runs import RunState
from hil.store.protocol import Store
from tests.hil.api.test_problems import expect_problem
from tests.hil.runs.behind_relay import port_of
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.device_end import ENDS
from tests.support.doctored import doctored, without
from tests.support.served_end import opened, served_end
from tests.support.service import Board, mounted
from tests.support.waiting import until

RUNS = "/api/v1/runs"
TARGET = {"object": "a" * 64}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("missing", [messages.Program, messages.ReadBlock, messages.WriteVerify])
def test_f11_the_driver_says_which_commands_the_board_lacks(name: str, missing: type[messages.Request]) -> None:
    with served_end(name) as served:
        with opened(served.address) as crossbar:
            assert crossbar.info().missing == frozenset()
        with doctored(served.address, without(missing)) as line, opened(line.address) as crossbar:
            assert crossbar.info().missing == {missing.opcode.name}


@contextmanager
def lacking(lab: SimulatedLab, missing: type[messages.Request]) -> Iterator[LabConfig]:
    """The lab, its controller's firmware without one command."""
    address = lab.config.crossbar.address
    with doctored(address, without(missing)) as line:
        toml = lab.toml.with_name("doctored.toml")
        toml.write_text(lab.toml.read_text().replace(port_of(address), port_of(line.address)))
        yield load_lab(toml)


def refused_and_taken(missing: type[messages.Request]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    contact, read = {"kind": "contact_check"}, {"kind": "read"}
    through_smu, characterise = {"kind": "read", "path": "smu"}, {"kind": "characterise"}
    if missing is messages.Program:
        return [characterise, {"kind": "program", "target": TARGET}], [contact, read, through_smu]
    if missing is messages.ReadBlock:
        return [read, characterise], [contact, through_smu]
    if missing is messages.Vmm:
        return [{"kind": "vmm", "inputs": TARGET}], [contact, read, characterise]
    return [], [contact, read, characterise]


@pytest.mark.parametrize("missing", [messages.Program, messages.ReadBlock, messages.Vmm, messages.WriteVerify])
def test_f11_the_api_answers_501_naming_plan_command_and_firmware_and_takes_what_can_be_done(
    lab: SimulatedLab, store: Store, board: Board, tmp_path: Path, missing: type[messages.Request]
) -> None:
    refused, taken = refused_and_taken(missing)
    with lacking(lab, missing) as config, mounted(board, tmp_path / "data") as service, service.client() as http:
        with Service(config, store):
            until(lambda: store.station().snapshot.get("error", "unset") is None, 20)
        # What the last worker found out is gone with it: then nobody knows, and nothing is refused.
        for plan in refused:
            assert post(http, plan, dry_run="true").status_code == 200
        with Service(config, store):
            until(lambda: shown_missing(http) == [missing.opcode.name], 20)
            for plan in refused:
                for dry in ("true", "false"):
                    document = expect_problem(post(http, plan, dry_run=dry), 501)
                    assert document["type"] == "urn:mtj-hil:problem:command-missing"
                    firmware = http.get("/api/v1/station").json()["instruments"]["crossbar"]["firmware"]
                    assert (document["kind"], document["command"]) == (plan["kind"], missing.opcode.name)
                    assert document["firmware"] == firmware
                    assert all(word in document["detail"] for word in (plan["kind"], missing.opcode.name, firmware))
            for plan in taken:
                assert post(http, plan, dry_run="true").status_code == 200
    assert store.runs() == [], "nothing was queued for a plan that was refused"


def post(http: httpx.Client, plan: dict[str, Any], **query: str) -> httpx.Response:
    return http.post(RUNS, json={"wafer": "W1", "dies": [[0, 0]], **plan}, params=query)


def shown_missing(http: httpx.Client) -> object:
    return (http.get("/api/v1/station").json()["instruments"].get("crossbar") or {}).get("missing")


def test_f11_a_plan_queued_before_the_controller_was_known_fails_before_anything_moves(lab: SimulatedLab, store: Store) -> None:
    with lacking(lab, messages.Program) as config:
        early = Service(config, store)
        run = early.submit(plan_of(kind="characterise"))
        with early:
            failed = early.ended(run)
        assert failed.state is RunState.FAILED
        assert failed.error is not None
        assert "needs the controller's command PROGRAM" in failed.error
    assert lab.world.needles.touchdowns == 0
