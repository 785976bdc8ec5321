"""The table of errors from nothing: every method on every population with every seed, one cell at a time.

Rule 1: what is kept from before is used again; stopping loses one cell.
Rule 2: seeds go round last, so that a table stopped half way is whole for the seeds it has.
Rule 3: who makes a cell does not write it: one process writes a folder, wherever cells are made."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.training.bench import Bench, Budget, Report
from hil.training.cells import Cell, CellName, kept_cell, save_cell
from hil.training.checkpoint import load_checkpoint, save_checkpoint
from hil.training.errors import MapsError
from hil.training.making import Baseline, Group, Made, Maker, Settings, digest, halves, judged_baseline, key_of, trained_baseline
from hil.training.methods import METHODS, SOFTWARE
from hil.training.net import Net
from hil.training.network import Network
from hil.training.trainer import Images
from hil.training.whole import whole

__all__ = ["Group", "Table", "Wafers", "cells", "halves", "keep", "keep_baseline", "kept_baseline", "software_network"]


@dataclass(frozen=True)
class Table:
    """What is to be computed, and where it is kept."""

    net: Net
    populations: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    budget: Budget
    folder: Path

    def __post_init__(self) -> None:
        for method in self.methods:
            if method != SOFTWARE and method not in METHODS:
                raise MapsError(f"{method!r} is no method; choose from {SOFTWARE}, {', '.join(METHODS)}")

    def settings(self, seed: int) -> Settings:
        return Settings(self.net, self.budget, seed)

    def names(self) -> list[CellName]:
        return [name for seed in self.seeds for population in self.populations for name in self.names_of(population, seed)]

    def names_of(self, population: str, seed: int) -> list[CellName]:
        methods = [method for method in self.methods if method != SOFTWARE]
        return [CellName(method, population, self.net.name, self.net.encoding, seed) for method in methods]


Wafers = Callable[[str], Sequence[Group]]
"""The measured dies of a population."""


def cells(table: Table, wafers: Wafers, images: tuple[Images, Images], report: Report) -> Generator[Cell]:
    """Every cell, kept or computed here, in the order of `Table.names`. images: for training, for judging."""
    for seed in table.seeds:
        bench = table.settings(seed).bench(images, report)
        baseline = _baseline(bench, table.folder)
        curves = baseline.heard(report)
        for population in table.populations:
            maker = Maker(bench, baseline, wafers(population), curves)
            for name in table.names_of(population, seed):
                key = key_of(bench, name.method, maker.groups)
                yield kept_cell(name, key, table.folder) or keep(maker.make(name, key), table.folder)


def software_network(bench: Bench, folder: Path) -> tuple[Network, float]:
    """(network, processor seconds it took), trained or kept from before."""
    baseline = _baseline(bench, folder)
    return baseline.network, baseline.seconds


def _baseline(bench: Bench, folder: Path) -> Baseline:
    return kept_baseline(bench, folder) or keep_baseline(trained_baseline(bench), bench, folder)


def kept_baseline(bench: Bench, folder: Path) -> Baseline | None:
    """The software network of that budget and seed, if it was trained before."""
    file = _baseline_file(bench, folder)
    if not file.exists():
        return None
    kept = load_checkpoint(file)
    return judged_baseline(bench, kept.networks[SOFTWARE], float(kept.facts["seconds"]))


def keep_baseline(baseline: Baseline, bench: Bench, folder: Path) -> Baseline:
    facts = {"seed": bench.seed, "seconds": baseline.seconds}
    save_checkpoint(_baseline_file(bench, folder), {SOFTWARE: baseline.network}, None, facts)
    return baseline


def _baseline_file(bench: Bench, folder: Path) -> Path:
    budget = bench.budget
    key = digest([budget.clean, budget.varied, budget.settled, budget.bounds, budget.images, bench.seed])
    return folder / "networks" / f"{bench.net.name}-{bench.net.encoding}" / f"{SOFTWARE}-seed{bench.seed}-{key}.safetensors"


def keep(made: Made, folder: Path) -> Cell:
    """Networks first: where there is a cell, its networks are there too."""
    name = made.cell.name
    networks = folder / "networks" / f"{name.net}-{name.encoding}" / name.population
    for index, content in enumerate(made.checkpoints):
        suffix = f"-half{index}" if index else ""
        with whole(networks / f"{name.method}-seed{name.seed}{suffix}.safetensors") as file:
            file.write(content)
    save_cell(made.cell, folder)
    return made.cell
