"""How kernels hang on the metal lines: a sub-array is 4 row groups x 2 column halves of kernels, 100 rows x 50 columns.

Row lines are driven at their left end and column lines sensed below their last row, each through a multiplexer; unselected cells
are off. Source: kernel address bits of the board's public controller code; resistances are assumptions.
"""

import numpy as np

from firmware_protocol.geometry import Geometry
from simulator.physics.crossbar import Lines
from simulator.physics.mtj import Floats
from simulator.physics.parameters import Fab

_GROUPS = 4


def kernel_lines(fab: Fab, geometry: Geometry, kernel: int) -> Lines | None:
    """Between the ends of the lines and a kernel's cells; None where lines are ideal."""
    if not fab.line_ohms:
        return None
    before = fab.line_ohms * geometry.columns * (kernel >> 2 & 1)
    below = fab.line_ohms * geometry.rows * (_GROUPS - 1 - (kernel & 3))
    return Lines(fab.line_ohms, fab.line_ohms, fab.mux_ohms + before, fab.mux_ohms + below)


def path_ohms(fab: Fab, geometry: Geometry) -> Floats:
    """In series with each cell when it is selected alone, (kernels, rows, columns) Ohm."""
    kernel, row, column = np.indices(geometry.shape)
    along = geometry.columns * (kernel >> 2 & 1) + column + 1
    down = geometry.rows * (_GROUPS - (kernel & 3)) - row
    return 2.0 * fab.mux_ohms + fab.line_ohms * (along + down)
