"""What `hil worth` and `hil refine` do: what a map does not know for sure, and what that is to the network on it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from torch import Tensor

from hil.cli.demo_progress import Stage
from hil.cli.evaluation import loaded, only_method
from hil.cli.options import CommandFailed, connect
from hil.cli.output import aligned, emit
from hil.client import LabClient
from hil.training.bench import FULL, Bench
from hil.training.certainty import pull_uncertainties, sigma_of
from hil.training.checkpoint import Checkpoint, save_checkpoint
from hil.training.errors import TrainingError
from hil.training.image_sets import load_images
from hil.training.methods import METHODS, Effort, Outcome, Work
from hil.training.network import Statistics
from hil.training.packing import COLUMNS, PER_DIE, PER_KERNEL
from hil.training.pull import pull
from hil.training.restored import Restored, restored
from hil.training.trainer import Recipe, generator, threads, train_and_test
from hil.training.uncertain import Worth, errors_on_samples, trained_on_samples, worth_reading_again

SAMPLED = "+sampled"
SAMPLES = 8
RECIPE = Recipe(epochs=3, batch=256, rate=3e-3, maps=4, statistics=Statistics.EACH_MAP)
SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """What the command line asked for. count: junctions a die, or epochs. out: folder of plans, or file of the checkpoint."""

    model: str
    wafer: str
    method: str | None
    count: int
    images: int
    out: Path | None
    as_json: bool


@dataclass(frozen=True)
class _Known:
    """A kept network on its maps, and how certain those are. sigma: (2, places, junctions) in units of the site's dies."""

    checkpoint: Checkpoint
    method: str
    on_dies: Restored
    sigma: Tensor
    read_volts: float

    @property
    def outcome(self) -> Outcome:
        return self.on_dies.outcome


