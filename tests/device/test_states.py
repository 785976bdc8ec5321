"""Which request is carried out in which state: exactly what `firmware_protocol.rules` says, for every opcode and every state."""

from collections.abc import Callable

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, DeviceState, Opcode, Route, SafeReason, Status
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request
from firmware_protocol.rules import RULES, refusal, rule_for
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, DeviceHost, program, tight, u16

VALID: dict[Opcode, Callable[[DeviceHost], Request]] = {
    Opcode.HELLO: lambda host: messages.Hello(),
    Opcode.GET_DICT: lambda host: messages.GetDict(0, 64),
    Opcode.ECHO: lambda host: messages.Echo(b"x"),
    Opcode.STATUS: lambda host: messages.GetStatus(),
    Opcode.ARM: lambda host: messages.Arm(host.status().limits_crc32),
    Opcode.ESTOP: lambda host: messages.EmergencyStop(),
    Opcode.KEEPALIVE: lambda host: messages.KeepAlive(),
    Opcode.SET_LIMITS: lambda host: tight(),
    Opcode.ABORT: lambda host: messages.Abort(1),
    Opcode.DISARM: lambda host: messages.Disarm(),
    Opcode.CLEAR_FAULT: lambda host: messages.ClearFault(host.status().safe_reason, host.status().stops),
    Opcode.SELECT: lambda host: messages.Select(Route.JUNCTION, 3),
    Opcode.READ_BLOCK: lambda host: messages.ReadBlock(0, 1, 100_000),
    Opcode.PROGRAM: lambda host: program(host.status().last_pulse_id + 1, 2, 1),
    Opcode.VMM: lambda host: messages.Vmm(0, 2, 0, 1, u16(*[1000] * 8)),
    Opcode.QUERY_PULSE: lambda host: messages.QueryPulse(1),
    Opcode.SCAN: lambda host: messages.Scan(0, 2, 0xFFFF, 0, 100, 100),
    Opcode.COUNTERS: lambda host: messages.Counters(0, 0),
    Opcode.READ_LIST: lambda host: messages.ReadList(1, 100_000, u16(3, 1)),
    Opcode.READ_DIE: lambda host: messages.ReadDie(0, 2, 1, 100_000),
    Opcode.WRITE_VERIFY: lambda host: messages.WriteVerify(
        0, 2, 1, 100_000, host.status().last_pulse_id + 1, 100_000, -100_000, 100, 10, 20, u16(60_000, *[CODE_MASKED] * 19)
    ),
    Opcode.OUTER_PRODUCT: lambda host: messages.OuterProduct(
        0, host.status().last_pulse_id + 1, 100_000, 100, bytes([1, 0, 0, 255, 1, 0, 0, 0, 0])
    ),
    Opcode.GET_CALIBRATION: lambda host: messages.GetCalibration(1),
    Opcode.SET_CALIBRATION: lambda host: messages.SetCalibration(1, 1, 0, bytes(range(5))),
    Opcode.OPERATION: lambda host: messages.Operation(),
    Opcode.RESULT: lambda host: messages.Result(0, 0, 0),
}
NOTHING_RUNS = {Opcode.ABORT, Opcode.OPERATION, Opcode.RESULT}
"""Legal, and refused (REFUSED_RANGE) because there is no operation."""


def test_there_is_a_valid_request_for_every_rule() -> None:
    assert set(VALID) == set(RULES) == set(Opcode)


@pytest.mark.parametrize("state", list(DeviceState))
@pytest.mark.parametrize("opcode", list(Opcode))
def test_a_request_is_carried_out_exactly_where_the_table_says(
    end: DeviceEnd, host: DeviceHost, opcode: Opcode, state: DeviceState
) -> None:
    host.enter(state)
    before = host.status()
    request = VALID[opcode](host)
    said = host.again() and None if opcode is Opcode.HELLO else host.say(request)
    forbidden = refusal(opcode, state)
    if said is None:
        return
    if forbidden is not None:
        assert said.status is forbidden
        after = host.status()
        assert (after.state, after.route, after.device, after.last_pulse_id, after.pulses, after.reads, after.limits_crc32) == (
            before.state, before.route, before.device, before.last_pulse_id, before.pulses, before.reads, before.limits_crc32,
        )  # fmt: skip
        assert end.pulses() == []
    elif opcode in NOTHING_RUNS:
        assert said.status is Status.REFUSED_RANGE
    else:
        assert said.status in (Status.OK, Status.ACCEPTED), said.message


