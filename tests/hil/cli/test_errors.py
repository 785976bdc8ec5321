"""Errors of the command line: one readable line, exit code 1 or 2, never a traceback."""

import subprocess
from pathlib import Path

import pytest

from hil.cli.main import COMMANDS
from tests.hil.cli.conftest import HIL, Command, Result, Served
from tests.support.scripted_server import closed_port


def expect_one_line(result: Result, *named: str) -> None:
    """Exit code 1, and one line on stderr that names things."""
    assert result.code == 1, result
    assert result.err.startswith("hil: ") and result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err + result.out
    for name in named:
        assert name in result.err


def expect_wrong_usage(result: Result, named: str) -> None:
    assert result.code == 2, result
    assert named in result.err and "Traceback" not in result.err


@pytest.mark.parametrize("command", [["runs"], ["wafers"], ["measure", "W1"], ["map", "W1", "-3", "0"], ["estop"], ["watch", "r1"]])
def test_an_address_where_nobody_listens_is_named(hil: Command, command: list[str]) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    expect_one_line(hil(*command, "--url", url), url, "hil serve")


def test_a_wrong_token_is_told_with_how_to_make_one(hil: Command, served: Served) -> None:
    for token in ([], ["--token", "wrong"], ["--token", "hil_00000000_" + "a" * 43]):
        expect_one_line(hil("runs", "--url", served.url, *token), "hil token create")
    expect_one_line(hil("runs", "--url", served.url, "--token", "two words"), "token")


def test_unknown_things_and_limits_are_named(hil: Command, served: Served, tmp_path: Path) -> None:
    expect_one_line(hil("measure", "W1", "--dies", "77,0", *served.access), "(77, 0)", "36 dies")
    expect_one_line(hil("measure", "W1", "--plan", "dance", *served.access), "dance", "characterise")
    expect_one_line(hil("measure", "../W1", *served.access), "wafer")
    expect_one_line(hil("map", "W9", "0", "0", *served.access), "W9")
    expect_one_line(hil("watch", "r0", *served.access), "r0")
    expect_one_line(hil("watch", "../wafers", *served.access), "'../wafers' is no id")
    expect_one_line(hil("token", "revoke", "nothing0", "--data", served.data), "nothing0")
    plan = tmp_path / "plan.json"
    plan.write_text('{"kind": "read", "read_volts": 9}')
    expect_one_line(hil("measure", "W1", "--plan", plan, *served.access), "read_volts is 9", "1 V", "lab.toml")


@pytest.mark.parametrize("text", ["not json", "[1]"])
def test_a_plan_file_that_is_none_is_named(hil: Command, tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    expect_one_line(hil("measure", "W1", "--plan", plan), str(plan))
    expect_one_line(hil("measure", "W1", "--plan", tmp_path / "none.json"), "none.json")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["measure", "W1", "--dies", "0,0;1"], "0,0;1"),
        (["measure"], "WAFER"),
        (["map", "W1", "north", "0"], "X"),
        (["map", "W1", "0", "0", "--kind", "colour"], "colour"),
        (["dance"], "dance"),
        (["serve", "--port", "70000"], "65535"),
        (["sim", "--clock", "slow"], "slow"),
        (["token", "create"], "--scope"),
        (["token", "create", "--scope", "root"], "root"),
        (["runs", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_what_is_wrong(hil: Command, arguments: list[str], named: str) -> None:
    expect_wrong_usage(hil(*arguments), named)


def test_a_lab_file_that_is_missing_or_wrong_is_named(hil: Command, tmp_path: Path) -> None:
    missing, wrong = tmp_path / "none.toml", tmp_path / "wrong.toml"
    for command in ("check", "serve"):
        expect_one_line(hil(command, "--lab", missing), str(missing), "hil sim --write-lab")
    wrong.write_text("[prober]\ndriver = 3\n")
    expect_one_line(hil("check", "--lab", wrong), str(wrong), "prober.driver")
    wrong.write_bytes(b"# Z\xfcrich\n")
    expect_one_line(hil("check", "--lab", wrong), str(wrong), "UTF-8")


def test_check_fails_instrument_by_instrument_when_nobody_answers(hil: Command, tmp_path: Path, lab_file: Path) -> None:
    port = closed_port()
    lines = [f'address = "socket://127.0.0.1:{port}"' if "socket://" in line else line for line in lab_file.read_text().splitlines()]
    half = tmp_path / "lab.toml"
    half.write_text("\n".join(lines))
    result = hil("check", "--lab", half)
    assert result.code == 1
    assert [line.split()[0] for line in result.out.splitlines()] == ["ok", "ok", "FAILED"]
    assert str(port) in result.out


def test_a_directory_that_cannot_be_a_store_is_named(hil: Command, tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a directory")
    expect_one_line(hil("token", "create", "--scope", "read", "--data", taken / "data"), str(taken / "data"))


@pytest.mark.parametrize("command", [["list"], ["revoke", "nothing0"]])
def test_asking_about_tokens_makes_no_store_where_there_is_none(hil: Command, tmp_path: Path, command: list[str]) -> None:
    typo, empty = tmp_path / "typo", tmp_path / "empty"
    empty.mkdir()
    for folder in (typo, empty):
        expect_one_line(hil("token", *command, "--data", folder), str(folder), "there is no store")
    assert not typo.exists() and not list(empty.iterdir())


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_command_has_help_with_an_example(hil: Command, name: str) -> None:
    result = hil(name, "--help")
    assert result.code == 0
    assert f"Example: hil {name}" in result.out


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS if name not in ("sim", "serve")])
def test_every_command_that_tells_something_can_tell_it_as_json(hil: Command, name: str) -> None:
    assert "--json" in hil(name, "--help").out


@pytest.mark.parametrize("name", ["create", "list", "revoke"])
def test_token_commands_have_an_example(hil: Command, name: str) -> None:
    result = hil("token", name, "--help")
    assert f"Example: hil token {name}" in result.out and "--json" in result.out


def test_the_installed_command_behaves_like_main() -> None:
    done = subprocess.run([*HIL, "runs", "--url", "nowhere"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hil: ") and "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_an_error_nobody_foresaw_is_a_line_too_and_a_traceback_only_on_request(
    hil: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(_path: Path) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("hil.cli.station_commands.load_lab", broken)
    expect_one_line(hil("check", "--lab", tmp_path), "ZeroDivisionError", "HIL_DEBUG")
    monkeypatch.setenv("HIL_DEBUG", "1")
    monkeypatch.setattr("sys.argv", ["hil", "check", "--lab", str(tmp_path)])
    from hil.cli.main import main

    with pytest.raises(ZeroDivisionError):
        main()
