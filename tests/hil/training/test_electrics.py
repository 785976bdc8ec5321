"""Currents of a written die: as the simulated board gives them, and as training imagines them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.adc import Converter
from hil.training.electrics import Electrics, Noise, RollOff, Written, column_amps, largest_read_volts, reading_amps
from hil.training.floorplan import Floorplan, tiled
from hil.training.lines import DieLines
from hil.training.net import Encoding
from hil.training.placed import LEAVE, targets
from hil.training.tiles import LayerTiles, tiles_of
from simulator.board import IDEAL
from simulator.instruments.adc import CODE_PA, ZERO_CODE
from simulator.instruments.calibration import Calibration
from simulator.instruments.crossbar_lines import CrossbarLines
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

SHAPES = [(60, 20), (20, 10)]
STEP_AMPS = 16 * CODE_PA * 1e-12
BOARD = Electrics(roll_off=RollOff(), converter=Converter())


def written_world(preset: str, plan: Floorplan, bits: list[np.ndarray], line_ohms: float = 0.0) -> tuple[World, Written]:
    """A die under the needles with the bits written, all without noise, and what is known of it: conductances at 0.1 V and the bits."""
    quiet = replace(
        PRESETS[preset],
        line_ohms=line_ohms,
        mux_ohms=30.0 if line_ohms else 0.0,
        read_noise_p=0.0,
        read_noise_ap=0.0,
        flicker_p=0.0,
        flicker_ap=0.0,
        telegraph_rate=0.0,
    )
    made = World(Wafer(11, quiet), replace(IDEAL, noise_steps=0.0))
    made.touch((0, 0))
    die = made.wafer.die((0, 0))
    target = targets(plan, bits)[0]
    parallel, antiparallel = (die.cell_siemens(state, 0.1) for state in (True, False))
    die.state_p[:] = np.where((target == LEAVE) | (parallel == antiparallel), die.state_p, target == 1)
    return made, Written(torch.from_numpy(parallel), torch.from_numpy(antiparallel), torch.from_numpy(np.where(die.state_p, 1.0, -1.0)))


def plain_die(plan: Floorplan, seed: int) -> Written:
    """Junctions all alike."""
    written = torch.from_numpy(targets(plan, random_bits(plan, seed))[0] == 1).float() * 2 - 1
    return Written(torch.full((32, 25, 25), 3e-4), torch.full((32, 25, 25), 2e-4), written)


def random_bits(plan: Floorplan, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.choice([-1, 1], (plan.encoding.bits, *layer.slots)) for layer in plan.layers]


def over_the_board(world: World, tiles: LayerTiles, values: np.ndarray) -> np.ndarray:
    """(batch, readings, 25) A, as a host decodes the board's codes."""
    lines = CrossbarLines(world, Calibration(world.geometry))
    microvolts = np.rint(tiles.inputs(values) * 1e4).astype(np.int64) * 10
    codes = [lines.multiply(int(kernel), each, drive_rows=True) for kernel, each in zip(tiles.kernel, microvolts, strict=True)]
    return (np.stack(codes, axis=1).astype(np.float64) - ZERO_CODE) * CODE_PA * 1e-12


@pytest.mark.parametrize("line_ohms", [0.0, 2.0])
@pytest.mark.parametrize("preset", ["clean", "default"])
def test_the_board_gives_what_was_imagined_within_a_step(preset: str, line_ohms: float) -> None:
    plan = tiled(SHAPES, Encoding.INDEPENDENT)
    world, written = written_world(preset, plan, random_bits(plan, 1), line_ohms)
    values = np.random.default_rng(2).uniform(-1, 1, (40, 60)).astype(np.float32)
    tiles = tiles_of(plan)[0]
    electrics = replace(BOARD, lines=DieLines(line_ohms, 30.0) if line_ohms else None)
    imagined = reading_amps(torch.from_numpy(values).double(), written, tiles, electrics).transpose(0, 1).numpy()
    errors = (over_the_board(world, tiles, values) - imagined)[:, tiles.terms.reading, tiles.terms.column] / STEP_AMPS
    assert np.abs(errors).max() < 1.1
    assert (np.abs(errors) > 0.5).mean() < 0.1  # Mostly the same code.


def test_bias_matters_more_than_a_step_and_is_imagined_well() -> None:
    plan = tiled([(25, 12)], Encoding.TIED)
    _, written = written_world("clean", plan, [-np.ones((1, 25, 12))])
    die = World(Wafer(11, PRESETS["clean"])).wafer.die((0, 0))
    tiles = tiles_of(plan)[0]
    for part in (0.2, 0.5, 0.8, 1.0):
        values = torch.full((1, 25), part, dtype=torch.float64)
        imagined = column_amps(values, written, tiles, Electrics(roll_off=RollOff()))
        plain = column_amps(values, written, tiles, Electrics())
        siemens = np.stack([die.cell_siemens(state, 0.1 * part) for state in (False, True)])
        kernel = siemens[:, 0].sum(axis=1)
        truth = 0.1 * part * (kernel[0, 0:24:2] - kernel[1, 1:24:2])
        np.testing.assert_allclose(imagined[0].numpy(), truth, atol=0.1 * STEP_AMPS)
        assert part == 1.0 or np.abs(plain[0].numpy() - truth).max() > 1.5 * STEP_AMPS


