"""Calibrations and the arrays beside a map."""

from dataclasses import replace

import numpy as np
import pytest

from hil.model.maps import from_npy_bytes
from hil.model.runs import CalibrationMade, MapMeasured
from hil.store.errors import NotFound
from hil.store.protocol import Store
from tests.hil.store.conftest import conductance, running


def _made(serial: str = "B1", **more: object) -> CalibrationMade:
    document = {"board": {"serial": serial}, "valid_s": 3600.0, "measured_at": "2026-01-02T03:04:05.000Z", "levels": [0.1], **more}
    return CalibrationMade((0, 0), document, np.arange(3.0), np.eye(3))


def test_a_calibration_exists_with_its_arrays_and_says_when_it_ends(store: Store) -> None:
    run = running(store).id
    told = store.append(run, _made())
    record = store.calibration(told.payload["calibration"])
    assert (told.kind, record.board, record.version, record.run) == ("calibration", "B1", 1, run)
    assert record.expires_at == told.payload["expires_at"] == "2026-01-02T04:04:05.000Z"
    np.testing.assert_array_equal(from_npy_bytes(store.get_object(record.covariance)), np.eye(3))
    assert record.document["values"] == record.values


def test_the_id_is_of_everything_it_says(store: Store) -> None:
    run = running(store).id
    first, other_numbers, other_words = (
        store.append(run, each).payload["calibration"]
        for each in (_made(), replace(_made(), values=np.arange(1.0, 4.0)), _made(levels=[0.1, 0.2]))
    )
    assert len({first, other_numbers, other_words}) == 3


def test_versions_count_for_each_board_and_the_newest_is_the_last_committed(store: Store) -> None:
    run = running(store).id
    for number, serial in enumerate(("B1", "B2", "B1", "B1")):
        store.append(run, _made(serial, number=number))
    newest = store.newest_calibration("B1")
    assert newest is not None
    assert (newest.version, newest.document["number"]) == (3, 3)
    assert store.newest_calibration("B3") is None
    first = store.calibrations(limit=2)
    assert [each.document["number"] for each in first + store.calibrations(limit=5, before=first[-1].id)] == [3, 2, 1, 0]


def test_an_unknown_calibration_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="calibration"):
        store.calibration("a" * 64)
    with pytest.raises(NotFound):
        store.calibrations(before="a" * 64)


def test_a_maps_parts_are_kept_beside_it_and_told_wherever_it_is(store: Store) -> None:
    run = running(store).id
    plain, whole = conductance(1.0), conductance(2.0)
    whole = replace(whole, uncertainty=np.full_like(whole.siemens, 0.1), uncorrected=np.full_like(whole.siemens, 1.9))
    ids = [str(store.append(run, MapMeasured(die, each)).payload["map"]) for die, each in (((-3, 0), plain), ((0, 0), whole))]
    for records in (store.maps_of_run(run), store.newest_maps("W1", "conductance"), [store.map(each) for each in ids]):
        assert [sorted(record.parts) for record in records] == [[], ["uncertainty", "uncorrected"]]
    assert from_npy_bytes(store.get_object(store.map(ids[1]).parts["uncorrected"]))[0, 0, 0] == np.float32(1.9)
    newest = store.newest_map("W1", (0, 0), "conductance")
    assert newest is not None and newest.parts == store.maps_of_die("W1", (0, 0))[0].parts == store.map(ids[1]).parts


def test_a_part_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="uncertainty"):
        replace(conductance(1.0), uncertainty=np.zeros((1, 2, 3), np.float32))
