"""Maps of one die from files of others: npy, csv (a matrix, or a row a junction as `hil export` writes it), txt (a matrix, or a folder with
one file a kernel, whose name ends in the kernel's number).

Rule: a file says what it is by its shape and its names; nothing is guessed from its numbers. What a file leaves out is NaN.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

CHIP = (32, 25, 25)
"""Shape of a die, where a file of single junctions or kernels does not say how many there are."""
_KERNEL_NUMBER = re.compile(r"(\d+)\D*$")
_STATES = {"siemens_p": "P", "siemens_ap": "AP", "siemens_as_found": "as_found", "siemens": ""}


class FileRefused(Exception):
    """A file that holds no map that can be read; the text names the file and what is wrong."""


@dataclass(frozen=True)
class FileMaps:
    """maps: by state, "" where the file does not say which. declared_origin: what the file says of where its numbers come from."""

    maps: Mapping[str, NDArray[Any]]
    declared_origin: str = ""


def read_maps(path: Path, die: tuple[int, int]) -> FileMaps:
    """die: whose rows to take of a file that names dies. Raises FileRefused, OSError."""
    if path.is_dir():
        return FileMaps({"": _kernels(path)})
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return FileMaps({"": _npy(path)})
    if suffix == ".csv":
        return _csv(path, die)
    if suffix in (".txt", ".dat"):
        return FileMaps({"": _matrix(path, None)})
    raise FileRefused(f"{path}: {suffix or 'no suffix'}; files are .npy, .csv, .txt, or a folder with one .txt a kernel")


def _npy(path: Path) -> NDArray[Any]:
    try:
        array: Any = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise FileRefused(f"{path}: no plain npy array: {error}") from error
    if not isinstance(array, np.ndarray):
        raise FileRefused(f"{path}: holds several arrays; save one map with numpy.save")
    return array


def _matrix(path: Path, delimiter: str | None) -> NDArray[np.float64]:
    try:
        return np.loadtxt(path, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise FileRefused(f"{path}: no matrix of numbers: {error}") from error


def _kernels(folder: Path) -> NDArray[np.float64]:
    """(kernels, rows, columns), NaN where a kernel has no file."""
    found: dict[int, NDArray[np.float64]] = {}
    for path in sorted(folder.glob("*.txt")):
        number = _KERNEL_NUMBER.search(path.stem)
        if number is None:
            raise FileRefused(f"{path}: its name does not end in a kernel's number, such as kernel_07.txt")
        if int(number[1]) in found:
            raise FileRefused(f"{path}: kernel {int(number[1])} has another file already")
        found[int(number[1])] = _matrix(path, None)
    if not found:
        raise FileRefused(f"{folder}: holds no .txt file; there must be one a kernel, such as kernel_07.txt")
    shapes = {array.shape for array in found.values()}
    if len(shapes) > 1:
        raise FileRefused(f"{folder}: kernels of different shapes, {sorted(shapes)}")
    whole = np.full((max(CHIP[0], max(found) + 1), *shapes.pop()), np.nan)
    for kernel, array in found.items():
        whole[kernel] = array
    return whole


def _csv(path: Path, die: tuple[int, int]) -> FileMaps:
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    if re.fullmatch(r"[\s\d.,;+\-eEnNaAiIfF]*", first):
        return FileMaps({"": _matrix(path, ",")})
    try:
        table: Any = pa_csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise FileRefused(f"{path}: no csv with a row of names: {error}") from error
    return _tidy(path, table, die)


def _tidy(path: Path, table: Any, die: tuple[int, int]) -> FileMaps:
    names = tuple(str(name) for name in table.column_names)
    missing = [name for name in ("kernel", "row", "column") if name not in names]
    values = {name: state for name, state in _STATES.items() if name in names}
    if missing or not values:
        needed = ", ".join(missing) or "a column siemens, siemens_p or siemens_ap"
        raise FileRefused(f"{path}: lacks {needed}; its columns are {', '.join(names)}")
    columns = {name: table.column(name).to_numpy() for name in names if name in ("x", "y", "kernel", "row", "column", *values)}
    if "x" in columns and "y" in columns:
        ours = (columns["x"] == die[0]) & (columns["y"] == die[1])
        if not ours.any():
            raise FileRefused(f"{path}: has no row of die {die}")
        columns = {name: column[ours] for name, column in columns.items()}
        table = table.filter(pa.array(ours))
    where = tuple(columns[name].astype(np.int64) for name in ("kernel", "row", "column"))
    shape = tuple(max(size, int(axis.max()) + 1) for size, axis in zip(CHIP, where, strict=True))
    maps: dict[str, NDArray[Any]] = {}
    for name, state in values.items():
        whole = np.full(shape, np.nan)
        whole[where] = columns[name].astype(np.float64)
        if np.isfinite(whole).any():
            maps[state] = whole
    return FileMaps(maps, _origin(table, names))


def _origin(table: Any, names: tuple[str, ...]) -> str:
    said = sorted({str(each) for each in table.column("origin").unique().to_pylist() if each}) if "origin" in names else []
    return " | ".join(said)[:200]
