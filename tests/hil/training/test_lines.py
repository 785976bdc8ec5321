"""Currents through lines that have resistance."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.geometry import Geometry
from hil.training.lines import DieLines, Lines, effective_siemens
from simulator.physics import crossbar, wiring
from simulator.physics.fab import PRESETS

BADCROSSBAR = Path(sys.prefix) / "witnesses" / "badcrossbar-1.1.0"
WITNESS = """
import sys
import numpy as np
import badcrossbar
found = badcrossbar.compute(np.eye(7), 1 / np.load(sys.argv[1]), r_i_word_line=1.5, r_i_bit_line=0.7)
np.save(sys.argv[2], found.currents.output)
"""


def junctions(seed: int, *shape: int) -> np.ndarray:
    """P, AP, shorts and opens, S."""
    return np.random.default_rng(seed).choice([335e-6, 186e-6, 950e-6, 1e-9], shape, p=[0.5, 0.4, 0.05, 0.05])


def by_nodes(siemens: np.ndarray, lines: Lines) -> np.ndarray:
    """The same matrix the plain way: Kirchhoff's law at every node of every line, all unknowns at once."""
    rows, columns = siemens.shape
    row_node, column_node = np.arange(2 * siemens.size).reshape(2, rows, columns)
    law = np.zeros((2 * siemens.size, 2 * siemens.size))

    def join(one: np.ndarray, other: np.ndarray, conductance: np.ndarray | float) -> None:
        for first, second, value in np.broadcast(one, other, conductance):
            law[[first, second], [first, second]] += value
            law[[first, second], [second, first]] -= value

    join(row_node, column_node, siemens)
    join(row_node[:, 1:], row_node[:, :-1], 1 / lines.row_ohms)
    join(column_node[1:], column_node[:-1], 1 / lines.column_ohms)
    driven, sensed = row_node[:, 0], column_node[-1]
    law[driven, driven] += 1 / lines.drive_ohms
    law[sensed, sensed] += 1 / lines.sense_ohms
    sources = np.zeros((len(law), rows))
    sources[driven, np.arange(rows)] = 1 / lines.drive_ohms
    return (np.linalg.solve(law, sources)[sensed] / lines.sense_ohms).T


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31), st.tuples(*[st.floats(0.01, 50.0)] * 4))
def test_it_is_what_kirchhoff_says_at_every_node(rows: int, columns: int, seed: int, ohms: tuple[float, float, float, float]) -> None:
    siemens, lines = junctions(seed, rows, columns), Lines(*ohms)
    np.testing.assert_allclose(effective_siemens(torch.from_numpy(siemens), lines), by_nodes(siemens, lines), rtol=1e-9)


def test_a_stranger_s_solver_finds_the_same(tmp_path: Path) -> None:
    if not BADCROSSBAR.is_dir():
        pytest.skip(f"{BADCROSSBAR} is missing; run scripts/set_up.py")
    siemens = junctions(5, 7, 12)
    np.save(tmp_path / "siemens.npy", siemens)
    command = [sys.executable, "-W", "ignore", "-c", WITNESS, str(tmp_path / "siemens.npy"), str(tmp_path / "amps.npy")]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(BADCROSSBAR)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = effective_siemens(torch.from_numpy(siemens), Lines(1.5, 0.7, 1.5, 0.7))
    np.testing.assert_allclose(found, np.load(tmp_path / "amps.npy"), rtol=1e-9)


def test_ideal_lines_change_nothing() -> None:
    siemens = torch.from_numpy(junctions(1, 3, 25, 25))
    np.testing.assert_allclose(effective_siemens(siemens, Lines()), siemens, rtol=1e-12)


def test_lines_may_be_ideal_one_way_only() -> None:
    siemens = junctions(2, 5, 6)
    found = effective_siemens(torch.from_numpy(siemens), Lines(row_ohms=2.0))
    np.testing.assert_allclose(found, by_nodes(siemens, Lines(2.0, 1e-7, 1e-7, 1e-7)), rtol=1e-6)


def test_many_arrays_at_once_and_in_single_precision() -> None:
    siemens, lines = torch.from_numpy(junctions(3, 2, 4, 25, 25)), Lines(2.0, 2.0, 30.0, 30.0)
    found = effective_siemens(siemens, lines)
    assert found.shape == siemens.shape
    np.testing.assert_allclose(found[1, 2], effective_siemens(siemens[1, 2], lines), rtol=1e-12)
    np.testing.assert_allclose(effective_siemens(siemens.float(), lines), found, rtol=2e-5)


def test_its_gradient_is_right() -> None:
    siemens = (torch.from_numpy(junctions(4, 3, 4)) * 1e3).requires_grad_()
    torch.autograd.gradcheck(lambda each: effective_siemens(each, Lines(0.01, 0.02, 0.1, 0.2)), (siemens,), eps=1e-6, atol=1e-6)


def test_the_simulator_s_own_solver_finds_the_same_in_every_kernel() -> None:
    fab, geometry = replace(PRESETS["clean"], line_ohms=2.0, mux_ohms=30.0), Geometry(32, 25, 25)
    cells, lines = junctions(6, 32, 25, 25), DieLines(2.0, 30.0)
    # What a map of cells behind lines shows, cell after cell.
    mapped = cells / (1 + cells * wiring.path_ohms(fab, geometry))
    kernels = torch.arange(32)
    found = lines.cells(torch.from_numpy(mapped), kernels)
    np.testing.assert_allclose(found, cells, rtol=1e-9)
    effective = effective_siemens(found, lines.of(kernels))
    for kernel in range(32):
        of_kernel = wiring.kernel_lines(fab, geometry, kernel)
        assert of_kernel is not None
        np.testing.assert_allclose(effective[kernel], crossbar.effective_siemens(cells[kernel], of_kernel), rtol=1e-9)
