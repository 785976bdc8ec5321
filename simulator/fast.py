"""The same wafer without the wire: what the board would have read of every die, for training-scale tests."""

import numpy as np
from numpy.typing import NDArray

from simulator.board import ADC_STEP_AMPS, Board
from simulator.physics.die import CLASS_VOLTS, Die
from simulator.physics.wafer import Wafer

Siemens = NDArray[np.float32]
_AVERAGES = 4
_AVERAGED_STEP = ADC_STEP_AMPS / 16.0


def wafer_maps(wafer: Wafer, seed: int) -> tuple[Siemens, Siemens]:
    """(siemens_p, siemens_ap), each (dies, kernels, rows, columns) float32 in the order of wafer.dies, read at 0.1 V.

    seed: of the read noise only. Every junction that can be written is taken as written; gain, offset and noise of the board
    and the step of its averaged converter are those of the wire.
    """
    board = Board(wafer.seed, max(wafer.geometry.rows, wafer.geometry.columns))
    rng = np.random.default_rng([wafer.seed, 7, seed])
    states = [np.stack([_read(wafer.die(index), state, board, rng) for index in wafer.dies]) for state in (True, False)]
    return states[0], states[1]


def _read(die: Die, state_p: bool, board: Board, rng: np.random.Generator) -> Siemens:
    siemens = die.cell_siemens(state_p, CLASS_VOLTS)
    noise = (die.fab.read_noise_p if state_p else die.fab.read_noise_ap) / np.sqrt(_AVERAGES)
    volts = board.driven(CLASS_VOLTS, slice(siemens.shape[1]))[:, None]
    amps = volts * siemens * (1.0 + noise * rng.standard_normal(siemens.shape))
    seen = board.seen(amps, _AVERAGES, rng)
    return (np.round(seen / _AVERAGED_STEP) * _AVERAGED_STEP / CLASS_VOLTS).astype(np.float32)
