"""Content-addressed files."""

from pathlib import Path

import pytest

from hil.model.maps import sha256_hex
from hil.store.errors import Corrupt, NotFound, Unwritable
from hil.store.objects import Objects


def test_what_was_put_comes_back_by_its_hash(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    sha256 = objects.put(b"bytes")
    assert sha256 == sha256_hex(b"bytes")
    assert objects.get(sha256) == b"bytes"


def test_putting_twice_keeps_one_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    assert objects.put(b"bytes") == objects.put(b"bytes")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{sha256_hex(b'bytes')}.npy"]


def test_a_damaged_file_is_corrupt_and_never_served(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    sha256 = objects.put(b"bytes")
    next(tmp_path.rglob("*.npy")).write_bytes(b"bytez")
    with pytest.raises(Corrupt, match=sha256):
        objects.get(sha256)


def test_putting_heals_a_damaged_file(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    sha256 = objects.put(b"bytes")
    next(tmp_path.rglob("*.npy")).write_bytes(b"")
    objects.put(b"bytes")
    assert objects.get(sha256) == b"bytes"


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64])
def test_anything_but_a_stored_hash_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        Objects(tmp_path).get(name)


def test_a_place_that_takes_no_files_is_named(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    sha256 = sha256_hex(b"bytes")
    (tmp_path / sha256[:2]).write_text("a file where the directory should be")
    with pytest.raises(Unwritable, match="cannot be written"):
        objects.put(b"bytes")
