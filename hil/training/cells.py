"""One cell of the table of errors: a method on a population's dies with one seed, kept as a file so that a table can be resumed, and so
that methods can be compared in pairs, die by die and image by image.

Rule: a cell is used again only if its key is the same: net, budget, seed and the maps of all dies that had a part in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.lab import DieIndex
from hil.training.errors import TrainingError
from hil.training.whole import whole

FORMAT = "mtj-hil-cell-1"


@dataclass(frozen=True)
class CellName:
    """Where a cell stands in the table. net: with its encoding, such as 100-76-10x3 and independent."""

    method: str
    population: str
    net: str
    encoding: str
    seed: int

    def file(self, folder: Path) -> Path:
        return folder / "cells" / f"{self.net}-{self.encoding}" / self.population / f"{self.method}-seed{self.seed}.npz"


@dataclass(frozen=True, eq=False)
class Cell:
    """dies: those judged, in order; for a network over several dies the first of each place. wrong: (dies, images) bool, which test images
    are misclassified. baseline_error: share, of the software network of this seed on ideal devices. seconds: of training, shared
    weights included. key: of all that decides about the numbers."""

    name: CellName
    key: str
    dies: tuple[DieIndex, ...]
    wrong: NDArray[np.bool_]
    baseline_error: float
    seconds: float
    facts: Mapping[str, Any]

    @property
    def errors(self) -> NDArray[np.float64]:
        """(dies,) share of the test images misclassified."""
        return self.wrong.mean(axis=1)


def save_cell(cell: Cell, folder: Path) -> Path:
    """A cell is whole or absent."""
    file = cell.name.file(folder)
    with whole(file) as part:
        np.savez_compressed(
            part,
            format=FORMAT,
            name=json.dumps(cell.name.__dict__),
            key=cell.key,
            dies=np.array(cell.dies, np.int32),
            errors=cell.errors,
            wrong=np.packbits(cell.wrong, axis=1),
            images=cell.wrong.shape[1],
            baseline_error=cell.baseline_error,
            seconds=cell.seconds,
            facts=json.dumps(dict(cell.facts), allow_nan=False),
        )
    return file


def load_cell(file: Path) -> Cell:
    """Raises TrainingError when the file is missing or no cell of ours."""
    try:
        with np.load(file) as kept:
            if str(kept["format"]) != FORMAT:
                raise TrainingError(f"{file}: format {kept['format']}, expected {FORMAT}; compute the cell anew")
            wrong = np.unpackbits(kept["wrong"], axis=1, count=int(kept["images"])).astype(bool)
            return Cell(
                CellName(**json.loads(str(kept["name"]))),
                str(kept["key"]),
                tuple((int(x), int(y)) for x, y in kept["dies"]),
                wrong,
                float(kept["baseline_error"]),
                float(kept["seconds"]),
                json.loads(str(kept["facts"])),
            )
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{file}: no readable cell: {error}; delete it, and it is computed anew") from error


def kept_cell(name: CellName, key: str, folder: Path) -> Cell | None:
    """The cell of that name if it was computed from the same things."""
    file = name.file(folder)
    if not file.exists():
        return None
    cell = load_cell(file)
    return cell if cell.key == key else None


def all_cells(folder: Path) -> list[Cell]:
    """Every cell under a folder of results, ordered by file name."""
    return [load_cell(file) for file in sorted((folder / "cells").rglob("*.npz"))]


def over_folds(cells: list[Cell]) -> Cell:
    """Cells of the two halves of one wafer as one, dies by (y, x)."""
    dies = [die for cell in cells for die in cell.dies]
    order = sorted(range(len(dies)), key=lambda index: (dies[index][1], dies[index][0]))
    wrong = np.concatenate([cell.wrong for cell in cells])[order]
    return replace(cells[0], dies=tuple(dies[index] for index in order), wrong=wrong, seconds=sum(cell.seconds for cell in cells))
