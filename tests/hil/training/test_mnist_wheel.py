"""A pickle from a stranger builds arrays and nothing else."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hil.training.errors import DataError
from hil.training.mnist_wheel import MEMBER, MEMBER_SHA256, read_arrays, read_wheel


class _RunsACommand:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_a_pickle_that_runs_a_command_is_refused_before_it_runs(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = pickle.dumps([np.arange(3), _RunsACommand(f"touch {trace}")])
    with pytest.raises(pickle.UnpicklingError, match=r"posix\.system|nt\.system"):
        read_arrays(io.BytesIO(evil))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["numpy.load", "builtins.eval", "numpy.core.multiarray.fromstring"])
def test_other_callables_are_refused_by_name(name: str) -> None:
    module, _, function = name.rpartition(".")
    with pytest.raises(pickle.UnpicklingError, match=name):
        read_arrays(io.BytesIO(f"c{module}\n{function}\n.".encode()))


def test_plain_arrays_come_through_whole() -> None:
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2], np.int64))
    for protocol in (3, 4):
        first, second = read_arrays(io.BytesIO(pickle.dumps(arrays, protocol)))
        assert np.array_equal(first, arrays[0])
        assert np.array_equal(second, arrays[1])


def test_another_wheels_content_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, b"not the known bytes")
    with pytest.raises(DataError, match=MEMBER_SHA256):
        read_wheel(wheel)


def test_what_is_no_wheel_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "broken.whl"
    wheel.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"broken\.whl: no readable"):
        read_wheel(wheel)
