"""labmcp-keithley-smu's 2450, unchanged, drives the simulated one."""

import threading
from collections.abc import Iterator

import pytest
from labmcp import InstrumentProtocolError
from labmcp.transports.tcp import TCPTransport
from labmcp_keithley_smu.driver import Keithley2450, open_smu

from firmware_protocol.codes import Route
from tests.simulator.worlds import world
from tests.witnesses.served import Served, served

DEVICE = 7


@pytest.fixture
def lab() -> Iterator[Served]:
    with served(world("clean")) as running:
        running.world.touch((0, 0))
        running.world.select(Route.JUNCTION, DEVICE)
        yield running


@pytest.fixture
def smu(lab: Served) -> Iterator[Keithley2450]:
    opened = open_smu(TCPTransport("127.0.0.1", lab.smu_port), "auto")
    assert isinstance(opened, Keithley2450)
    yield opened
    opened.close()


def true_amps(lab: Served, volts: float) -> float:
    return lab.world.smu_amps(volts, 0.0, 1.0).amps


def test_it_knows_which_dialect_to_speak(smu: Keithley2450) -> None:
    assert smu.identify()["model"] == "2450" and smu.dialect == "2450"
    assert smu.error_list() == []


def test_it_sources_reads_and_tells_its_state(smu: Keithley2450, lab: Served) -> None:
    smu.configure("voltage", 0.1, 1e-3, source_range=2.0, nplc=0.1)
    smu.set_remote_sense(True)
    smu.set_output(True)
    status, reading = smu.measure()
    assert status.output_on and status.remote_sense and not status.in_compliance and status.terminals == "front"
    assert (status.source, status.level, status.compliance) == ("voltage", 0.1, 1e-3)
    assert reading.voltage_v == pytest.approx(0.1, abs=1e-3)
    assert reading.current_a == pytest.approx(true_amps(lab, 0.1), rel=0.02) and not reading.in_compliance


def test_it_sees_that_the_current_is_limited(smu: Keithley2450) -> None:
    smu.configure("voltage", 0.1, 1e-5, source_range=2.0, nplc=0.1)
    smu.set_output(True)
    assert smu.read("voltage").in_compliance
    assert smu.read("voltage").current_a == pytest.approx(1e-5, rel=1e-2)


def test_it_sources_current_up_to_a_voltage_limit(smu: Keithley2450, lab: Served) -> None:
    smu.configure("current", 1e-5, 1.0, source_range=1e-5, nplc=0.1)
    smu.set_output(True)
    reading = smu.read("current")
    assert true_amps(lab, reading.voltage_v) == pytest.approx(1e-5, rel=0.03)


def test_its_sweep_measures_every_level_and_ends_with_the_output_off(smu: Keithley2450, lab: Served) -> None:
    smu.configure("voltage", 0.0, 1e-3, source_range=0.2, nplc=0.01)
    levels = [0.0, 0.05, 0.1]
    data = smu.sweep("voltage", levels)
    assert data.levels == levels
    assert [each.current_a for each in data.readings[1:]] == pytest.approx([true_amps(lab, level) for level in levels[1:]], rel=0.03)
    assert not smu.output_state() and not lab.world.output_on


def test_its_abort_from_another_thread_leaves_the_output_off(smu: Keithley2450, lab: Served) -> None:
    smu.configure("voltage", 0.0, 1e-3, source_range=0.2, nplc=0.01)
    begun = threading.Event()

    def abort() -> None:
        begun.wait(10)
        smu.request_abort()

    helper = threading.Thread(target=abort)
    helper.start()
    reads = smu.read

    def read(source: str):
        begun.set()
        return reads(source)

    smu.read = read
    data = smu.sweep("voltage", [0.001 * index for index in range(200)], delay_s=0.001)
    helper.join(10)
    assert data.aborted and not smu.output_state() and not lab.world.output_on


def test_what_it_must_not_ask_for_is_refused_by_the_instrument(smu: Keithley2450) -> None:
    with pytest.raises(InstrumentProtocolError, match="-222"):
        smu.configure("voltage", 0.1, 2.0, source_range=2.0)
    assert smu.error_list() == []
