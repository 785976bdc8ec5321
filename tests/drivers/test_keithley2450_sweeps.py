"""Sweeps, pulses and scans of a 2450 on a scripted instrument: each reading once and with its own level, and off whatever goes wrong."""

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from drivers.errors import Busy, LinkError, LinkTimeout, OutputMayBeOn, OverLimit, ProtocolError, Refused
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.keithley2450_readout import CHUNK
from drivers.smu.values import CurrentSourceSettings, ScanSettings, Settings, SourceSettings
from tests.support.scripted_2450 import OHMS, Scripted2450
from tests.support.scripted_server import HANG_UP, Answer, ScriptedServer

SETTINGS = SourceSettings(limit_amps=1e-3, range_volts=2.0, nplc=0.01, measure_range_amps=1e-3, autozero=False)
LEVELS = np.linspace(0.0, 1.0, 11)


@contextlib.contextmanager
def smu_on(device: Scripted2450, settings: Settings = SETTINGS, timeout_s: float = 5.0) -> Iterator[tuple[Keithley2450, ScriptedServer]]:
    with ScriptedServer(device) as server:
        smu = open_keithley2450(server.address, timeout_s)
        smu.configure(settings)
        smu.output_on()
        device.said.clear()
        yield smu, server
        smu.close()


def first_of(said: list[str], *texts: str) -> list[int]:
    return [next(at for at, each in enumerate(said) if each.startswith(text)) for text in texts]


# --- sweeps
def test_a_sweep_gives_each_level_its_reading_and_ends_at_zero_with_the_output_on():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        trace = smu.sweep(LEVELS)
        assert device.output_on and device.values["SOUR:VOLT:LEV"] == "0.0"
        assert device.buffers.keys() == {"defbuffer1"}, "its own buffer is gone again"
    assert (trace.source, trace.ended) == ("volts", "done")
    assert np.array_equal(trace.level, LEVELS) and np.allclose(trace.volts, LEVELS)
    assert np.allclose(trace.amps, LEVELS / OHMS) and not trace.limited.any()
    assert np.allclose(trace.at_s, 0.001 * np.arange(11))
    made, swept, begun, back, on, deleted = first_of(
        device.said, ":TRAC:MAKE", ":SOUR:SWE", ":INIT", ":SOUR:VOLT:LEV 0.0", ":OUTP ON", ":TRAC:DEL"
    )
    assert made < swept < begun < back < on < deleted
    assert "*WAI" not in " ".join(device.said)


def test_a_sweep_is_read_out_in_chunks_while_it_measures():
    device = Scripted2450(per_look=700)
    levels = np.random.default_rng(1).uniform(-1, 1, 2_400)
    with smu_on(device) as (smu, _):
        trace = smu.sweep(levels)
    assert np.array_equal(trace.level, levels) and np.array_equal(trace.volts, levels)
    chunks = [each for each in device.said if each.startswith(":TRAC:DATA?") and "READ" in each]
    assert chunks == [f':TRAC:DATA? {span},"hil",SOUR,READ,REL' for span in ("1,1400", "1,1400", "1401,2400", "1401,2400")], "each twice"


def test_no_chunk_is_longer_than_another_thread_can_wait_for():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        smu.sweep(np.linspace(0.0, 1.0, 2 * CHUNK + 1))
    spans = [each.split("? ")[1].split(",")[:2] for each in device.said if each.startswith(":TRAC:DATA?")]
    assert max(int(last) - int(first) + 1 for first, last in spans) == CHUNK


def test_a_long_list_runs_in_parts_of_which_the_times_go_on():
    device = Scripted2450()
    levels = np.random.default_rng(2).uniform(-1, 1, 2_600)
    with smu_on(device) as (smu, _):
        trace = smu.sweep(levels)
        assert device.output_on
    assert np.array_equal(trace.volts, levels) and len(trace) == 2_600
    assert device.said.count(":INIT") == 2
    assert np.allclose(trace.at_s[2_500:], 2.25 + 0.001 * np.arange(100), atol=1e-9)


