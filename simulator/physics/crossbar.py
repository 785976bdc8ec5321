"""Currents of a crossbar whose lines have resistance, exactly: nodal analysis by block elimination, row by row.

Rule 1: cells are linear here; whoever has bias-dependent ones solves at the conductances of the moment.
Rule 2: the answer is the whole effective matrix, so that any number of input vectors is one product.

    source - w(i,0) - w(i,1) - ...     word line of row i, driven at its left end through the source and one segment
               |        |              a cell joins w(i,j) and b(i,j)
             b(i,j) - b(i+1,j) - ... - sense     bit line of column j, held at 0 V below its last row
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from simulator.physics.mtj import Floats


@dataclass(frozen=True)
class Lines:
    """Resistances, Ohm. word_ohms, bit_ohms: of a segment between neighbouring cells, and from the last cell to the line's end.

    source_ohms, sense_ohms: beyond that end, of driver, multiplexer and pad. Raises ValueError for a segment without resistance.
    """

    word_ohms: float
    bit_ohms: float
    source_ohms: float = 0.0
    sense_ohms: float = 0.0

    def __post_init__(self) -> None:
        for name in ("word_ohms", "bit_ohms"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0: lines without resistance need no solver")
        for name in ("source_ohms", "sense_ohms"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")

    @property
    def turned(self) -> "Lines":
        return Lines(self.bit_ohms, self.word_ohms, self.sense_ohms, self.source_ohms)


@dataclass(frozen=True)
class Nodes:
    """word_volts, bit_volts: (rows, columns, vectors) V at both ends of each cell."""

    word_volts: Floats
    bit_volts: Floats


def effective_siemens(siemens: Floats, lines: Lines) -> Floats:
    """What an array does as seen from its ends, (..., rows, columns) S: currents (columns,) A = volts (rows,) V @ it.

    siemens: (..., rows, columns) of the cells with their access devices, S; 0 where nothing conducts. Arrays on leading axes are
    solved side by side. The network is reciprocal: the transpose drives columns and senses rows.
    Source: Kirchhoff's current law; block-tridiagonal elimination, G. H. Golub and C. F. Van Loan, Matrix Computations, 4.5.
    """
    if siemens.shape[-1] > siemens.shape[-2]:
        # Blocks are dense and as large as a row is long, so the longer side is swept.
        turned = effective_siemens(siemens[..., ::-1, ::-1].swapaxes(-1, -2), lines.turned)
        return turned[..., ::-1, ::-1].swapaxes(-1, -2)
    cells = np.ascontiguousarray(np.moveaxis(np.asarray(siemens, dtype=np.float64), -2, 0))
    blocks, injected = _without_word_lines(cells, lines)
    rows, diagonal = len(cells), np.arange(cells.shape[-1])
    segment, end = 1.0 / lines.bit_ohms, 1.0 / (lines.bit_ohms + lines.sense_ohms)
    # Bit nodes of a row as a function of the inputs so far, and of the row below, whose block takes up what that leaves.
    seen = np.zeros((*cells.shape[1:], rows))
    inverse = np.zeros_like(blocks[0])
    for row in range(rows):
        block = blocks[row] - segment**2 * inverse
        block[..., diagonal, diagonal] += (segment if row else 0.0) + (segment if row < rows - 1 else end)
        inverse = np.linalg.inv(block)
        seen[..., :row] *= segment
        seen[..., row] = injected[row]
        seen[..., : row + 1] = inverse @ seen[..., : row + 1]
    return end * seen.swapaxes(-1, -2)


def _without_word_lines(cells: Floats, lines: Lines) -> tuple[Floats, Floats]:
    """(blocks, injected): what each row's cells and word line are to its bit nodes, and its injection per volt at the source.

    (rows, ..., columns) S -> (rows, ..., columns, columns) S and (rows, ..., columns) S.
    """
    blocks = _inverse_of_word_lines(cells, 1.0 / lines.word_ohms, 1.0 / (lines.word_ohms + lines.source_ohms))
    injected = cells * blocks[..., 0] / (lines.word_ohms + lines.source_ohms)
    blocks *= cells[..., None, :]
    blocks *= -cells[..., :, None]
    diagonal = np.arange(cells.shape[-1])
    blocks[..., diagonal, diagonal] += cells
    return blocks, injected


def _inverse_of_word_lines(cells: Floats, segment: float, source: float) -> Floats:
    """Inverse of the tridiagonal matrix of each word line, (..., columns, columns) Ohm, by pivots from both ends: no cancellation
    and no overflow, because every factor is a voltage ratio between 0 and 1. Source: G. Meurant, SIAM J. Matrix Anal. 13, 707 (1992)."""
    columns = cells.shape[-1]
    to_left = cells.copy()
    to_left[..., 0] += source
    # Conductance of a node and all that lies to the left (right) of it, without the segment to the other side.
    for column in range(1, columns):
        to_left[..., column] += _in_series(segment, to_left[..., column - 1])
    to_right = cells.copy()
    for column in range(columns - 2, -1, -1):
        to_right[..., column] += _in_series(segment, to_right[..., column + 1])
    inverse = np.empty((*cells.shape, columns))
    diagonal = np.arange(columns)
    inverse[..., diagonal, diagonal] = 1.0 / (to_left + to_right - cells)
    for column in range(1, columns):
        ratio = segment / (segment + to_right[..., column])
        inverse[..., column, :column] = inverse[..., column - 1, :column] * ratio[..., None]
        inverse[..., :column, column] = inverse[..., column, :column]
    return inverse


def _in_series(segment: float, node: Floats) -> Floats:
    return segment * node / (segment + node)


def node_volts(siemens: Floats, lines: Lines, volts: Floats) -> Nodes:
    """Voltage of every node of one array, by sparse LU of the whole nodal matrix: for maps of the loss, and to check the above.

    siemens: (rows, columns) S. volts: (rows, vectors) V at the sources.
    """
    rows, columns = siemens.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    source, sense = 1.0 / (lines.word_ohms + lines.source_ohms), 1.0 / (lines.bit_ohms + lines.sense_ohms)
    branches = (
        (word, bit, siemens),
        (word[:, :-1], word[:, 1:], np.full((rows, columns - 1), 1.0 / lines.word_ohms)),
        (bit[:-1], bit[1:], np.full((rows - 1, columns), 1.0 / lines.bit_ohms)),
    )
    one, other, value = (np.concatenate([branch[part].ravel() for branch in branches]) for part in range(3))
    ends, at_ends = np.concatenate((word[:, 0], bit[-1])), np.repeat((source, sense), (rows, columns))
    matrix = coo_array(
        (
            np.concatenate((value, value, -value, -value, at_ends)),
            (np.concatenate((one, other, one, other, ends)), np.concatenate((one, other, other, one, ends))),
        ),
        shape=(2 * rows * columns,) * 2,
    )
    right = np.zeros((2 * rows * columns, volts.shape[1]))
    right[word[:, 0]] = source * volts
    found = np.asarray(splu(matrix.tocsc()).solve(right))
    return Nodes(*found.reshape(2, rows, columns, -1))