@pytest.mark.parametrize("state", [DeviceState.SAFE, DeviceState.ARMED])
@pytest.mark.parametrize("opcode", [opcode for opcode in Opcode if opcode is not Opcode.HELLO])
def test_while_an_operation_runs_everything_that_may_not_is_busy(host: DeviceHost, opcode: Opcode, state: DeviceState) -> None:
    host.enter(state)
    request = VALID[opcode](host)
    ticket = host.send(messages.ReadDie(0, 2, 4096, 100_000))
    assert host.answer(ticket, MS).status is Status.ACCEPTED
    host.advance(10 * MS)
    running = host.ask(messages.Operation())
    assert isinstance(running, messages.OperationResponse)
    said = host.answer(host.send(messages.Abort(ticket.seq) if opcode is Opcode.ABORT else request), 50 * MS)
    if not rule_for(opcode).while_running:
        assert said.status is Status.BUSY
        assert said.message.value == Opcode.READ_DIE  # type: ignore[attr-defined]
        assert abs(said.message.limit - running.remaining_ms) <= 1  # type: ignore[attr-defined]
        assert host.status().operation == Opcode.READ_DIE
    else:
        assert said.status in (Status.OK, Status.REFUSED_RANGE)
        still = opcode not in (Opcode.ABORT, Opcode.DISARM, Opcode.ESTOP)
        assert host.status().operation == (Opcode.READ_DIE if still else 0)


def test_arming_quotes_the_limits_in_force(host: DeviceHost) -> None:
    old = Limits().crc32
    host.ask(tight(device_uv=900_000))
    assert host.refused(messages.Arm(old)) == (Status.REFUSED_CONFIG, old, Limits(device_uv=900_000).crc32)
    assert host.status().state == DeviceState.SAFE
    host.ask(messages.Arm(Limits(device_uv=900_000).crc32))
    assert host.status().state == DeviceState.ARMED


def test_arming_leaves_a_selected_path(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    host.arm()
    assert end.isolated
    assert host.status().route == Route.NONE


def test_selecting_disarms(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.ask(messages.Select(Route.JUNCTION, 7))
    assert (end.connected, host.status().state) == (7, DeviceState.SELECTED)
    assert host.refused(program(1, 0))[0] is Status.REFUSED_NOT_ARMED


@pytest.mark.parametrize(
    ("route", "device", "refused"),
    [
        (3, 0xFFFF, (3, 2)),
        (255, 0, (255, 2)),
        (Route.JUNCTION, 40, (40, 39)),
        (Route.JUNCTION, 0xFFFF, (0xFFFF, 39)),
        (Route.CONTACT_PADS, 3, (3, 0xFFFF)),
    ],
)
def test_a_path_that_does_not_exist_is_refused_and_the_old_one_stays(
    end: DeviceEnd, host: DeviceHost, route: int, device: int, refused: tuple[int, int]
) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    assert host.refused(messages.Select(route, device)) == (Status.REFUSED_RANGE, *refused)
    assert end.connected == 7


def test_contact_pads_and_nothing_can_be_selected(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.CONTACT_PADS))
    status = host.status()
    assert (status.state, status.route, status.device, end.isolated) == (DeviceState.SELECTED, Route.CONTACT_PADS, 0xFFFF, False)
    host.ask(messages.Select(Route.NONE))
    assert (host.status().state, end.isolated) == (DeviceState.SAFE, True)


def test_limits_only_tighten(host: DeviceHost) -> None:
    answer = host.ask(tight(device_uv=900_000, read_uv=200_000))
    assert isinstance(answer, messages.LimitsResponse)
    assert answer.limits == Limits(device_uv=900_000, read_uv=200_000)
    wider = host.ask(tight(device_uv=2_000_000, pulse_ns=5_000_000, dead_man_ms=60_000, pulses_per_command=600))
    assert isinstance(wider, messages.LimitsResponse)
    assert wider.limits == Limits(device_uv=900_000, read_uv=200_000, pulses_per_command=600)
    assert host.again().limits == wider.limits, "another session finds them as they are"


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"device_uv": 999}, (999, 1000)),
        ({"read_uv": 0}, (0, 1000)),
        ({"pulse_ns": 0}, (0, 1)),
        ({"dead_man_ms": 99}, (99, 100)),
        ({"pulses_per_command": 0}, (0, 1)),
    ],
)
def test_limits_that_would_make_the_board_useless_are_refused(host: DeviceHost, limits: dict[str, int], refused: tuple[int, int]) -> None:
    assert host.refused(tight(**limits)) == (Status.REFUSED_LIMIT, *refused)
    assert host.again().limits == Limits()


