"""The demo's methods on one wafer: a pure function from arrays to errors, and the way the arrays come over HTTP."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.model.maps import npy_bytes, sha256_hex
from hil.training.bench import Bench, Budget, Curves, Report, software
from hil.training.data import Mnist
from hil.training.errors import MapsError
from hil.training.evaluate import MethodResult, errors_of_dies
from hil.training.floorplan import floorplan
from hil.training.methods import CONVENTIONAL, HARDWARE_AWARE, METHODS, SOFTWARE, STATISTICS_AWARE, Outcome, Work
from hil.training.net import Encoding, Net
from hil.training.network import Network, ideal_crossbars, side_by_side
from hil.training.placed import targets
from hil.training.site import Site, site
from hil.training.trainer import threads, train_and_test
from hil.training.wafer import MeasuredWafer, usable

PLAIN = Net((100, 90, 10), encoding=Encoding.TIED)
"""The plain reading of the paper's two-layer binary network on 20,000 junctions."""
OTHER_HALF = ", other half of the dies"


@dataclass(frozen=True)
class Pulled:
    """A wafer's maps as they came over HTTP. etags: of the three stacks of newest maps, by "P", "AP", "defects".

    origin: as the service words it.
    """

    wafer: str
    measured: MeasuredWafer
    etags: Mapping[str, str]
    simulated: bool
    origin: str


def pull(client: LabClient, wafer: str) -> Pulled:
    """Every die's newest defect map with the two maps it was derived from: the newest ones, or older where a later run of the
    die stopped before its defect map. Raises MapsError when no die has all three, LabError when the service refuses.
    """
    parallel, antiparallel, defects = client.conductance(wafer, state="P"), client.conductance(wafer, state="AP"), client.defects(wafer)
    newest: dict[str, dict[DieIndex, NDArray[Any]]] = {
        "P": dict(zip(parallel.dies, parallel.siemens, strict=True)),
        "AP": dict(zip(antiparallel.dies, antiparallel.siemens, strict=True)),
        "defects": dict(zip(defects.dies, defects.codes, strict=True)),
    }
    ids = _belonging(client, wafer)
    if not ids:
        raise MapsError(f"wafer {wafer}: no die has a defect map and the maps of both states it came from; start a `characterise` run")
    arrays = {name: np.stack([_array(client, of_die[name], newest[name].get(die)) for die, of_die in ids.items()]) for name in newest}
    measured = MeasuredWafer(tuple(ids), arrays["P"], arrays["AP"], arrays["defects"])
    stacks = (parallel, antiparallel, defects)
    etags: dict[str, str] = dict(zip(("P", "AP", "defects"), (stack.etag for stack in stacks), strict=True))
    return Pulled(wafer, measured, etags, any(stack.origin.simulated for stack in stacks), str(defects.origin))


def _belonging(client: LabClient, wafer: str) -> dict[DieIndex, dict[str, str]]:
    """Ids of the three maps that belong together, by "P", "AP" and "defects", of each die that has them, ordered by (y, x)."""
    found: dict[DieIndex, dict[str, str]] = {}
    for die in sorted(client.wafer(wafer)["dies"], key=lambda die: (die["y"], die["x"])):
        if die["defect_map"] is not None:
            inputs: Mapping[str, str] = client.map_meta(die["defect_map"]).get("inputs") or {}
            if {"P", "AP"} <= set(inputs):
                found[die["x"], die["y"]] = {"P": inputs["P"], "AP": inputs["AP"], "defects": die["defect_map"]}
    return found


def _array(client: LabClient, map_id: str, newest: NDArray[Any] | None) -> NDArray[Any]:
    """The newest array of the die when it is this map's, which its hash tells; else the map itself is fetched."""
    if newest is not None and sha256_hex(npy_bytes(newest)) == client.map_meta(map_id)["object"]:
        return newest
    return client.map(map_id).array


@dataclass(frozen=True)
class TrainingResult:
    """dies: those trained and judged on, in order; left_out: reason per die that was not.

    software_error: share of the test images the baseline gets wrong on ideal devices. networks: by method; copy i of
    `hardware-aware` belongs to die i, the two of `statistics-aware` to the folds. curves: loss after each epoch, by method.
    """

    dies: tuple[DieIndex, ...]
    software_error: float
    methods: Mapping[str, MethodResult]
    networks: Mapping[str, Network]
    curves: Mapping[str, tuple[float, ...]]
    left_out: Mapping[DieIndex, str]
    seed: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    def delta_points(self, method: str) -> float:
        """Mean error above the software baseline, percentage points."""
        return self.methods[method].mean_percent - 100 * self.software_error

    def target(self, method: str, die: DieIndex) -> NDArray[np.uint8]:
        """Bit map (32, 25, 25) for the plan `program`: what this method writes into this die."""
        index = self.dies.index(die)
        copies = {HARDWARE_AWARE: index, STATISTICS_AWARE: 1 - index % 2}
        name = SOFTWARE if method == CONVENTIONAL else method
        network = self.networks[name]
        return targets(floorplan(network.net), network.bits(copies.get(name, 0)))[0]


