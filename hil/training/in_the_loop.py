"""The network on the dies themselves: written through the service, read back, run on images by the board's own products.

Rule 1: everything goes over HTTP; the dies answer, not the maps.
Rule 2: the board's own errors are taken off by its calibration (hil.training.board); a comparison says by which, or why by none.
Rule 3: a sum with a reading that saturated is told, and counts as its column's mean: never as a silent zero current."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hil.client import LabClient
from hil.client.held import HeldDie
from hil.model.lab import DieIndex
from hil.training.board import Board, board_of
from hil.training.deployment import Deployment
from hil.training.net import Encoding
from hil.training.network import BLOCK, Network, class_scores, hidden_values, logits, row_drive
from hil.training.placed import LEAVE
from hil.training.recalibration import Sums, recalibrated_on
from hil.training.tiles import LayerTiles, tiles_of
from hil.training.trainer import Images
from hil.training.wafer import MeasuredWafer

PRODUCTS = 2000
"""Vectors times kernels of one request: an answer within a second on a board that takes 250 us for each."""
DONE = 0
"""Result code of the plan `program` for a junction that was verified in its target state."""


@dataclass(frozen=True)
class Reading:
    """How products are read. volts: what an input of 1 is driven with. averages: how often each is taken, to count as their mean; as often
    as a map's readings, if nothing else is said."""

    volts: float = 0.1
    averages: int = 4


USUAL = Reading()


@dataclass(frozen=True)
class Written:
    """What became of writing. wanted: junctions that should be in a state. missed: by die, those that could not be brought there."""

    wanted: int
    missed: dict[DieIndex, int]
    runs: tuple[str, ...]


def program(lab: LabClient, deployment: Deployment) -> Written:
    """Writes the network into its dies, each junction verified by reading. Raises LabError, RunEnded."""
    missed: dict[DieIndex, int] = {}
    runs: list[str] = []
    wanted = 0
    for die, target in zip(deployment.dies, deployment.targets(), strict=True):
        plan = {"kind": "program", "wafer": deployment.wafer, "dies": [list(die)], "target": {"object": lab.put_object(target)}}
        run = lab.start(plan).wait()
        codes = run.results(die)[die]["program_codes"]
        asked = target != LEAVE
        wanted += int(asked.sum())
        missed[die] = int((codes[asked] != DONE).sum())
        runs.append(run.id)
    return Written(wanted, missed, tuple(runs))


