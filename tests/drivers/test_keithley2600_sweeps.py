"""Keithley 2600B: sweeps and scans read out in chunks; whose level a reading belongs to, where it stops, and what a lost line costs."""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.errors import LinkError, LinkTimeout, ProtocolError, Refused
from drivers.smu.keithley2600 import Keithley2600, open_keithley2600
from drivers.smu.values import CurrentSourceSettings, ScanSettings, SmuTrace, SourceSettings
from tests.support.scripted_2600 import Scripted2600
from tests.support.scripted_server import Answer, ScriptedServer

LIMIT_AMPS = 150e-6
"""Reached at 1.5 V."""
SETTINGS = SourceSettings(limit_amps=LIMIT_AMPS, range_volts=2.0, nplc=0.001)


@contextlib.contextmanager
def smu_on(device: Scripted2600, timeout_s: float = 5.0) -> Iterator[Keithley2600]:
    with ScriptedServer(device) as server:
        smu = open_keithley2600(server.address, timeout_s)
        smu.configure(SETTINGS)
        smu.output_on()
        yield smu
        smu.close()


def swept(levels: list[float], device: Scripted2600 | None = None, **how: bool) -> SmuTrace:
    with smu_on(device or Scripted2600()) as smu:
        return smu.sweep(np.array(levels), **how)


# --- sweeps
def test_every_level_has_its_reading_in_order():
    levels = [0.1, -0.3, 0.2]
    trace = swept(levels)
    assert trace.source == "volts"
    assert trace.level.tolist() == levels
    assert trace.volts == pytest.approx(levels)
    assert trace.amps == pytest.approx([1e-5, -3e-5, 2e-5])
    assert trace.at_s == pytest.approx([0, 1e-3, 2e-3])
    assert not trace.limited.any()
    assert trace.ended == "done"


def test_the_level_is_zero_afterwards_and_the_output_stays_on():
    device = Scripted2600()
    swept([0.1, 0.3], device)
    assert float(str(device.values["smua.source.levelv"])) == 0
    assert device.output_on


def test_the_first_limited_point_is_the_last_one_and_no_clamped_number_is_a_measurement():
    trace = swept([0.5, 1.0, 1.6, 1.7, 0.1])
    assert trace.limited.tolist() == [False, False, True]
    assert trace.amps[:2] == pytest.approx([50e-6, 100e-6])
    assert math.isnan(trace.amps[2])
    assert trace.volts[2] == pytest.approx(1.5), "the other quantity is what stood at the terminals"
    assert trace.ended == "limited"


def test_limited_points_are_flagged_one_by_one_where_they_do_not_end_it():
    trace = swept([0.5, 1.6, 1.0, 1.7, 0.1], stop_when_limited=False)
    assert trace.limited.tolist() == [False, True, False, True, False]
    assert np.isnan(trace.amps).tolist() == trace.limited.tolist()
    assert trace.ended == "done"


def test_amps_are_swept_as_volts_are():
    device = Scripted2600(**{"smua.source.func": "0"})
    with ScriptedServer(device) as server:
        smu = open_keithley2600(server.address, 5.0)
        device.values["smua.source.limiti"] = "1"
        smu.configure(CurrentSourceSettings(limit_volts=2.0, range_amps=1e-3))
        smu.output_on()
        trace = smu.sweep(np.array([1e-4, 2e-4]))
        smu.close()
    assert (trace.source, trace.level.tolist()) == ("amps", [1e-4, 2e-4])
    assert any(each.startswith("smua.trigger.source.lineari(0.0001") for each in device.statements)


def test_a_long_list_runs_in_parts_as_one_trace():
    levels = np.random.default_rng(5).uniform(-1.4, 1.4, 250)
    device = Scripted2600()
    with smu_on(device) as smu:
        trace = smu.sweep(levels)
    assert trace.level.tolist() == levels.tolist()
    assert trace.amps == pytest.approx(levels / 10e3)
    assert device.statements.count("smua.trigger.initiate()") == 3
    assert np.all(np.diff(trace.at_s) > 0), "one clock for all parts"


