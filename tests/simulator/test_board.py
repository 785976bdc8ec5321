"""What the board's lines are off by, and that it can be switched off."""

from dataclasses import replace

import numpy as np
import pytest

from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from simulator.board import ADC_STEP_AMPS, DAC_STEP_VOLTS, FULL_SCALE_AMPS, IDEAL, TYPICAL, Board
from simulator.instruments import adc
from simulator.instruments.calibration import Calibration
from simulator.instruments.crossbar_lines import CrossbarLines, built_in_order
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

EXCHANGED = replace(IDEAL, exchanged_chance=1.0)


def _quiet(board: Board, amps: np.ndarray) -> np.ndarray:
    """What the converter is offered, without noise to speak of."""
    return board.seen(amps, 1_000_000_000, np.random.default_rng(0))


def _touching(errors: object) -> World:
    world = World(Wafer(3, PRESETS["clean"], ((0, 0),), Geometry(2, 25, 25)), errors)  # type: ignore[arg-type]
    world.touch((0, 0))
    return world


def test_typical_lines_are_off_by_half_a_percent_and_half_a_step() -> None:
    boards = [Board(seed, 25) for seed in range(100)]
    assert np.std([board.gain for board in boards]) == pytest.approx(TYPICAL.gain, rel=0.1)
    assert np.std([board.offset_amps for board in boards]) == pytest.approx(TYPICAL.offset_steps * ADC_STEP_AMPS, rel=0.1)
    assert np.std([board.drive_offset_volts for board in boards]) == pytest.approx(TYPICAL.drive_offset_volts, rel=0.1)
    assert max(np.abs(board.bow_amps).max() for board in boards) <= TYPICAL.bow_steps * ADC_STEP_AMPS
    assert 10 <= sum(board.is_exchanged for board in boards) <= 45


def test_an_ideal_board_sees_what_is_there() -> None:
    board, amps = Board(1, 25, IDEAL), np.linspace(0.0, FULL_SCALE_AMPS, 25)
    np.testing.assert_allclose(_quiet(board, amps), amps, atol=1e-10)
    np.testing.assert_array_equal(board.driven(0.1234, slice(25)), np.full(25, 0.1234))


def test_dacs_go_in_steps_and_hold_an_undriven_line_at_the_reference() -> None:
    board = Board(1, 25, replace(IDEAL, has_steps=True, drive_offset_volts=1e-3))
    steps = (board.driven(0.1, slice(25)) - board.drive_offset_volts[0]) / DAC_STEP_VOLTS
    np.testing.assert_allclose(steps, 82.0)
    assert not board.driven(0.0, slice(25)).any()


def test_the_same_line_is_off_alike_whatever_it_is_asked_for() -> None:
    world = _touching(replace(TYPICAL, noise_steps=0.0, exchanged_chance=0.0))
    world.wafer.die((0, 0)).state_p[:] = True
    kernel = world.read_kernel_amps(0, 0.1, 4096)
    one_by_one = world.read_devices_amps(np.arange(625), 0.1, 4096).reshape(25, 25)
    np.testing.assert_allclose(one_by_one, kernel, rtol=1e-3)


@pytest.mark.parametrize("errors", [IDEAL, EXCHANGED])
def test_exchanged_lines_come_with_the_table_that_undoes_it(errors: object) -> None:
    world = _touching(errors)
    lines = CrossbarLines(world, Calibration(world.geometry, built_in_order(world)))
    die = world.wafer.die((0, 0))
    die.state_p[:], die.state_p[:, :, 14] = True, False
    codes = lines.read_kernel(0, 100_000, 4096)
    assert codes[:, 14].max() < codes[:, 13].min()
    assert lines.read_list(np.array([14]), 100_000, 4096)[0] == pytest.approx(codes[0, 14], abs=2)
    lines.connect(Route.JUNCTION, 14)
    assert world.selected == (Route.JUNCTION, 14)


def test_without_its_table_an_exchanged_board_reads_the_neighbours_column() -> None:
    world = _touching(EXCHANGED)
    lines = CrossbarLines(world, Calibration(world.geometry))
    lines.connect(Route.JUNCTION, 14)
    assert world.selected == (Route.JUNCTION, 13)


def test_a_current_beyond_the_stage_is_saturated_and_no_number() -> None:
    assert adc.convert(np.array([FULL_SCALE_AMPS * 1.01, -1e-3]), 4).tolist() == [0xFFFF, 0xFFFF]
