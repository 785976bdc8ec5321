"""The same driver against the firmware in C, as a process of its own behind a socket and a pseudo-terminal."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from drivers.board_values import WriteVerifySettings
from drivers.crossbar import Crossbar, open_crossbar, open_crossbar_for_safety, read_status
from drivers.errors import DriverError, EmergencyStopped
from firmware_protocol.codes import Capability
from tests.support.c_end import CProcess, c_device_process
from tests.support.simulated_lab import SMALL, CountedPulseIds
from tests.support.waiting import until

BAUD = 921_600
ALL = np.ones((SMALL.rows, SMALL.columns), dtype=np.bool_)
P_SIEMENS, AP_SIEMENS = 200e-6, 100e-6
SETTINGS = WriteVerifySettings(0.1, 0.8, -0.8, 1e-6, tolerance_in_amps=2e-6, tolerance_out_amps=3e-6, max_pulses=4)


@pytest.fixture(params=[False, True], ids=["socket", "pty"])
def board(request: pytest.FixtureRequest) -> Iterator[CProcess]:
    with c_device_process(pty=request.param, geometry=SMALL) as made:
        yield made


@contextmanager
def opened(board: CProcess, ids: CountedPulseIds | None = None) -> Iterator[Crossbar]:
    with closing(open_crossbar(board.address, BAUD, ids or CountedPulseIds(), timeout_s=2.0)) as crossbar:
        yield crossbar


def test_it_says_what_it_can_do(board: CProcess) -> None:
    with opened(board) as crossbar:
        assert crossbar.info().geometry == SMALL
        assert Capability.STREAMS | Capability.WRITE_VERIFY in crossbar.info().capabilities


def test_a_die_is_read_as_a_stream_and_junction_by_junction(board: CProcess) -> None:
    with opened(board) as crossbar:
        die = crossbar.read_die(0.1)
        junctions = [(k, r, c) for k in range(2) for r in range(4) for c in range(5)]
        np.testing.assert_allclose(die.amps.ravel(), crossbar.read_junctions(junctions, 0.1).amps, rtol=0.01)


def test_pulses_are_given_once_each(board: CProcess) -> None:
    with opened(board) as crossbar:
        assert crossbar.pulse(1, ALL, 0.8, 1e-6).all()
        assert [device for device, _, _ in board.pulses()] == list(range(20, 40))
        assert crossbar.outer_product(0, np.ones(4, np.int8), np.ones(5, np.int8), 0.3, 1e-7).executed == 20
        assert len(board.pulses()) == 40


def test_a_kernel_is_written_and_verified(board: CProcess) -> None:
    ids = CountedPulseIds()
    with opened(board, ids) as crossbar:
        wanted = np.where(np.indices(ALL.shape).sum(axis=0) % 2, P_SIEMENS, AP_SIEMENS) * SETTINGS.read_volts
        reading = crossbar.write_verify(0, wanted, SETTINGS)
        assert (reading.ended, reading.in_tolerance.all()) == ("DONE", True)
        assert reading.pulses_given == len(board.pulses()) == ids.settled[-1][1].count("executed")


def test_a_restart_keeps_what_is_durable(board: CProcess) -> None:
    with opened(board) as crossbar:
        crossbar.pulse(0, ALL, 0.8, 1e-6)
        board.cut_power()
        with pytest.raises(DriverError):
            for _ in range(100):
                crossbar.status()
    with opened(board) as later:
        assert later.pulse_outcomes(1, 20) == ["unknown"] * 20
        assert later.pulse_outcomes(21, 20) == ["refused"] * 20
        assert later.pulse(0, ALL, 0.8, 1e-6).all(), "with ids above the durable one"


def test_the_safety_path_is_heard_beside_the_driver(board: CProcess) -> None:
    with opened(board) as crossbar:
        crossbar.select_junction(0, 1, 1)
        with open_crossbar_for_safety(board.address) as safety:
            safety.emergency_stop()
        with pytest.raises(DriverError):
            crossbar.pulse(0, ALL, 0.8, 1e-6)
    until(lambda: read_status(board.address).state == "ESTOPPED")
    assert board.pulses() == []


def test_a_latched_board_refuses_a_whole_die(board: CProcess) -> None:
    with opened(board) as crossbar:
        crossbar.emergency_stop()
        with pytest.raises(EmergencyStopped):
            crossbar.read_die(0.1)
