"""What a host adds up over simulated dies is what was emulated: whole networks, layer by layer."""

import numpy as np
import pytest
import torch

from hil.training.adc import Converter
from hil.training.convolution import rows_of
from hil.training.devices import Dies, crossbars, wiring
from hil.training.electrics import Electrics, RollOff
from hil.training.emulation import emulated, places_of
from hil.training.floorplan import floorplan
from hil.training.net import parse_net
from hil.training.network import Network, calibrated, column_sums, fresh_network, hidden_values
from hil.training.placed import targets
from hil.training.tiles import LayerTiles, tiles_of
from simulator.board import IDEAL
from simulator.instruments.adc import CODE_PA, ZERO_CODE
from simulator.instruments.calibration import Calibration
from simulator.instruments.crossbar_lines import CrossbarLines
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

READ_VOLTS = 0.1


class SimulatedDies:
    """The dies of a place, one board that touches the one it is asked for."""

    def __init__(self, dies: int) -> None:
        self.world = World(Wafer(11, PRESETS["default"]), IDEAL)
        self.dies = [self.world.wafer.die(index) for index in self.world.wafer.dies[:dies]]
        self._lines = CrossbarLines(self.world, Calibration(self.world.geometry))
        self.asked = 0

    @property
    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        parallel, antiparallel = (np.stack([die.cell_siemens(state, READ_VOLTS).ravel() for die in self.dies]) for state in (True, False))
        return parallel.reshape(1, -1), antiparallel.reshape(1, -1)

    def write(self, target: np.ndarray) -> None:
        for die, wanted in zip(self.dies, target, strict=True):
            writable = die.cell_siemens(True, READ_VOLTS) != die.cell_siemens(False, READ_VOLTS)
            die.state_p[:] = np.where((wanted == 255) | ~writable, die.state_p, wanted == 1)

    def vmm(self, slot: int, kernels: tuple[int, ...], inputs: np.ndarray) -> np.ndarray:
        self.asked += 1
        self.world.touch(self.world.wafer.dies[slot])
        microvolts = np.rint(inputs * READ_VOLTS * 1e5).astype(np.int64) * 10
        codes = np.stack([self._lines.multiply(kernel, microvolts[:, at], drive_rows=True) for at, kernel in enumerate(kernels)], axis=1)
        return np.where(codes == 0xFFFF, np.nan, (codes.astype(np.float64) - ZERO_CODE) * CODE_PA * 1e-12)


def written(name: str) -> tuple[Network, Dies, SimulatedDies, float]:
    """A network on the dies it needs, with column statistics of its maps."""
    net = parse_net(name, "independent")
    plan = floorplan(net)
    lab = SimulatedDies(plan.dies)
    parallel, antiparallel = lab.maps
    unit_siemens = float(np.median(parallel - antiparallel))
    dies = Dies(*(torch.from_numpy(part / unit_siemens).float() for part in ((parallel - antiparallel) / 2, (parallel + antiparallel) / 2)))
    network = fresh_network(net, torch.Generator().manual_seed(1))
    images = torch.rand(300, net.sizes[0], generator=torch.Generator().manual_seed(2))
    network = calibrated(network, crossbars(dies, wiring(plan), net.encoding), images)
    lab.write(targets(plan, network.bits(0)))
    return network, dies, lab, unit_siemens


def by_the_board(lab: SimulatedDies, tiles: LayerTiles, values: np.ndarray) -> np.ndarray:
    """(batch, columns) A, one vmm plan a pass."""
    inputs = np.swapaxes(tiles.inputs(values), 0, 1)
    amps = np.full(inputs.shape, np.nan)
    for each in tiles.passes():
        amps[:, list(each.readings)] = lab.vmm(each.die, each.kernels, inputs[:, list(each.readings)])
    return tiles.sums(amps)


@pytest.mark.parametrize("name", ["100-76-10x3", "64-8c3s2-30-10", "100-80-90-60-10"])
def test_every_layer_of_a_network_adds_up_to_what_was_emulated(name: str) -> None:
    network, dies, lab, unit_siemens = written(name)
    plan = floorplan(network.net)
    electrics = Electrics(roll_off=RollOff(), converter=Converter())
    bars = emulated(places_of(dies, unit_siemens, plan, electrics), network)
    values = torch.rand(1, 1, 20, network.net.sizes[0], generator=torch.Generator().manual_seed(3))
    for index, tiles in enumerate(tiles_of(plan)):
        limit = network.bounds.hidden_limit if index else 1.0
        rows = rows_of(values, network.net, index)[0, 0]
        steps = unit_siemens * READ_VOLTS / Converter().step_amps / limit
        found = by_the_board(lab, tiles, (rows / limit).numpy().astype(np.float32)) / Converter().step_amps
        expected = column_sums(values, network, index, bars)
        # Each of some readings is off by its noise, half a step, and by rounding.
        error = found - expected[0, 0].numpy() * steps
        readings = np.bincount(tiles.terms.slot).max()
        assert error.std() < np.sqrt(readings)
        assert np.abs(error.mean(axis=0)).max() < np.sqrt(readings)
        values = hidden_values(expected, network.layers[index], network.bounds)
