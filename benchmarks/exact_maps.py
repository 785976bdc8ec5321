"""The networks of a finished table on the dies as they are, beside the dies as they were measured: what noise, the board's errors and
missed defects cost. Only here, because only the simulator knows the dies.

python -m benchmarks.exact_maps --results reproduced [--populations 10x-0.3,10x-1]
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console

from hil.cli.population_lab import Wanted, measured
from hil.cli.train_table import DIES, OTHER_DIES
from hil.training.cells import Cell, all_cells
from hil.training.checkpoint import load_checkpoint
from hil.training.data import load_mnist
from hil.training.devices import own
from hil.training.evaluate import errors_of_dies
from hil.training.methods import PLACED_CORRECTED
from hil.training.net import parse_net
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from hil.training.site import Site, site
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


def exact_errors(cell: Cell, folder: Path, where: Site, images: Images) -> float:
    """Per cent, mean over dies, of the cell's networks on the exact dies. Known shorts are corrected by what was measured."""
    name = cell.name
    networks = folder / "networks" / f"{name.net}-{name.encoding}" / name.population
    kept = load_checkpoint(networks / f"{name.method}-seed{name.seed}.safetensors")
    network = kept.networks[name.method]
    where = where.corrected() if name.method == PLACED_CORRECTED else where
    bars = where.bars(where.truth, kept.placements.get(name.method))
    return float(100 * errors_of_dies(network, bars if network.copies == 1 else own(bars), images).mean())


def compared(cells: Sequence[Cell], folder: Path, images: Images) -> Iterator[tuple[str, int, float, float]]:
    """(method, seeds, per cent on measured maps, per cent on the dies), of the cells of one population and net."""
    name = cells[0].name
    chosen = population(name.population)
    seen, read = (
        measured(Wanted(chosen, seed, dies), Console(stderr=True)) for seed, dies in ((OTHER_SEED, OTHER_DIES), (TEST_SEED, DIES))
    )
    where = site(parse_net(name.net, name.encoding), seen, read, exact_wafer(name.population, read.dies))
    for method in dict.fromkeys(cell.name.method for cell in cells):
        of_method = [cell for cell in cells if cell.name.method == method]
        found = [exact_errors(cell, folder, where, images) for cell in of_method]
        yield method, len(found), float(np.mean([100 * cell.errors.mean() for cell in of_method])), float(np.mean(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder of `hil reproduce`, not --quick")
    parser.add_argument("--populations", help="names, separated by commas; all of the table unless given")
    asked = parser.parse_args()
    _, judge = train_and_test(load_mnist())
    cells = [cell for cell in all_cells(asked.results) if not asked.populations or cell.name.population in asked.populations.split(",")]
    by_table = sorted(cells, key=_table)
    with threads(1):
        for (net, encoding, name), same in groupby(by_table, key=_table):
            print(f"population {name}, {net} {encoding}: error on measured maps, on the dies as they are, difference in points")
            for method, seeds, on_maps, on_dies in compared(list(same), asked.results, judge):
                print(f"  {method:<30} {on_maps:6.2f} % {on_dies:6.2f} % {on_dies - on_maps:+6.2f}   {seeds} seeds", flush=True)
    return 0 if cells else 1


def _table(cell: Cell) -> tuple[str, str, str]:
    return cell.name.net, str(cell.name.encoding), cell.name.population


if __name__ == "__main__":
    sys.exit(main())
