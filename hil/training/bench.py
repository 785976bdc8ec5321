"""What every method works with: images, budget, seed; and the software network that all are compared with."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hil.training.draws import Fixed, IdealWithSpread
from hil.training.net import Net
from hil.training.network import DEFAULT_BOUNDS, Bounds, Joined, Network, Statistics, calibrated, fresh_network, ideal_crossbars
from hil.training.trainer import Images, Recipe, generator, train

Report = Callable[[str, int, int, float], None]
"""(method, epochs done, epochs in all, loss)."""

BASELINE = "software"


@dataclass(frozen=True)
class Budget:
    """How much training. images: of the 60,000. calibration_images: for column statistics; recalibration_images: run through each die,
    unlabelled; importance_images: for what placement minimises.

    settled: a second round of the software network, as long as any method trains on, so that no method gains by mere length.
    pool, placed_pool: fresh dies made before an epoch, before every `place_every` epochs. bounds: of the software network;
    shared_bounds: of a statistics-aware one. block_limit: of a centred one besides.
    """

    clean: Recipe
    varied: Recipe
    hardware_aware: Recipe
    statistics_aware: Recipe
    placed: Recipe
    trimmed: Recipe
    retrained: Recipe
    settled: Recipe | None = None
    bounds: Bounds = DEFAULT_BOUNDS
    shared_bounds: Bounds = DEFAULT_BOUNDS
    images: int = 60_000
    calibration_images: int = 10_000
    recalibration_images: int = 2_000
    importance_images: int = 4_000
    block_limit: float = 3.0
    pool: int = 256
    placed_pool: int = 96
    place_every: int = 4


TIGHT = Bounds(hidden_limit=1.5, output_limit=2.5, joined=Joined.MEDIAN)
"""For weights that must do without any step per die."""

FULL = Budget(
    clean=Recipe(epochs=20, batch=256, rate=5e-3, statistics=Statistics.POOLED),
    varied=Recipe(epochs=14, batch=512, rate=5e-3, maps=8, statistics=Statistics.EACH_MAP),
    hardware_aware=Recipe(epochs=6, batch=256, rate=8e-3, statistics=Statistics.POOLED),
    statistics_aware=Recipe(epochs=24, batch=512, rate=1e-2, maps=8),
    placed=Recipe(epochs=24, batch=512, rate=5e-3, maps=8, statistics=Statistics.EACH_MAP),
    trimmed=Recipe(epochs=3, batch=500, rate=5e-3, digital_only=True),
    retrained=Recipe(epochs=3, batch=256, rate=3e-3, statistics=Statistics.POOLED),
    settled=Recipe(epochs=24, batch=512, rate=5e-3, maps=8, statistics=Statistics.EACH_MAP),
    shared_bounds=TIGHT,
)
FULL_QUICK = replace(
    FULL,
    clean=replace(FULL.clean, epochs=4),
    varied=replace(FULL.varied, epochs=3),
    hardware_aware=replace(FULL.hardware_aware, epochs=1),
    statistics_aware=replace(FULL.statistics_aware, epochs=4),
    placed=replace(FULL.placed, epochs=4),
    settled=None,
    trimmed=replace(FULL.trimmed, epochs=1),
    retrained=replace(FULL.retrained, epochs=1),
    images=12_000,
    calibration_images=2_000,
    pool=64,
    placed_pool=32,
    place_every=2,
)
DEMO = replace(
    FULL,
    hardware_aware=replace(FULL.hardware_aware, epochs=4),
    statistics_aware=replace(FULL.statistics_aware, epochs=16),
    placed=replace(FULL.placed, epochs=16),
    settled=None,
)
"""All that the demo shows, in two minutes."""


def _unheard(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches."""


class Curves:
    """Keeps the loss of every epoch by what was trained, and passes the news on."""

    def __init__(self, report: Report = _unheard) -> None:
        self.losses: dict[str, list[float]] = {}
        self._report = report

    def __call__(self, method: str, epoch: int, epochs: int, loss: float) -> None:
        self.losses.setdefault(method, []).append(loss)
        self._report(method, epoch, epochs, loss)

    def taken(self) -> dict[str, list[float]]:
        """What came since this was last asked."""
        taken, self.losses = self.losses, {}
        return taken


@dataclass(frozen=True)
class Bench:
    """train: images for shared and for per-die training. judge: images on which errors are counted, never trained on."""

    net: Net
    train: Images
    judge: Images
    budget: Budget
    seed: int
    report: Report = _unheard

    @property
    def many(self) -> Tensor:
        """Images for column statistics of a shared network."""
        return self.train.voltages[: self.budget.calibration_images]

    @property
    def unlabelled(self) -> Tensor:
        """Images that are run through each die."""
        return self.train.voltages[: self.budget.recalibration_images]

    def order(self, purpose: str) -> torch.Generator:
        return generator(self.seed, purpose)

    def done(self, method: str, epochs: int, before: int = 0) -> Callable[[int, float], None]:
        return lambda epoch, loss: self.report(method, before + epoch, epochs, loss)


def software(bench: Bench) -> Network:
    """Ideal devices first, then fresh ones with the spread a designer expects. No die is known here."""
    budget, order = bench.budget, bench.order(BASELINE)
    ideal = ideal_crossbars(bench.net)
    stages = [
        (budget.clean, Fixed(ideal)),
        *((recipe, _spread(bench, recipe, order)) for recipe in (budget.varied, budget.settled) if recipe),
    ]
    epochs, before = sum(recipe.epochs for recipe, _ in stages), 0
    network = fresh_network(bench.net, order, budget.bounds)
    for recipe, draw in stages:
        network = train(network, draw, bench.train, recipe, order, bench.done(BASELINE, epochs, before))
        before += recipe.epochs
    return calibrated(network, ideal, bench.many)


def _spread(bench: Bench, recipe: Recipe, order: torch.Generator) -> IdealWithSpread:
    return IdealWithSpread(bench.net, recipe.maps, order)