def tell_worth(asked: Asked, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    try:
        with connect(url, token) as lab, threads(1):
            known = _known(lab, asked)
        train, _ = train_and_test(load_images().images, known.outcome.network.net.image_side)
        with threads(1):
            found = worth_reading_again(known.outcome, known.sigma, train.first(asked.images))
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    dies = [each for place, of_place in zip(known.on_dies.places, found, strict=True) for each in _of_dies(place, of_place, asked.count)]
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        for each in dies:
            _write_plan(asked, known, each)
    emit(asked.as_json, {"wafer": asked.wafer, "method": known.method, "dies": dies}, _worth_text(dies, asked))


def _known(lab: LabClient, asked: Asked) -> _Known:
    _, checkpoint = loaded(lab, asked.model, keep=False)
    method = only_method(checkpoint, asked.method)
    on_dies = restored(checkpoint, method, asked.wafer, pull(lab, asked.wafer).measured)
    siemens = pull_uncertainties(lab, asked.wafer, on_dies.measured)
    sigma = sigma_of(siemens, on_dies.measured, on_dies.reference.norm_siemens, on_dies.outcome.site.plan.dies)
    newest = lab.conductance_map(asked.wafer, *on_dies.measured.dies[0], state="P")
    read_volts = float(lab.map_meta(newest.map_id)["read_volts"])
    return _Known(checkpoint, method, on_dies, sigma, read_volts)


def _of_dies(place: tuple[tuple[int, int], ...], worth: Worth, count: int) -> list[dict[str, Any]]:
    """The first so many junctions of each die of a place. share: what they make of all that its uncertainties may do to the loss."""
    found: list[dict[str, Any]] = []
    for slot, (x, y) in enumerate(place):
        here = worth.junctions // PER_DIE == slot
        junctions, loss = worth.junctions[here] % PER_DIE, worth.loss[here]
        kernel, within = np.divmod(junctions[:count], PER_KERNEL)
        places = np.column_stack([kernel, *np.divmod(within, COLUMNS)]).tolist()
        total = float(np.sqrt(np.square(loss).sum()))
        share = float(np.square(loss[:count]).sum() / np.square(loss).sum()) if total else 0.0
        found.append({"x": x, "y": y, "junctions": places, "loss": loss[:count].tolist(), "loss_of_all": total, "share": share})
    return found


def _write_plan(asked: Asked, known: _Known, each: dict[str, Any]) -> None:
    assert asked.out is not None
    file = asked.out / f"{asked.wafer}_{each['x']}_{each['y']}_reread.json"
    dies = [[each["x"], each["y"]]]
    note = f"worth reading again for {known.method}"
    reading = {"junctions": each["junctions"], "volts": [known.read_volts], "nplc": 1.0}
    file.write_text(json.dumps({"kind": "iv_sweep", "wafer": asked.wafer, "dies": dies, **reading, "note": note}), encoding="utf-8")
    each["plan"] = str(file)


def _worth_text(dies: list[dict[str, Any]], asked: Asked) -> str:
    lines = [["die", "loss, all", f"of it by the first {asked.count}", "kernel row column, most first", *(["plan"] if asked.out else [])]]
    for each in dies:
        first = ", ".join(" ".join(map(str, junction)) for junction in each["junctions"][:SHOWN])
        row = [f"{each['x']},{each['y']}", f"{each['loss_of_all']:.2g} nat", f"{100 * each['share']:.0f} %", f"{first}, ..."]
        lines.append([*row, *([each["plan"]] if asked.out else [])])
    return "\n".join(["what one standard uncertainty of each reading does to the loss, all together and by itself", aligned(lines)])


def refine_model(asked: Asked, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    assert asked.out is not None
    try:
        with connect(url, token) as lab, threads(1):
            known = _known(lab, asked)
        with threads(1):
            told = _refined(asked, known, asked.out)
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    lines = [["die", "by its map", "on samples", "refined: by its map", "on samples"]]
    for each in told["dies"]:
        names = "; ".join(f"{x},{y}" for x, y in each["dies"])
        numbers = (each[part][kind] for part in ("before", "after") for kind in ("by_map_percent", "on_samples_percent"))
        lines.append([names, *(f"{number:.2f} %" for number in numbers)])
    emit(asked.as_json, told, f"{told['method']}: error on {told['images']} images\n{aligned(lines)}\n{asked.out}")


def _refined(asked: Asked, known: _Known, file: Path) -> dict[str, Any]:
    if known.method in METHODS and Effort.CORRECTION in METHODS[known.method].per_die:
        raise TrainingError(f"{known.method} subtracts the listed shorts, which a refined network would not; refine another one")
    before, measured = known.outcome, known.on_dies.measured
    train, test = train_and_test(load_images().images, before.network.net.image_side)
    console, seed = Console(stderr=True, soft_wrap=True), int(known.checkpoint.facts.get("seed", 0))
    name, recipe = f"{known.method.removesuffix(SAMPLED)}{SAMPLED}", replace(RECIPE, epochs=asked.count)
    with Stage(console, "epochs", recipe.epochs) as stage:
        bench = Bench(before.network.net, train, test.first(asked.images), FULL, seed, lambda _, epoch, __, ___: stage.at(epoch))
        after = trained_on_samples(Work(bench, before.network, before.site), before, known.sigma, recipe, name)
    facts = {"seed": seed, "norm_siemens": known.on_dies.reference.norm_siemens, "refined": known.method}
    placements = {} if after.placement is None else {name: after.placement}
    save_checkpoint(file, {name: after.network}, measured, facts, placements)
    errors = {part: _errors(outcome, known, bench) for part, outcome in (("before", before), ("after", after))}
    dies = [
        {"dies": [list(die) for die in place], **{part: {kind: each[index] for kind, each in errors[part].items()} for part in errors}}
        for index, place in enumerate(known.on_dies.places)
    ]
    return {"method": name, "file": str(file), "images": asked.images, "dies": dies}


def _errors(outcome: Outcome, known: _Known, bench: Bench) -> dict[str, list[float]]:
    """Per cent a place, by the map and as the mean over samples; the same samples for every network."""
    certain = known.sigma.new_zeros(known.sigma.shape)
    order = generator(bench.seed, "samples")
    by_map = errors_on_samples(outcome, certain, 1, bench.judge, generator(0, "none"))[0]
    on_samples = errors_on_samples(outcome, known.sigma, SAMPLES, bench.judge, order).mean(axis=0)
    return {"by_map_percent": (100 * by_map).tolist(), "on_samples_percent": (100 * on_samples).tolist()}
