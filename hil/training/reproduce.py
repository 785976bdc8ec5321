"""The table of errors from nothing: every method on every population with every seed, one cell at a time.

Rule 1: what is kept from before is used again; stopping loses one cell.
Rule 2: seeds go round last, so that a table stopped half way is whole for the seeds it has."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hil.training.bench import Bench, Budget, Curves, Report, software
from hil.training.cells import Cell, CellName, kept_cell, over_folds, save_cell
from hil.training.checkpoint import SHARED, load_checkpoint, map_hashes, save_checkpoint
from hil.training.errors import MapsError
from hil.training.evaluate import errors_of_dies, wrong
from hil.training.methods import COMMON_BUDGET, METHODS, SOFTWARE, Outcome, Work
from hil.training.net import Net
from hil.training.network import Network, ideal_crossbars
from hil.training.run import folds
from hil.training.site import Site, site
from hil.training.trainer import Images
from hil.training.wafer import MeasuredWafer, reference_of


@dataclass(frozen=True, eq=False)
class Group:
    """Dies judged together, and the dies that shared weights may learn from. truth: the judged dies measured once more, if they were."""

    seen: MeasuredWafer
    read: MeasuredWafer
    truth: MeasuredWafer | None = None

    @property
    def hashes(self) -> dict[str, dict[str, str]]:
        parts = {"seen": self.seen, "read": self.read, "truth": self.truth}
        return {name: map_hashes(maps) for name, maps in parts.items() if maps is not None}

    def site(self, net: Net) -> Site:
        return site(net, self.seen, self.read, self.truth)


def halves(measured: MeasuredWafer) -> tuple[Group, Group]:
    """One wafer judged by itself: each half of its dies by what the other half teaches. Raises MapsError for fewer than two dies."""
    first, second = (measured.take(fold) for fold in folds(len(measured.dies)))
    return Group(first, second), Group(second, first)


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

    def names(self) -> list[CellName]:
        methods = [method for method in self.methods if method != SOFTWARE]
        return [
            CellName(method, population, self.net.name, self.net.encoding, seed)
            for seed in self.seeds
            for population in self.populations
            for method in methods
        ]


Wafers = Callable[[str], Sequence[Group]]
"""The measured dies of a population."""


def cells(table: Table, wafers: Wafers, images: tuple[Images, Images], report: Report) -> Iterator[Cell]:
    """Every cell, kept or computed, in the order of `Table.names`. images: for training, for judging."""
    curves = Curves(report)
    for seed in table.seeds:
        bench = Bench(table.net, images[0].first(table.budget.images), images[1], table.budget, seed, curves)
        baseline, seconds = software_network(bench, table.folder)
        error = float(errors_of_dies(baseline, ideal_crossbars(table.net), bench.judge)[0])
        for population in table.populations:
            maker = _Maker(bench, baseline, error, seconds, table.folder, curves)
            yield from maker.cells(wafers(population), [name for name in table.names() if _here(name, population, seed)])


def _here(name: CellName, population: str, seed: int) -> bool:
    return name.population == population and name.seed == seed


def software_network(bench: Bench, folder: Path) -> tuple[Network, float]:
    """(network, processor seconds it took), trained or kept from before."""
    digest = _digest([bench.budget.clean, bench.budget.varied, bench.budget.settled, bench.budget.bounds, bench.budget.images, bench.seed])
    file = folder / "networks" / f"{bench.net.name}-{bench.net.encoding}" / f"{SOFTWARE}-seed{bench.seed}-{digest}.safetensors"
    if file.exists():
        kept = load_checkpoint(file)
        return kept.networks[SOFTWARE], float(kept.facts["seconds"])
    started = time.process_time()
    network = software(bench)
    seconds = time.process_time() - started
    file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(file, {SOFTWARE: network}, None, {"seed": bench.seed, "seconds": seconds})
    return network, seconds


@dataclass(frozen=True)
class _Maker:
    bench: Bench
    baseline: Network
    baseline_error: float
    baseline_seconds: float
    folder: Path
    curves: Curves

    def cells(self, groups: Sequence[Group], names: Sequence[CellName]) -> Iterator[Cell]:
        """Cells of one population and seed; shared networks are trained once for all of them."""
        works: list[Work] = []
        for name in names:
            key = self._key(name.method, groups)
            cell = kept_cell(name, key, self.folder)
            if cell is None:
                works = works or [Work(self.bench, self.baseline, group.site(self.bench.net)) for group in groups]
                cell = self._computed(name, key, groups, works)
                save_cell(cell, self.folder)
            yield cell

    def _key(self, method: str, groups: Sequence[Group]) -> str:
        bench = self.bench
        spent = [(part, getattr(bench.budget, part)) for part in (*COMMON_BUDGET, *METHODS[method].budget)]
        return _digest([spent, bench.net, bench.seed, [group.hashes for group in groups], len(bench.judge.labels)])

    def _computed(self, name: CellName, key: str, groups: Sequence[Group], works: Sequence[Work]) -> Cell:
        parts: list[Cell] = []
        for index, (group, work) in enumerate(zip(groups, works, strict=True)):
            outcome, seconds = work.timed(name.method)
            parts.append(self._judged(name, key, group, outcome, seconds))
            self._keep_network(name, group, outcome, index)
        return over_folds(parts) if len(parts) > 1 else parts[0]

    def _judged(self, name: CellName, key: str, group: Group, outcome: Outcome, seconds: float) -> Cell:
        missed = wrong(outcome.network, outcome.bars(outcome.site.truth), self.bench.judge)
        dies = group.read.dies[:: outcome.site.plan.dies][: len(outcome.site)]
        effort = [str(part) for part in METHODS[name.method].per_die]
        facts = {
            "per_die": effort,
            "baseline_seconds": self.baseline_seconds,
            "maps": group.hashes["read"],
            "curves": self.curves.taken(),
        }
        return Cell(name, key, dies, missed.reshape(len(dies), -1), self.baseline_error, seconds, facts)

    def _keep_network(self, name: CellName, group: Group, outcome: Outcome, index: int) -> None:
        folder = self.folder / "networks" / f"{name.net}-{name.encoding}" / name.population
        folder.mkdir(parents=True, exist_ok=True)
        placements = {} if outcome.placement is None else {name.method: outcome.placement}
        suffix = f"-half{index}" if index else ""
        file = folder / f"{name.method}-seed{name.seed}{suffix}.safetensors"
        shared = {} if outcome.shared is None else {f"{name.method}{SHARED}": outcome.shared}
        facts = {"seed": name.seed, "norm_siemens": reference_of(group.seen).norm_siemens}
        save_checkpoint(file, {name.method: outcome.network, **shared}, group.read, facts, placements)


def _digest(parts: Sequence[object]) -> str:
    return sha256(json.dumps([repr(part) for part in parts]).encode()).hexdigest()[:16]