def test_a_limit_in_one_part_keeps_the_next_from_beginning():
    levels = np.array([0.1, 0.3] * 60 + [1.9] + [0.1, 0.2] * 100)
    device = Scripted2600()
    with smu_on(device) as smu:
        trace = smu.sweep(levels)
    assert (len(trace), trace.ended) == (121, "limited")
    assert device.statements.count("smua.trigger.initiate()") == 2


def test_a_sweep_longer_than_the_buffer_goes_on_in_an_empty_one():
    levels = np.linspace(0, 1, 70_000)
    device = Scripted2600()
    with smu_on(device) as smu:
        trace = smu.sweep(levels)
    assert trace.amps == pytest.approx(levels / 10e3)
    assert device.statements.count("smua.nvbuffer1.clear()") == 3, "configured, begun, and once full"


def test_readings_of_another_sweep_are_not_taken_for_this_one():
    device = Scripted2600()
    with smu_on(device) as smu:
        device.take = lambda level: Scripted2600.take(device, level + 0.01)
        with pytest.raises(ProtocolError, match=r"reading 1 was taken at .*0\.11.*, not at .*0\.1"):
            smu.sweep(np.array([0.1, 0.2]))
        assert not device.output_on


def test_an_output_that_goes_off_ends_the_sweep():
    device = Scripted2600()

    def interlock() -> None:
        device.values["smua.source.output"] = "0"

    with smu_on(device) as smu, pytest.raises(Refused, match="went off while measuring"):
        smu.sweep(np.array([0.1, 0.2]), checkpoint=interlock)


@pytest.mark.parametrize("scans", [False, True])
def test_a_line_that_fails_before_anything_has_begun_switches_off_too(scans: bool):
    device, silent = Scripted2600(), [False]

    def device_once_silent(line: str) -> Answer:
        answer = device(line)
        silent[0], was = False, silent[0]
        return None if was else answer

    with ScriptedServer(device_once_silent) as server, contextlib.closing(open_keithley2600(server.address, 0.2)) as smu:
        smu.configure(SETTINGS)
        smu.output_on()
        silent[0] = True
        with pytest.raises(LinkTimeout):
            smu.scan(ScanSettings(5, 0.1)).__enter__() if scans else smu.sweep(np.array([0.1]))
    assert not device.output_on


def test_a_garbled_block_is_no_reading_and_ends_the_sweep_with_the_output_off():
    device = Scripted2600()

    def script(line: str) -> Answer:
        answer = device(line)
        if "printbuffer" in line:
            assert isinstance(answer, bytes)
            answer = answer[:-20] + bytes([answer[-20] ^ 8]) + answer[-19:]
        return answer

    with ScriptedServer(script) as server:
        smu = open_keithley2600(server.address, 5.0)
        smu.configure(SETTINGS)
        smu.output_on()
        with pytest.raises(ProtocolError, match="two copies"):
            smu.sweep(np.array([0.1, 0.2]))
        assert not device.output_on
        smu.close()


def test_pulses_are_a_sweep_that_is_at_zero_in_between():
    device = Scripted2600()
    with smu_on(device) as smu:
        trace = smu.pulsed_sweep(np.array([0.1, 1.6, 0.2]), 1e-3, 10e-3)
    assert trace.limited.tolist() == [False, True, False]
    assert trace.ended == "done"
    assert device.values["smua.trigger.endpulse.action"] == "smua.SOURCE_IDLE"
    assert device.values["smua.measure.autorangei"] == "smua.AUTORANGE_ON"


