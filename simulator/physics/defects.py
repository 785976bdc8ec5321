"""Where the pretended foundry failed: masks and values of defects for one die, drawn from the die's own generator.

All rates and shapes are assumptions (see parameters.py); only the kinds and their order of magnitude follow published sibling chips.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.geometry import Geometry
from simulator.physics.mtj import Bools, Floats
from simulator.physics.parameters import Fab, FabError

_BAD_SHORT, _BAD_OPEN, _BAD_STUCK_P, _BAD_STUCK_AP = range(4)


@dataclass(frozen=True)
class Defects:
    """Arrays of the geometry's shape.

    shorted: a metallic path beside the barrier. short_ohms: what a pillar's would be, everywhere.
    tmr_left: share of the TMR a pinhole leaves, 1 where none. tmr_factor: share of it a weak barrier has, 1 where none.
    open_cell: no current path.
    stuck_p, stuck_ap: the state cannot be written. telegraph: relative depth of two-level noise, 0 where none.
    hold_s: how long a state holds by itself at 25 C where it is unstable, infinite elsewhere.
    """

    shorted: Bools
    short_ohms: Floats
    tmr_left: Floats
    tmr_factor: Floats
    open_cell: Bools
    stuck_p: Bools
    stuck_ap: Bools
    telegraph: Floats
    hold_s: Floats


def draw_defects(fab: Fab, geometry: Geometry, rng: np.random.Generator) -> Defects:
    """Every defect of one die: drawn at the fab's rates, and those that it names.

    What was thought of later draws from a generator of its own, so that a seed's wafer stays what it was.
    """
    shape, later = geometry.shape, rng.spawn(1)[0]

    def hit(rate: float) -> Bools:
        return rng.random(shape) < rate

    # In this order for good: a seed means a wafer.
    shorted = hit(_short_rate(fab, rng)) | _segments(fab, geometry, rng)
    stuck_p = hit(fab.stuck_p_rate)
    ohms = short_ohms(fab, shape, rng)
    tmr_left = np.where(hit(fab.pinhole_rate), rng.uniform(0.2, 0.8, shape), 1.0)
    tmr_factor = np.where(hit(fab.weak_rate), rng.uniform(0.10, 0.45, shape), 1.0)
    open_cell = hit(fab.open_rate) | _open_lines(fab, geometry, rng)
    stuck_ap = hit(fab.stuck_ap_rate)
    telegraph = np.where(hit(fab.telegraph_rate), rng.uniform(0.02, 0.05, shape), 0.0)
    bad = _bad(fab, shape, later)
    stuck_p = stuck_p | _named("stuck_p_devices", fab.stuck_p_devices, geometry) | (bad == _BAD_STUCK_P)
    return Defects(
        shorted=shorted | _named("short_devices", fab.short_devices, geometry) | (bad == _BAD_SHORT),
        short_ohms=ohms,
        tmr_left=tmr_left,
        tmr_factor=tmr_factor,
        open_cell=open_cell | _named("open_devices", fab.open_devices, geometry) | (bad == _BAD_OPEN),
        stuck_p=stuck_p,
        stuck_ap=(stuck_ap | _named("stuck_ap_devices", fab.stuck_ap_devices, geometry) | (bad == _BAD_STUCK_AP)) & ~stuck_p,
        telegraph=telegraph,
        hold_s=_hold_s(fab, shape, later),
    )


def short_ohms(fab: Fab, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Resistance of a pillar's shorts and of broken barriers, log-normal, Ohm."""
    low, high = np.log(fab.short_ohms_low), np.log(fab.short_ohms_high)
    return np.exp(rng.normal((low + high) / 2.0, (high - low) / 3.92, shape))


def _short_rate(fab: Fab, rng: np.random.Generator) -> float:
    """Of one die: Gamma distributed over dies, so that their counts are over-dispersed (negative binomial)."""
    if not fab.short_rate_shape:
        return fab.short_rate
    return min(rng.gamma(fab.short_rate_shape, fab.short_rate / fab.short_rate_shape), 1.0)


def _bad(fab: Fab, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    """Which kind of bad each junction is by the fab's one rate for all kinds, -1 where it is not."""
    rate = fab.bad_rate
    if fab.bad_rate_high:
        rate = float(np.exp(rng.uniform(np.log(fab.bad_rate_low), np.log(fab.bad_rate_high))))
    if not rate:
        return np.full(shape, -1)
    shares = np.cumsum([fab.bad_short, fab.bad_open, fab.bad_stuck_p])
    return np.where(rng.random(shape) < rate, np.searchsorted(shares, rng.random(shape), side="right"), -1)


def _hold_s(fab: Fab, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    if not fab.unstable_rate:
        return np.full(shape, np.inf)
    drawn = np.exp(rng.uniform(np.log(fab.unstable_s_low), np.log(fab.unstable_s_high), shape))
    return np.where(rng.random(shape) < fab.unstable_rate, drawn, np.inf)


def _named(key: str, devices: tuple[int, ...], geometry: Geometry) -> Bools:
    """Raises FabError for a device that a die does not have."""
    mask = np.zeros(geometry.devices, dtype=np.bool_)
    mask[_within(key, devices, geometry.devices)] = True
    return mask.reshape(geometry.shape)


def _within(key: str, numbers: tuple[int, ...], count: int) -> NDArray[np.int64]:
    beyond = [number for number in numbers if number >= count]
    if beyond:
        raise FabError(f"{key} holds {beyond[0]}; a die has 0 to {count - 1}")
    return np.array(numbers, dtype=np.int64)


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
    most_rows, most_columns = int(rows.max()) + 1, int(columns.max()) + 1
    open_rows = rng.integers(0, most_rows, rng.poisson(fab.row_opens))
    open_columns = rng.integers(0, most_columns, rng.poisson(fab.column_opens))
    return np.isin(rows, np.append(open_rows, _within("open_row_lines", fab.open_row_lines, most_rows))) | np.isin(
        columns, np.append(open_columns, _within("open_column_lines", fab.open_column_lines, most_columns))
    )


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
