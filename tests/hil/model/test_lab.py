"""lab.toml: what is wrong with it is said with the file, the key and the rule."""

from pathlib import Path

import pytest

from hil.model.lab import LabConfigError, load_lab

GOOD = """
[prober]
driver = "sentio"
address = "TCPIP0::127.0.0.1::35555::SOCKET"
[smu]
driver = "keithley2450"
address = "TCPIP0::127.0.0.1::5025::SOCKET"
[crossbar]
driver = "hil-link"
address = "socket://127.0.0.1:5555"
[wafer]
dies = [[0, 0], [-3, 0]]
[limits]
device_volts = 0.9
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "lab.toml"
    file.write_text(text)
    return file


def test_a_lab_is_read_with_defaults_for_what_it_leaves_out(tmp_path: Path) -> None:
    lab = load_lab(written(tmp_path, GOOD))
    assert lab.wafer.dies == ((0, 0), (-3, 0))
    assert lab.limits.device_volts == 0.9
    assert lab.chip.shape == (32, 25, 25)
    assert lab.crossbar.baud == 921_600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("device_volts = 0.9", "device_volts = -1"), "limits.device_volts"),
        (("device_volts = 0.9", "device_volts = nan"), "limits.device_volts"),
        (("device_volts = 0.9", "device_voltage = 0.9"), "limits.device_voltage"),
        (("device_volts = 0.9", "device_volts = 0.1"), "read_volts 0.3 V is above"),
        (("[[0, 0], [-3, 0]]", "[]"), "wafer.dies"),
        (("[[0, 0], [-3, 0]]", "[[0, 0], [0, 0]]"), "names a die twice"),
        (('driver = "sentio"', ""), "prober.driver"),
        (("[wafer]", "[wafer"), "TOML"),
        (("[wafer]", "[wafer]\nhome = [7, 7]"), "wafer.home [7, 7] is not one of"),
        (("[smu]", "[smux]"), "smu: Field required"),
        (("device_volts = 0.9", "current_amp = 0.9"), "current_amps"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    file = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(LabConfigError, match=r"lab\.toml") as error:
        load_lab(file)
    assert says in str(error.value)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_bytes(b"# Z\xfcrich\n" + GOOD.encode())
    with pytest.raises(LabConfigError, match=r"lab\.toml: not UTF-8 text at byte 3"):
        load_lab(file)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LabConfigError, match="hil sim --write-lab"):
        load_lab(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "line", ["touchdowns_per_card = 0", "touchdowns_per_cleaning = 0", "cleanings_per_wafer = -1", "chuck_x_um = [0.0]"]
)
def test_budgets_of_touchdowns_and_axis_limits_are_checked_when_the_file_is_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(GOOD + line)
    with pytest.raises(LabConfigError, match=f"limits.{line.split()[0]}"):
        load_lab(path)


def test_axis_limits_are_two_places(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(GOOD + "chuck_x_um = [1000.0, 299000.0]")
    assert load_lab(path).limits.chuck_x_um == (1000.0, 299000.0)
