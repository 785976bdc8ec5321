"""What `hil report` does: gather the cells, analyse the shared weights beside them, write the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from hil.cli.options import CommandFailed, connect
from hil.cli.output import emit
from hil.report.training_report import Sensitivity, TableData, training_page
from hil.training.cells import Cell, all_cells
from hil.training.checkpoint import SHARED, load_checkpoint
from hil.training.data import Mnist
from hil.training.errors import DataError, TrainingError
from hil.training.image_sets import kept_name, load_images
from hil.training.methods import METHODS, STATISTICS_AWARE
from hil.training.network import Network
from hil.training.origins import origin_of
from hil.training.sensitivity import Suffering, junction_losses, on_the_die, suffering
from hil.training.trainer import Images, threads, train_and_test

COUNTS, RANDOM_DIES, IMAGES, JUNCTION_IMAGES = (0, 1, 2, 5, 10, 20, 50, 100), 24, 1000, 300
SHORT, SHORT_SIGMA = 20.0, 0.3
"""A short of ten times G_P at TMR 100 %, in units of what a weight is worth, with the spread of the reference populations."""


@dataclass(frozen=True)
class Reporting:
    """What the command line asked for."""

    results: Path
    out: Path
    sensitivity: bool
    model: str | None
    as_json: bool


def write_page(asked: Reporting, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    try:
        with threads(1):
            page = training_page(_data(asked))
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    asked.out.write_text(page, encoding="utf-8")
    if asked.model is not None:
        with connect(url, token) as lab:
            lab.put_report(asked.model, page)
    kept = "" if asked.model is None else f", kept with model {asked.model}"
    emit(asked.as_json, {"page": str(asked.out), "model": asked.model}, f"{asked.out}{kept}")


def _data(asked: Reporting) -> TableData:
    found = all_cells(asked.results)
    if not found:
        raise CommandFailed(f"{asked.results} holds no cells; `hil train --out {asked.results}` or `hil reproduce` computes some")
    nets = {(cell.name.net, cell.name.encoding) for cell in found}
    if len(nets) > 1:
        raise CommandFailed(f"{asked.results} holds cells of {len(nets)} networks; give each its own folder")
    ((net, encoding),) = nets
    errors, notes = _errors(found)
    return TableData(
        net=f"{net}, {encoding} pairs",
        images=found[0].wrong.shape[1],
        errors=errors,
        baseline_percent=100 * float(np.mean([cell.baseline_error for cell in {cell.name.seed: cell for cell in found}.values()])),
        effort={name: ", ".join(method.per_die) for name, method in METHODS.items()},
        seconds=_seconds(found),
        curves={(cell.name.population, cell.name.method): _curve(cell) for cell in found if cell.name.seed == 0},
        sensitivity=_sensitivity(asked.results) if asked.sensitivity else None,
        notes=notes,
        shown=kept_name(asked.results)[0],
        origins={population: origin_of(asked.results, population) for population in errors},
    )


def _errors(found: list[Cell]) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Per cent, in the order of the methods; only seeds that every method of the population has, so that pairs are pairs."""
    errors: dict[str, dict[str, np.ndarray]] = {}
    notes: list[str] = []
    for population in dict.fromkeys(cell.name.population for cell in found):
        here = {(cell.name.method, cell.name.seed): cell for cell in found if cell.name.population == population}
        methods = [method for method in METHODS if any(name == method for name, _ in here)]
        seeds = sorted({seed for _, seed in here})
        whole = [seed for seed in seeds if all((method, seed) in here for method in methods)]
        if whole != seeds:
            notes.append(f"{population}: seeds {sorted(set(seeds) - set(whole))} are left out, because not every method has them")
        if whole:
            errors[population] = {method: np.stack([100 * here[method, seed].errors for seed in whole]) for method in methods}
    return errors, notes


def _seconds(found: list[Cell]) -> dict[tuple[str, str], float]:
    spent: dict[tuple[str, str], list[float]] = {}
    for cell in found:
        spent.setdefault((cell.name.population, cell.name.method), []).append(cell.seconds)
    return {place: float(np.mean(seconds)) for place, seconds in spent.items()}


def _curve(cell: Cell) -> list[float]:
    """Of what was trained for the cell first: the curve of its own name, if it has one."""
    curves: Mapping[str, list[float]] = cell.facts.get("curves", {})
    return curves.get(cell.name.method, next(iter(curves.values()), []))


def _sensitivity(results: Path) -> Sensitivity | None:
    """Of the software network and of every shared one of seed 0; None where no network was kept."""
    networks = _shared_networks(results)
    if not networks:
        return None
    console = Console(stderr=True)
    mnist = _images_of(results)
    judged = {name: _images(network, mnist).first(IMAGES) for name, network in networks.items()}
    found: dict[str, Suffering] = {}
    for name, network in networks.items():
        console.print(f"shorts on random dies: {name}", highlight=False)
        order = torch.Generator().manual_seed(0)
        values = SHORT * torch.exp(SHORT_SIGMA * torch.randn(4096, generator=order))
        found[name] = suffering(network, COUNTS, values, RANDOM_DIES, judged[name], order)
    dense = {name: network for name, network in networks.items() if not network.net.windows}
    junctions = {
        f"{name}: one short of ten times G_P": on_the_die(network, junction_losses(network, SHORT, judged[name].first(JUNCTION_IMAGES)))[0]
        for name, network in dense.items()
    }
    return Sensitivity(
        COUNTS,
        {name: each.loss for name, each in found.items()},
        {name: 100 * each.error for name, each in found.items()},
        {name: each.loss_per_short for name, each in found.items()},
        junctions,
    )


def _images_of(results: Path) -> Mnist:
    """Those that the results stand on. Raises DataError when other ones are named now."""
    chosen, (name, digest) = load_images(), kept_name(results)
    if chosen.digest != digest:
        raise DataError(f"{results} stands on {name}, HIL_IMAGES names {chosen.name}; name the same images, or use --no-sensitivity")
    return chosen.images


def _shared_networks(results: Path) -> dict[str, Network]:
    networks: dict[str, Network] = {}
    for file in sorted((results / "networks").rglob("*seed0*.safetensors")):
        kept = load_checkpoint(file).networks
        where = "" if file.parent.parent.parent == results else f", {file.parent.name}"
        for name, network in kept.items():
            if name == "software" or name.endswith(SHARED) or name == STATISTICS_AWARE:
                networks.setdefault(f"{name.removesuffix(SHARED)}{where if name != 'software' else ''}", network.only(0))
    return networks


def _images(network: Network, mnist: Mnist) -> Images:
    return train_and_test(mnist, network.net.image_side)[1]
