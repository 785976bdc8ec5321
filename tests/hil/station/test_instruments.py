"""Drivers are found by the names they registered; an unknown one is answered with the known ones."""

from importlib.metadata import EntryPoint

import pytest

from drivers.errors import ConnectFailed
from hil.model.lab import LabConfig, Limits
from hil.station.errors import UnknownDriver
from hil.station.instruments import inspect_crossbar, load_drivers, open_crossbar, open_crossbar_for_safety, open_prober, open_smu
from tests.support.scripted_server import closed_port, visa_address
from tests.support.simulated_lab import CountedPulseIds


def lab_of(driver: str | None = None) -> LabConfig:
    """Nothing listens anywhere. driver: of all three, None for the right ones."""
    return LabConfig.model_validate(
        {
            "prober": {"driver": driver or "sentio", "address": visa_address(closed_port()), "timeout_s": 0.5},
            "smu": {"driver": driver or "keithley2450", "address": visa_address(closed_port()), "timeout_s": 0.5},
            "crossbar": {"driver": driver or "hil-link", "address": f"socket://127.0.0.1:{closed_port()}", "timeout_s": 0.5},
            "wafer": {"dies": [[0, 0]]},
        }
    )


OPENERS = {
    "smu": open_smu,
    "prober": open_prober,
    "crossbar": lambda lab: open_crossbar(lab, CountedPulseIds()),
    "crossbar for safety": lambda lab: open_crossbar_for_safety(lab, 0.5),
    "crossbar inspected": inspect_crossbar,
}


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_unknown_driver_is_answered_with_the_known_ones(opener):
    known = "hil-link, keithley2450, keithley2600, sentio"
    with pytest.raises(UnknownDriver, match=rf"driver 'hp4145' is not registered; known drivers: {known}\. Correct lab\.toml"):
        opener(lab_of("hp4145"))


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_address_where_nothing_listens_is_named(opener):
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        opener(lab_of())


def test_a_controller_driver_without_a_way_to_make_safe_is_refused_as_such():
    with pytest.raises(UnknownDriver, match=r"has no open_sentio_for_safety; use a driver that has"):
        open_crossbar_for_safety(lab_of("sentio"), 0.5)


class Meter:
    """What somebody's driver was opened with."""

    def __init__(self, *words, **names):
        self.words, self.names = words, names


def of_before(address, timeout_s):
    return Meter(address, timeout_s)


def of_today(address, timeout_s, *, dead_socket=None, trigger_in=1, trigger_out=2):
    return Meter(address, timeout_s, dead_socket=dead_socket, trigger_in=trigger_in, trigger_out=trigger_out)


def of_any(address, **names):
    return Meter(address, **names)


@pytest.fixture
def somebodys(monkeypatch):
    """Opens the SMU of a lab whose driver is one of the functions above."""
    points = [EntryPoint(name, f"{__name__}:{name}", "hil.drivers") for name in ("of_before", "of_today", "of_any")]
    monkeypatch.setattr("hil.station.instruments.entry_points", lambda group: points)

    def opened(driver, **keys):
        lab = lab_of().model_dump(exclude_none=True)
        return open_smu(LabConfig.model_validate({**lab, "smu": {"driver": driver, "address": "A", **keys}}))

    return opened


def test_a_driver_is_told_of_the_wiring_what_lab_toml_says_and_nothing_else(somebodys):
    assert somebodys("of_before").words == ("A", 5.0)
    assert somebodys("of_today").names == {"dead_socket": None, "trigger_in": 1, "trigger_out": 2}
    assert somebodys("of_today", dead_socket="B", trigger_out=5).names == {"dead_socket": "B", "trigger_in": 1, "trigger_out": 5}
    assert somebodys("of_any", dead_socket="B").names == {"timeout_s": 5.0, "dead_socket": "B"}


def test_wiring_that_a_driver_knows_nothing_of_is_named_with_what_to_do(somebodys):
    with pytest.raises(UnknownDriver, match=r"driver 'of_before' knows no dead_socket, trigger_in; remove that from lab\.toml"):
        somebodys("of_before", trigger_in=3, dead_socket="B")


def prober_of_before(address, timeout_s, pitch_um, home, overtravel_limit_um, separate_within_s):
    return Meter(address, overtravel_limit_um=overtravel_limit_um)


def prober_of_any(address, **names):
    return Meter(address, **names)


def opened_prober(monkeypatch, driver: str, **limits):
    points = [EntryPoint(driver, f"{__name__}:{driver}", "hil.drivers")]
    monkeypatch.setattr("hil.station.instruments.entry_points", lambda group: points)
    lab = lab_of(driver).model_copy(update={"limits": Limits(**limits)})
    return open_prober(lab, output_is_off=lambda: True)


def test_a_prober_driver_is_told_the_limits_the_map_and_whom_to_ask_before_it_touches(monkeypatch):
    told = opened_prober(monkeypatch, "prober_of_any", overtravel_um=40.0, chuck_x_um=(0.0, 9.0)).names
    assert (told["overtravel_limit_um"], told["chuck_x_um"], told["chuck_y_um"]) == (40.0, (0.0, 9.0), None)
    assert (told["notch"], told["dies"]) == ("down", ((0, 0),))
    assert told["output_is_off"]() is True


def test_a_prober_driver_of_before_is_told_what_it_knows(monkeypatch):
    assert opened_prober(monkeypatch, "prober_of_before", overtravel_um=40.0).names == {"overtravel_limit_um": 40.0}


def test_drivers_are_loaded_without_connecting_to_anything():
    load_drivers(lab_of())
    with pytest.raises(UnknownDriver):
        load_drivers(lab_of("hp4145"))
