"""Stops, limits and paths over lines that are lost and boards that start anew."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest

from drivers.board_asked import Asked
from drivers.crossbar import Crossbar, open_crossbar, open_crossbar_for_safety
from drivers.errors import ConnectFailed, DriverError, EmergencyStopped, LinkError, OverLimit
from firmware_protocol.codes import Opcode, Route
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.limits import Limits
from firmware_protocol.messages import ReadBlock
from tests.support.relay import Relay, relay
from tests.support.simulated_lab import SMALL, CountedPulseIds, SimulatedLab, simulated_lab
from tests.support.waiting import until

BAUD = 921_600
ALL = np.ones((SMALL.rows, SMALL.columns), dtype=np.bool_)


@pytest.fixture
def lab() -> Iterator[SimulatedLab]:
    with simulated_lab() as made:
        made.world.touch((0, 0))
        yield made


@contextmanager
def over_a_line(lab: SimulatedLab, timeout_s: float = 2.0) -> Iterator[tuple[Relay, Crossbar]]:
    with relay(lab.lab.crossbar.address) as line, closing(open_crossbar(line.address, BAUD, CountedPulseIds(), timeout_s)) as crossbar:
        yield line, crossbar


def stopped_from_outside(lab: SimulatedLab) -> None:
    with open_crossbar_for_safety(lab.lab.crossbar.address) as safety:
        safety.emergency_stop()


# --- emergency stops


def test_a_stop_asked_for_while_the_line_is_opened_anew_is_said_on_it(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        crossbar.tighten_limits(Limits(pulses_per_command=5))
        deframer, programs, stopped = Deframer(), [0], threading.Event()

        def stop() -> None:
            with suppress(LinkError):  # Nobody has the new line yet.
                crossbar.emergency_stop()
            stopped.set()

        def to_device(data: bytes) -> bytes:
            for found in deframer.feed(data):
                if isinstance(found, Frame) and found.opcode == Opcode.PROGRAM:
                    programs[0] += 1
                    if programs[0] == 2:
                        line.cut()
                        return b""
                if isinstance(found, Frame) and found.opcode == Opcode.HELLO and not stopped.is_set():
                    thread = threading.Thread(target=stop)
                    thread.start()
                    thread.join(4)
            return data

        line.to_device = to_device
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).sum() == 5
        assert stopped.is_set()
        assert crossbar.status().state == "ESTOPPED"
        for pulses in (lambda: crossbar.pulse(0, ALL, 0.1, 1e-7), lambda: crossbar.read_die(0.1)):
            with pytest.raises(EmergencyStopped):
                pulses()
        assert crossbar.status().pulses == 5
        crossbar.clear_emergency_stop()
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()


def test_a_stop_that_the_board_never_heard_holds_until_it_is_cleared(lab: SimulatedLab) -> None:
    with over_a_line(lab, timeout_s=0.5) as (line, crossbar):
        line.cut()
        with pytest.raises(LinkError):
            crossbar.emergency_stop()
        with pytest.raises(EmergencyStopped, match="was asked for"):
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        crossbar.reconnect(5.0)
        assert crossbar.status().state == "ESTOPPED", "said first on the new line"
        crossbar.clear_emergency_stop()
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()


def clears(crossbar: Crossbar, line: Relay) -> None:
    crossbar.clear_emergency_stop()


def clears_from_outside(crossbar: Crossbar, line: Relay) -> None:
    with open_crossbar_for_safety(line.address) as safety:
        safety.clear_emergency_stop()


@pytest.mark.parametrize("clear", [clears, clears_from_outside])
def test_a_stop_that_came_after_the_one_that_was_read_is_not_cleared_with_it(
    lab: SimulatedLab, clear: Callable[[Crossbar, Relay], None]
) -> None:
    with over_a_line(lab) as (line, crossbar):
        stopped_from_outside(lab)
        deframer, again = Deframer(), [0]

        def to_device(data: bytes) -> bytes:
            if not again[0] and any(isinstance(found, Frame) and found.opcode == Opcode.CLEAR_FAULT for found in deframer.feed(data)):
                again[0] = 1
                stopped_from_outside(lab)
            return data

        line.to_device = to_device
        with pytest.raises(EmergencyStopped, match="another emergency stop came in between"):
            clear(crossbar, line)
        assert lab.crossbar.state.name == "ESTOPPED"
        clear(crossbar, line)
        assert lab.crossbar.state.name == "SAFE"


# --- limits


def test_a_board_that_restarted_with_a_stop_latched_is_isolated_first_and_told_the_limits_when_it_may_be(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (_, crossbar):
        crossbar.tighten_limits(Limits(device_uv=900_000))
        lab.crossbar.reboot(8, time.monotonic_ns())
        stopped_from_outside(lab)
        crossbar.isolate()
        with pytest.raises(EmergencyStopped):
            crossbar.pulse(0, ALL, 0.5, 1e-7)
        crossbar.clear_emergency_stop()
        assert crossbar.pulse(0, ALL, 0.5, 1e-7).all()
        assert lab.crossbar._board.limits.device_uv == 900_000
        with pytest.raises(OverLimit, match=r"0\.9 V"):
            crossbar.pulse(0, ALL, 0.95, 1e-7)


# --- paths, counts


def test_a_path_that_is_still_closed_is_kept_over_a_new_connection(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        crossbar.tighten_limits(Limits(dead_man_ms=1000))
        crossbar.select_junction(1, 2, 3)
        line.cut()
        until(lambda: crossbar._link.down)
        assert crossbar.reconnect(3.0) is True
        time.sleep(1.5)  # The board would have isolated it by now.
        assert crossbar.status().selected == (1, 2, 3)


def test_a_path_that_is_no_longer_closed_is_told(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        assert crossbar.reconnect(1.0) is True, "there was none"
        crossbar.select_junction(1, 2, 3)
        lab.crossbar.reboot(8, time.monotonic_ns())
        line.cut()
        until(lambda: crossbar._link.down)
        assert crossbar.reconnect(3.0) is False
        assert lab.world.selected == (Route.NONE, None)
        crossbar.read_kernel(0, 0.1)


def test_connections_that_failed_are_not_counted_again(lab: SimulatedLab) -> None:
    with over_a_line(lab, timeout_s=0.5) as (line, crossbar):
        sent = crossbar.counts().sent
        line.close()
        with pytest.raises(ConnectFailed):
            crossbar.reconnect(0.5)
        assert (crossbar.counts().sent, crossbar.counts().reconnects) == (sent, 0)


def test_a_record_of_ids_that_fails_leaves_no_connection_behind(lab: SimulatedLab) -> None:
    class FullDisk(CountedPulseIds):
        def advance(self, last_id: int) -> None:
            raise OSError(28, "No space left on device")

    with relay(lab.lab.crossbar.address, pty=True) as line:
        threads = threading.active_count()
        with pytest.raises(OSError, match="No space"):
            open_crossbar(line.address, BAUD, FullDisk())
        assert threading.active_count() == threads
        with closing(open_crossbar(line.address, BAUD, CountedPulseIds())) as crossbar:
            assert crossbar.status().state == "SAFE"


class Interrupted(Asked):
    """Whoever waits for it presses Ctrl-C."""

    def wait(self, timeout_s: float) -> bool:
        raise KeyboardInterrupt


def test_a_pulse_behind_a_reading_that_was_interrupted_is_not_given_later(lab: SimulatedLab) -> None:
    """The reading fills the window; who interrupts it gives the line up, so that nothing of what comes next waits behind it."""
    ids = CountedPulseIds()
    with relay(lab.lab.crossbar.address) as line, closing(open_crossbar(line.address, BAUD, ids, 2.0)) as crossbar:
        crossbar.pulse(0, ALL, 0.1, 1e-7)
        line.to_device = lambda data: b""
        reading = Interrupted([ReadBlock(0, 4, 100_000)] * 12)
        with pytest.raises(KeyboardInterrupt):
            crossbar._link.wait_for(reading)
        assert 0 < reading.sent < 12
        line.to_device = lambda data: data
        with pytest.raises(DriverError):
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert ids.settled[-1] == (21, ("refused",) * 20)
        crossbar.isolate()
        assert crossbar.status().pulses == 20
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()
