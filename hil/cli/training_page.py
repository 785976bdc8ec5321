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
from hil.training.methods import METHODS, RECALIBRATED, SOFTWARE, STATISTICS_AWARE, STATISTICS_AWARE_CENTRED
from hil.training.net import Encoding
from hil.training.network import Network
from hil.training.origins import origin_of
from hil.training.sensitivity import Suffering, junction_losses, on_the_die, suffering
from hil.training.table import baseline_error_percent
from hil.training.trainer import Images, threads, train_and_test

COUNTS, RANDOM_DIES, IMAGES, JUNCTION_IMAGES = (0, 1, 2, 5, 10, 20, 50, 100), 24, 1000, 300
SHORT, SHORT_SIGMA = 20.0, 0.3
"""A short of ten times G_P at TMR 100 %, in units of what a weight is worth, with the spread of the reference populations."""


UNFITTED = (STATISTICS_AWARE, STATISTICS_AWARE_CENTRED)
"""Methods whose one weight set is the network itself."""


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
    nets = dict.fromkeys((cell.name.net, cell.name.encoding) for cell in found)
    tables: dict[str, list[Cell]] = {}
    for cell in found:
        of_net = "" if len(nets) == 1 else f", {cell.name.net} {cell.name.encoding}"
        tables.setdefault(f"{cell.name.population}{of_net}", []).append(cell)
    errors, notes = _errors(tables)
    return TableData(
        net=" and ".join(f"{net}, {encoding} pairs" for net, encoding in nets),
        images=found[0].wrong.shape[1],
        errors=errors,
        baseline_percent={title: baseline_error_percent(cells) for title, cells in tables.items()},
        effort={name: ", ".join(method.per_die) for name, method in METHODS.items()},
        seconds=_seconds(tables),
        curves=_curves(tables),
        sensitivity=_sensitivity(asked.results) if asked.sensitivity else None,
        notes=notes,
        shown=kept_name(asked.results)[0],
        origins={title: origin_of(asked.results, cells[0].name.population) for title, cells in tables.items()},
    )


def _errors(tables: Mapping[str, list[Cell]]) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Per cent, in the order of the methods; only seeds that every method of a table has, so that pairs are pairs."""
    errors: dict[str, dict[str, np.ndarray]] = {}
    notes: list[str] = []
    for title, cells in tables.items():
        here = {(cell.name.method, cell.name.seed): cell for cell in cells}
        methods = [method for method in METHODS if any(name == method for name, _ in here)]
        seeds = sorted({seed for _, seed in here})
        whole = [seed for seed in seeds if all((method, seed) in here for method in methods)]
        if whole != seeds:
            notes.append(f"{title}: seeds {sorted(set(seeds) - set(whole))} are left out, because not every method has them")
        if whole:
            errors[title] = {method: np.stack([100 * here[method, seed].errors for seed in whole]) for method in methods}
    return errors, notes


def _seconds(tables: Mapping[str, list[Cell]]) -> dict[tuple[str, str], float]:
    spent: dict[tuple[str, str], list[float]] = {}
    for title, cells in tables.items():
        for cell in cells:
            spent.setdefault((title, cell.name.method), []).append(cell.seconds)
    return {place: float(np.mean(seconds)) for place, seconds in spent.items()}


def _curves(tables: Mapping[str, list[Cell]]) -> dict[tuple[str, str], list[float]]:
    """Losses of seed 0 by what was trained, which is the software network for the first cell of a seed."""
    found: dict[tuple[str, str], list[float]] = {}
    for title, cells in tables.items():
        for cell in cells:
            curves: Mapping[str, list[float]] = cell.facts.get("curves", {}) if cell.name.seed == 0 else {}
            found |= {(title, name): losses for name, losses in curves.items()}
    return found


def _sensitivity(results: Path) -> Sensitivity | None:
    """Of the software network and of every shared one of seed 0; None where no network was kept."""
    networks = _shared_networks(results)
    if not networks:
        return None
    console = Console(stderr=True)
    mnist = _images_of(results)
    judged = {name: _images(network, mnist).first(IMAGES) for name, network in networks.items()}
    found: dict[str, Suffering] = {}
    junctions: dict[str, np.ndarray] = {}
    for name, network in networks.items():
        console.print(f"shorts on random dies: {name}", highlight=False)
        order = torch.Generator().manual_seed(0)
        values = SHORT * torch.exp(SHORT_SIGMA * torch.randn(4096, generator=order))
        found[name] = suffering(network, COUNTS, values, RANDOM_DIES, judged[name], order)
        junctions |= _one_by_one(name, network, judged[name].first(JUNCTION_IMAGES))
    return Sensitivity(
        COUNTS,
        {name: each.loss for name, each in found.items()},
        {name: 100 * each.error for name, each in found.items()},
        {name: each.loss_per_short for name, each in found.items()},
        junctions,
        len(next(iter(judged.values())).labels),
    )


def _one_by_one(name: str, network: Network, images: Images) -> dict[str, np.ndarray]:
    """A map a die slot; none of networks whose junctions are not looked at one by one."""
    if network.net.windows or network.net.encoding is Encoding.REFERENCE:
        return {}
    dies = on_the_die(network, junction_losses(network, SHORT, images))
    slots = [""] if len(dies) == 1 else [f", die {slot + 1} of {len(dies)}" for slot in range(len(dies))]
    return {f"{name}{slot}: one short of ten times G_P": growth for slot, growth in zip(slots, dies, strict=True)}


def _images_of(results: Path) -> Mnist:
    """Those that the results stand on. Raises DataError when other ones are named now."""
    chosen, (name, digest) = load_images(), kept_name(results)
    if chosen.digest != digest:
        raise DataError(f"{results} stands on {name}, HIL_IMAGES names {chosen.name}; name the same images, or use --no-sensitivity")
    return chosen.images


def _shared_networks(results: Path) -> dict[str, Network]:
    """The software network and every one that dies share; one that is only recalibrated is the software network again."""
    files = sorted((results / "networks").rglob("*seed0*.safetensors"))
    several = len({file.relative_to(results / "networks").parts[0] for file in files}) > 1
    networks: dict[str, Network] = {}
    for file in files:
        net, *population = file.relative_to(results / "networks").parts[:-1]
        where = [*population, net] if several else population
        for name, network in load_checkpoint(file).networks.items():
            method = name.removesuffix(SHARED)
            if (name != method and method != RECALIBRATED) or (network.copies == 1 and method in (SOFTWARE, *UNFITTED)):
                networks.setdefault(", ".join([method, *where]), network.only(0))
    return networks


def _images(network: Network, mnist: Mnist) -> Images:
    return train_and_test(mnist, network.net.image_side)[1]