def test_a_sweep_that_reaches_its_limit_ends_there_and_no_clamped_number_is_a_measurement():
    device = Scripted2450()
    with smu_on(device, SourceSettings(limit_amps=5.5e-5, range_volts=2.0)) as (smu, _):
        trace = smu.sweep(LEVELS)
        assert device.output_on
    assert (trace.ended, len(trace)) == ("limited", 7)
    assert list(trace.limited) == [False] * 6 + [True]
    assert np.isfinite(trace.amps[:6]).all() and math.isnan(trace.amps[6])


def test_a_limit_in_one_part_ends_the_sweep_before_the_next_one():
    device = Scripted2450()
    levels = np.concatenate([np.random.default_rng(3).uniform(0, 0.1, 2_499), [0.9], np.full(200, 0.05)])
    with smu_on(device, SourceSettings(limit_amps=5.5e-5, range_volts=2.0)) as (smu, _):
        trace = smu.sweep(levels)
    assert (trace.ended, len(trace)) == ("limited", 2_500)
    assert device.said.count(":INIT") == 1


def test_a_sweep_that_may_be_limited_goes_on_and_flags_exactly_the_limited_points():
    device = Scripted2450()
    with smu_on(device, SourceSettings(limit_amps=5.5e-5, range_volts=2.0)) as (smu, _):
        trace = smu.sweep(LEVELS, stop_when_limited=False)
    assert trace.ended == "done"
    assert list(trace.limited) == list(LEVELS / OHMS >= 5.5e-5)
    assert np.array_equal(np.isnan(trace.amps), trace.limited)


def test_currents_are_swept_too():
    device = Scripted2450()
    with smu_on(device, CurrentSourceSettings(limit_volts=1.0, range_amps=1e-4)) as (smu, _):
        trace = smu.sweep(np.linspace(0.0, 5e-5, 6))
    assert trace.source == "amps"
    assert np.allclose(trace.volts, np.linspace(0.0, 5e-5, 6) * OHMS) and np.allclose(trace.amps, trace.level)


@pytest.mark.parametrize("levels", [[], [[0.1]], [0.1, 2.2], [0.1, math.nan]])
def test_levels_that_cannot_be_swept_are_refused_before_anything_is_said(levels: list[float]):
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        with pytest.raises((OverLimit, ValueError)):
            smu.sweep(np.array(levels))
        assert device.said == []


def test_nothing_is_swept_with_the_output_off():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        smu.output_off()
        with pytest.raises(Refused, match="switch the output on before sweeping"):
            smu.sweep(LEVELS)
        assert ":INIT" not in device.said and not device.output_on


def test_a_buffer_that_an_earlier_session_left_is_replaced():
    device = Scripted2450()
    device.buffers['"hil"'] = []
    with smu_on(device) as (smu, _):
        assert len(smu.sweep(LEVELS)) == 11


class Stop(Exception):
    """Raised by a checkpoint."""


def test_what_the_checkpoint_raises_ends_the_sweep_and_off_is_the_next_thing_said():
    device = Scripted2450(per_look=2)
    looks: list[int] = []

    def checkpoint() -> None:
        looks.append(len(device.said))
        if len(looks) == 3:
            raise Stop

    with smu_on(device) as (smu, _):
        with pytest.raises(Stop):
            smu.sweep(LEVELS, checkpoint=checkpoint)
        assert device.said[looks[-1]] == ":OUTP OFF"
        assert not device.output_on
        smu.output_on()
        assert len(smu.sweep(LEVELS)) == 11, "the next one begins anew"


@pytest.mark.parametrize("fault", [None, b"2;#0abc\n", HANG_UP, b"1;2\n"], ids=["silence", "half a block", "hang-up", "nonsense"])
def test_a_fault_of_the_line_ends_the_sweep_with_the_output_off(fault: Answer):
    device = Scripted2450()
    with smu_on(device, timeout_s=0.3) as (smu, _):
        device.whole = {"TRAC:DATA?": fault}
        with pytest.raises((LinkError, ProtocolError)):
            smu.sweep(LEVELS)
        assert not device.output_on
        device.whole = {}
        smu.output_on()
        assert len(smu.sweep(LEVELS)) == 11


