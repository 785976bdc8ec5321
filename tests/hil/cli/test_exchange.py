"""hil import, export and analyse as they are typed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.hil.cli.conftest import Command, Served

SHAPE = (32, 25, 25)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """P and AP of a die with a short."""
    rng = np.random.default_rng(1)
    paths = tmp_path / "p.npy", tmp_path / "ap.npy"
    for path, mean in zip(paths, (3.3e-4, 1.9e-4), strict=True):
        siemens = mean * (1 + 0.03 * rng.standard_normal(SHAPE))
        siemens[0, 0, 0] = 1e-3
        np.save(path, siemens)
    return paths


def test_both_states_of_a_negative_die_are_imported_and_shown_as_such(hil: Command, served: Served, files: tuple[Path, Path]) -> None:
    brought = hil("import", "W-imp", "-1", "0", files[0], "--ap", files[1], *served.access)
    assert brought.code == 0, brought.err
    assert "origin: imported" in brought.out and "defects" in brought.out
    shown = json.loads(hil("map", "W-imp", "-1", "0", "--kind", "defects", "--json", *served.access).out)
    assert shown["counts"]["short"] == 1 and shown["origin"] == "imported"


def test_an_imported_wafer_is_exported_and_can_be_imported_again(
    hil: Command, served: Served, files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert hil("import", "W-exp", 0, 0, files[0], "--ap", files[1], *served.access).code == 0
    out = tmp_path / "w.csv"
    exported = hil("export", "W-exp", "--format", "csv", "--out", out, "--json", *served.access)
    assert json.loads(exported.out) == {"wafer": "W-exp", "format": "csv", "path": str(out), "dies": 1}
    with out.open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["class"], first["origin"]) == ("short", "imported") and len(first["map_defects"]) == 12
    again = json.loads(hil("import", "W-exp2", 0, 0, out, "--json", *served.access).out)
    assert set(again["maps"]) == {"P", "AP", "defects"}


def test_units_that_do_not_fit_are_one_line_with_value_and_limit(hil: Command, served: Served, files: tuple[Path, Path]) -> None:
    refused = hil("import", "W-imp", 0, 0, files[0], "--units", "ohms", *served.access)
    assert refused.code == 1 and "outside -2e-05 to 0.1 S" in refused.err and refused.err.count("\n") == 1


def test_a_file_that_is_no_map_and_a_wafer_without_one_are_one_line(hil: Command, served: Served, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing\n")
    refused = hil("import", "W-imp", 0, 0, tmp_path / "a.txt", *served.access)
    assert refused.code == 1 and "no matrix of numbers" in refused.err
    assert hil("export", "nobody", "--format", "g85", "--out", tmp_path / "a.xml", *served.access).code == 1
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_switching_run_is_analysed(hil: Command, served: Served) -> None:
    fields = (
        "--set",
        "junctions=[[0,3,7],[0,3,8],[0,3,9],[0,3,10]]",
        "--set",
        "pulse_volts=[-0.55,-0.62,-0.68]",
        "--set",
        "pulse_s=[1e-7]",
    )
    measured = hil("measure", "W9", "--dies", "0,0", "--plan", "switching", *fields, "--watch", "--json", *served.access)
    run = json.loads(measured.out)["id"]
    text = hil("analyse", run, *served.access)
    assert text.code == 0, text.err
    assert "is the likelier one, odds" in text.out and "assumed: access_ohms 1000" in text.out and "simulated; seed=" in text.out
    found = json.loads(hil("analyse", run, "--access-ohms", "900", "--json", *served.access).out)
    assert found["assumptions"]["access_ohms"] == 900


def test_a_retention_run_is_analysed(hil: Command, served: Served) -> None:
    fields = ("--set", "kernels=[0]", "--set", "interval_s=0.01", "--set", "count=2", "--set", "write=P")
    measured = hil("measure", "W9", "--dies", "0,0", "--plan", "retention", *fields, "--watch", "--json", *served.access)
    run = json.loads(measured.out)["id"]
    text = hil("analyse", run, *served.access)
    assert text.code == 0, text.err
    assert "Delta above" in text.out and "attempt_s 1e-09" in text.out


def test_a_run_of_another_kind_is_not_analysed(hil: Command, served: Served) -> None:
    run = json.loads(hil("measure", "W9", "--dies", "0,0", "--plan", "contact_check", "--watch", "--json", *served.access).out)["id"]
    refused = hil("analyse", run, *served.access)
    assert refused.code == 1 and "of kind contact_check" in refused.err
