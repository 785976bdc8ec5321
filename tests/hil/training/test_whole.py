"""A file under its name is whole or absent."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from hil.training.whole import whole


def test_two_writers_of_one_file_do_not_meet_and_the_last_to_end_stays(tmp_path: Path) -> None:
    file = tmp_path / "made" / "networks.safetensors"
    with ExitStack() as later:
        second = later.enter_context(whole(file))
        second.write(b"seco")
        with whole(file) as first:
            first.write(b"first")
        assert file.read_bytes() == b"first"
        second.write(b"nd")
    assert file.read_bytes() == b"second"
    assert list(file.parent.iterdir()) == [file]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "cell.npz"
    file.write_bytes(b"before")
    with pytest.raises(OSError, match="disk full"), whole(file) as opened:
        opened.write(b"half")
        raise OSError("disk full")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]
