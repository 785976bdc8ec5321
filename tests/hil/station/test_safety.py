"""Limits once more, right before an instrument is told; and dark, whatever becomes of either instrument."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import OverLimit
from firmware_protocol.limits import Limits as BoardLimits
from hil.model.lab import Limits
from hil.station.errors import ContactFailed, NotMadeSafe, TouchdownsSpent, ohms_text
from hil.station.safety import board_limits, check_averages, check_inputs, check_pulse, check_read, dark

LIMITS = Limits()


@pytest.mark.parametrize("volts", [0.300001, -0.31, 1.0, math.nan, math.inf])
def test_a_read_voltage_beyond_the_limit_is_refused_with_value_limit_and_what_to_do(volts: float):
    with pytest.raises(OverLimit, match=r"read_volts .* V is beyond 0\.3 V \(limits\.read_volts\); lower it or change lab\.toml"):
        check_read(LIMITS, volts)


@pytest.mark.parametrize("volts", [0.0, 1e-9, -4e-7, 0.000999])
def test_a_read_voltage_too_small_to_say_anything_is_refused_with_value_limit_and_what_to_do(volts: float):
    with pytest.raises(OverLimit, match=r"read_volts .* V is below 0\.001 V \(limits\.smallest_read_volts\).*raise it"):
        check_read(LIMITS, volts)


@given(st.floats(1e-3, 0.3), st.booleans())
def test_a_useful_read_voltage_passes_in_both_directions(volts: float, negative: bool):
    check_read(LIMITS, -volts if negative else volts)


@pytest.mark.parametrize(
    ("volts", "seconds"), [(1.01, 1e-7), (-1.01, 1e-7), (0.0, 1e-7), (math.nan, 1e-7), (0.8, 1.1e-4), (0.8, 0.0), (0.8, math.nan)]
)
def test_a_pulse_beyond_the_limits_is_refused(volts: float, seconds: float):
    with pytest.raises(OverLimit, match=r"limits\.(device_volts|pulse_s)"):
        check_pulse(LIMITS, volts, seconds)


@given(st.floats(1e-6, 1.0), st.booleans(), st.floats(1e-9, 1e-4))
def test_a_pulse_within_the_limits_passes_in_both_directions(volts: float, negative: bool, seconds: float):
    check_pulse(LIMITS, -volts if negative else volts, seconds)


@pytest.mark.parametrize("averages", [0, -1, 1_001])
def test_averages_beyond_the_limit_are_refused(averages: int):
    with pytest.raises(OverLimit, match=r"limits\.averages"):
        check_averages(LIMITS, averages)


@pytest.mark.parametrize("worst", [0.31, -0.31, math.nan, math.inf])
def test_one_input_of_a_product_beyond_the_limit_refuses_them_all(worst: float):
    inputs = np.full((3, 4), 0.1)
    inputs[1, 2] = worst
    with pytest.raises(OverLimit, match=f"an input of {worst:g} V"):
        check_inputs(LIMITS, inputs)


def test_no_input_is_within_the_limit():
    check_inputs(LIMITS, np.empty((0, 4)))


def test_the_controller_is_tightened_to_the_lab_and_never_widened():
    board = BoardLimits(device_uv=900_000, read_uv=300_000, pulse_ns=1_000_000)
    asked = board_limits(Limits(device_volts=1.0, read_volts=0.2, pulse_s=1e-6), board)
    assert (asked.device_uv, asked.read_uv, asked.pulse_ns) == (900_000, 200_000, 1_000)
    assert (asked.dead_man_ms, asked.pulses_per_command) == (board.dead_man_ms, board.pulses_per_command)


def test_an_output_that_is_silent_holds_isolating_up_by_a_moment_only():
    answer = threading.Event()

    def silent() -> None:
        assert answer.wait(10), "isolating waited for the SMU"

    assert dark(silent, answer.set) == {"smu": "safe", "crossbar": "safe"}


def test_a_healthy_output_is_off_before_anything_is_switched():
    order: list[str] = []
    dark(lambda: order.append("off"), lambda: order.append("isolated"))
    assert order == ["off", "isolated"]


def test_no_contact_names_die_resistance_touchdowns_limit_and_what_to_do():
    error = ContactFailed((3, 0), 41_000.0, 2, 1_000.0, "high resistance")
    assert str(error).startswith("no contact on die (3, 0): 41 kOhm after 2 touchdowns, limit 1 kOhm; clean the probe card")
    assert isinstance(TouchdownsSpent((3, 0), 2, 2), ContactFailed), "a run goes on to the next die in both cases"


@pytest.mark.parametrize(
    ("ohms", "text"),
    [(2.8, "2.8 Ohm"), (41_000, "41 kOhm"), (3.2e6, "3.2 MOhm"), (math.inf, "open"), (math.nan, "an unreadable resistance")],
)
def test_resistances_are_written_for_people(ohms: float, text: str):
    assert ohms_text(ohms) == text


def test_what_is_not_safe_is_named_and_nothing_else():
    outcome = {"smu": "safe", "crossbar": "no answer", "prober": "safe"}
    with pytest.raises(NotMadeSafe, match="not verified safe: crossbar: no answer; look before you touch"):
        raise NotMadeSafe.unless_safe(outcome) or AssertionError
    assert NotMadeSafe.unless_safe({"smu": "safe"}) is None


def test_a_driver_that_never_comes_back_keeps_nobody_from_going_on_and_is_never_called_safe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hil.station.safety._OFF_WITHIN_S", 0.05)
    never = threading.Event()
    outcome = dark(never.wait, lambda: None)
    never.set()
    assert outcome["crossbar"] == "safe"
    assert "treat the needles as live" in outcome["smu"]


def test_whatever_a_driver_raises_the_other_instrument_is_made_safe_and_this_one_is_not_called_so():
    isolated: list[bool] = []

    def broken() -> None:
        raise ZeroDivisionError("by a driver of somebody's own")

    outcome = dark(broken, lambda: isolated.append(True))
    assert isolated == [True]
    assert outcome == {
        "smu": "a fault of the driver, please report it: ZeroDivisionError: by a driver of somebody's own",
        "crossbar": "safe",
    }
