"""Networks and methods side by side where settings may be chosen: on the last 10,000 training images, after training on the others, and on
dies of the wafer that shared weights learn from, each half judged by what the other half teaches. Neither a test image nor a test
die is looked at.

python -m benchmarks.choosing --population 10x-1 --nets 100-76-10x3,144-57-10x3 --methods placed,hardware-aware+placed
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from hil.cli.population_lab import Wanted, measured
from hil.training.bench import FULL, FULL_QUICK, Budget
from hil.training.cells import Cell
from hil.training.data import Mnist, load_mnist
from hil.training.net import Encoding, parse_net
from hil.training.populations import OTHER_SEED, population
from hil.training.reproduce import Group, Table, cells, halves
from hil.training.table import Row, rows
from hil.training.trainer import Images, threads, train_and_test

HELD_BACK = 10_000
DIES, QUICK_DIES = 18, 4


@dataclass(frozen=True)
class Choice:
    """What is compared. nets: names. groups: dies judged, and those that teach."""

    nets: Sequence[str]
    methods: Sequence[str]
    population: str
    seeds: int
    budget: Budget
    groups: Sequence[Group]
    folder: Path


def split(known: Images, held_back: int = HELD_BACK) -> tuple[Images, Images]:
    """Training images to learn from, and the last of them, to judge by."""
    return known.first(len(known.labels) - held_back), known.last(held_back)


def compared(choice: Choice, mnist: Mnist, held_back: int = HELD_BACK) -> Iterator[Row]:
    """A row a net and method, net by net. Rows are of images held back; `delta_points` is above that net's own software network."""
    for name in choice.nets:
        net = parse_net(name, Encoding.INDEPENDENT)
        known, _ = train_and_test(mnist, net.image_side)
        images = split(known, held_back)
        budget = replace(choice.budget, images=min(choice.budget.images, len(images[0].labels)))
        table = Table(net, (choice.population,), choice.methods, range(choice.seeds), budget, choice.folder)
        found: list[Cell] = list(cells(table, lambda _: choice.groups, images, _unheard))
        yield from rows(found)


def _unheard(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", default="10x-1")
    parser.add_argument("--nets", default="100-76-10x3,144-57-10x3")
    parser.add_argument("--methods", default="placed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("chosen"), help="folder of cells; what it holds is not computed again")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    wanted = Wanted(population(asked.population), OTHER_SEED, QUICK_DIES if asked.quick else DIES)
    groups = halves(measured(wanted, Console(stderr=True)))
    budget = FULL_QUICK if asked.quick else FULL
    choice = Choice(asked.nets.split(","), asked.methods.split(","), asked.population, asked.seeds, budget, groups, asked.out)
    dies = sum(len(group.read.dies) for group in groups)
    print(f"population {asked.population}, {dies} dies, {HELD_BACK:,} training images held back")
    with threads(1):
        for row in compared(choice, load_mnist()):
            above = f"{row.delta_points:+.2f} points above its software network"
            print(
                f"{row.net:<24} {row.method:<22} {row.mean_error_percent:6.2f} %, worst {row.worst_error_percent:6.2f} %, {above}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
