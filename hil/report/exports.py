"""A wafer's maps in files for others: csv, parquet, zarr, STDF, SEMI E142 and G85.

Rule 1: dies are pulled one by one, and one is held at a time. Rule 2: a file appears whole or not at all: written aside, then renamed.
Rule 3: every file says where its numbers come from (origin) and from which maps; what was not measured is empty or NaN, never 0.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.lab import DieIndex

Siemens = NDArray[np.float32]


class ExportFailed(Exception):
    """The export cannot be written; the text says why and what to do."""


@dataclass(frozen=True)
class ExportedDie:
    """One die as it is exported; arrays are (kernels, rows, columns), None where there is no such map.

    siemens, uncertainty: S, by state (P, AP, as_found). codes: of the defect map, with line_fault and confidence. map_ids: by state, and
    "defects". origin: as the service words it.
    """

    die: DieIndex
    origin: str
    map_ids: Mapping[str, str]
    measured_at: str | None
    siemens: Mapping[str, Siemens] = field(default_factory=dict[str, Siemens])
    uncertainty: Mapping[str, Siemens] = field(default_factory=dict[str, Siemens])
    codes: NDArray[np.uint8] | None = None
    line_fault: NDArray[np.uint8] | None = None
    confidence: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        arrays = [*self.siemens.values(), *([] if self.codes is None else [self.codes])]
        if not arrays:
            raise ExportFailed(f"die {self.die} has no map to export; measure or import it first")
        kernels, rows, columns = arrays[0].shape
        return (kernels, rows, columns)

    def counts(self) -> dict[str, int]:
        """Junctions per class, by lower-case name; empty without a defect map."""
        if self.codes is None:
            return {}
        numbers = np.bincount(self.codes.ravel(), minlength=256)
        return {defect.name.lower(): int(numbers[defect]) for defect in Defect if numbers[defect]}

    @property
    def good_fraction(self) -> float | None:
        """Of the classified junctions; None without any."""
        counts = Counter(self.counts())
        classified = counts.total() - counts["no_contact"] - counts["not_measured"]
        return counts["good"] / classified if classified else None


@dataclass(frozen=True)
class Exported:
    """A wafer. dies: all registered ones, wafer frame. measured: how many of them `pull` gives. pull: one after another, (y, x) ordered.

    exported_at: UTC, ISO 8601. code_version: of this program.
    """

    wafer: str
    dies: Sequence[DieIndex]
    measured: int
    pull: Callable[[], Iterator[ExportedDie]]
    exported_at: str
    code_version: str


Writer = Callable[[Exported, Path], None]
FORMATS = ("csv", "parquet", "zarr", "stdf", "e142", "g85")


def write_export(exported: Exported, kind: str, path: Path) -> None:
    """kind: of FORMATS. Raises ExportFailed, OSError."""
    if not exported.measured:
        raise ExportFailed(f"wafer {exported.wafer} has no measured die; measure or import one first")
    writer = _writer(kind)
    with _aside(path, directory=kind == "zarr") as target:
        writer(exported, target)


def _writer(kind: str) -> Writer:
    """Only what is asked for is imported: zarr is an extra, and pyarrow takes its time."""
    from hil.report import export_semi, export_stdf, export_tables, export_zarr

    writers: dict[str, Writer] = {
        "csv": export_tables.write_csv,
        "parquet": export_tables.write_parquet,
        "zarr": export_zarr.write_zarr,
        "stdf": export_stdf.write_stdf,
        "e142": export_semi.write_e142,
        "g85": export_semi.write_g85,
    }
    if kind not in writers:
        raise ExportFailed(f"format {kind!r} is not known; known are {', '.join(FORMATS)}")
    return writers[kind]


@contextmanager
def _aside(path: Path, *, directory: bool) -> Generator[Path]:
    """Where to write; renamed to `path` when the block ends well, gone when not. Raises ExportFailed for a directory that is there."""
    if path.is_dir() or (directory and path.exists()):
        raise ExportFailed(f"{path} exists; remove it or choose another --out")
    aside = path.with_name(f".{path.name}.part")
    _remove(aside)
    try:
        yield aside
        aside.replace(path)
    finally:
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Bin:
    """How a whole die is told in wafer maps that have one code a die. least: smallest share of good junctions."""

    code: int
    name: str
    least: float


BINS = (
    Bin(1, "at least 99.9 % of the junctions good", 0.999),
    Bin(2, "at least 99 % good", 0.99),
    Bin(3, "at least 90 % good", 0.9),
    Bin(4, "less than 90 % good", 0.0),
)
NOT_CLASSIFIED = Bin(5, "read, not classified", 0.0)
"""No bin is a pass or a fail: how many bad junctions a network bears is its trainer's to say."""


def bin_of(die: ExportedDie) -> Bin:
    share = die.good_fraction
    return NOT_CLASSIFIED if share is None else next(each for each in BINS if share >= each.least)


def facts_of(exported: Exported) -> dict[str, Any]:
    """What every file says of itself."""
    return {"wafer": exported.wafer, "exported_at": exported.exported_at, "code_version": exported.code_version, "software": "mtj-hil"}
