"""What `hil follow` does: keep a shared network on a wafer whose dies change."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from hil.cli.evaluation import loaded, only_method
from hil.cli.options import CommandFailed, connect
from hil.training.bench import FULL, Bench
from hil.training.checkpoint import SHARED, Checkpoint
from hil.training.errors import TrainingError
from hil.training.following import Follower, PlacedAnew, follow
from hil.training.image_sets import load_images
from hil.training.trainer import threads, train_and_test


@dataclass(frozen=True)
class Following:
    """What the command line asked for."""

    model: str
    wafer: str
    method: str | None
    images: int
    for_s: float | None
    out: Path
    as_json: bool


def follow_wafer(asked: Following, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    try:
        with connect(url, token) as lab, threads(1):
            _, checkpoint = loaded(lab, asked.model, keep=False)
            follower = _follower(asked, checkpoint)
            asked.out.mkdir(parents=True, exist_ok=True)
            follow(lab, follower, asked.for_s, lambda each: _tell(asked, each))
    except TrainingError as error:
        raise CommandFailed(str(error)) from error


def _follower(asked: Following, checkpoint: Checkpoint) -> Follower:
    method = only_method(checkpoint, asked.method)
    shared = checkpoint.networks.get(f"{method}{SHARED}")
    if shared is None:
        raise TrainingError(f"{method} has no weight set that all dies share; follow one of `placed`, `recalibrated` or alike")
    train, test = train_and_test(load_images().images, shared.net.image_side)
    bench = Bench(shared.net, train, test.first(asked.images), FULL, int(checkpoint.facts.get("seed", 0)))
    return Follower(method, asked.wafer, shared, bench, dict(checkpoint.map_hashes))


def _tell(asked: Following, each: PlacedAnew) -> None:
    x, y = each.die
    told: dict[str, object] = {"x": x, "y": y}
    if each.deployment is None:
        told["left_out"] = each.why_not
        text = f"die {each.die}: left out: {each.why_not}"
    else:
        file = asked.out / f"{asked.wafer}_{x}_{y}.npy"
        np.save(file, each.deployment.targets()[0])
        told |= {"error_percent": 100 * each.error, "target": str(file)}
        text = f"die {each.die}: placed anew, error {100 * each.error:.2f} % by its new maps; target {file}"
    typer.echo(json.dumps(told) if asked.as_json else text)
