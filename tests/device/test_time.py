"""A command takes the board's time; what follows waits, what needs no order does not."""

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import Direction, Route, Status
from firmware_protocol.messages import Request
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, US, DeviceHost, program, u16

READ_BLOCK_NS = 5 * 25 * US + 20 * 10 * US


@pytest.mark.parametrize(
    ("request_", "busy_ns"),
    [
        (messages.ReadBlock(0, 1, 100_000), READ_BLOCK_NS),
        (messages.ReadBlock(1, 16, -100_000), 5 * 25 * US + 16 * 20 * 10 * US),
        (messages.ReadList(1, 100_000, u16(3)), 35 * US),
        (messages.ReadList(7, 100_000, u16(3, 39, 3)), 3 * 95 * US),
        (messages.Vmm(0, 1, Direction.ROWS, 1, u16(*[1000] * 4)), 5 * US + 20 * US + 50 * US),
        (messages.Vmm(0, 2, Direction.ROWS, 3, u16(*[1000] * 24)), 5 * US + 3 * 2 * (20 * US + 50 * US)),
        (messages.Vmm(1, 1, Direction.COLUMNS, 2, u16(*[1000] * 10)), 5 * US + 2 * (20 * US + 40 * US)),
        (program(1, 3, 4, 5, ns=777), 3 * (25 * US + 777)),
        (messages.OuterProduct(0, 1, 100_000, 777, bytes([2, 1, 0, 0, 3, 0, 0, 0, 0])), 6 * (25 * US + 777)),
        (messages.Select(Route.JUNCTION, 3), 5 * US),
    ],
)
def test_each_command_takes_the_boards_time(host: DeviceHost, request_: Request, busy_ns: int) -> None:
    host.arm()
    begun_ns = host.now_ns
    said = host.say(request_)
    assert said.status is Status.OK, said
    assert abs(said.at_ns - begun_ns - busy_ns) <= US


def test_switching_takes_five_microseconds(host: DeviceHost) -> None:
    crc = host.status().limits_crc32
    for request in (messages.Arm(crc), messages.Disarm()):
        begun_ns = host.now_ns
        assert abs(host.say(request).at_ns - begun_ns - 5 * US) <= US


def test_what_follows_a_command_waits_and_questions_do_not(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    begun_ns = host.now_ns
    first = host.send(program(1, *range(10), ns=975_000))
    second = host.send(program(11, *range(10), ns=975_000))
    echo = host.send(messages.Echo(b"last"))
    for asked in range(1, 10):
        host.until(begun_ns + asked * MS + MS // 2)
        question = host.send(messages.GetStatus())
        assert host.answer(question, US).status is Status.OK
        assert not host.answers.keys() & {first, second, echo}
    host.advance(100 * MS)
    assert [round((host.answers[each].at_ns - begun_ns) / MS) for each in (first, second, echo)] == [10, 20, 20]
    assert [device for device, _, _ in end.pulses()] == [*range(10)] * 2


def test_pulses_are_spread_over_the_commands_time(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    host.send(program(1, *range(20), ns=975_000))
    counts: list[int] = []
    for _ in range(20):
        host.advance(MS)
        counts.append(len(end.pulses()))
    assert all(abs(given - n) <= 1 for n, given in enumerate(counts, 1))
    assert counts[-1] >= 19


def test_a_frame_beyond_the_window_is_not_executed_twice_nor_lost_when_it_comes_again(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    wires = [host.frame(program(n, n, ns=975_000), n + 1).encode() for n in range(1, 13)]
    host.raw(b"".join(wires))
    host.advance(100 * MS)
    executed = [device for device, _, _ in end.pulses()]
    assert executed == [*range(1, len(executed) + 1)]
    assert 9 <= len(executed) + 1 <= 13, "one runs and a window waits, at the least seven"
    host.raw(b"".join(wires))
    host.advance(100 * MS)
    assert [device for device, _, _ in end.pulses()][: len(executed)] == executed
    assert len({device for device, _, _ in end.pulses()}) == len(end.pulses()), "none twice"


def test_a_device_that_is_not_read_from_does_not_stop_executing(end: DeviceEnd, host: DeviceHost) -> None:
    host.arm()
    for n in range(1, 8):
        _, wire = host.endpoint.request(program(n, n), host.now_ns)
        end.feed(wire, host.now_ns)
    for _ in range(10):
        host._clock[0] += 10 * MS
        end.feed(b"\0", host.now_ns)
    assert len(end.pulses()) == 7
