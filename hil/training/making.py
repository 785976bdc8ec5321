"""How the cells of a table come about. Rule: from values alone, and nothing is written, so that it does not matter on which machine."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

from hil.training.bench import Bench, Budget, Curves, Report, software
from hil.training.cells import Cell, CellName, over_folds
from hil.training.checkpoint import SHARED, checkpoint_bytes, map_hashes
from hil.training.errors import MapsError
from hil.training.evaluate import errors_of_dies, wrong
from hil.training.methods import COMMON_BUDGET, METHODS, Outcome, Work
from hil.training.net import Net
from hil.training.network import Network, ideal_crossbars
from hil.training.site import Site, site
from hil.training.trainer import Images
from hil.training.wafer import MeasuredWafer, reference_of


@dataclass(frozen=True, eq=False)
class Group:
    """Dies judged together, and the dies that shared weights may learn from. truth: the judged dies measured once more, if they were."""

    seen: MeasuredWafer
    read: MeasuredWafer
    truth: MeasuredWafer | None = None

    @cached_property
    def hashes(self) -> dict[str, dict[str, str]]:
        parts = {"seen": self.seen, "read": self.read, "truth": self.truth}
        return {name: map_hashes(maps) for name, maps in parts.items() if maps is not None}

    def site(self, net: Net) -> Site:
        return site(net, self.seen, self.read, self.truth)


def folds(dies: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every other die. Raises MapsError for fewer than two dies."""
    if dies < 2:
        raise MapsError(f"training needs at least 2 dies, because each die is judged by statistics of others; {dies} can be used")
    return tuple(range(0, dies, 2)), tuple(range(1, dies, 2))


def halves(measured: MeasuredWafer) -> tuple[Group, Group]:
    """One wafer judged by itself: each half of its dies by what the other half teaches. Raises MapsError for fewer than two dies."""
    first, second = (measured.take(fold) for fold in folds(len(measured.dies)))
    return Group(first, second), Group(second, first)


@dataclass(frozen=True)
class Settings:
    """What all cells of one seed have in common, but for the images."""

    net: Net
    budget: Budget
    seed: int

    def bench(self, images: tuple[Images, Images], report: Report) -> Bench:
        """images: for training, for judging."""
        return Bench(self.net, images[0].first(self.budget.images), images[1], self.budget, self.seed, report)


@dataclass(frozen=True, eq=False)
class Baseline:
    """The software network of one seed. error: share, on ideal devices. seconds: of the processor, for its training. curves: the losses
    of that training; none when it was kept from before."""

    network: Network
    error: float
    seconds: float
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])

    def heard(self, report: Report) -> Curves:
        """Curves that begin with its own: the first cell made after it keeps them."""
        curves = Curves(report)
        curves.losses.update({name: list(losses) for name, losses in self.curves.items()})
        return curves


def trained_baseline(bench: Bench) -> Baseline:
    curves = Curves(bench.report)
    started = time.process_time()
    network = software(replace(bench, report=curves))
    return replace(judged_baseline(bench, network, time.process_time() - started), curves=curves.taken())


def judged_baseline(bench: Bench, network: Network, seconds: float) -> Baseline:
    error = float(errors_of_dies(network, ideal_crossbars(bench.net), bench.judge)[0])
    return Baseline(network, error, seconds)


def key_of(bench: Bench, method: str, groups: Sequence[Group]) -> str:
    """Of all that decides about a cell's numbers."""
    spent = [(part, getattr(bench.budget, part)) for part in (*COMMON_BUDGET, *METHODS[method].budget)]
    return digest([spent, bench.net, bench.seed, [group.hashes for group in groups], len(bench.judge.labels)])


def digest(parts: Sequence[object]) -> str:
    return sha256(json.dumps([repr(part) for part in parts]).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Made:
    """A cell, and the checkpoint of its networks on each group of dies."""

    cell: Cell
    checkpoints: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes cells of one population and seed; shared networks are trained once for all of them."""

    bench: Bench
    baseline: Baseline
    groups: Sequence[Group]
    curves: Curves

    @cached_property
    def _works(self) -> list[Work]:
        bench = replace(self.bench, report=self.curves)
        return [Work(bench, self.baseline.network, group.site(bench.net)) for group in self.groups]

    def make(self, name: CellName, key: str) -> Made:
        parts, checkpoints = list[Cell](), list[bytes]()
        for group, work in zip(self.groups, self._works, strict=True):
            outcome, seconds = work.timed(name.method)
            parts.append(self._judged(name, key, group, outcome, seconds))
            checkpoints.append(_checkpoint(name, group, outcome))
        return Made(over_folds(parts) if len(parts) > 1 else parts[0], tuple(checkpoints))

    def _judged(self, name: CellName, key: str, group: Group, outcome: Outcome, seconds: float) -> Cell:
        missed = wrong(outcome.network, outcome.bars(outcome.site.truth), self.bench.judge)
        dies = group.read.dies[:: outcome.site.plan.dies][: len(outcome.site)]
        effort = [str(part) for part in METHODS[name.method].per_die]
        facts = {
            "per_die": effort,
            "baseline_seconds": self.baseline.seconds,
            "maps": group.hashes["read"],
            "curves": self.curves.taken(),
        }
        return Cell(name, key, dies, missed.reshape(len(dies), -1), self.baseline.error, seconds, facts)


def _checkpoint(name: CellName, group: Group, outcome: Outcome) -> bytes:
    placements = {} if outcome.placement is None else {name.method: outcome.placement}
    shared = {} if outcome.shared is None else {f"{name.method}{SHARED}": outcome.shared}
    facts = {"seed": name.seed, "norm_siemens": reference_of(group.seen).norm_siemens}
    return checkpoint_bytes({name.method: outcome.network, **shared}, group.read, facts, placements)
