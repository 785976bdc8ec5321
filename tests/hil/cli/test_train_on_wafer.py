"""`hil train --wafer` on a service whose store holds simulated dies, one of them without contact."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.model.defects import Defect
from hil.training.cells import all_cells
from hil.training.origins import origin_of
from tests.hil.cli.conftest import Command
from tests.hil.cli.test_statistics_commands import simulated
from tests.hil.training.conftest import one_thread
from tests.support.service import Service
from tests.support.service_fixtures import *  # noqa: F403
from tests.support.stored_dies import put_dies

__all__ = ["one_thread"]
ASKED = ("train", "--method", "conventional", "--wafer", "W1", "--net", "16-8-10", "--quick", "--json")


@pytest.fixture
def access(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Images of noise, and two dies, and a third that the needles did not touch."""
    rng = np.random.default_rng(4)
    images = {"x_train": rng.integers(0, 256, (600, 28, 28), np.uint8), "x_test": rng.integers(0, 256, (40, 28, 28), np.uint8)}
    np.savez(tmp_path / "noise.npz", y_train=np.arange(600) % 10, y_test=np.arange(40) % 10, **images)
    monkeypatch.setenv("HIL_IMAGES", str(tmp_path / "noise.npz"))
    first, second = simulated()
    nothing = np.full_like(first.p.siemens, np.nan)
    codes = np.full_like(first.defects.codes, Defect.NO_CONTACT)
    third = replace(
        first,
        p=replace(first.p, siemens=nothing),
        ap=replace(first.ap, siemens=nothing),
        defects=replace(first.defects, codes=codes),
        die=(-3, 0),
    )
    put_dies(service.store, (third, first, second))
    return ("--url", service.url, "--token", service.token("read"), "--out", str(tmp_path / "out"))


def test_a_die_that_was_not_read_is_left_out_by_name_and_not_taken_for_a_perfect_one(
    hil: Command, access: tuple[str, ...], tmp_path: Path
) -> None:
    told = hil(*ASKED, *access)
    assert told.code == 0, told.err
    assert "die (-3, 0) is left out: 100.0 % of the junctions have no reading" in told.err
    (results,) = (tmp_path / "out").iterdir()
    (cell,) = all_cells(results)
    assert cell.dies == ((0, 0), (1, 0))
    assert [row["method"] for row in json.loads(told.out)["rows"]] == ["conventional"]
    assert origin_of(results, "W1").startswith("simulated")


def test_one_die_alone_is_refused_with_the_reason(hil: Command, service: Service, access: tuple[str, ...]) -> None:
    first, second = simulated()
    unread = np.full_like(first.p.siemens, np.nan)
    put_dies(service.store, (replace(second, p=replace(second.p, siemens=unread)),))
    told = hil(*ASKED, *access)
    assert told.code == 1
    assert "training needs at least 2 dies" in told.err


def test_the_software_network_has_a_row_of_its_own_alone_or_with_others(hil: Command, access: tuple[str, ...]) -> None:
    alone = json.loads(hil("train", "--method", "software", *ASKED[3:], *access).out)
    (row,) = alone["rows"]
    assert row["mean_error_percent"] == row["worst_error_percent"] == alone["baseline_error_percent"]
    assert (row["method"], row["population"], row["seeds"], row["delta_points"]) == ("software", "W1", 1, 0.0)
    both = json.loads(hil("train", "--method", "conventional,software", *ASKED[3:], *access).out)
    assert [each["method"] for each in both["rows"]] == ["software", "conventional"]
    assert both["baseline_error_percent"] == alone["baseline_error_percent"]


def test_names_that_there_are_not_are_one_line(hil: Command, access: tuple[str, ...]) -> None:
    none = hil("train", "--method", ",", *ASKED[3:], *access)
    assert none.code == 1 and "no method is named; choose from software, conventional" in none.err
    unknown = hil("reproduce", "--populations", "7x", "--quick", *access[4:])
    assert unknown.code == 1 and unknown.err.startswith("hil: '7x' is no population and no fab file; choose from")
