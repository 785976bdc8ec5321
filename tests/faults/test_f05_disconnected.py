"""Fault 5: the connection breaks in the middle of a frame, of a batch, of a stream, or while nothing is said."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.errors import LinkError, LinkLost, OutcomeUnknown
from firmware_protocol.codes import EventCode, Opcode, PulseOutcome
from firmware_protocol.events import LostBy
from tests.support.device_end import ENDS, DeviceEnd
from tests.support.device_host import DeviceHost
from tests.support.faulty_line import Trial, failing
from tests.support.relay import Relay, relay
from tests.support.served_end import Served, opened, served_end
from tests.support.simulated_lab import CountedPulseIds
from tests.support.tampering import half_then_cut, lost, struck, whole_then_cut
from tests.support.waiting import until

ALL = np.ones((4, 5), np.bool_)
ONE = np.zeros((4, 5), np.bool_)
ONE[1, 2] = True
DOWN_S = 2.0


@pytest.mark.parametrize("seed", range(3))
def test_f05_many_times_over_only_what_was_under_way_is_unknown_and_the_device_knows_better(end: DeviceEnd, seed: int) -> None:
    trial = Trial(end, 1500, failing(0.01, disconnects=0.01), seed, batch=8)
    trial.run(30_000)
    applied = trial.times_applied()
    lost_lines = trial.downs[LostBy.LINE]
    assert trial.done
    assert set(applied.values()) == {1}
    assert trial.ended.executed <= applied.keys()
    assert trial.downs.keys() == {LostBy.LINE}
    assert 0 < len(trial.ended.unknown) <= lost_lines * trial.window * trial.batch
    host = DeviceHost(end, 0x7777)
    host._clock[0] = trial.now_ns
    # Without a restart nothing is forgotten so soon, so asking settles all but the oldest.
    newest = [pulse_id for pulse_id in trial.ended.unknown if pulse_id > 1200]
    assert all((host.fate(pulse_id) is PulseOutcome.EXECUTED) == (pulse_id in applied) for pulse_id in newest)


@pytest.fixture(params=ENDS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served_end(request.param) as made:
        yield made


@pytest.fixture
def line(served: Served) -> Iterator[Relay]:
    with relay(served.address) as made:
        yield made


def test_f05_mid_frame_nothing_was_executed_and_the_driver_knows_and_goes_on(served: Served, line: Relay) -> None:
    ids = CountedPulseIds()
    line.to_device = struck(Opcode.PROGRAM, half_then_cut(line))
    with opened(line.address, ids) as crossbar:
        begun_s = time.monotonic()
        assert not crossbar.pulse(0, ALL, 0.1, 1e-7).any()
        assert time.monotonic() - begun_s < DOWN_S
        assert (served.given(), ids.settled) == ([], [(1, ("refused",) * 20)])
        assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
    assert served.given() == [7]


def test_f05_mid_batch_each_pulse_is_settled_as_the_die_has_seen_it(served: Served, line: Relay) -> None:
    """Twenty pulses of 1 ms; the line goes after some of them. The new session ends the command."""
    ids = CountedPulseIds()
    line.to_device = struck(Opcode.PROGRAM, whole_then_cut(line, 0.006))
    with opened(line.address, ids) as crossbar:
        executed = crossbar.pulse(0, ALL, 0.1, 1e-3)
    times = served.given()
    assert times == sorted(set(times)), "I1"
    assert [int(place) for place in np.flatnonzero(executed)] == times, "I2"
    assert ids.settled == [(1, ("executed",) * len(times) + ("refused",) * (20 - len(times)))]
    assert len(times) > 0


def test_f05_mid_batch_with_no_way_back_everything_outstanding_is_unknown_in_time(served: Served, line: Relay) -> None:
    ids = CountedPulseIds()

    def gone(data: bytes) -> bytes:
        line._closing.set()
        line.cut()
        return b""

    line.to_host = struck(Opcode.PROGRAM, gone)
    with opened(line.address, ids, timeout_s=1.0) as crossbar:
        begun_s = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="read the junctions back"):
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert time.monotonic() - begun_s < 5.0
    assert ids.settled == [(1, ("unknown",) * 20)]
    assert served.given() == list(range(20))


def test_f05_mid_stream_the_reading_ends_in_time_and_the_next_session_reads_the_whole_die(served: Served, line: Relay) -> None:
    line.to_host = struck(EventCode.BLOCK, whole_then_cut(line, 0.0))
    with opened(line.address) as crossbar:
        begun_s = time.monotonic()
        with pytest.raises(LinkError):
            crossbar.read_die(0.1, averages=64)
        assert time.monotonic() - begun_s < DOWN_S
        crossbar.reconnect(5.0)
        assert crossbar.read_die(0.1).amps.shape == (2, 4, 5)


def test_f05_while_nothing_is_said_the_loss_is_noticed_and_the_path_opened_by_the_device(served: Served, line: Relay) -> None:
    with opened(line.address) as crossbar:
        crossbar.select_junction(0, 1, 2)
        assert served.connected == 7
        line.cut()
        cut_s = time.monotonic()
        until(lambda: crossbar._link.down, DOWN_S)
        until(lambda: served.isolated, DOWN_S)
        assert time.monotonic() - cut_s < DOWN_S
        with pytest.raises(LinkLost):
            crossbar.status()


def test_f05_reconnecting_backs_off_until_the_line_is_there_again(served: Served, line: Relay) -> None:
    with opened(line.address) as crossbar:
        passing = line.to_device, line.to_host
        line.to_device = line.to_host = lost
        line.cut()
        until(lambda: crossbar._link.down, DOWN_S)

        def mend() -> None:
            line.to_device, line.to_host = passing

        threading.Timer(0.3, mend).start()
        crossbar.reconnect(20.0)
        assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
    assert served.given() == [7]
