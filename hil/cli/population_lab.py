"""Wafers of a population, measured once over the wire and kept in the user's cache.

Rule: the simulated lab is a process of its own, its board is calibrated, and the maps come over HTTP, as from a real one. What is
kept is keyed by all that decides about it: population, wafer's seed, dies, readings averaged, defect rule and code version."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console

from hil.analysis.classify import RULE
from hil.cli.demo_lab import running_lab
from hil.cli.demo_progress import Stage
from hil.training.data import cache_folder
from hil.training.errors import MapsError
from hil.training.populations import Population
from hil.training.pull import pull
from hil.training.wafer import MeasuredWafer

WAFER = "POPULATION"
AVERAGES = 4


@dataclass(frozen=True)
class Wanted:
    """Which dies of which wafer, and how they are read."""

    population: Population
    wafer_seed: int
    dies: int
    averages: int = AVERAGES

    @property
    def key(self) -> str:
        facts = [self.population.digest, self.wafer_seed, self.dies, self.averages, "calibrated", RULE, version("mtj-hil")]
        return f"{self.population.name}-{self.wafer_seed}-{self.dies}x{self.averages}-{sha256(json.dumps(facts).encode()).hexdigest()[:12]}"


def measured(wanted: Wanted, console: Console) -> MeasuredWafer:
    """From the cache, or from a simulated lab started for it. Raises ChildFailed, LabError, MapsError."""
    file = cache_folder(os.environ) / "populations" / f"{wanted.key}.npz"
    if file.exists():
        return _load(file)
    maps = _measure(wanted, console)
    file.parent.mkdir(parents=True, exist_ok=True)
    _keep(maps, file)
    return maps


def _measure(wanted: Wanted, console: Console) -> MeasuredWafer:
    folder = Path(tempfile.mkdtemp(prefix="hil-population-"))
    try:
        with running_lab(folder, wanted.wafer_seed, wanted.population.fab, wanted.dies) as lab, lab.client() as client:
            with Stage(console, f"measure {wanted.population.name}, wafer {wanted.wafer_seed}", wanted.dies * 32) as stage:
                # Else the board's own errors, a per cent or so a column, would count as the dies'.
                client.start({"kind": "calibrate", "wafer": WAFER, "dies": [[0, 0]], "note": "hil reproduce"}).wait()
                plan = {"kind": "characterise", "wafer": WAFER, "dies": "all", "averages": wanted.averages, "note": "hil reproduce"}
                client.start(plan).wait(on_look=lambda run: stage.at(run.done, run.unit))
            return pull(client, WAFER).measured
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(maps: MeasuredWafer, file: Path) -> None:
    """Whole or not at all: written beside, then renamed."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        np.savez(part, dies=np.array(maps.dies), siemens_p=maps.siemens_p, siemens_ap=maps.siemens_ap, codes=maps.codes)
    Path(part.name).replace(file)


def _load(file: Path) -> MeasuredWafer:
    try:
        with np.load(file) as kept:
            dies = tuple((int(x), int(y)) for x, y in kept["dies"])
            return MeasuredWafer(dies, kept["siemens_p"], kept["siemens_ap"], kept["codes"])
    except (OSError, ValueError, KeyError) as error:
        raise MapsError(f"{file} is damaged: {error}; delete it, and the wafer is measured anew") from error
