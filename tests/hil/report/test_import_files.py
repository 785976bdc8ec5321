"""Maps of one die from files of others."""

from pathlib import Path

import numpy as np
import pytest

from hil.report.import_files import CHIP, FileRefused, read_maps

HOME = (0, 0)
MAP = np.random.default_rng(1).uniform(1e-4, 4e-4, CHIP)


def test_npy_is_taken_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MAP)
    np.testing.assert_array_equal(read_maps(tmp_path / "a.npy", HOME).maps[""], MAP)


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.txt", " ")])
def test_a_matrix_is_taken_as_the_die_lies(tmp_path: Path, name: str, delimiter: str) -> None:
    die = MAP.reshape(100, 200)
    np.savetxt(tmp_path / name, die, delimiter=delimiter)
    np.testing.assert_allclose(read_maps(tmp_path / name, HOME).maps[""], die)


def test_a_folder_has_a_file_a_kernel_and_those_without_one_are_not_measured(tmp_path: Path) -> None:
    for kernel in (0, 7, 31):
        np.savetxt(tmp_path / f"setG_kernel{kernel:02d}.txt", MAP[kernel])
    found = read_maps(tmp_path, HOME).maps[""]
    np.testing.assert_allclose(found[[0, 7, 31]], MAP[[0, 7, 31]])
    assert np.isnan(found[1:7]).all() and found.shape == CHIP


def test_a_row_a_junction_may_name_one_value_without_a_state(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("kernel,row,column,siemens\n31,24,24,3.3e-4\n0,0,1,\n")
    found = read_maps(tmp_path / "a.csv", HOME).maps
    assert set(found) == {""} and found[""].shape == CHIP
    assert found[""][31, 24, 24] == 3.3e-4 and np.isnan(found[""]).sum() == 19_999


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "kernel,row,siemens\n0,0,1\n", "lacks column"),
        ("a.csv", "kernel,row,column,ohms\n0,0,0,1\n", "a column siemens"),
        ("a.csv", "x,y,kernel,row,column,siemens\n5,5,0,0,0,1e-4\n", r"no row of die \(0, 0\)"),
        ("a.csv", "1,2\n3\n", "no matrix of numbers"),
        ("a.txt", "one two\n", "no matrix of numbers"),
        ("a.xlsx", "", r"\.xlsx; files are \.npy"),
        ("a.npy", "no array", "no plain npy array"),
    ],
)
def test_a_file_that_holds_no_map_is_refused_with_its_name(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileRefused, match=says) as refused:
        read_maps(tmp_path / name, HOME)
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("names", "says"), [((), "holds no .txt file"), (("a",), "kernel's number"), (("k1", "b_01"), "another file already")]
)
def test_a_folder_whose_files_do_not_say_which_kernel_is_refused(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    for name in names:
        np.savetxt(tmp_path / f"{name}.txt", MAP[0])
    with pytest.raises(FileRefused, match=says):
        read_maps(tmp_path, HOME)


def test_kernels_of_different_shapes_are_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "k0.txt", MAP[0])
    np.savetxt(tmp_path / "k1.txt", MAP[1][:24])
    with pytest.raises(FileRefused, match="different shapes"):
        read_maps(tmp_path, HOME)
