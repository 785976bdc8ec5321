"""A calibration on the simulated lab over real sockets, and what later maps make of it, against what really is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.analysis.calibration import Calibration, from_document
from hil.model.maps import ConductanceMap
from hil.model.plans import Plan
from hil.model.refusals import PlanRefused, check_plan
from hil.model.runs import CalibrationMade, Event, MapMeasured, Noted, ObjectMeasured, RunState, StepMeasured
from hil.runs.calibrating import RESIDUALS, calibration_of, lapsed
from hil.runs.errors import RunFailed
from hil.runs.execute import execute
from hil.runs.rereading import DRIFTED
from hil.station.station import Station
from hil.store import open_store
from hil.store.protocol import Store
from tests.hil.runs.helpers import context_of, measured, opened, plan_of
from tests.hil.store.conftest import running
from tests.support.simulated_lab import SimulatedLab, simulated_lab

HOME = (0, 0)
CALIBRATE = {"kind": "calibrate", "dies": [HOME], "kernels": [0, 1], "points": [0.1, 0.2], "repeats": 2}
READ = {"kind": "read", "dies": [HOME], "averages": 4}


class Bench:
    """One station, calibrated once for all tests."""

    def __init__(self, lab: SimulatedLab, store: Store, station: Station) -> None:
        self.lab, self.store, self.station = lab, store, station
        self.events = measured(plan_of(**CALIBRATE), station)
        (self.made,) = [event for event in self.events if isinstance(event, CalibrationMade)]
        run = running(store)
        store.append(run.id, self.made)
        store.set_state(run.id, RunState.FINISHED)

    def calibration(self, board: str = "") -> Calibration | None:
        return calibration_of(
            self.store, board or self.made.document["board"]["serial"], datetime(2026, 1, 3, tzinfo=UTC), self.station.lab.chip
        )

    def events_of(self, calibration: Calibration | None, **fields: Any) -> list[Event]:
        plan: Plan = plan_of(**fields)
        context = replace(context_of(self.station.lab, plan), calibration=lambda _board: calibration)
        return [event for event in execute(plan, self.station, context, {}) if not isinstance(event, StepMeasured)]

    def map_of(self, calibration: Calibration | None, **fields: Any) -> ConductanceMap:
        (found,) = [event.map for event in self.events_of(calibration, **fields) if isinstance(event, MapMeasured)]
        assert isinstance(found, ConductanceMap)
        return found

    def truth(self) -> np.ndarray:
        die = self.lab.world.wafer.die(HOME)
        return np.where(die.state_p, die.cell_siemens(True, 0.1), die.cell_siemens(False, 0.1))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    store = open_store(tmp_path_factory.mktemp("data"))
    store.ensure_wafer("W1", [HOME, (-3, 0)])
    with simulated_lab(dies=1) as lab, opened(lab.lab, store) as station:
        yield Bench(lab, store, station)
    store.close()


def test_a_calibration_says_what_was_calibrated_against_what_and_how_well(bench: Bench) -> None:
    document = bench.made.document
    assert document["board"]["serial"] == f"SIM{bench.lab.world.seed}" and "2450" in document["smu"]["model"]
    assert (document["rows"], document["columns"], document["levels"]) == (4, 5, [0.1, 0.2])
    assert document["junctions"] == 40
    assert document["fit"]["readings"] + document["fit"]["left_out"] == 40 * 2 * 2
    assert document["fit"]["residual_amps"] < 3e-7
    assert document["origin"] == {"simulated": True, "seed": bench.lab.world.seed}
    (residuals,) = [event for event in bench.events if isinstance(event, ObjectMeasured)]
    assert (residuals.name, residuals.array.shape) == (RESIDUALS, (40, 2, 2))


def test_both_paths_cover_the_truth_and_agree_once_the_board_is_calibrated(bench: Bench) -> None:
    calibration = bench.calibration()
    board, smu = (bench.map_of(calibration, path=path, **READ) for path in ("board", "smu"))
    truth = bench.truth()
    for each in (board, smu):
        assert each.meta["calibration"] == calibration.id == bench.store.calibrations()[0].id
        assert each.uncertainty is not None
        assert np.mean(np.abs(each.siemens - truth) <= 1.96 * each.uncertainty) >= 0.8
        assert each.meta["relative_uncertainty"]["combined"] < 0.03
    assert np.mean(np.abs(board.siemens - smu.siemens) <= 1.96 * np.hypot(board.uncertainty, smu.uncertainty)) >= 0.8
    assert board.meta["noise"]["amps"] == calibration.noise.amps
    assert board.meta["drift"]["junctions"] == 5 and not board.meta["drift"]["beyond"]


def test_without_a_calibration_a_map_says_so_is_less_sure_and_only_the_needles_are_taken_off(bench: Bench) -> None:
    calibrated, plain = (bench.map_of(each, path="board", **READ) for each in (bench.calibration(), None))
    assert (plain.meta["calibration"], plain.meta["noise"], plain.meta["drift"]) == (None, None, None)
    assert np.median(plain.uncertainty) > 1.5 * np.median(calibrated.uncertainty)
    ohms = plain.meta["contact_ohms"]
    np.testing.assert_allclose(plain.siemens, plain.uncorrected / (1 - plain.uncorrected * ohms), rtol=1e-5)
    assert np.mean(np.abs(plain.siemens - bench.truth()) <= 1.96 * plain.uncertainty) >= 0.9


def test_another_boards_calibration_and_one_that_expired_are_none(bench: Bench) -> None:
    (record,) = bench.store.calibrations()
    ends, chip = datetime.fromisoformat(record.expires_at), bench.station.lab.chip
    assert bench.calibration() is not None
    assert bench.calibration("SIM-another") is None
    assert calibration_of(bench.store, record.board, ends, chip) is None
    assert calibration_of(bench.store, record.board, ends - timedelta(seconds=1), chip) is not None
    assert calibration_of(bench.store, record.board, ends - timedelta(seconds=1), chip.model_copy(update={"rows": 25})) is None


def test_a_run_that_makes_maps_is_told_that_its_boards_calibration_has_ended(bench: Bench) -> None:
    (record,) = bench.store.calibrations()
    snapshot, ends = bench.station.snapshot(), datetime.fromisoformat(record.expires_at)
    told = lapsed(plan_of(**READ), bench.store, snapshot, ends)
    assert told is not None and record.expires_at in told.text and "calibrate it again" in told.text
    assert lapsed(plan_of(**READ), bench.store, snapshot, ends - timedelta(seconds=1)) is None
    assert lapsed(plan_of(**READ, path="smu"), bench.store, snapshot, ends) is None
    assert lapsed(plan_of(kind="contact_check"), bench.store, snapshot, ends) is None


def test_a_calibration_of_a_model_that_nobody_knows_any_more_is_none(bench: Bench, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.ensure_wafer("W1", [HOME, (-3, 0)])
    store.append(running(store).id, replace(bench.made, document={**bench.made.document, "model": "lines-0"}))
    serial = bench.made.document["board"]["serial"]
    assert calibration_of(store, serial, datetime(2026, 1, 3, tzinfo=UTC), bench.station.lab.chip) is None
    store.close()


def test_a_board_that_drifted_is_told_by_its_reference_junctions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.lab.world.board, "gain", bench.lab.world.board.gain * 1.03)
    events = bench.events_of(bench.calibration(), path="board", **READ)
    (noted,) = [event for event in events if isinstance(event, Noted)]
    assert noted.kind == DRIFTED and "calibrate it again" in noted.text
    assert noted.data["mean"] == pytest.approx(0.03, abs=0.012)
    (found,) = [event.map for event in events if isinstance(event, MapMeasured)]
    assert found.meta["drift"]["beyond"]


def test_single_junctions_as_they_are_found_serve_too(bench: Bench) -> None:
    before = bench.lab.world.wafer.die(HOME).state_p.copy()
    junctions = [[0, row, column] for row in range(4) for column in range(5)]
    fields = {**CALIBRATE, "kernels": [0], "junctions": junctions, "states": "as_found", "points": 2}
    (made,) = [event for event in bench.events_of(None, **fields) if isinstance(event, CalibrationMade)]
    assert (made.document["junctions"], made.document["levels"]) == (20, [0.1, 0.2])
    np.testing.assert_array_equal(bench.lab.world.wafer.die(HOME).state_p, before)
    assert from_document(made.document, made.values, made.covariance, "c" * 64).layout.levels == (0.1, 0.2)


def test_readings_that_make_no_calibration_fail_the_run_and_say_what_to_do(bench: Bench) -> None:
    with pytest.raises(RunFailed, match="choose other kernels"):
        bench.events_of(None, **{**CALIBRATE, "junctions": [[0, 0, 0], [0, 1, 1]], "states": "as_found"})


def test_levels_beyond_the_read_limit_and_a_single_path_are_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(PlanRefused, match=r"points_volts is 0\.4"):
        check_plan(plan_of(**{**CALIBRATE, "points": [0.1, 0.4]}), bench.station.lab)
    for wrong in ({"path": "smu"}, {"points": [0.1, 0.1]}, {"points": []}, {"points": True}):
        with pytest.raises(ValueError, match=r"path|points"):
            plan_of(**{**CALIBRATE, **wrong})
