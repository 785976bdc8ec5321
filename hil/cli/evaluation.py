"""What `hil evaluate` does: pull the maps, refuse others than the network's own, predict; then write, run and compare on the dies."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hil.cli.options import CommandFailed, connect
from hil.cli.output import aligned, emit
from hil.client import LabClient
from hil.model.lab import DieIndex
from hil.training.checkpoint import SHARED, Checkpoint, load_checkpoint
from hil.training.deployment import Deployment, deployed
from hil.training.errors import TrainingError
from hil.training.image_sets import load_images
from hil.training.in_the_loop import Comparison, Reading, compare, fine_tuned, predicted_scores, program
from hil.training.network import Network, calibrated, ideal_crossbars
from hil.training.pull import Pulled, pull
from hil.training.trainer import Images, threads, train_and_test

CALIBRATION_IMAGES = 10_000


@dataclass(frozen=True)
class Evaluating:
    """What the command line asked for."""

    model: str
    wafer: str
    method: str | None
    dies: tuple[DieIndex, ...]
    tune: int
    images: int
    reading: Reading
    store: bool
    as_json: bool


def evaluate_model(asked: Evaluating, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        with connect(url, token) as lab, threads(1):
            model_id, checkpoint = loaded(lab, asked.model, keep=asked.store)
            method = only_method(checkpoint, asked.method)
            pulled = pull(lab, asked.wafer)
            found = _evaluated(lab, asked, (checkpoint, method), pulled, console)
            if model_id is not None:
                lab.add_evaluation(model_id, found)
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    found["model"] = model_id
    emit(asked.as_json, found, text_of(found))


def loaded(lab: LabClient, model: str, *, keep: bool) -> tuple[str | None, Checkpoint]:
    """(id on the service, checkpoint); the id is None of a file that is not to be kept. Raises TrainingError, LabError."""
    if not Path(model).exists() and re.fullmatch(r"[0-9a-f]{64}", model):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            file.write_bytes(lab.checkpoint(model))
            return model, load_checkpoint(file)
    checkpoint = load_checkpoint(Path(model))
    data = Path(model).read_bytes()
    return (lab.put_model(data)["id"] if keep else None), checkpoint


def only_method(checkpoint: Checkpoint, wanted: str | None) -> str:
    """Raises TrainingError when it has to be said which of several is meant."""
    names = [name for name in checkpoint.networks if not name.endswith(SHARED)]
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise TrainingError(f"the checkpoint holds {', '.join(names)}; name one with --method")
    return wanted


def _evaluated(lab: LabClient, asked: Evaluating, model: tuple[Checkpoint, str], pulled: Pulled, console: Console) -> dict[str, Any]:
    checkpoint, method = model
    places, changed = deployed(checkpoint, method, asked.wafer, pulled.measured)
    net, chosen = checkpoint.networks[method].net, load_images()
    chosen.check(net.name, net.classes)
    train, test = train_and_test(chosen.images, net.image_side)
    judged = test.first(asked.images)
    found: dict[str, Any] = {
        "wafer": asked.wafer,
        "method": method,
        "net": net.name,
        "image_set": chosen.name,
        "origin": pulled.origin,
        "images": len(judged.labels),
        "predicted": [_predicted(place, pulled, judged) for place in places],
        "refused": {f"{x},{y}": why for (x, y), why in changed.items()},
        "in_the_loop": [],
    }
    for die in asked.dies:
        place = _place_of(places, die, changed)
        console.print(f"die {die}: writing {place.plan.used.size:,} junctions, then {len(judged.labels)} images", highlight=False)
        found["in_the_loop"].append(_in_the_loop(lab, asked, place, pulled, (train, judged)))
    return found


def _predicted(place: Deployment, pulled: Pulled, images: Images) -> dict[str, Any]:
    wrong = predicted_scores(place, pulled.measured, images.voltages).argmax(-1) != images.labels
    return {"dies": [list(die) for die in place.dies], "error_percent": 100 * float(wrong.double().mean())}


def _place_of(places: Sequence[Deployment], die: DieIndex, changed: Mapping[DieIndex, str]) -> Deployment:
    if die in changed:
        raise TrainingError(changed[die])
    for place in places:
        if die in place.dies:
            return place
    known = "; ".join(f"{x},{y}" for place in places for x, y in place.dies)
    raise TrainingError(f"the network was not made for die {die}; it was for {known}")


def _in_the_loop(lab: LabClient, asked: Evaluating, place: Deployment, pulled: Pulled, images: tuple[Images, Images]) -> dict[str, Any]:
    train, judged = images
    written = program(lab, place)
    compared = compare(lab, place, pulled.measured, judged, asked.reading)
    told: dict[str, Any] = {
        "programmed": written.wanted,
        "missed": {f"{x},{y}": count for (x, y), count in written.missed.items()},
        "runs": list(written.runs),
        **compared.as_json(),
    }
    if asked.tune:
        ideal = ideal_of(place.network, train)
        tuned = fine_tuned(lab, place, ideal, train.voltages[: asked.tune], asked.reading)
        again: Comparison = compare(lab, tuned, pulled.measured, judged, asked.reading)
        told["tuned"] = {
            "images": asked.tune,
            "predicted_error_percent": 100 * again.predicted_error,
            "measured_error_percent": 100 * again.measured_error,
            "same_class_percent": 100 * again.same_class,
        }
    return told


def ideal_of(network: Network, train: Images) -> Network:
    """The same weights on ideal devices."""
    return calibrated(network, ideal_crossbars(network.net), train.voltages[:CALIBRATION_IMAGES])


def text_of(found: dict[str, Any]) -> str:
    """A line a die; then how currents were read, and what is kept."""
    looped = {str(each["dies"]): each for each in found["in_the_loop"]}
    lines = [["die", "predicted", "measured", "same class", "tuned"]]
    for each in found["predicted"]:
        beside = looped.get(str(each["dies"]), {})
        tuned = beside.get("tuned", {}).get("measured_error_percent")
        cells = (each["error_percent"], beside.get("measured_error_percent"), beside.get("same_class_percent"), tuned)
        lines.append(["; ".join(f"{x},{y}" for x, y in each["dies"]), *("" if cell is None else f"{cell:.2f} %" for cell in cells)])
    title = f"{found['method']} {found['net']} on wafer {found['wafer']} ({found['origin']}): error on {found['images']} images"
    kept = [] if found["model"] is None else [f"kept with model {found['model']}"]
    refused = [f"refused: {why}" for why in found["refused"].values()]
    return "\n".join([title, aligned(lines), *refused, *_currents(found), *kept])


def _currents(found: dict[str, Any]) -> list[str]:
    """By which calibration they were corrected, or why by none; a line each that differs."""
    told = [
        "currents as they were read: " + each["not_calibrated_because"]
        if each["calibration"] is None
        else f"currents corrected by calibration {each['calibration'][:12]}"
        for each in found["in_the_loop"]
    ]
    return list(dict.fromkeys(told))
