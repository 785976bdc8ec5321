"""Commands against the real service on the simulated lab."""

import json
from pathlib import Path

import pytest

from tests.hil.cli.conftest import Command, Served


@pytest.fixture(scope="session")
def measured(served: Served) -> Served:
    """One die of wafer W1, measured."""
    from hil.client import LabClient

    with LabClient(served.url, served.token) as lab:
        lab.start({"kind": "characterise", "wafer": "W1", "dies": [[-1, 0]]}, key="cli-tests").wait(timeout_s=90)
    return served


def test_measure_and_watch_ends_with_the_finished_run(hil: Command, served: Served) -> None:
    result = hil("measure", "W2", "--dies", "-1,0;0,0", "--plan", "contact_check", "--watch", "--json", *served.access)
    assert result.code == 0, result.err
    run = json.loads(result.out)
    assert (run["state"], run["plan"]["dies"]) == ("finished", [[-1, 0], [0, 0]])
    again = hil("watch", run["id"], *served.access)
    assert again.code == 0 and run["id"] in again.out and "finished" in again.out
    assert run["id"] in hil("runs", *served.access).out


def test_a_plan_can_be_a_file_and_a_dry_run_changes_nothing(hil: Command, served: Served, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"kind": "read", "averages": 2, "dies": [[0, 0]]}')
    result = hil("measure", "W3", "--plan", plan, "--dry-run", "--json", *served.access)
    assert json.loads(result.out)["touchdowns"] == 1
    assert "W3" not in hil("wafers", *served.access).out


def test_dies_given_as_a_flag_beat_those_of_the_plan_file(hil: Command, served: Served, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"kind": "contact_check", "dies": [[0, 0], [-1, 0]]}')

    def touched(*flags: str) -> int:
        return json.loads(hil("measure", "W3", "--plan", plan, *flags, "--dry-run", "--json", *served.access).out)["touchdowns"]

    assert (touched(), touched("--dies", "0,0"), touched("--dies", "all")) == (2, 1, 36)


def test_a_map_of_a_die_with_negative_coordinates_is_shown_as_written(hil: Command, measured: Served, tmp_path: Path) -> None:
    picture = tmp_path / "die.png"
    result = hil("map", "W1", "-1", "0", "--kind", "defects", "--png", picture, *measured.access)
    assert result.code == 0, result.err
    assert "W1 (-1, 0) defects" in result.out and "simulated; seed=" in result.out and "good" in result.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    figures = json.loads(hil("map", "W1", "-1", "0", "--state", "P", "--json", *measured.access).out)
    assert (figures["x"], figures["state"], figures["measured"]) == (-1, "P", 20_000)
    assert 0 < figures["p1_microsiemens"] < figures["median_microsiemens"] < figures["p99_microsiemens"]


def test_wafers_show_how_far_they_are(hil: Command, measured: Served) -> None:
    assert "W1     1/36 dies" in hil("wafers", *measured.access).out
    wafer = next(each for each in json.loads(hil("wafers", "--json", *measured.access).out) if each["name"] == "W1")
    assert 0.9 < wafer["yield_fraction"] < 1


def test_a_queued_run_is_aborted_and_cannot_be_paused(hil: Command, served: Served) -> None:
    hil("estop", *served.access)  # nothing starts, so the run stays queued
    run = json.loads(hil("measure", "W1", "--json", *served.access).out)["id"]
    assert hil("pause", run, *served.access).code == 1
    result = hil("abort", run, *served.access)
    assert result.code == 0 and "aborted" in result.out
    assert hil("resume", run, *served.access).code == 1
    ended = hil("watch", run, *served.access)
    assert ended.code == 1 and "aborted" in ended.err
    assert hil("reset", *served.access).code == 0


def test_the_emergency_stop_makes_every_instrument_safe_and_is_reset(hil: Command, served: Served) -> None:
    result = hil("estop", "--reason", "smoke", "--json", *served.access)
    assert result.code == 0, result.out
    assert json.loads(result.out) == {"safe": True, "outcome": {"smu": "safe", "crossbar": "safe", "prober": "safe"}}
    assert "emergency stop clear" in hil("reset", *served.access).out
    assert hil("release", *served.access).code == 0


def test_the_emergency_stop_works_without_a_service(hil: Command, served: Served) -> None:
    result = hil("estop", "--lab", served.lab, "--json", "--url", "http://127.0.0.1:1")
    assert json.loads(result.out)["safe"] is True
    assert hil("reset", *served.access).code == 0


def test_check_identifies_every_instrument(hil: Command, lab_file: Path) -> None:
    result = hil("check", "--lab", lab_file)
    assert result.code == 0
    assert [line.split()[:2] for line in result.out.splitlines()] == [["ok", "prober"], ["ok", "smu"], ["ok", "crossbar"]]
    assert "simulated" in result.out


def test_tokens_are_made_listed_and_revoked_on_the_store_itself(hil: Command, served: Served, tmp_path: Path) -> None:
    made = json.loads(hil("token", "create", "--scope", "read", "--name", "screen", "--json", "--data", served.data).out)
    assert set(made) == {"id", "token", "scope"}
    access = ("--url", served.url, "--token", made["token"])
    assert hil("runs", *access).code == 0
    assert made["id"] in hil("token", "list", "--data", served.data).out
    assert made["token"] not in hil("token", "list", "--data", served.data, "--json").out
    assert hil("token", "revoke", made["id"], "--data", served.data).code == 0
    refused = hil("runs", *access)
    assert refused.code == 1 and "token" in refused.err
    assert json.loads(hil("token", "create", "--scope", "read", "--json", "--data", tmp_path / "new").out)["scope"] == "read"


def test_a_dry_run_says_in_words_what_it_would_cost(hil: Command, served: Served) -> None:
    result = hil("measure", "W9", "--plan", "contact_check", "--dry-run", *served.access)
    assert result.out.startswith("36 touchdowns, 36 dies, ")
    assert "touchdowns left: 20 a die, " in result.out and "of the probe card" in result.out


def test_a_route_is_rehearsed_without_a_touchdown(hil: Command, served: Served) -> None:
    before = json.loads(hil("card", "show", "--json", *served.access).out)["touchdowns"]
    result = hil("measure", "W9", "--dies", "0,0;-1,0", "--plan", "rehearse", "--watch", "--json", *served.access)
    assert result.code == 0, result.err
    assert json.loads(result.out)["progress"] == {"done": 2, "total": 2, "unit": "die", "eta_s": None}
    assert json.loads(hil("card", "show", "--json", *served.access).out)["touchdowns"] == before


def test_a_card_is_put_in_and_cleaned_by_an_operators_word(hil: Command, measured: Served) -> None:
    assert hil("card", "show", *measured.access).out.startswith("probe card ")
    told = hil("card", "new", "Q-114", *measured.access)
    assert told.code == 0, told.err
    assert told.out.startswith("probe card Q-114, in since ") and "0 touchdowns, 100000 left" in told.out
    assert json.loads(hil("card", "cleaned", "--json", *measured.access).out)["since_cleaning"] == 0
