"""The methods, each a recipe that reads as one paragraph.

software            the network on ideal devices, trained with their spread: the baseline all others are compared with
conventional        the software weights as they are, on every die
hardware-aware      one network a die, trained on that die's measured map; of no use elsewhere
statistics-aware    one network for all dies, nothing done per die, trained on ever new dies drawn from measured ones.
                    Two folds: the network a die is judged by has never seen that die"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.training.crossbar import Network, calibrated, crossbars, fresh_network, ideal_crossbars
from hil.training.draws import ideal_with_spread, own_die, shuffled_dies
from hil.training.errors import MapsError
from hil.training.evaluate import errors_of_one_network, errors_of_own_networks, wrong
from hil.training.trainer import Images, Recipe, generator, train
from hil.training.wafer import MeasuredWafer, junctions, reference_of

SOFTWARE, CONVENTIONAL = "software", "conventional"
HARDWARE_AWARE, STATISTICS_AWARE = "hardware-aware", "statistics-aware"
METHODS = (SOFTWARE, CONVENTIONAL, HARDWARE_AWARE, STATISTICS_AWARE)

Report = Callable[[str, int, int, float], None]
"""(method, epochs done, epochs in all, loss)."""


@dataclass(frozen=True)
class Budget:
    """How much training. images: of the 60,000. calibration_images: for column statistics, unlabelled."""

    images: int
    clean: Recipe
    varied: Recipe
    hardware_aware: Recipe
    statistics_aware: Recipe
    calibration_images: int = 4_000


DEMO = Budget(
    images=60_000,
    clean=Recipe(epochs=16, batch=256, rate=5e-3, batch_statistics=True),
    varied=Recipe(epochs=12, batch=512, rate=3e-3, maps=8, batch_statistics=True),
    hardware_aware=Recipe(epochs=5, batch=256, rate=3e-3, batch_statistics=True),
    statistics_aware=Recipe(epochs=30, batch=512, rate=1.5e-2, maps=8),
)
QUICK = Budget(
    images=6_000,
    clean=Recipe(epochs=10, batch=128, rate=5e-3, batch_statistics=True),
    varied=Recipe(epochs=5, batch=256, rate=3e-3, maps=4, batch_statistics=True),
    hardware_aware=Recipe(epochs=4, batch=128, rate=3e-3, batch_statistics=True),
    statistics_aware=Recipe(epochs=16, batch=256, rate=1e-2, maps=8),
    calibration_images=1_000,
)


@dataclass(frozen=True)
class Bench:
    """What every method works with."""

    train: Images
    test: Images
    budget: Budget
    seed: int
    report: Report

    @property
    def calibration(self) -> Tensor:
        return self.train.voltages[: self.budget.calibration_images]

    def done(self, method: str, epochs: int, before: int = 0) -> Callable[[int, float], None]:
        return lambda epoch, loss: self.report(method, before + epoch, epochs, loss)


def software(bench: Bench) -> tuple[Network, float]:
    """The baseline network and its error on ideal devices. No die is known here."""
    budget, order = bench.budget, generator(bench.seed, SOFTWARE)
    epochs = budget.clean.epochs + budget.varied.epochs
    draw = ideal_with_spread(budget.varied.maps, order)
    network = train(fresh_network(order), ideal_crossbars, bench.train, budget.clean, order, bench.done(SOFTWARE, epochs))
    network = train(network, draw, bench.train, budget.varied, order, bench.done(SOFTWARE, epochs, budget.clean.epochs))
    network = calibrated(network, draw(), bench.calibration)
    return network, float(wrong(network, ideal_crossbars(), bench.test).mean())


def conventional(bench: Bench, baseline: Network, measured: MeasuredWafer) -> NDArray[np.float64]:
    """(dies,) errors of the baseline's weights and digital numbers on each die."""
    return errors_of_one_network(baseline, tensor_of(measured, measured), bench.test)


def hardware_aware(bench: Bench, baseline: Network, measured: MeasuredWafer) -> tuple[Network, NDArray[np.float64]]:
    """One copy a die, all trained at once from the baseline, and their errors on their own dies."""
    dies = tensor_of(measured, measured)
    recipe, order = bench.budget.hardware_aware, generator(bench.seed, HARDWARE_AWARE)
    networks = baseline.repeated(len(dies))
    networks = train(networks, own_die(dies), bench.train, recipe, order, bench.done(HARDWARE_AWARE, recipe.epochs))
    networks = calibrated(networks, crossbars(dies[:, None]), bench.calibration)
    return networks, errors_of_own_networks(networks, dies, bench.test)


def folds(dies: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every other die. Raises MapsError for fewer than two dies."""
    if dies < 2:
        raise MapsError(f"{STATISTICS_AWARE} training judges each die by statistics of other dies and needs at least 2; {dies} measured")
    return tuple(range(0, dies, 2)), tuple(range(1, dies, 2))


def statistics_aware(bench: Bench, baseline: Network, measured: MeasuredWafer) -> tuple[Network, NDArray[np.float64]]:
    """Two weight sets, one a fold, and each die's error under the set trained on the other fold's statistics."""
    recipe, order = bench.budget.statistics_aware, generator(bench.seed, STATISTICS_AWARE)
    seen = [measured.take(fold) for fold in folds(len(measured.dies))]
    draw = shuffled_dies([tensor_of(part, part) for part in seen], recipe.maps, order)
    networks = train(baseline.repeated(2), draw, bench.train, recipe, order, bench.done(STATISTICS_AWARE, recipe.epochs))
    return networks, errors_on_unseen_dies(networks, measured, bench.test)


def errors_on_unseen_dies(networks: Network, measured: MeasuredWafer, test: Images) -> NDArray[np.float64]:
    """(dies,) errors; copy 0 learned from the first fold and is judged on the second, and the other way round."""
    errors = np.full(len(measured.dies), np.nan)
    first, second = folds(len(measured.dies))
    for copy, (seen, unseen) in enumerate(((first, second), (second, first))):
        dies = tensor_of(measured.take(unseen), measured.take(seen))
        errors[list(unseen)] = errors_of_one_network(networks.only(copy), dies, test)
    return errors


def tensor_of(measured: MeasuredWafer, seen: MeasuredWafer) -> Tensor:
    """(dies, 100, 200, 2) junctions of `measured`, in units of what the dies `seen` teach."""
    return torch.from_numpy(junctions(measured, reference_of(seen)))
