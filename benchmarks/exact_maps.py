"""The networks of a finished table on the dies as they are, beside the dies as they were measured: what noise, the board's errors and
missed defects cost. Only here, because only the simulator knows the dies.

python -m benchmarks.exact_maps --results reproduced --population 10x-0.3
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from hil.training.cells import Cell, all_cells
from hil.training.checkpoint import load_checkpoint
from hil.training.data import load_mnist
from hil.training.devices import own
from hil.training.evaluate import errors_of_dies
from hil.training.methods import CONVENTIONAL, PLACED_CORRECTED, SOFTWARE
from hil.training.net import parse_net
from hil.training.populations import TEST_SEED, population
from hil.training.site import site
from hil.training.trainer import Images, threads, train_and_test
from hil.training.wafer import MeasuredWafer
from simulator.physics.die import CLASS_VOLTS
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer, nearest_dies


def exact_wafer(name: str, dies: tuple[tuple[int, int], ...]) -> MeasuredWafer:
    """Conductances of the simulated dies without reading them. Code 0: within a quarter of the median in both states, for the norm."""
    wafer = Wafer(TEST_SEED, load_fab(population(name).fab), nearest_dies(len(dies)))
    states = [np.stack([wafer.die(die).cell_siemens(state, CLASS_VOLTS) for die in dies]).astype(np.float32) for state in (True, False)]
    typical = np.logical_and(*(np.abs(state / np.median(state) - 1) < 0.25 for state in states))
    return MeasuredWafer(dies, *states, np.where(typical, 0, 1).astype(np.uint8))


def exact_errors(cell: Cell, folder: Path, exact: MeasuredWafer, images: Images) -> float:
    """Per cent, mean over dies, of the cell's networks on the exact dies."""
    name = cell.name
    net = parse_net(name.net, name.encoding)
    networks = folder / "networks" / f"{name.net}-{name.encoding}" / name.population
    kept = load_checkpoint(networks / f"{name.method}-seed{name.seed}.safetensors")
    where, network = site(net, exact, exact), kept.networks[name.method]
    bars = where.bars(where.read, kept.placements.get(name.method))
    return float(100 * errors_of_dies(network, bars if network.copies == 1 else own(bars), images).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of `hil reproduce`")
    parser.add_argument("--population", required=True)
    chosen = parser.parse_args()
    _, judge = train_and_test(load_mnist())
    cells = [cell for cell in all_cells(chosen.results) if cell.name.population == chosen.population]
    cells = [cell for cell in cells if cell.name.method not in (SOFTWARE, PLACED_CORRECTED)]
    with threads(1):
        for cell in cells:
            exact = exact_wafer(chosen.population, cell.dies)
            found = exact_errors(cell, chosen.results, exact, judge)
            measured = 100 * cell.errors.mean()
            print(f"{cell.name.method:<30} seed {cell.name.seed}: {measured:.2f} % on measured maps, {found:.2f} % on the dies as they are")
    print(f"{len(cells)} cells; {CONVENTIONAL} networks know no map, the others were made from measured ones")
    return 0


if __name__ == "__main__":
    sys.exit(main())
