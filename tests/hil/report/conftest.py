"""A small wafer of three dies with known defects."""

import numpy as np
import pytest

from hil.model.defects import Defect
from hil.report.report import ReportData

SHAPE = (32, 25, 25)


@pytest.fixture(scope="session")
def data() -> ReportData:
    rng = np.random.default_rng(4)
    codes = np.zeros((3, *SHAPE), np.uint8)
    codes[0, 0, 0, :5] = Defect.SHORT
    codes[1, 7, 3, :9] = Defect.OPEN
    codes[2, 1, 1, :2] = Defect.STUCK_AP
    siemens_p = rng.normal(335e-6, 15e-6, codes.shape).astype(np.float32)
    siemens_ap = rng.normal(186e-6, 8e-6, codes.shape).astype(np.float32)
    siemens_p[codes == Defect.SHORT] = siemens_ap[codes == Defect.SHORT] = 900e-6
    siemens_p[0, 31, 2, 3] = np.nan
    return ReportData(
        wafer="W<1>",
        dies=((0, 0), (-3, 0), (1, -2)),
        simulated=True,
        seed=20261122,
        software_percent=4.25,
        errors_percent={"conventional": np.array([9.0, 12.0, 15.0]), "statistics-aware": np.array([5.0, 6.0, 7.75])},
        siemens_p=siemens_p,
        siemens_ap=siemens_ap,
        codes=codes,
        wires={"crossbar": {"unit": "frames", "sent": 12_345, "received": 12_346}, "smu": {"unit": "SCPI messages", "sent": 99}},
        run={"id": "run-77", "maps": {"P": '"etag-p"'}},
        maps=[{"die": "0,0", "map id": "abc123", "state": "P"}],
        curves={"software": [1.0, 0.5], "statistics-aware": [0.4]},
        seconds={"software": 12.34, "conventional": 0.5},
        notes=["die (9, 9) left out: <no contact>"],
    )
