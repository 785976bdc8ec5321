"""Drivers are found by the names they registered; an unknown one is answered with the known ones."""

import pytest

from drivers.errors import ConnectFailed
from hil.model.lab import LabConfig
from hil.station.errors import UnknownDriver
from hil.station.instruments import inspect_crossbar, open_crossbar, open_crossbar_for_safety, open_prober, open_smu
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
    with pytest.raises(
        UnknownDriver, match=r"driver 'hp4145' is not registered; known drivers: hil-link, keithley2450, keithley2600, sentio\. Correct lab\.toml"
    ):
        opener(lab_of("hp4145"))


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_address_where_nothing_listens_is_named(opener):
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        opener(lab_of())


def test_a_controller_driver_without_a_way_to_make_safe_is_refused_as_such():
    with pytest.raises(UnknownDriver, match=r"has no open_sentio_for_safety; use a driver that has"):
        open_crossbar_for_safety(lab_of("sentio"), 0.5)
