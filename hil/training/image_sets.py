"""Which images are trained and judged on: MNIST, or others of its shape that the user names with HIL_IMAGES: a folder with four idx
files under MNIST's names, as Fashion-MNIST comes, or an npz.

Rule: MNIST is verified and so needs no name; others are checked for their form alone, and results on them carry their name and hash."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.training.data import FILES, IMAGES_MAGIC, LABELS_MAGIC, Mnist, idx_bytes, idx_file, load_mnist
from hil.training.errors import DataError

MNIST = "MNIST"
WORD = "images.json"
KEYS: Mapping[str, tuple[str, ...]] = {
    "train_images": ("train_images", "x_train"),
    "train_labels": ("train_labels", "y_train"),
    "test_images": ("test_images", "x_test"),
    "test_labels": ("test_labels", "y_test"),
}
"""Array -> names it may have in an npz: ours, which are also MedMNIST's, and Keras'."""
PIXELS = (28, 28)


@dataclass(frozen=True)
class ImageSet:
    """name: of the set. images: of any number, labels counted from 0. digest: of all arrays; empty for MNIST, which is known."""

    name: str
    images: Mnist
    digest: str = ""

    @property
    def classes(self) -> int:
        """As many as the largest label needs."""
        return int(max(self.images.train_labels.max(), self.images.test_labels.max())) + 1

    def folder(self, results: Path) -> Path:
        """Where results on these images are kept: apart from those on others."""
        return results / f"{self.name}-{self.digest}" if self.digest else results

    def keep(self, folder: Path) -> None:
        """Leave word in a folder of results of what they stand on; MNIST needs none."""
        if self.digest:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / WORD).write_text(json.dumps({"name": self.name, "digest": self.digest}), encoding="utf-8")

    def check(self, net: str, classes: int) -> None:
        """Raises DataError when a network of so many classes cannot learn these labels."""
        if self.classes > classes:
            raise DataError(f"{net} tells {classes} classes apart, {self.name} has labels up to {self.classes - 1}; give the net as many")


def kept_name(folder: Path) -> tuple[str, str]:
    """(name, digest) of the images that results in a folder stand on. Raises DataError."""
    if not (folder / WORD).exists():
        return MNIST, ""
    try:
        told = json.loads((folder / WORD).read_text(encoding="utf-8"))
        return str(told["name"]), str(told["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / WORD}: does not say which images these results stand on: {error}; compute them anew") from error


def load_images(environment: Mapping[str, str] | None = None) -> ImageSet:
    """Those of HIL_IMAGES, else MNIST (see `load_mnist`). Raises DataError saying what is wrong and what to do."""
    environment = os.environ if environment is None else environment
    named = environment.get("HIL_IMAGES")
    if not named:
        return ImageSet(MNIST, load_mnist(environment))
    source = Path(named)
    if not source.exists():
        raise DataError(f"HIL_IMAGES is {named}, which does not exist; name a folder of idx files or an npz file, or unset it for MNIST")
    arrays = _from_folder(source) if source.is_dir() else _from_npz(source)
    images = Mnist(**{name: _checked(arrays[name], name, source) for name in FILES})
    for part in ("train", "test"):
        counts = len(getattr(images, f"{part}_images")), len(getattr(images, f"{part}_labels"))
        if counts[0] != counts[1] or not counts[0]:
            raise DataError(f"{source}: {counts[0]} {part} images, {counts[1]} labels; there must be as many, and at least one")
    digest = hashlib.sha256(b"".join(idx_bytes(getattr(images, name)) for name in FILES)).hexdigest()[:12]
    return ImageSet(source.resolve().stem, images, digest)


def _from_folder(folder: Path) -> dict[str, NDArray[Any]]:
    return {name: _from_idx(folder, name) for name in FILES}


def _from_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    file = FILES[name][0]
    try:
        data = idx_file(folder, name)
    except (OSError, EOFError) as error:
        wanted = ", ".join(known for known, _ in FILES.values())
        raise DataError(f"HIL_IMAGES is {folder}, but {file} cannot be read there: {error}; put {wanted} there, plain or .gz") from error
    magic, axes = (IMAGES_MAGIC, 3) if name.endswith("images") else (LABELS_MAGIC, 1)
    header = [int(number) for number in np.frombuffer(data[: 4 * (1 + axes)], ">u4")] if len(data) >= 4 * (1 + axes) else []
    size = len(data) - 4 * (1 + axes)
    if header[:1] != [magic] or size != np.prod(header[1:], dtype=np.int64):
        raise DataError(f"{folder / file}: no idx file of {axes} axes: it opens with {header or 'less than a header'}, {size} bytes follow")
    return np.frombuffer(data, np.uint8, offset=4 * (1 + axes)).reshape(header[1:])


def _from_npz(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
            names = {name: next((key for key in keys if key in kept), None) for name, keys in KEYS.items()}
            lacking = [" or ".join(KEYS[name]) for name, key in names.items() if key is None]
            if lacking:
                raise DataError(f"{file}: holds {', '.join(kept) or 'nothing'}, but no {', no '.join(lacking)}")
            return {name: kept[str(key)] for name, key in names.items()}
    # What np.load gives for a plain .npy is an array, which has no __enter__.
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: no readable npz of plain arrays: {error}") from error


def _checked(array: NDArray[Any], name: str, source: Path) -> NDArray[np.uint8]:
    """(n, 28, 28) or (n,) uint8. Labels may be of any whole type and (n, 1)."""
    if name.endswith("images"):
        if array.dtype != np.uint8 or array.shape[1:] != PIXELS:
            raise DataError(f"{source}: {name} are {array.dtype} {array.shape}; uint8 (n, 28, 28) is needed, 0 dark and 255 bright")
        return np.ascontiguousarray(array)
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (labels.size and not 0 <= labels.min() <= labels.max() <= 255):
        raise DataError(f"{source}: {name} are {array.dtype} {array.shape}; whole numbers (n,) from 0 to 255 are needed")
    return labels.astype(np.uint8)