def test_without_options_it_is_the_matrix_product() -> None:
    plan = tiled(SHAPES, Encoding.TIED)
    written = plain_die(plan, 3)
    bits = random_bits(plan, 3)[1][0]
    values = torch.rand(2, 3, 20)
    product = values @ torch.from_numpy(bits).float() * 1e-4 * 0.1
    found = column_amps(values, written, tiles_of(plan)[1], Electrics())
    np.testing.assert_allclose(found, product, atol=1e-10)


def test_every_kernel_is_digitised_by_itself() -> None:
    plan = tiled([(50, 1)], Encoding.TIED)
    siemens = torch.full((32, 25, 25), 1e-4, dtype=torch.float64)
    tiles = tiles_of(plan)[0]
    values = torch.zeros(1, 50, dtype=torch.float64)
    values[0, [0, 30]] = 0.06
    written = Written(siemens, siemens * 0, torch.from_numpy(targets(plan, [np.ones((1, 50, 1))])[0] * 2.0 - 1))
    # Two kernels with 0.6 uA each, 0.98 steps: twice one step and not 1.97 steps rounded.
    found = column_amps(values, written, tiles, Electrics(converter=Converter())).item() / Converter().step_amps
    assert found == pytest.approx(2.0)


def test_the_converter_clips_and_tells() -> None:
    converter = Converter()
    amps = torch.tensor([-9e-4, -8e-4, 0.0, 1.6e-3, 1.7e-3])
    assert converter.saturated(amps).tolist() == [True, False, False, False, True]
    shown = converter.converted(amps)
    assert shown[0] == pytest.approx(converter.least_amps, rel=1e-3)
    assert shown[-1] == pytest.approx(converter.most_amps, rel=1e-3)
    assert (shown[1:4] - amps[1:4]).abs().max() <= converter.step_amps / 2 * 1.01


def test_line_resistance_takes_current_away() -> None:
    plan = tiled([(25, 12)], Encoding.TIED)
    written = plain_die(plan, 4)
    values, tiles = torch.ones(1, 25), tiles_of(plan)[0]
    plain = reading_amps(values, written, tiles, Electrics())[0, 0, :24]
    lossy = reading_amps(values, written, tiles, Electrics(lines=DieLines(0.2, 3.0)))[0, 0, :24]
    assert (lossy < plain).all()
    assert (lossy > 0.5 * plain).all()


def test_noise_is_of_the_size_asked_for_and_needs_a_generator() -> None:
    plan = tiled([(25, 12)], Encoding.TIED)
    written = plain_die(plan, 5)
    values, tiles, noise = torch.ones(4_000, 25), tiles_of(plan)[0], Noise(0.01, 0.01, 1e-6)
    with pytest.raises(ValueError, match="generator"):
        reading_amps(values, written, tiles, Electrics(noise=noise))
    amps = reading_amps(values, written, tiles, Electrics(noise=noise), torch.Generator().manual_seed(1))[0, :, 0]
    share = written.siemens(Electrics())[0, :, 0] * 0.1 * 0.01
    assert amps.std().item() == pytest.approx((share.square().sum() + 1e-12).sqrt().item(), rel=0.05)


def test_the_bits_get_a_gradient_through_everything() -> None:
    plan = tiled([(25, 12)], Encoding.TIED)
    bits = torch.from_numpy(targets(plan, random_bits(plan, 6))[0] * 2.0 - 1).requires_grad_()
    written = Written(torch.full((32, 25, 25), 3e-4, dtype=torch.float64), torch.full((32, 25, 25), 2e-4, dtype=torch.float64), bits)
    options = Electrics(lines=DieLines(2.0, 30.0), roll_off=RollOff(), noise=Noise(), converter=Converter())
    column_amps(torch.ones(1, 25).double(), written, tiles_of(plan)[0], options, torch.Generator().manual_seed(1)).sum().backward()
    assert bits.grad is not None
    used = bits.grad[0, :, :24]
    assert (used[:, ::2] > 0).all()
    assert (used[:, 1::2] < 0).all()


def test_up_to_the_largest_read_voltage_nothing_can_saturate() -> None:
    plan = tiled([(40, 20)], Encoding.TIED)
    written, tiles = plain_die(plan, 7), tiles_of(plan)[0]
    written.siemens_p[0, :6, 3] = 2e-3
    written.bits[0, :6, 3] = 1.0
    for is_signed, inputs in ((False, torch.ones(1, 40)), (True, -torch.ones(1, 40))):
        volts = largest_read_volts(written, tiles, Converter(), is_signed=is_signed)
        amps = reading_amps(inputs, written, tiles, Electrics(read_volts=volts))[:, 0]
        assert not Converter().saturated(amps).any()
        worst = replace(written, bits=torch.ones(32, 25, 25))
        amps = reading_amps(inputs, worst, tiles, Electrics(read_volts=1.01 * volts))[:, 0]
        assert Converter().saturated(amps).sum() == 1
