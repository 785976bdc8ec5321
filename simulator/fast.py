"""The same wafer without the wire: what the board would have read of every die, for training-scale tests."""

import numpy as np
from numpy.typing import NDArray

from simulator.board import ADC_STEP_AMPS, Board, exposure_s
from simulator.physics.die import CLASS_VOLTS, Die
from simulator.physics.mtj import Floats
from simulator.physics.wafer import Wafer

Siemens = NDArray[np.float32]
_AVERAGES = 4
_AVERAGED_STEP = ADC_STEP_AMPS / 16.0


def wafer_maps(wafer: Wafer, seed: int, board: Board | None = None) -> tuple[Siemens, Siemens]:
    """(siemens_p, siemens_ap), each (dies, kernels, rows, columns) float32 in the order of wafer.dies, read at 0.1 V.

    seed: of the read noise only. board: it is read with; that of its own seed, as `hil sim` has it, where not told. Every junction
    that can be written is taken as written; gain, offset and noise of the board and the step of its averaged converter are those of
    the wire.
    """
    board = board or Board(wafer.seed, max(wafer.geometry.rows, wafer.geometry.columns))
    rng = np.random.default_rng([wafer.seed, 7, seed])
    states = [np.stack([_written(wafer.die(index), state, board, rng) for index in wafer.dies]) for state in (True, False)]
    return states[0], states[1]


def read_die(die: Die, board: Board, rng: np.random.Generator, read_volts: float = CLASS_VOLTS) -> Siemens:
    """(kernels, rows, columns) S of a die in its present states, float32, as the board's converter shows it: uncalibrated.

    Reading disturbs what it may.
    """
    volts = _volts(die, board, read_volts)
    return _shown(volts * die.read_all(volts, _AVERAGES, exposure_s(_AVERAGES), rng), board, read_volts, rng)


def _written(die: Die, state_p: bool, board: Board, rng: np.random.Generator) -> Siemens:
    volts = _volts(die, board, CLASS_VOLTS)
    return _shown(volts * die.read_as(state_p, volts, _AVERAGES, rng), board, CLASS_VOLTS, rng)


def _volts(die: Die, board: Board, read_volts: float) -> Floats:
    """What the row drivers put on each junction, (1, rows, 1) V."""
    return board.driven(read_volts, slice(die.geometry.rows))[None, :, None]


def _shown(amps: Floats, board: Board, read_volts: float, rng: np.random.Generator) -> Siemens:
    seen = board.seen(amps, _AVERAGES, rng)
    return (np.round(seen / _AVERAGED_STEP) * (_AVERAGED_STEP / read_volts)).astype(np.float32)
