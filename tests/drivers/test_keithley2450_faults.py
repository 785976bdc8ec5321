"""A 2450 at the end of a bad line: every value believed is true, every fault is over with the next call, and none takes for ever."""

import math
import random
import time

import numpy as np
import pytest

from drivers.errors import LinkError, OutputMayBeOn, ProtocolError
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.values import SmuTrace, SourceSettings
from tests.support.faulty_replies import FaultyReplies
from tests.support.scripted_2450 import OHMS, Scripted2450
from tests.support.scripted_server import ScriptedServer

LIMIT_AMPS = 1e-4
SETTINGS = SourceSettings(limit_amps=LIMIT_AMPS, range_volts=2.0, nplc=0.01, measure_range_amps=1e-4)
FAULTS = (LinkError, ProtocolError, OutputMayBeOn)
TIMEOUT_S = 0.04


class Truth:
    """Does one thing after another with the meter and knows what is true. wrong: values believed that were not."""

    def __init__(self, smu: Keithley2450, device: Scripted2450, seed: int) -> None:
        self._smu, self._device = smu, device
        self._random = random.Random(seed)
        self.wrong: list[object] = []
        self.failed = 0
        self._configured = False

    def do_something(self) -> None:
        action = self._random.choice(
            (self._measure, self._measure, self._measure, self._is_on, self._configure, self._sweep, self._identify)
        )
        try:
            action()
        except FAULTS:
            self.failed += 1
            # Half a configuration is none.
            self._configured = self._configured and action != self._configure

    def recover(self) -> None:
        """As a caller does whose call failed: what it does next works, unless that meets a fault of its own."""
        for _ in range(20):
            try:
                if not self._configured:
                    self._smu.configure(SETTINGS)
                    self._configured = True
                if not self._smu.output_is_on():
                    self._smu.output_on()
                return
            except FAULTS:
                self.failed += 1
        raise AssertionError("the line never came back")

    def _measure(self) -> None:
        level = round(self._random.uniform(-2, 2), 6)
        reading = self._smu.measure(level)
        self._check(level, reading.volts, reading.amps, reading.in_compliance)

    def _sweep(self) -> None:
        levels = np.linspace(0.0, round(self._random.uniform(0.1, 2.0), 6), self._random.randrange(2, 40))
        trace: SmuTrace = self._smu.sweep(levels, stop_when_limited=False)
        for point in zip(levels, trace.volts, trace.amps, trace.limited, strict=True):
            self._check(*point)

    def _is_on(self) -> None:
        on = self._smu.output_is_on()
        if on is not self._device.output_on:
            self.wrong.append(on)

    def _identify(self) -> None:
        identity = self._smu.identify()
        if (identity.serial, identity.firmware) != ("04096331", "1.7.12b"):
            self.wrong.append(identity)

    def _configure(self) -> None:
        self._smu.configure(SETTINGS)
        if self._device.output_on or float(self._device.values["SOUR:VOLT:ILIM"]) != LIMIT_AMPS:
            self.wrong.append("configured otherwise")

    def _check(self, level: float, volts: float, amps: float, limited: bool) -> None:
        truth = level / OHMS
        right = abs(volts - level) <= 1e-6 and bool(limited) == (abs(truth) >= LIMIT_AMPS)
        if not right or not (abs(amps - truth) <= 1e-11 or (limited and (math.isnan(amps) or abs(amps) == LIMIT_AMPS))):
            self.wrong.append((level, volts, amps, limited))


def operate(operations: int, rate: float, seed: int) -> tuple[Truth, FaultyReplies, float]:
    """So many operations; the longest took so many seconds."""
    device = Scripted2450()
    line = FaultyReplies(device, seed, rate)
    longest_s = 0.0
    with ScriptedServer(line) as server:
        smu = open_keithley2450(server.address, TIMEOUT_S)
        truth = Truth(smu, device, seed)
        for _ in range(operations):
            truth.recover()
            began_s = time.monotonic()
            truth.do_something()
            longest_s = max(longest_s, time.monotonic() - began_s)
        smu.close()
    return truth, line, longest_s


@pytest.mark.parametrize("seed", range(4))
def test_on_a_bad_line_no_value_that_is_believed_is_wrong_and_every_fault_is_over_with_the_next_call(seed: int):
    truth, line, longest_s = operate(60, 0.04, seed)
    assert truth.wrong == []
    assert line.struck > 5 and truth.failed > 0
    assert longest_s < 10.0, "a sweep that failed is switched off within about a second, each wait before it within its time-out"


def test_on_a_good_line_nothing_fails():
    truth, line, _ = operate(60, 0.0, 1)
    assert (truth.wrong, truth.failed, line.struck) == ([], 0, 0)
