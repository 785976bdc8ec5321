"""PyMeasure's own Keithley2450, unchanged, drives the simulated one."""

import socket
from collections.abc import Iterator

import pytest
from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2450 as PyMeasure2450
from pyvisa.errors import VisaIOError

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
def smu(lab: Served) -> Iterator[PyMeasure2450]:
    adapter = VISAAdapter(
        f"TCPIP0::127.0.0.1::{lab.smu_port}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
        timeout=5000,
    )
    yield PyMeasure2450(adapter)
    adapter.close()
    adapter.manager.close()


def test_it_identifies_and_resets(smu: PyMeasure2450) -> None:
    assert smu.id == "KEITHLEY INSTRUMENTS,MODEL 2450,SIM20261122,1.7.12b"
    smu.reset()
    assert smu.check_errors() == []


def test_it_sources_voltage_and_measures_the_junctions_current(smu: PyMeasure2450, lab: Served) -> None:
    smu.reset()
    smu.use_front_terminals()
    smu.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.measure_current(nplc=1, current=1e-4, auto_range=False)
    smu.wires = 4
    smu.source_voltage = 0.1
    smu.enable_source()
    assert smu.source_enabled
    measured = smu.current
    assert measured == pytest.approx(lab.world.smu_amps(0.1, 0.0, 1.0).amps, rel=0.02)
    assert smu.wires == 4 and smu.source_voltage == 0.1 and smu.compliance_current == 1e-3
    assert smu.check_errors() == []


def test_it_finds_the_current_limited(smu: PyMeasure2450) -> None:
    smu.apply_voltage(voltage_range=2, compliance_current=1e-5)
    smu.measure_current(nplc=0.1)
    smu.source_voltage = 0.1
    smu.enable_source()
    assert smu.current == pytest.approx(1e-5, rel=1e-2)


def test_it_sources_current_and_measures_voltage_and_resistance(smu: PyMeasure2450, lab: Served) -> None:
    smu.apply_current(current_range=1e-4, compliance_voltage=0.5)
    smu.measure_voltage(nplc=1)
    smu.source_current = 1e-5
    smu.enable_source()
    volts = smu.voltage
    assert lab.world.smu_amps(volts, 0.0, 1.0).amps == pytest.approx(1e-5, rel=0.02)
    smu.measure_resistance(nplc=1)
    assert smu.resistance == pytest.approx(volts / 1e-5, rel=0.02)
    assert smu.check_errors() == []


def test_its_shutdown_ramps_down_and_switches_the_output_off(smu: PyMeasure2450, lab: Served) -> None:
    smu.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.source_voltage = 0.1
    smu.enable_source()
    assert smu.source_enabled and lab.world.output_on
    smu.shutdown()
    assert not smu.source_enabled and not lab.world.output_on
    assert smu.source_voltage == 0.0


def test_the_buffer_it_inherited_from_the_2400_is_refused_as_by_a_real_2450(smu: PyMeasure2450) -> None:
    smu.config_buffer(points=20)
    smu.adapter.connection.timeout = 200
    with pytest.raises(VisaIOError, match="Timeout"):
        _ = smu.buffer_data


def test_closing_it_leaves_the_output_as_it_is(lab: Served, smu: PyMeasure2450) -> None:
    smu.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.enable_source()
    assert smu.source_enabled
    smu.adapter.connection.close()
    with socket.create_connection(("127.0.0.1", lab.smu_port), timeout=5) as other, other.makefile("rb") as answers:
        other.sendall(b":OUTP?\n")
        assert answers.readline() == b"1\n"