def test_an_emergency_stop_latches_until_its_reason_is_quoted(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.Select(Route.JUNCTION, 7))
    host.ask(messages.EmergencyStop())
    assert end.isolated
    host.ask(messages.Disarm())
    assert host.status().state == DeviceState.ESTOPPED
    assert host.refused(messages.ClearFault(SafeReason.DEAD_MAN, 1)) == (Status.REFUSED_CONFIG, SafeReason.DEAD_MAN, SafeReason.ESTOP)
    assert host.refused(messages.ClearFault(SafeReason.DEAD_MAN, 9)) == (Status.REFUSED_CONFIG, SafeReason.DEAD_MAN, SafeReason.ESTOP)
    host.ask(messages.ClearFault(SafeReason.ESTOP, 1))
    assert (host.status().state, host.status().safe_reason) == (DeviceState.SAFE, SafeReason.HOST)


def test_a_stop_that_came_after_the_status_is_not_cleared_with_the_one_before_it(end: DeviceEnd, host: DeviceHost) -> None:
    onlooker = DeviceHost(end, 0x7777, beside=host)
    host.ask(messages.EmergencyStop())
    read = host.status()
    onlooker.raw(b"\0" * 16)
    assert host.refused(messages.ClearFault(read.safe_reason, read.stops)) == (Status.REFUSED_CONFIG, read.stops, read.stops + 1)
    assert host.status().state == DeviceState.ESTOPPED
    again = host.status()
    host.ask(messages.ClearFault(again.safe_reason, again.stops))
    assert host.status().state == DeviceState.SAFE


def test_every_stop_is_counted_also_while_stopped_until_the_device_restarts(end: DeviceEnd, host: DeviceHost) -> None:
    assert host.status().stops == 0
    for counted in (1, 2):
        host.ask(messages.EmergencyStop())
        assert host.status().stops == counted
    host.raw(b"\x05\0" + b"\0" * 16)
    assert host.status().stops == 3
    host.ask(messages.Disarm())
    host.ask(messages.ClearFault(SafeReason.ESTOP, 3))
    assert host.refused(messages.ClearFault(SafeReason.ESTOP, 3))[0] is Status.REFUSED_CONFIG
    assert host.status().stops == 3, "what was cleared has been all the same"
    host.ask(messages.EmergencyStop())
    assert host.status().stops == 4
    end.restart(host.now_ns)
    host.again(0x4444)
    assert host.status().stops == 0


def test_the_count_of_stops_begins_again_after_the_last_number(host: DeviceHost) -> None:
    wire = host.frame(messages.EmergencyStop(), 1).encode()
    for _ in range(256):
        host.end.feed(wire * 256, host.now_ns)
        while host.end.take(host.now_ns):
            pass
    assert host.status().stops == 0
    host.ask(messages.EmergencyStop())
    assert host.status().stops == 1


def test_a_new_session_and_a_restart_meet_the_latch_differently(end: DeviceEnd, host: DeviceHost) -> None:
    host.ask(messages.EmergencyStop())
    assert host.again().state == DeviceState.ESTOPPED
    end.restart(host.now_ns)
    assert host.again(0x4444).state == DeviceState.SAFE
