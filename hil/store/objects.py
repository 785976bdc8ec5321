"""Arrays as immutable files named by their sha256. A file appears whole or not at all: written aside, synced, renamed,
and the directory synced. Reading checks the hash, so that a rotten disk is never served as a measurement."""

import os
import re
import secrets
from pathlib import Path

from hil.model.maps import sha256_hex
from hil.store.errors import Corrupt, NotFound, Unwritable

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Objects:
    """`root`/ab/abcd....npy; one directory per first byte keeps listings short."""

    def __init__(self, root: Path) -> None:
        """Raises Unwritable."""
        self._root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(root, error) from error

    def put(self, data: bytes) -> str:
        """sha256 of the bytes, which are on disk when it returns. Idempotent. Raises Unwritable."""
        sha256 = sha256_hex(data)
        path = self._path(sha256)
        try:
            if not path.exists() or path.read_bytes() != data:
                _write_durably(path, data)
        except OSError as error:
            raise _unwritable(path, error) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """Raises NotFound, Corrupt."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound(f"object {sha256[:80]!r} is no sha256; needs 64 hexadecimal digits")
        path = self._path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"object {sha256} is not in the store; PUT it first") from error
        except OSError as error:
            raise Corrupt(f"object {sha256} cannot be read from {path}: {error.strerror}") from error
        if sha256_hex(data) != sha256:
            raise Corrupt(f"object {sha256}: {path} no longer holds these bytes; restore it from a backup")
        return data

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / f"{sha256}.npy"


def _write_durably(path: Path, data: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(exist_ok=True)
        _sync_directory(path.parent.parent)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    # Windows has no handle to a directory to sync; its rename is journalled by NTFS.
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> Unwritable:
    return Unwritable(f"{path} cannot be written: {error.strerror}; free space, fix the permissions or choose another --data directory")
