"""Where the pretended foundry failed: masks and values of defects for one die, drawn from the die's own generator.

All rates and shapes are assumptions (see fab.py); only the kinds and their order of magnitude follow published sibling chips.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.geometry import Geometry
from simulator.physics.fab import Fab
from simulator.physics.mtj import Bools, Floats


@dataclass(frozen=True)
class Defects:
    """Arrays of the geometry's shape.

    short_siemens: conductance of a hard short beside the barrier, 0 where none. tmr_left: share of the TMR a pinhole leaves, 1
    where none. tmr_factor: share of the TMR a weak barrier has, 1 where none. open_cell: no current path.
    stuck_p, stuck_ap: the state cannot be written. telegraph: relative depth of two-level noise, 0 where none.
    """

    short_siemens: Floats
    tmr_left: Floats
    tmr_factor: Floats
    open_cell: Bools
    stuck_p: Bools
    stuck_ap: Bools
    telegraph: Floats


def draw_defects(fab: Fab, geometry: Geometry, rng: np.random.Generator) -> Defects:
    """Every defect of one die."""
    shape = geometry.shape

    def hit(rate: float) -> Bools:
        return rng.random(shape) < rate

    die_rate = min(rng.gamma(fab.short_rate_shape, fab.short_rate / fab.short_rate_shape), 1.0)
    shorted = hit(die_rate) | _segments(fab, geometry, rng)
    stuck_p = hit(fab.stuck_p_rate)
    return Defects(
        short_siemens=np.where(shorted, 1.0 / short_ohms(fab, shape, rng), 0.0),
        tmr_left=np.where(hit(fab.pinhole_rate), rng.uniform(0.2, 0.8, shape), 1.0),
        tmr_factor=np.where(hit(fab.weak_rate), rng.uniform(0.10, 0.45, shape), 1.0),
        open_cell=hit(fab.open_rate) | _open_lines(fab, geometry, rng),
        stuck_p=stuck_p,
        stuck_ap=hit(fab.stuck_ap_rate) & ~stuck_p,
        telegraph=np.where(hit(fab.telegraph_rate), rng.uniform(0.02, 0.05, shape), 0.0),
    )


def short_ohms(fab: Fab, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Resistance of shorts and of broken barriers, log-normal, Ohm."""
    low, high = np.log(fab.short_ohms_low), np.log(fab.short_ohms_high)
    return np.exp(rng.normal((low + high) / 2.0, (high - low) / 3.92, shape))


def row_lines(geometry: Geometry) -> NDArray[np.int64]:
    """Number of the metal row line that each junction hangs on, (kernels, rows, columns).

    A kernel number is sub-array (bits 3 up), column half (bit 2), row group (bits 0 and 1); a row line spans both halves.
    Source: kernel address bits of the board's public controller code.
    """
    kernel, row, _ = np.indices(geometry.shape)
    return ((kernel >> 3) * 4 + (kernel & 3)) * geometry.rows + row


def column_lines(geometry: Geometry) -> NDArray[np.int64]:
    """Number of the metal column line of each junction; a column line spans the four row groups of a sub-array half."""
    kernel, _, column = np.indices(geometry.shape)
    return (kernel >> 2) * geometry.columns + column


def _open_lines(fab: Fab, geometry: Geometry, rng: np.random.Generator) -> Bools:
    rows, columns = row_lines(geometry), column_lines(geometry)
    open_rows = rng.integers(0, rows.max() + 1, rng.poisson(fab.row_opens))
    open_columns = rng.integers(0, columns.max() + 1, rng.poisson(fab.column_opens))
    return np.isin(rows, open_rows) | np.isin(columns, open_columns)


def _segments(fab: Fab, geometry: Geometry, rng: np.random.Generator) -> Bools:
    """60 to 90 % of 25 to 50 neighbouring cells of a row line are shorted, as on one row of a published sibling chip."""
    rows = row_lines(geometry)
    shorted = np.zeros(geometry.shape, dtype=np.bool_)
    for line in rng.integers(0, rows.max() + 1, rng.poisson(fab.shorted_segments)):
        cells = np.flatnonzero(rows == line)
        length = min(int(rng.integers(25, 51)), cells.size)
        start = int(rng.integers(0, cells.size - length + 1))
        chosen = cells[start : start + length]
        shorted.flat[chosen[rng.random(length) < rng.uniform(0.6, 0.9)]] = True
    return shorted
