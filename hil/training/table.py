"""The table of errors: method by population, over dies and seeds, every number from the cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from hil.training.cells import Cell
from hil.training.net import Net


@dataclass(frozen=True)
class Row:
    """Per cent on the test images. sd: between dies, averaged over seeds. worst: of all dies and seeds. delta_points: mean over seeds
    of the mean error above the software network of the same seed. seconds: of training, mean over seeds."""

    method: str
    population: str
    net: str
    encoding: str
    seeds: int
    mean_error_percent: float
    sd: float
    worst_error_percent: float
    delta_points: float
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in self.__dict__.items()}


def rows(cells: Iterable[Cell]) -> list[Row]:
    """One a method, population and net, in the order in which they first come."""
    kept = list(cells)
    first = {_place(cell): index for index, cell in reversed(list(enumerate(kept)))}
    ordered = sorted(kept, key=lambda cell: first[_place(cell)])
    return [_row(list(same)) for _, same in groupby(ordered, key=_place)]


def software_row(population: str, net: Net, baselines: Sequence[tuple[float, float]]) -> Row:
    """The software network on ideal devices, which are the same whatever the population. baselines: (error as a share, seconds of its
    training) a seed."""
    percent = [100 * error for error, _ in baselines]
    seconds = float(np.mean([spent for _, spent in baselines]))
    return Row("software", population, net.name, net.encoding, len(percent), float(np.mean(percent)), 0.0, max(percent), 0.0, seconds)


def _place(cell: Cell) -> tuple[str, str, str, str]:
    return cell.name.population, cell.name.net, cell.name.encoding, cell.name.method


def _row(cells: Sequence[Cell]) -> Row:
    errors = [100 * cell.errors for cell in cells]
    name = cells[0].name
    return Row(
        name.method,
        name.population,
        name.net,
        name.encoding,
        len(cells),
        float(np.mean([error.mean() for error in errors])),
        float(np.mean([error.std(ddof=1) if len(error) > 1 else 0.0 for error in errors])),
        float(max(error.max() for error in errors)),
        float(np.mean([error.mean() - 100 * cell.baseline_error for error, cell in zip(errors, cells, strict=True)])),
        float(np.mean([cell.seconds for cell in cells])),
    )


def baseline_error_percent(cells: Iterable[Cell]) -> float:
    """Mean over the seeds of the software network's error on ideal devices; NaN without cells."""
    by_seed = {(cell.name.net, cell.name.encoding, cell.name.seed): cell.baseline_error for cell in cells}
    return float(100 * np.mean(list(by_seed.values()))) if by_seed else float("nan")
