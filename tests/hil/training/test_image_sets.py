"""Images other than MNIST: taken when they have its form, refused by name and shape when not."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.training.data import FILES, Mnist, idx_bytes
from hil.training.errors import DataError
from hil.training.image_sets import ImageSet, kept_name, load_images
from hil.training.trainer import train_and_test

Arrays = dict[str, np.ndarray]


def some_arrays() -> Arrays:
    rng = np.random.default_rng(3)
    return {
        "train_images": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "train_labels": np.arange(20, dtype=np.uint8) % 7,
        "test_images": rng.integers(0, 256, (6, 28, 28), np.uint8),
        "test_labels": np.arange(6, dtype=np.uint8),
    }


def as_idx(folder: Path, arrays: Arrays, packed: bool = True) -> Path:
    """As Fashion-MNIST comes: MNIST's names, packed."""
    folder.mkdir()
    for name, (file, _) in FILES.items():
        data = idx_bytes(arrays[name])
        (folder / f"{file}.gz" if packed else folder / file).write_bytes(gzip.compress(data, 1) if packed else data)
    return folder


def load(source: Path) -> ImageSet:
    return load_images({"HIL_IMAGES": str(source)})


def same(found: Mnist, arrays: Arrays) -> bool:
    return all(np.array_equal(getattr(found, name), arrays[name]) and getattr(found, name).dtype == np.uint8 for name in FILES)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_under_mnists_names_are_taken_whatever_they_show(tmp_path: Path, packed: bool) -> None:
    found = load(as_idx(tmp_path / "fashion", some_arrays(), packed))
    assert same(found.images, some_arrays())
    assert (found.name, found.classes) == ("fashion", 7)
    train, test = train_and_test(found.images)
    assert (tuple(train.voltages.shape), tuple(test.voltages.shape)) == ((20, 100), (6, 100))


@pytest.mark.parametrize("keys", [tuple(FILES), ("x_train", "y_train", "x_test", "y_test")])
def test_an_npz_is_taken_under_either_set_of_names_with_labels_of_any_whole_type(tmp_path: Path, keys: tuple[str, ...]) -> None:
    arrays = some_arrays()
    wide = {key: array if array.ndim == 3 else array.astype(np.int64)[:, None] for key, array in zip(keys, arrays.values(), strict=True)}
    np.savez(tmp_path / "letters.npz", **wide, extra=np.zeros(3))
    found = load(tmp_path / "letters.npz")
    assert same(found.images, arrays)
    assert found.name == "letters"


def test_without_a_name_it_is_mnist_in_the_folder_that_was_asked_for(mnist: Mnist, tmp_path: Path) -> None:
    found = load_images()
    assert found.name == "MNIST"
    assert np.array_equal(found.images.test_labels, mnist.test_labels)
    assert found.folder(tmp_path) == tmp_path
    found.keep(tmp_path)
    assert kept_name(tmp_path) == ("MNIST", "")


def test_results_on_other_images_are_kept_apart_and_say_which(tmp_path: Path) -> None:
    arrays = some_arrays()
    first = load(as_idx(tmp_path / "fashion", arrays))
    again = load(as_idx(tmp_path / "again", arrays, packed=False))
    arrays["test_images"][0, 0, 0] ^= 1
    other = load(as_idx(tmp_path / "other", arrays))
    assert first.digest == again.digest != other.digest
    folder = first.folder(tmp_path / "out")
    assert folder.parent == tmp_path / "out"
    first.keep(folder)
    assert kept_name(folder) == ("fashion", first.digest)
    (folder / "images.json").write_text("{}")
    with pytest.raises(DataError, match="does not say which images"):
        kept_name(folder)


def test_a_network_with_fewer_classes_than_the_labels_is_refused(tmp_path: Path) -> None:
    found = load(as_idx(tmp_path / "fashion", some_arrays()))
    found.check("100-20-7", 7)
    with pytest.raises(DataError, match="100-20-5 tells 5 classes apart, fashion has labels up to 6"):
        found.check("100-20-5", 5)


def cut(name: str, count: int) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: arrays[name][:count]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut("train_labels", 19), "20 train images, 19 labels"),
        (lambda arrays: cut("test_labels", 0)(cut("test_images", 0)(arrays)), "0 test images, 0 labels; there must be"),
        (
            lambda arrays: arrays | {"test_images": arrays["test_images"][:, :20]},
            r"test_images are uint8 \(6, 20, 28\); uint8 \(n, 28, 28\)",
        ),
        (lambda arrays: arrays | {"train_images": arrays["train_images"] / 255}, r"train_images are float64 \(20, 28, 28\)"),
        (lambda arrays: arrays | {"test_labels": np.eye(6, dtype=np.uint8)}, r"test_labels are uint8 \(6, 6\); whole numbers"),
        (lambda arrays: arrays | {"test_labels": -np.arange(6)}, "whole numbers"),
        (lambda arrays: {name: array for name, array in arrays.items() if name != "test_labels"}, "no test_labels or y_test"),
    ],
)
def test_an_npz_of_another_form_is_refused_with_what_it_holds(tmp_path: Path, change: Callable[[Arrays], Arrays], said: str) -> None:
    np.savez(tmp_path / "set.npz", **change(some_arrays()))
    with pytest.raises(DataError, match=said):
        load(tmp_path / "set.npz")


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte cannot be read.*plain or \.gz"):
        load(tmp_path)
    folder = as_idx(tmp_path / "fashion", some_arrays(), packed=False)
    for data in (b"", b"\0\0\x08\x03" + bytes(20), (folder / "train-labels-idx1-ubyte").read_bytes()):
        (folder / "train-images-idx3-ubyte").write_bytes(data)
        with pytest.raises(DataError, match="train-images-idx3-ubyte: no idx file of 3 axes"):
            load(folder)
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "pickled.npz", **{name: np.array([{}], object) for name in FILES})
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 half a file")
    for name in ("one.npy", "pickled.npz", "torn.npz"):
        with pytest.raises(DataError, match=f"{name}: no readable npz of plain arrays"):
            load(tmp_path / name)
