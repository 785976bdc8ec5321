"""Plans with fields of their own from the command line, and what they measured beside maps."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer

from hil.cli.run_commands import parse_fields
from tests.hil.cli.conftest import Command, Served

SWITCHING = ("--plan", "switching", "--set", "junctions=[[0,3,7],[0,3,8]]", "--set", "pulse_volts=[0.6,-0.7]", "--set", "pulse_s=[1e-7]")


def test_fields_are_json_where_they_are_some_and_text_where_not() -> None:
    given = ["points=101", "junctions=[[0, 3, 7]]", "start=-0.5", "path=smu", "note=a=b", "four_wire=true"]
    assert parse_fields(given) == {
        "points": 101,
        "junctions": [[0, 3, 7]],
        "start": -0.5,
        "path": "smu",
        "note": "a=b",
        "four_wire": True,
    }


@pytest.mark.parametrize("text", ["points", "=3"])
def test_a_field_without_a_name_or_a_value_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not name=value, such as points=101"):
        parse_fields([text])


def test_a_plan_is_made_of_fields_and_its_results_are_listed_and_written(hil: Command, served: Served, tmp_path: Path) -> None:
    measured = hil("measure", "W9", "--dies", "-1,0", *SWITCHING, "--set", "repeats=3", "--watch", "--json", *served.access)
    assert measured.code == 0, measured.err
    run = json.loads(measured.out)["id"]
    listed = hil("results", run, "--out", tmp_path, *served.access)
    assert "switching_probability" in listed.out and "[2, 2, 1]" in listed.out and "(-1, 0)" in listed.out
    trials = np.load(tmp_path / "-1,0" / "switching_trials.npy")
    assert trials.shape == (2, 2, 1) and trials.max() == 3
    (told,) = [each for each in json.loads(hil("results", run, "--json", *served.access).out) if each["name"] == "switching_trials"]
    assert told["meta"]["origin"]["simulated"] is True


def test_a_plan_beyond_the_limits_is_one_line_with_value_and_limit(hil: Command, served: Served) -> None:
    refused = hil("measure", "W9", *SWITCHING, "--set", "reset_volts=1.5", *served.access)
    assert refused.code == 1
    assert "reset_volts is 1.5, beyond the station's limit of 1 V (limits.device_volts)" in refused.err