def _silent(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches."""


def folds(dies: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every other die. Raises MapsError for fewer than two dies."""
    if dies < 2:
        raise MapsError(f"training needs at least 2 dies, because each die is judged by statistics of others; {dies} can be used")
    return tuple(range(0, dies, 2)), tuple(range(1, dies, 2))


def train_all(
    measured: MeasuredWafer, mnist: Mnist, budget: Budget, seed: int = 0, report: Report = _silent, torch_threads: int = 1
) -> TrainingResult:
    """Software, conventional, hardware-aware and statistics-aware on every usable die. Same arguments, same numbers.

    A die is judged by a statistics-aware network that learned from the other half of the dies. Raises MapsError when fewer than two
    dies can be used. torch_threads: one is safe on a shared machine.
    """
    indices, left_out = usable(measured)
    if len(indices) < 2:
        reasons = "; ".join(f"die {die}: {why}" for die, why in left_out.items()) or "no other die was measured"
        raise MapsError(f"{len(indices)} dies can be used, training needs at least 2 ({reasons})")
    measured = measured.take(indices)
    curves = Curves(report)
    train_images, test_images = train_and_test(mnist, PLAIN.image_side)
    bench = Bench(PLAIN, train_images.first(budget.images), test_images, budget, seed, curves)
    with threads(torch_threads):
        return _train_each(bench, measured, left_out, curves)


def _train_each(bench: Bench, measured: MeasuredWafer, left_out: Mapping[DieIndex, str], curves: Curves) -> TrainingResult:
    clock = [time.perf_counter()]

    def lap() -> float:
        clock.append(time.perf_counter())
        return clock[-1] - clock[-2]

    baseline = software(bench)
    software_error = float(errors_of_dies(baseline, ideal_crossbars(bench.net), bench.judge)[0])
    seconds = {SOFTWARE: lap()}
    everywhere = Work(bench, baseline, site(bench.net, measured, measured))
    results: dict[str, MethodResult] = {}
    networks = {SOFTWARE: baseline}
    for method in (CONVENTIONAL, HARDWARE_AWARE):
        outcome = METHODS[method].run(everywhere)
        networks[method] = outcome.network
        results[method] = MethodResult(method, _errors(bench, outcome, everywhere.site), lap())
    networks[STATISTICS_AWARE], errors = _by_folds(bench, baseline, measured)
    results[STATISTICS_AWARE] = MethodResult(STATISTICS_AWARE, errors, lap())
    networks.pop(CONVENTIONAL)  # It is the software network.
    return TrainingResult(
        dies=measured.dies,
        software_error=software_error,
        methods=results,
        networks=networks,
        curves={method: tuple(losses) for method, losses in curves.losses.items()},
        left_out=left_out,
        seed=bench.seed,
        seconds=seconds | {name: result.seconds for name, result in results.items()},
    )


def _errors(bench: Bench, outcome: Outcome, where: Site) -> NDArray[np.float64]:
    return errors_of_dies(outcome.network, outcome.bars(where.truth), bench.judge)


def _by_folds(bench: Bench, baseline: Network, measured: MeasuredWafer) -> tuple[Network, NDArray[np.float64]]:
    """Two weight sets, copy 0 learned from the first fold and judged on the second, and the other way round; (dies,) errors."""
    errors = np.full(len(measured.dies), np.nan)
    first, second = folds(len(measured.dies))
    copies: list[Network] = []
    for suffix, seen, unseen in (("", first, second), (OTHER_HALF, second, first)):
        where = site(bench.net, measured.take(seen), measured.take(unseen))
        half = replace(bench, report=_suffixed(bench.report, suffix))
        outcome = METHODS[STATISTICS_AWARE].run(Work(half, baseline, where))
        errors[list(unseen)] = _errors(bench, outcome, where)
        copies.append(outcome.network)
    return side_by_side(copies), errors


def _suffixed(report: Report, suffix: str) -> Report:
    return lambda method, epoch, epochs, loss: report(method + suffix, epoch, epochs, loss)