@pytest.mark.parametrize(
    "operation", [lambda smu: smu.sweep(LEVELS), lambda smu: smu.pulsed_sweep(LEVELS, 0.01, 0.02)], ids=["sweep", "pulses"]
)
def test_a_line_that_fails_before_anything_has_begun_switches_off_too(operation: Callable[[Keithley2450], object]):
    device = Scripted2450()
    with smu_on(device, timeout_s=0.2) as (smu, _):
        smu._session.link.distrust("by this test")
        device.whole = {"*ESE?": None}
        with pytest.raises((LinkTimeout, OutputMayBeOn)):
            operation(smu)
        assert not device.output_on


def test_a_sweep_that_stands_still_is_ended():
    device = Scripted2450(per_look=0)
    with smu_on(device, timeout_s=0.2) as (smu, _):
        with pytest.raises(LinkTimeout, match="stands at 0 of 11 readings"):
            smu.sweep(LEVELS)
        assert not device.output_on


def test_a_sweep_that_somebody_stopped_is_no_sweep_and_nobody_switches_on_again():
    device = Scripted2450(per_look=4)

    def stop_from_outside() -> None:
        # As a watchdog of another process does.
        if len(device.buffers.get('"hil"', [])) >= 4:
            device.unit(":OUTP OFF")
            device.unit(":ABOR")

    with smu_on(device) as (smu, _):
        with pytest.raises(Refused, match=r"ended by itself after \d+ of 101 readings"):
            smu.sweep(np.linspace(0.0, 1.0, 101), checkpoint=stop_from_outside)
        assert not device.output_on
        assert ":OUTP ON" not in device.said


def test_readings_with_the_output_off_are_not_kept():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        device.answers = {':TRAC:DATA? 1,11,"hil",SOURSTAT': ",".join(["128"] * 10 + ["0"])}
        with pytest.raises(Refused, match="output was off during a sweep"):
            smu.sweep(LEVELS)
        assert not device.output_on


def test_an_off_of_another_thread_keeps_a_sweep_from_switching_on_again():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        session = smu._session

        def off_when_it_is_over() -> None:
            if ":INIT" in device.said:
                session._energising.off(lambda: None)

        with pytest.raises(Refused, match="switched off meanwhile"):
            smu.sweep(LEVELS, checkpoint=off_when_it_is_over)
        assert ":OUTP ON" not in device.said and not device.output_on


def test_an_output_that_may_be_on_after_a_broken_sweep_is_told_instead():
    device = Scripted2450()
    with smu_on(device, timeout_s=0.2) as (smu, _):
        device.whole = {"TRAC:DATA?": None, ":OUTP OFF;": None}
        with pytest.raises(OutputMayBeOn):
            smu.sweep(LEVELS)


# --- pulses
def test_of_pulses_the_readings_at_zero_are_dropped():
    device = Scripted2450()
    levels = np.array([0.1, -0.2, 0.3])
    with smu_on(device, SourceSettings(limit_amps=2.5e-5, range_volts=2.0, nplc=0.01)) as (smu, _):
        trace = smu.pulsed_sweep(levels, 5e-3, 14e-3)
        assert device.output_on and device.values["SOUR:VOLT:LEV"] == "0.0"
    assert device.list == [0.1, 0, 0, -0.2, 0, 0, 0.3, 0, 0]
    assert np.array_equal(trace.level, levels) and list(trace.limited) == [False, False, True]
    assert np.allclose(trace.at_s, [0.0, 0.003, 0.006])
    assert device.values["SOUR:VOLT:DEL:AUTO"] == "ON" and device.values["SENS:CURR:RANG:AUTO"] == "ON"


def test_a_pulse_too_short_for_its_reading_is_refused_before_anything_is_set():
    device = Scripted2450()
    with smu_on(device, SourceSettings(limit_amps=1e-3, nplc=1.0)) as (smu, _):
        with pytest.raises(OverLimit, match="2450: pulse"):
            smu.pulsed_sweep(LEVELS, 5e-3, 1.0)
        assert not [each for each in device.said if each.startswith((":SOUR", ":INIT"))]


