"""The nodal solve: against Kirchhoff, against the whole matrix at once, against badcrossbar, and on the simulated board."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.geometry import Geometry
from simulator.board import IDEAL
from simulator.physics.crossbar import Lines, effective_siemens, node_volts
from simulator.physics.die import Die, Spread
from simulator.physics.fab import PRESETS, Fab, FabError
from simulator.physics.wafer import Wafer
from simulator.physics.wiring import kernel_lines, path_ohms
from simulator.world import World
from tests.simulator.worlds import SEED

BADCROSSBAR = Path(sys.prefix) / "witnesses" / "badcrossbar-1.1.0"
"""Where scripts/set_up.py puts it, without its drawing dependency."""
ASK = """
import logging, sys
logging.disable(logging.CRITICAL)
import numpy as np
import badcrossbar
given = np.load(sys.argv[1])
found = badcrossbar.compute(given["volts"], given["ohms"], r_i_word_line=given["word"].item(), r_i_bit_line=given["bit"].item(),
                            node_voltages=False, all_currents=False)
np.save(sys.argv[2], found.currents.output)
"""


def array(rows: int, columns: int, seed: int, bad: float = 0.05) -> np.ndarray:
    """Cells in both states with a few shorts and opens, S."""
    rng = np.random.default_rng(seed)
    siemens = np.where(rng.random((rows, columns)) < 0.5, 335e-6, 186e-6) * np.exp(0.05 * rng.standard_normal((rows, columns)))
    kind = rng.random((rows, columns))
    return np.select([kind < bad / 2, kind < bad], [1e-3, 1e-8], siemens)


SIZES = st.integers(1, 12)
LINES = st.builds(Lines, st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(0.0, 100.0), st.floats(0.0, 100.0))


@given(SIZES, SIZES, st.integers(0, 99), LINES)
@settings(max_examples=60, deadline=None)
def test_elimination_and_the_whole_matrix_at_once_agree(rows: int, columns: int, seed: int, lines: Lines) -> None:
    siemens = array(rows, columns, seed)
    volts = np.random.default_rng(seed).uniform(-0.1, 0.1, (rows, 3))
    nodes = node_volts(siemens, lines, volts)
    amps = nodes.bit_volts[-1] / (lines.bit_ohms + lines.sense_ohms)
    assert np.allclose(volts.T @ effective_siemens(siemens, lines), amps.T, rtol=1e-9, atol=1e-9 * np.abs(amps).max())


@given(SIZES, SIZES, st.integers(0, 99), LINES)
@settings(max_examples=60, deadline=None)
def test_what_the_sources_deliver_is_what_the_resistances_take(rows: int, columns: int, seed: int, lines: Lines) -> None:
    siemens = array(rows, columns, seed)
    volts = np.random.default_rng(seed).uniform(0.01, 0.1, (rows, 2))
    nodes = node_volts(siemens, lines, volts)
    word, bit = nodes.word_volts, nodes.bit_volts
    into_ohms = lines.word_ohms + lines.source_ohms
    into = (volts - word[:, 0]) / into_ohms
    delivered = (volts * into).sum(axis=0)
    taken = (
        (siemens[..., None] * (word - bit) ** 2).sum(axis=(0, 1))
        + (np.diff(word, axis=1) ** 2).sum(axis=(0, 1)) / lines.word_ohms
        + (np.diff(bit, axis=0) ** 2).sum(axis=(0, 1)) / lines.bit_ohms
        + (into**2).sum(axis=0) * into_ohms
        + (bit[-1] ** 2).sum(axis=0) / (lines.bit_ohms + lines.sense_ohms)
    )
    assert np.allclose(delivered, taken, rtol=1e-9)
    out = bit[-1] / (lines.bit_ohms + lines.sense_ohms)
    assert np.allclose(into.sum(axis=0), out.sum(axis=0), rtol=1e-9)  # what flows in flows out


@given(SIZES, SIZES, st.integers(0, 99), LINES)
@settings(max_examples=40, deadline=None)
def test_lines_never_add_current_and_every_source_drives_every_line(rows: int, columns: int, seed: int, lines: Lines) -> None:
    siemens = array(rows, columns, seed)
    effective = effective_siemens(siemens, lines)
    assert (effective > 0.0).all()
    assert (effective.sum(axis=1) <= siemens.sum(axis=1) * (1 + 1e-12)).all()


def test_lines_without_resistance_leave_the_cells_as_they_are() -> None:
    siemens = array(8, 6, 1)
    assert np.allclose(effective_siemens(siemens, Lines(1e-9, 1e-9)), siemens, rtol=1e-6, atol=1e-12)


def test_where_no_cell_conducts_no_current_flows() -> None:
    siemens = array(6, 4, 2)
    siemens[:, 1] = 0.0
    effective = effective_siemens(siemens, Lines(1.0, 1.0, 30.0, 30.0))
    assert not effective[:, 1].any() and (effective[:, [0, 2, 3]] > 0).all()
    assert not effective_siemens(np.zeros((6, 4)), Lines(1.0, 1.0)).any()


def test_one_cell_is_a_series_circuit() -> None:
    assert effective_siemens(np.array([[1e-3]]), Lines(10.0, 20.0, 30.0, 40.0)).item() == pytest.approx(1.0 / 1100.0, rel=1e-12)


def test_arrays_side_by_side_are_solved_as_if_alone() -> None:
    lines, arrays = Lines(1.0, 2.0, 30.0, 20.0), np.stack([array(9, 5, seed) for seed in range(4)])
    together = effective_siemens(arrays.reshape(2, 2, 9, 5), lines).reshape(4, 9, 5)
    assert np.allclose(together, [effective_siemens(one, lines) for one in arrays], rtol=1e-12)


def test_driving_columns_and_sensing_rows_is_the_transpose() -> None:
    siemens, lines = array(9, 5, 3), Lines(1.0, 2.0, 30.0, 20.0)
    other_way = effective_siemens(siemens[::-1, ::-1].T, lines.turned)
    assert np.allclose(effective_siemens(siemens, lines), other_way[::-1, ::-1].T, rtol=1e-10)


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, -1.0), (1.0, 1.0, -1.0), (float("nan"), 1.0)])
def test_resistances_that_are_none_are_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Lines(*values)


@pytest.mark.parametrize(("rows", "columns"), [(100, 50), (25, 25)])
def test_badcrossbar_finds_the_same_currents(tmp_path: Path, rows: int, columns: int) -> None:
    if not BADCROSSBAR.is_dir():
        pytest.skip(f"{BADCROSSBAR} is missing; run scripts/set_up.py")
    siemens = array(rows, columns, 5, bad=0.02)
    volts = np.random.default_rng(5).uniform(0.0, 0.1, (rows, 10))
    np.savez(tmp_path / "given.npz", volts=volts, ohms=1.0 / siemens, word=2.0, bit=1.5)
    command = [sys.executable, "-W", "ignore", "-c", ASK, str(tmp_path / "given.npz"), str(tmp_path / "found.npy")]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(BADCROSSBAR)}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    ours = volts.T @ effective_siemens(siemens, Lines(2.0, 1.5))
    assert np.abs(ours / np.load(tmp_path / "found.npy") - 1.0).max() < 1e-9


# --- on the simulated board
def wired(line_ohms: float = 2.0, mux_ohms: float = 30.0) -> Fab:
    return Fab(**{**vars(PRESETS["clean"]), "line_ohms": line_ohms, "mux_ohms": mux_ohms, "flicker_p": 0.0, "flicker_ap": 0.0})


def test_a_cell_read_alone_loses_what_its_own_path_takes() -> None:
    ideal, behind = (Die(fab, Geometry(), Spread(), np.random.default_rng(1)) for fab in (PRESETS["clean"], wired()))
    path = path_ohms(wired(), Geometry())
    lost = 1.0 / behind.cell_siemens(True, 1e-6) - 1.0 / ideal.cell_siemens(True, 1e-6)
    assert np.allclose(lost, path, rtol=1e-6)
    # Nearest to both ends: row group 3, left half, last row, first column. Farthest: group 0, right half, first row, last column.
    assert path[3, 24, 0] == path.min() == pytest.approx(60 + 2 * 2)
    assert path[4, 0, 24] == path.max() == pytest.approx(60 + 2 * (50 + 100))


@pytest.mark.parametrize("drive_rows", [True, False])
def test_a_product_through_lines_is_what_the_nodal_solve_says(drive_rows: bool) -> None:
    kernel, fab = 5, wired()
    world = World(Wafer(SEED, fab, ((0, 0),)), IDEAL)
    world.touch((0, 0))
    die = world.wafer.die((0, 0))
    die.state_p[kernel] = np.random.default_rng(0).random((25, 25)) < 0.5
    volts = np.full((400, 25), 0.1)
    amps = world.vmm_amps(kernel, volts, drive_rows).mean(axis=0)
    alone = np.where(die.state_p[kernel], die.cell_siemens(True, 0.1)[kernel], die.cell_siemens(False, 0.1)[kernel])
    lines = kernel_lines(fab, Geometry(), kernel)
    assert lines is not None
    effective = effective_siemens(1.0 / (1.0 / alone - path_ohms(fab, Geometry())[kernel]), lines)
    expected = 0.1 * effective.sum(axis=0 if drive_rows else 1)
    assert np.abs(alone.sum() / effective.sum()) > 1.05  # the lines matter
    assert np.allclose(amps, expected, rtol=0.01)


def test_a_multiplexer_without_lines_is_refused() -> None:
    with pytest.raises(FabError, match="mux_ohms is 30 and line_ohms 0"):
        Fab(mux_ohms=30.0)