class OnBoard:
    """Column sums as the dies give them. Use as a context manager: leaving lets the die in contact go."""

    def __init__(self, lab: LabClient, deployment: Deployment, board: Board, reading: Reading = USUAL) -> None:
        self._lab, self._deployment, self._reading = lab, deployment, reading
        self.board = board
        self._tiles = tiles_of(deployment.plan)
        self._held = ExitStack()
        self._die: tuple[DieIndex, HeldDie] | None = None
        self.saturated = 0

    def __enter__(self) -> "OnBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self._die = None
        self._held.close()

    def sums(self, layer: int, values: Tensor) -> Tensor:
        """As Sums. values: of the layer's inputs, at least -limit and at most limit of what a row is driven with."""
        deployment, tiles = self._deployment, self._tiles[layer]
        scale = 1.0 if layer == 0 else _largest_drive(deployment.network)
        driven = (values[0, 0] / scale).numpy().astype(np.float32)
        amps = self._amps(tiles, tiles.inputs(driven))
        unit = scale / (deployment.norm_siemens * self._reading.volts)
        limit = deployment.network.bounds.block_limit
        block = BLOCK if limit != inf else tiles.slots[0]
        parts = torch.from_numpy(tiles.block_sums(amps, block) * unit).float() - self._known(layer, values[0, 0], block)
        found = parts.clamp(-limit, limit).sum(dim=0)
        self.saturated += int(found.isnan().sum())
        return torch.where(found.isnan(), deployment.network.layers[layer].mean, found)[None, None]

    def _known(self, layer: int, values: Tensor, block: int) -> Tensor:
        """What is taken off digitally, (blocks or 1, images, columns or 1): the reference's share, the excess of known shorts."""
        deployment = self._deployment
        parts = values.split(block, dim=-1)
        known = torch.zeros(1, 1, 1)
        if deployment.network.net.encoding is Encoding.REFERENCE:
            known = known + torch.stack([part.sum(dim=-1, keepdim=True) for part in parts]) / 2
        if deployment.excess is not None:
            excess = deployment.excess[layer].split(block, dim=0)
            known = known + torch.stack([part @ each for part, each in zip(parts, excess, strict=True)])
        return known

    def _amps(self, tiles: LayerTiles, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """(batch, readings, 25) A, corrected. inputs: (readings, batch, 25)."""
        amps = np.full((inputs.shape[1], len(inputs), 25), np.nan)
        for each in tiles.passes():
            held = self._hold(self._deployment.dies[each.die])
            of_pass = inputs[list(each.readings)].swapaxes(0, 1) * self._reading.volts
            step = max(1, PRODUCTS // (len(each.kernels) * self._reading.averages))
            for start in range(0, len(of_pass), step):
                part = slice(start, start + step)
                amps[part, list(each.readings)] = self._products(held, of_pass[part], each.kernels)
        return amps

    def _products(self, held: HeldDie, volts: NDArray[np.floating[Any]], kernels: tuple[int, ...]) -> NDArray[np.float64]:
        """(batch, kernels, 25) A. volts: (batch, kernels, 25), at the rows."""
        told = self.board.told(volts, self._reading.averages)
        # A driver that gives too little is told more than an input of 1 is worth.
        unit_volts = max(self._reading.volts, float(np.abs(told).max()))
        read = held.vmm((told / unit_volts).reshape(-1, *volts.shape[1:]), unit_volts, kernels)
        return self.board.amps(read).reshape(told.shape).mean(axis=0)

    def _hold(self, die: DieIndex) -> HeldDie:
        if self._die is None or self._die[0] != die:
            self._die = None
            self._held.close()
            self._die = die, self._held.enter_context(self._lab.hold(self._deployment.wafer, *die))
        return self._die[1]


def _largest_drive(network: Network) -> float:
    """Hidden values come down to what a row may be driven with: 1 of the read voltage."""
    return max(network.bounds.hidden_limit, 1.0)


@contextmanager
def on_board(lab: LabClient, deployment: Deployment, reading: Reading = USUAL) -> Generator[OnBoard]:
    with OnBoard(lab, deployment, board_of(lab, deployment.wafer, deployment.dies), reading) as board:
        yield board


@torch.no_grad()
def scores(network: Network, sums: Sums, voltages: Tensor) -> Tensor:
    """(images, classes), layer by layer from sums that come from anywhere. voltages: (images, inputs)."""
    values = voltages[None, None]
    *hidden, last = network.layers
    for index, layer in enumerate(hidden):
        values = hidden_values(sums(index, row_drive(values, network, index)), layer, network.bounds)
    return class_scores(sums(len(hidden), row_drive(values, network, len(hidden))), last, network)[0, 0]


@dataclass(frozen=True)
class Comparison:
    """predicted, measured: (images,) classes. saturated: sums with a reading that the converter could not show. calibration: by which
    currents were corrected; None for as they were read, and why_not says why."""

    dies: tuple[DieIndex, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    measured: NDArray[np.int64]
    saturated: int
    reading: Reading = USUAL
    calibration: str | None = None
    why_not: str = ""

    @property
    def predicted_error(self) -> float:
        return float((self.predicted != self.labels).mean())

    @property
    def measured_error(self) -> float:
        return float((self.measured != self.labels).mean())

    @property
    def same_class(self) -> float:
        return float((self.predicted == self.measured).mean())

    def as_json(self) -> dict[str, object]:
        return {
            "dies": [list(die) for die in self.dies],
            "images": len(self.labels),
            "predicted_error_percent": 100 * self.predicted_error,
            "measured_error_percent": 100 * self.measured_error,
            "same_class_percent": 100 * self.same_class,
            "saturated_sums": self.saturated,
            "read_volts": self.reading.volts,
            "averages": self.reading.averages,
            "calibration": self.calibration,
            "not_calibrated_because": self.why_not or None,
        }


def compare(lab: LabClient, deployment: Deployment, measured: MeasuredWafer, images: Images, reading: Reading = USUAL) -> Comparison:
    """The same images by the maps and by the dies. Raises MapsError on maps the network was not made for; LabError."""
    guessed = predicted_scores(deployment, measured, images.voltages)
    with on_board(lab, deployment, reading) as run:
        found = scores(deployment.network, run.sums, images.voltages)
    classes = (guessed.argmax(-1).numpy(), found.argmax(-1).numpy())
    return Comparison(deployment.dies, images.labels.numpy(), *classes, run.saturated, reading, run.board.calibration, run.board.why)


@torch.no_grad()
def predicted_scores(deployment: Deployment, measured: MeasuredWafer, voltages: Tensor) -> Tensor:
    """(images, classes) by the maps. Raises MapsError on maps the network was not made for."""
    bars = deployment.bars(deployment.maps_of(measured))
    return logits(voltages[None, None], deployment.network, bars)[0, 0]


def fine_tuned(lab: LabClient, deployment: Deployment, ideal: Network, voltages: Tensor, reading: Reading = USUAL) -> Deployment:
    """The network with its digital side fitted to what the dies show on unlabelled images, layer by layer; nothing is written.

    ideal: the same weights on ideal devices, with column statistics of its own. voltages: (images, inputs).
    """
    with on_board(lab, deployment, reading) as run:
        return replace(deployment, network=recalibrated_on(deployment.network, run.sums, ideal, voltages))
