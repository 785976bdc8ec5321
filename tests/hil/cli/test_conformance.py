"""`hil check --conformance` on a simulated controller: verdicts for people, JSON for scripts, one line when it cannot be."""

import json
from collections.abc import Iterator

import pytest

from firmware_protocol.codes import DeviceState
from tests.hil.cli.conftest import Command
from tests.support.scripted_server import closed_port
from tests.support.simulated_lab import SimulatedLab, simulated_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[SimulatedLab]:
    with simulated_lab() as made:
        yield made


def test_a_sound_board_passes_and_every_rule_is_shown(hil: Command, lab: SimulatedLab) -> None:
    result = hil("check", "--conformance", lab.lab.crossbar.address)
    assert result.code == 0, result.err
    assert "the board was left SAFE" in result.out and "FAIL" not in result.out
    assert "emergency stop is tried last" in result.err
    assert all(f"\n{rule}" in result.out for rule in ("F1 ", "S5 ", "W3 ", "E4 "))
    assert lab.crossbar.state is DeviceState.SAFE


def test_scripts_get_json_and_reading_only_where_allowed(hil: Command, lab: SimulatedLab) -> None:
    verdicts = []
    for flags in ((), ("--read",)):
        result = hil("check", "--conformance", lab.lab.crossbar.address, "--json", *flags)
        report = json.loads(result.out)
        assert result.code == 0 and report["passed"] and report["left"] == "SAFE"
        verdicts.append({each["id"]: each["verdict"] for each in report["rules"]}["O2"])
    assert verdicts == ["SKIPPED", "PASS"]


def test_a_board_that_breaks_a_rule_gives_exit_code_1_and_says_what_came(
    hil: Command, lab: SimulatedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_protocol.limits.Limits.tightened", lambda _self, other: other)
    result = hil("check", "--conformance", lab.lab.crossbar.address)
    assert result.code == 1
    assert "FAIL" in result.out and "L2" in result.out and "the board was left SAFE" in result.out


def test_nobody_at_the_address_is_one_line(hil: Command) -> None:
    result = hil("check", "--conformance", f"socket://127.0.0.1:{closed_port()}")
    assert result.code == 1
    assert "nothing answers" in result.err.splitlines()[-1]
    assert "no address of a controller" in hil("check", "--conformance", "nonsense").err
