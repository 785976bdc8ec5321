"""PyMeasure's own Keithley2600, unchanged, drives the simulated 2636B."""

import socket
from collections.abc import Iterator

import pytest
from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2600 as PyMeasure2600

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
def smu(lab: Served) -> Iterator[PyMeasure2600]:
    adapter = VISAAdapter(
        f"TCPIP0::127.0.0.1::{lab.smu_port}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
        timeout=5000,
    )
    with pytest.warns(FutureWarning, match="SCPI"):
        opened = PyMeasure2600(adapter)
    yield opened
    adapter.close()
    adapter.manager.close()


def true_amps(lab: Served, volts: float) -> float:
    return lab.world.smu_amps(volts, 0.0, 1.0).amps


def test_it_identifies_and_finds_no_errors(smu: PyMeasure2600) -> None:
    assert smu.id == "Keithley Instruments Inc., Model 2636B, SIM20261122, 3.3.5"
    smu.reset()
    assert smu.next_error == (0, "Queue Is Empty")


def test_it_sources_voltage_and_measures_the_junctions_current(smu: PyMeasure2600, lab: Served) -> None:
    smu.ChA.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.ChA.measure_current(nplc=1, current=1e-4, auto_range=False)
    smu.ChA.source_voltage = 0.1
    smu.ChA.source_output = "ON"
    assert smu.ChA.source_output == "ON" and lab.world.output_on
    assert smu.ChA.current == pytest.approx(true_amps(lab, 0.1), rel=0.02)
    assert smu.ChA.voltage == pytest.approx(0.1, rel=0.01)
    assert smu.ChA.resistance == pytest.approx(0.1 / true_amps(lab, 0.1), rel=0.03)
    assert (smu.ChA.source_voltage, smu.ChA.compliance_current, smu.ChA.source_voltage_range) == (0.1, 1e-3, 2.0)
    assert smu.check_errors() == []


def test_it_sources_current_and_measures_voltage(smu: PyMeasure2600, lab: Served) -> None:
    smu.ChA.apply_current(current_range=1e-5, compliance_voltage=0.5)
    smu.ChA.measure_voltage(nplc=1)
    smu.ChA.source_current = 1e-5
    smu.ChA.source_output = "ON"
    volts = smu.ChA.voltage
    assert true_amps(lab, volts) == pytest.approx(1e-5, rel=0.02)
    assert smu.check_errors() == []


def test_the_current_is_limited(smu: PyMeasure2600) -> None:
    smu.ChA.apply_voltage(voltage_range=2, compliance_current=1e-5)
    smu.ChA.source_voltage = 0.1
    smu.ChA.source_output = "ON"
    assert smu.ChA.current == pytest.approx(1e-5, rel=0.01)


def test_a_limit_that_it_rounds_to_nothing_is_refused_and_keeps_the_old_one(smu: PyMeasure2600) -> None:
    smu.ChA.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.ChA.compliance_current = 1e-7  # Leaves as 0.000000.
    assert smu.check_errors() == [(1102, "Parameter too small")]
    assert smu.ChA.compliance_current == 1e-3


def test_four_wires_and_the_second_channel(smu: PyMeasure2600, lab: Served) -> None:
    smu.ChA.wires_mode = "4"
    assert smu.ChA.wires_mode == "4"
    smu.ChB.apply_voltage(voltage_range=2, compliance_current=1e-3)
    smu.ChB.source_voltage = 1.0
    smu.ChB.source_output = "ON"
    assert abs(smu.ChB.current) < 1e-9 and not lab.world.output_on
    assert smu.check_errors() == []


def test_its_shutdown_ramps_down_and_switches_the_output_off(smu: PyMeasure2600, lab: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pymeasure.instruments.keithley.keithley2600.time.sleep", lambda _: None)
    smu.ChA.source_voltage = 0.1
    smu.ChA.source_output = "ON"
    smu.ChA.shutdown()
    assert smu.ChA.source_output == "OFF" and not lab.world.output_on
    assert smu.ChA.source_voltage == 0.0


def test_closing_it_leaves_the_output_as_it_is(lab: Served, smu: PyMeasure2600) -> None:
    smu.ChA.source_output = "ON"
    assert smu.ChA.source_output == "ON"
    smu.adapter.connection.close()
    with socket.create_connection(("127.0.0.1", lab.smu_port), timeout=5) as other, other.makefile("rb") as answers:
        other.sendall(b"print(smua.source.output)\n")
        assert answers.readline() == b"1.00000e+00\n"
