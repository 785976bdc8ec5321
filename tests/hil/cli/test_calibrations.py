"""A run of kind `calibrate`, then a reading: the whole way through service, worker and simulated instruments."""

import pytest

from hil.client import LabClient
from tests.hil.cli.conftest import Command, Served

CALIBRATE = {"kind": "calibrate", "wafer": "W7", "dies": [[0, 0]], "points": [0.1], "repeats": 2, "averages": 4, "states": "as_found"}


@pytest.mark.slow
def test_a_run_calibrates_the_board_and_the_next_map_carries_it(hil: Command, served: Served) -> None:
    with LabClient(served.url, served.token) as lab:
        lab.start({**CALIBRATE, "valid_s": 600}).wait()
        lab.start({"kind": "read", "wafer": "W7", "dies": [[0, 0]], "path": "board", "kernels": [1]}).wait()
        (meta,), (found,) = lab.maps("W7", 0, 0), lab.calibrations()
        assert meta["calibration"] == found["id"]
        assert meta["drift"]["junctions"] >= 20 and not meta["drift"]["beyond"]
        assert lab.map_uncertainty(meta["id"]).shape == lab.map(meta["id"]).array.shape
    assert found["id"][:12] in hil("calibrations", *served.access).out
    told = hil("calibrations", found["id"], *served.access).out
    assert "column 24" in told and "row 24" in told and f"calibration {found['id']} of board {found['board']['serial']}, valid" in told