# --- scans
def test_a_scan_hands_out_every_reading_once_and_in_order():
    device = Scripted2600()
    with smu_on(device) as smu, smu.scan(ScanSettings(5, 0.1)) as scan:
        assert len(scan.read()) == 0
        device.take(0.1)
        device.take(0.2)
        assert scan.taken() == 2
        first = scan.read()
        device.take(1.6)
        second = scan.read()
        assert len(scan.read()) == 0
        assert scan.missed_edges() == 0
    assert first.amps == pytest.approx([1e-5, 2e-5])
    assert first.level.tolist() == first.volts.tolist() == [0.1, 0.1]
    assert first.at_s == pytest.approx([0, 1e-3])
    assert second.limited.tolist() == [True]
    assert math.isnan(second.amps[0])
    assert second.at_s == pytest.approx([2e-3]), "since the first reading of the scan"


def test_a_scan_is_read_in_chunks_that_keep_off_from_waiting():
    device = Scripted2600()
    with smu_on(device) as smu, smu.scan(ScanSettings(5_000, 0.1)) as scan:
        for _ in range(5_000):
            device.take(0.1)
        assert len(scan.read()) == 5_000
    assert sum("printbuffer" in each for each in device.statements) == 3


def test_a_lost_line_in_the_middle_of_a_scan_loses_and_doubles_no_reading():
    device = Scripted2600()
    with smu_on(device, timeout_s=0.1) as smu, smu.scan(ScanSettings(5_000, 0.1)) as scan:
        for index in range(4_500):
            device.take(index * 1e-4)
        found = [scan.read().amps]
        for index in range(4_500, 5_000):
            device.take(index * 1e-4)
        device.answers["printbuffer(4501,"] = None
        assert scan.taken() == 5_000
        with pytest.raises(LinkTimeout):
            scan.read()
        device.answers.clear()
        found.append(scan.read().amps)
    assert np.concatenate(found) == pytest.approx(np.arange(5_000) * 1e-8)


def test_a_line_lost_at_the_second_chunk_returns_the_first_one_too_when_asked_again():
    device = Scripted2600()
    with smu_on(device, timeout_s=0.1) as smu, smu.scan(ScanSettings(5_000, 0.1)) as scan:
        for _ in range(3_000):
            device.take(0.1)
        device.answers["printbuffer(2001,"] = b"#0nonsense\n"
        with pytest.raises((LinkError, ProtocolError)):
            scan.read()
        device.answers.clear()
        assert len(scan.read()) == 3_000


def test_an_instrument_that_lost_its_buffer_meanwhile_is_told():
    device = Scripted2600()
    with smu_on(device) as smu, smu.scan(ScanSettings(5, 0.1)) as scan:
        device.take(0.1)
        scan.read()
        device.stored.clear()
        with pytest.raises(ProtocolError, match=r"holds 0 readings, 1 were read.*begin again"):
            scan.read()


def test_readings_with_the_output_off_are_none():
    device = Scripted2600()
    with smu_on(device) as smu, smu.scan(ScanSettings(5, 0.1)) as scan:
        device.take(0.1)
        device.values["smua.source.output"] = "0"
        with pytest.raises(Refused, match="went off while measuring"):
            scan.read()


def test_an_edge_that_came_too_early_is_told():
    device = Scripted2600(**{"status.operation.instrument.smua.trigger_overrun.condition": "8"})
    with smu_on(device) as smu, smu.scan(ScanSettings(5, 0.1)) as scan:
        assert scan.missed_edges() == 1


def test_leaving_a_scan_aborts_at_level_zero_and_leaves_the_output_on():
    device = Scripted2600()
    with smu_on(device) as smu:
        with smu.scan(ScanSettings(5, 0.1)):
            assert device.values["smua.source.levelv"] == "1.000000000000000e-01"
            device.statements.clear()
        assert "smua.abort()" in device.statements
        assert float(str(device.values["smua.source.levelv"])) == 0
        assert device.output_on


def test_a_scan_with_the_output_off_is_refused():
    with ScriptedServer(Scripted2600()) as server:
        smu = open_keithley2600(server.address, 5.0)
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="switch it on before scanning"), smu.scan(ScanSettings(5, 0.1)):
            pass
        smu.close()
