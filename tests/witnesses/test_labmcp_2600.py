"""labmcp-keithley-smu's 2600B, unchanged, drives the simulated 2636B."""

from collections.abc import Iterator

import pytest
from labmcp import InstrumentProtocolError
from labmcp.transports.tcp import TCPTransport
from labmcp_keithley_smu.driver import Keithley2600 as Labmcp2600
from labmcp_keithley_smu.driver import open_smu

from firmware_protocol.codes import Route
from simulator.clock import Clock
from simulator.instruments.keithley2600 import Keithley2600
from tests.simulator.worlds import world
from tests.witnesses.served import Served, served

DEVICE = 7


@pytest.fixture
def lab() -> Iterator[Served]:
    with served(world("clean"), lambda each: Keithley2600(each, Clock("fast").wall_ns)) as running:
        running.world.touch((0, 0))
        running.world.select(Route.JUNCTION, DEVICE)
        yield running


@pytest.fixture
def smu(lab: Served) -> Iterator[Labmcp2600]:
    opened = open_smu(TCPTransport("127.0.0.1", lab.smu_port), "auto")
    assert isinstance(opened, Labmcp2600)
    yield opened
    opened.close()


def true_amps(lab: Served, volts: float) -> float:
    return lab.world.smu_amps(volts, 0.0, 1.0).amps


def test_it_knows_which_dialect_to_speak(smu: Labmcp2600) -> None:
    assert smu.identify()["model"] == "2636B" and smu.dialect == "2600"
    assert smu.error_list() == []


def test_it_sources_reads_and_tells_its_state(smu: Labmcp2600, lab: Served) -> None:
    smu.configure("voltage", 0.1, 1e-3, source_range=2.0, nplc=0.1)
    smu.set_remote_sense(True)
    smu.set_output(True)
    status, reading = smu.measure()
    assert status.output_on and status.remote_sense and not status.in_compliance
    assert (status.source, status.level, status.compliance) == ("voltage", 0.1, 1e-3)
    assert reading.voltage_v == pytest.approx(0.1, abs=1e-3)
    assert reading.current_a == pytest.approx(true_amps(lab, 0.1), rel=0.02) and not reading.in_compliance


def test_it_sees_that_the_current_is_limited(smu: Labmcp2600) -> None:
    smu.configure("voltage", 0.1, 1e-7, source_range=2.0, nplc=0.1)
    smu.set_output(True)
    reading = smu.read("voltage")
    assert reading.in_compliance and reading.current_a == pytest.approx(1e-7, rel=1e-2)


def test_it_sweeps_point_by_point_and_leaves_the_output_off(smu: Labmcp2600, lab: Served) -> None:
    smu.configure("voltage", 0.0, 1e-3, source_range=2.0, nplc=0.01)
    swept = smu.sweep("voltage", [0.0, 0.05, 0.1])
    assert [each.current_a for each in swept.readings] == pytest.approx(
        [0.0, true_amps(lab, 0.05), true_amps(lab, 0.1)], rel=0.03, abs=1e-6
    )
    assert not smu.output_state() and not lab.world.output_on


def test_what_the_instrument_refuses_it_raises(smu: Labmcp2600) -> None:
    with pytest.raises(InstrumentProtocolError, match="1101, Parameter too big"):
        smu.configure("voltage", 300.0, 1e-3)
    with pytest.raises(InstrumentProtocolError, match="5007, SMU A: Operation would exceed safe operating area"):
        smu.configure("voltage", 0.0, 1.0, source_range=200.0)
    assert smu.error_list() == []
