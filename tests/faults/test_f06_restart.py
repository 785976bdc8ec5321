"""Fault 6: the device restarts in the middle of a command."""

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, PulseOutcome, Status
from firmware_protocol.events import Abandoned, LinkDown, LostBy, Role
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.limits import Limits
from firmware_protocol.session import Endpoint
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, S, program, tight
from tests.support.faulty_line import Trial, failing


def test_f06_the_first_frame_after_a_restart_ends_the_session_and_nothing_is_sent_again(end: DeviceEnd) -> None:
    host = DeviceHost(end)
    host.endpoint = Endpoint(Role.HOST, session=0x1111)
    host.hello()
    host.ask(tight(device_uv=900_000))
    host.arm()
    pulses = [host.endpoint.request(program(10 * n + 1, *range(10), ns=975_000), host.now_ns) for n in range(3)]
    for _, wire in pulses:
        end.feed(wire, host.now_ns)
    host._clock[0] += 5 * MS
    end.take(host.now_ns)
    given = len(end.pulses())
    end.restart(host.now_ns)
    end.feed(pulses[0][1], host.now_ns)
    (frame,) = [found for found in Deframer().feed(end.take(host.now_ns)) if isinstance(found, Frame)]
    events = host.endpoint.receive(frame, host.now_ns)
    assert events == [*(Abandoned(ticket, LostBy.REBOOT) for ticket, _ in pulses), LinkDown(LostBy.REBOOT)]
    assert host.endpoint.next_poll_ns() is None
    host.advance(10 * S)
    assert len(end.pulses()) in (given, given + 1)
    assert end.isolated
    hello = host.again()
    assert (hello.state, hello.limits, hello.last_pulse_id) == (DeviceState.SAFE, Limits(), 10)
    assert host.fate(1) is PulseOutcome.LOST
    assert [host.fate(n) for n in (11, 30)] == [PulseOutcome.NEVER_SEEN] * 2
    assert host.refused(program(31, 0))[0] is Status.REFUSED_NOT_ARMED, "nobody arms it but the host"


@pytest.mark.parametrize("seed", range(3))
def test_f06_pulses_under_way_are_unknown_and_no_others_and_none_is_given_twice(end: DeviceEnd, seed: int) -> None:
    trial = Trial(end, 1500, failing(0.01, reboots=0.01), seed, batch=8)
    trial.run(30_000)
    applied = trial.times_applied()
    assert trial.done
    assert set(applied.values()) == {1}
    assert trial.ended.executed <= applied.keys()
    assert not trial.ended.refused & applied.keys()
    assert trial.restarts >= 3
    assert sum(trial.downs.values()) <= trial.restarts
    assert 0 < len(trial.ended.unknown) <= sum(trial.downs.values()) * trial.window * trial.batch
    assert (trial.ended.late, trial.ended.wrong) == (0, 0)
    _certainties_are_true(trial)


def _certainties_are_true(trial: Trial) -> None:
    """Whatever the device says for certain of an unknown pulse is so."""
    host = DeviceHost(trial.end, 0x7777)
    host._clock[0] = trial.now_ns
    applied = trial.times_applied()
    for pulse_id in sorted(trial.ended.unknown):
        fate = host.fate(pulse_id)
        assert fate is not PulseOutcome.EXECUTED or pulse_id in applied
        assert fate not in (PulseOutcome.REFUSED, PulseOutcome.NEVER_SEEN) or pulse_id not in applied


@pytest.mark.parametrize("after_us", [0, 100, 5_100, 9_999, 10_001])
def test_f06_wherever_the_restart_falls_the_command_is_used_up_and_never_goes_on(end: DeviceEnd, host: DeviceHost, after_us: int) -> None:
    host.arm()
    host.send(program(1, *range(10), ns=975_000))
    host.advance(after_us * 1000)
    end.restart(host.now_ns)
    given = len(end.pulses())
    host.advance(S)
    assert len(end.pulses()) == given <= 10
    assert host.again().last_pulse_id == 10
    host.arm()
    assert host.refused(program(10, 0))[0] is Status.REFUSED_PULSE_ID
    assert host.ask(messages.KeepAlive()) is not None
