"""The board as its calibration knows it, against the simulated one; and which calibration counts, told by the real service."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.analysis.board_model import DRIVE_STEP_VOLTS, Layout, Lines, Prior
from hil.client import LabClient
from hil.model.runs import CalibrationMade
from hil.training.board import Board, as_read, board_of
from simulator.board import Board as SimulatedBoard
from simulator.board import BoardErrors
from tests.support.complete_dies import READING, put_complete_die
from tests.support.service import SIMULATED, Service, running_run, served

LINES = 25
LARGEST_OFFSET_VOLTS = 2.5 * BoardErrors().drive_offset_volts
DIE = (0, 0)


def known(real: SimulatedBoard) -> Board:
    """A calibration that knows a simulated board exactly."""
    sense, drive = (real.gain - 1.0, real.offset_amps, real.bow_amps), (real.drive_gain[0] - 1.0, real.drive_offset_volts[0])
    lines = Lines(*sense, *drive, np.zeros(()))
    return Board("exact", lines)


@given(seed=st.integers(0, 1000), averages=st.integers(1, 8))
def test_rows_stand_at_the_wanted_voltage_but_for_a_share_of_the_dacs_step(seed: int, averages: int) -> None:
    real = SimulatedBoard(seed, LINES)
    volts = np.random.default_rng(seed).uniform(-0.1, 0.1, (40, 3, LINES)) * (np.arange(LINES) % 3 > 0)
    told = known(real).told(volts, averages)
    assert told.shape == (averages, *volts.shape)
    driven = real.driven(told, slice(LINES))
    assert np.all(driven[:, volts == 0.0] == 0.0), "a row that nothing drives stays at the reference"
    most = 0.51 * DRIVE_STEP_VOLTS + LARGEST_OFFSET_VOLTS
    assert np.abs(driven.mean(axis=0) - volts).max() <= most / averages


@given(seed=st.integers(0, 1000))
def test_currents_are_those_before_the_sense_lines_and_nan_stays_nan(seed: int) -> None:
    real = SimulatedBoard(seed, LINES, BoardErrors(noise_steps=0.0))
    amps = np.random.default_rng(seed).uniform(-8e-4, 1.6e-3, (20, 4, LINES))
    read = real.seen(amps, 1, np.random.default_rng(0))
    read[3, 2, 1] = np.nan
    found = known(real).amps(read)
    amps[3, 2, 1] = np.nan
    np.testing.assert_allclose(found, amps, atol=1e-10)


def test_a_board_that_is_taken_at_its_word_changes_no_current() -> None:
    read = np.linspace(-8e-4, 1.6e-3, 2 * LINES).reshape(2, LINES)
    board = as_read("nobody calibrated it")
    np.testing.assert_array_equal(board.amps(read), read)
    assert (board.calibration, board.why) == (None, "nobody calibrated it")


class Kept:
    """A service whose store holds what a test puts there. put_calibration returns its id."""

    def __init__(self, service: Service) -> None:
        self.store = service.store
        self._run = running_run(service.store)
        self.store.publish_station({"instruments": {"crossbar": {"serial": "B1"}}})

    def put_maps(self, **meta: object) -> None:
        put_complete_die(self.store, self._run, DIE, 1, {**READING, **meta})

    def put_calibration(self, serial: str = "B1", valid_s: float = 1e9, **more: object) -> str:
        layout = Layout(LINES, LINES, (0.1,))
        document: dict[str, Any] = {
            "board": {"serial": serial}, "smu": {}, "wafer": "W1", "x": 0, "y": 0, "run": self._run,
            "measured_at": "2026-01-02T03:04:05.000Z", "temperature_c": 25.0, "origin": SIMULATED,
            "model": "lines-1", "rows": LINES, "columns": LINES, "levels": [0.1], "averages": 16, "junctions": 625,
            "noise": {"amps": 3e-7, "siemens": [3e-4], "relative": [0.001]}, "fit": {"ratio": 1.0}, "valid_s": valid_s, **more,
        }  # fmt: skip
        values = np.arange(layout.size) * 1e-6
        made = CalibrationMade(DIE, document, values, np.diag(layout.sigmas(Prior()) ** 2))
        return str(self.store.append(self._run, made).payload["calibration"])


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[LabClient, Kept]]:
    with served(tmp_path) as service, LabClient(service.url, service.token()) as client:
        yield client, Kept(service)


def test_the_newest_calibration_of_this_very_board_corrects_calibrated_maps(lab: tuple[LabClient, Kept]) -> None:
    client, kept = lab
    kept.put_maps(calibration="a" * 64)
    kept.put_calibration(note="an older one")
    newest = kept.put_calibration()
    kept.put_calibration("B2")
    board = board_of(client, "W1", [DIE])
    assert (board.calibration, board.why) == (newest, "")
    np.testing.assert_allclose(board.lines.bow, np.arange(50, 75) * 1e-6)
    np.testing.assert_allclose(board.lines.drive_volts, np.arange(100, 125) * 1e-6)


@pytest.mark.parametrize(
    ("maps", "calibrations", "why"),
    [
        ({}, [{}], r"maps of die \(0, 0\) were made without a calibration; calibrate the board, then characterise"),
        ({"calibration": "a" * 64}, [], "board B1 was never calibrated"),
        ({"calibration": "a" * 64}, [{"serial": "B2"}], "board B1 was never calibrated"),
        ({"calibration": "a" * 64}, [{}, {"valid_s": 60.0, "note": "newer, and ended"}], "the calibration of board B1 ended at 2026"),
        ({"calibration": "a" * 64}, [{"model": "lines-0"}], "is of model lines-0; this release knows lines-1"),
    ],
)
def test_without_a_calibration_that_counts_currents_stay_as_read_and_it_is_said_why(
    lab: tuple[LabClient, Kept], maps: dict[str, object], calibrations: list[dict[str, Any]], why: str
) -> None:
    client, kept = lab
    kept.put_maps(**maps)
    for each in calibrations:
        kept.put_calibration(**each)
    board = board_of(client, "W1", [DIE])
    assert board.calibration is None
    assert re.search(why, board.why), board.why


def test_maps_that_the_smu_read_need_no_calibrated_board_to_be_compared_with(lab: tuple[LabClient, Kept]) -> None:
    client, kept = lab
    kept.put_maps(path="smu")
    assert board_of(client, "W1", [DIE]).calibration is None
    made = kept.put_calibration()
    assert board_of(client, "W1", [DIE]).calibration == made
