"""What `hil place` does: a network's bit maps and placement tables as files, and plans that write them.

Rule: one row a junction that holds a weight, with the die it lies on and the state it is written to; die by die what is written is the
bit map, and nothing else is touched."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hil.cli.evaluation import loaded, only_method
from hil.cli.options import CommandFailed, connect
from hil.cli.output import aligned, emit
from hil.client import LabClient
from hil.training.adc import Converter
from hil.training.deployment import Deployment, deployed
from hil.training.devices import dies_of
from hil.training.electrics import Written, largest_read_volts
from hil.training.errors import TrainingError
from hil.training.network import Hidden
from hil.training.packing import COLUMNS, ROWS
from hil.training.placed import AP, LEAVE, P, table
from hil.training.pull import pull
from hil.training.tiles import tiles_of
from hil.training.wafer import MeasuredWafer, reference_of

TABLE = ("layer", "input", "output", "copy", "sign", "x", "y", "kernel", "row", "column", "state")
STATES = {P: "P", AP: "AP"}


@dataclass(frozen=True)
class Placing:
    """What the command line asked for."""

    model: str
    wafer: str
    method: str | None
    out: Path
    upload: bool
    as_json: bool


def place_model(asked: Placing, url: str, token: str | None) -> None:
    """Raises CommandFailed, LabError."""
    try:
        with connect(url, token) as lab:
            _, checkpoint = loaded(lab, asked.model, keep=False)
            method = only_method(checkpoint, asked.method)
            measured = pull(lab, asked.wafer).measured
            places, changed = deployed(checkpoint, method, asked.wafer, measured)
            asked.out.mkdir(parents=True, exist_ok=True)
            found = [told for place in places for told in _written(lab, asked, place, most_volts(place, measured))]
    except TrainingError as error:
        raise CommandFailed(str(error)) from error
    net = places[0].network.net.name
    lines = [["die", "junctions", "in P", "read at most", "bit map", "table", "plan"]]
    for each in found:
        x, y = each["die"]
        numbers = (f"{each['junctions']:,}", f"{each['parallel']:,}", f"{each['most_read_volts']:.3f} V")
        lines.append([f"{x},{y}", *numbers, each["target"], each["table"], each["plan"] or ""])
    refused = {f"{x},{y}": why for (x, y), why in changed.items()}
    result = {"wafer": asked.wafer, "method": method, "net": net, "dies": found, "refused": refused}
    told = [f"{method} {net} on wafer {asked.wafer}", aligned(lines), *(f"refused: {why}" for why in refused.values())]
    emit(asked.as_json, result, "\n".join(told))


def _written(lab: LabClient, asked: Placing, place: Deployment, most_read_volts: float) -> Iterator[dict[str, Any]]:
    """The files of every die of a place; a table stands beside the place's first die and tells of all."""
    targets = place.targets()
    of_place = asked.out / f"{_name(asked.wafer, place.dies[0])}_junctions.csv"
    write_table(place, of_place)
    for die, target in zip(place.dies, targets, strict=True):
        file = asked.out / f"{_name(asked.wafer, die)}_target.npy"
        np.save(file, target)
        told: dict[str, Any] = {"die": list(die), "junctions": int((target != LEAVE).sum()), "parallel": int((target == P).sum())}
        plan: Path | None = None
        if asked.upload:
            fields = {"kind": "program", "wafer": asked.wafer, "dies": [list(die)], "target": {"object": lab.put_object(target)}}
            plan = asked.out / f"{_name(asked.wafer, die)}_program.json"
            plan.write_text(json.dumps(fields), encoding="utf-8")
        told["most_read_volts"] = most_read_volts
        yield told | {"target": str(file), "table": str(of_place), "plan": None if plan is None else str(plan)}


def most_volts(place: Deployment, measured: MeasuredWafer) -> float:
    """Read voltage up to which no reading of the network can leave the converter's range, whatever the image; by the maps."""
    mine = place.maps_of(measured)
    dies = dies_of(mine, replace(reference_of(mine), norm_siemens=place.norm_siemens), place.plan.dies)
    parallel, antiparallel = ((dies.offset + state * dies.slope)[0].view(-1, ROWS, COLUMNS) * place.norm_siemens for state in (1, -1))
    written = Written(parallel, antiparallel, parallel.sign())
    is_signed = place.network.bounds.hidden is Hidden.TANH or bool(place.network.rest)
    return min(largest_read_volts(written, tiles, Converter(), is_signed=is_signed) for tiles in tiles_of(place.plan))


def write_table(place: Deployment, file: Path) -> None:
    """csv, one row a junction (a reference: one for each layer it serves), in the order of layers; see `placed.table`."""
    found = table(place.plan, place.network.net.replicas)
    targets = place.targets()
    dies = np.array(place.dies)[found["die"]]
    states = targets[found["die"], found["kernel"], found["row"], found["column"]]
    columns = {**found, "x": dies[:, 0], "y": dies[:, 1]}
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(TABLE)
        numbers = np.column_stack([columns[name] for name in TABLE[:-1]]).tolist()
        writer.writerows([*row, STATES[state]] for row, state in zip(numbers, states.tolist(), strict=True))


def _name(wafer: str, die: tuple[int, int]) -> str:
    return f"{wafer}_{die[0]}_{die[1]}"
