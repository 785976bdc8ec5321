"""A small wafer to export."""

from collections.abc import Iterator

import numpy as np

from hil.model.defects import Defect
from hil.report.exports import Exported, ExportedDie

SHAPE = (2, 3, 4)
DIES = [(0, -1), (-3, 0), (0, 0), (1, 0)]
SIMULATED = "simulated; seed=7"


def classified(die: tuple[int, int], seed: int) -> ExportedDie:
    """P, AP, uncertainty and classes, with one junction that was not measured, one short and one that is stuck."""
    rng = np.random.default_rng(seed)
    p, ap = (rng.uniform(low, 1.1 * low, SHAPE).astype(np.float32) for low in (3e-4, 1.8e-4))
    codes = np.zeros(SHAPE, np.uint8)
    codes[0, 0, 0], codes[1, 2, 3], codes[0, 1, 2] = Defect.SHORT, Defect.NOT_MEASURED, Defect.STUCK_AP
    p[1, 2, 3] = np.nan
    lines = np.zeros(SHAPE, np.uint8)
    lines[0, 1, :] = 1
    return ExportedDie(
        die, SIMULATED, {"P": f"{seed:064x}", "AP": f"{seed + 1:064x}", "defects": f"{seed + 2:064x}"}, "2026-11-22T08:30:00.000Z",
        {"P": p, "AP": ap}, {"P": np.full(SHAPE, 1e-6, np.float32)}, codes, lines, np.full(SHAPE, 0.75, np.float32),
    )  # fmt: skip


def as_found(die: tuple[int, int]) -> ExportedDie:
    return ExportedDie(die, "imported", {"as_found": "f" * 64}, None, {"as_found": np.full(SHAPE, 2e-4, np.float32)})


def wafer(pulled: list[tuple[int, int]] | None = None) -> Exported:
    """pulled: filled with the dies as they are pulled."""

    def pull() -> Iterator[ExportedDie]:
        for number, die in enumerate((classified((0, -1), 10), classified((-3, 0), 20), as_found((1, 0)))):
            if pulled is not None:
                pulled.append(die.die)
            assert pulled is None or len(pulled) == number + 1, "one die is pulled at a time"
            yield die

    return Exported("W1", DIES, 3, pull, "2026-11-23T09:00:00+00:00", "0.1.0")