# --- scans
def edges(device: Scripted2450, count: int) -> None:
    """So many readings, each begun by an edge."""
    device.buffers['"hil"'] += [device._point(float(device.values["SOUR:VOLT:LEV"]), 0.001 * index) for index in range(count)]


def test_a_scan_reads_what_has_come_and_leaves_the_output_on_at_zero():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        with smu.scan(ScanSettings(20, 0.5)) as scan:
            assert (scan.taken(), len(scan.read()), scan.missed_edges()) == (0, 0, 0)
            edges(device, 5)
            assert scan.taken() == 5
            trace = scan.read()
            edges(device, 2)
            assert len(scan.read()) == 2
            assert len(scan.read()) == 0
        assert device.output_on and device.values["SOUR:VOLT:LEV"] == "0.0"
        assert '"hil"' not in device.buffers
    assert np.allclose(trace.amps, 0.5 / OHMS) and np.array_equal(trace.level, np.full(5, 0.5))
    in_order = first_of(device.said, ":TRIG:LOAD", ":SOUR:VOLT:LEV 0.5", ":INIT", ":ABOR")
    assert in_order == sorted(in_order)


@pytest.mark.parametrize("fault", [None, HANG_UP, b"7;#0x\n"], ids=["silence", "hang-up", "nonsense"])
def test_after_a_lost_line_a_scan_goes_on_where_it_was_and_gives_no_reading_twice(fault: Answer):
    device = Scripted2450()
    with smu_on(device, timeout_s=0.2) as (smu, _), smu.scan(ScanSettings(20, 0.5)) as scan:
        edges(device, 3)
        assert len(scan.read()) == 3
        edges(device, 4)
        device.whole = {"TRAC:DATA?": fault}
        with pytest.raises((LinkError, ProtocolError)):
            scan.read()
        device.whole = {}
        assert len(scan.read()) == 4
        assert len(scan.read()) == 0


def test_a_restarted_instrument_does_not_pass_for_one_that_measures_on():
    device = Scripted2450()
    with (
        smu_on(device) as (smu, _),
        pytest.raises(ProtocolError, match="3 were read from it before"),
        smu.scan(ScanSettings(20, 0.5)) as scan,
    ):
        edges(device, 3)
        scan.read()
        device.buffers['"hil"'].clear()
        scan.read()
    assert not device.output_on


def test_a_scan_that_lost_its_output_measures_nothing():
    device = Scripted2450()
    with (
        smu_on(device) as (smu, _),
        pytest.raises(Refused, match="output went off while measuring"),
        smu.scan(ScanSettings(20, 0.5)) as scan,
    ):
        device.unit(":OUTP OFF")
        scan.read()
    assert not device.output_on


def test_an_exception_in_a_scan_says_off_before_anything_else():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        with pytest.raises(Stop), smu.scan(ScanSettings(20, 0.5)):
            said = len(device.said)
            raise Stop
        assert device.said[said] == ":OUTP OFF"
        assert not device.output_on


def test_nothing_else_is_measured_during_a_scan():
    with smu_on(Scripted2450()) as (smu, _), smu.scan(ScanSettings(20, 0.5)), pytest.raises(Busy, match="under way"):
        smu.measure(0.1)


@pytest.mark.parametrize(("readings", "volts"), [(0, 0.1), (250_001, 0.1), (10, 2.2), (10, math.nan)])
def test_a_scan_beyond_what_it_has_is_refused_before_anything_is_said(readings: int, volts: float):
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        with pytest.raises(OverLimit, match="2450: "), smu.scan(ScanSettings(readings, volts)):
            pass
        assert device.said == []


def test_a_scan_needs_a_voltage_source():
    with (
        smu_on(Scripted2450(), CurrentSourceSettings(limit_volts=1.0, range_amps=1e-4)) as (smu, _),
        pytest.raises(Refused, match="a scan sources volts"),
        smu.scan(ScanSettings(10, 0.1)),
    ):
        pass
