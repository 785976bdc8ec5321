"""What the controller is busy with: one command at a time, others waiting in order, and what cuts them short."""

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, PulseOutcome, Route, SafeReason, Status
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.limits import Limits
from firmware_protocol.session import WINDOW
from simulator.instruments.controller import Controller
from tests.simulator.controller_client import MS, US, Client, RecordingWorld, codes_of, opened, program, small_world

ITEM_NS = 26 * US
"""One pulse of 1 us."""
EXECUTED, REFUSED = PulseOutcome.EXECUTED, PulseOutcome.REFUSED


@pytest.fixture
def world() -> RecordingWorld:
    return small_world()


@pytest.fixture
def controller(world: RecordingWorld) -> Controller:
    return Controller(world, boot_id=5)


@pytest.fixture
def client(controller: Controller) -> Client:
    made = opened(controller)
    made.arm()
    return made


def ten(first: int = 1) -> messages.Program:
    return program(first, *range(10), ns=1000)


def outcomes(client: Client, ticket: object) -> list[int]:
    answer = messages.ProgramResponse.decode(client.answers[ticket].payload)  # type: ignore[index]
    return list(answer.outcomes)


# --- an emergency stop in the middle


@pytest.mark.parametrize(("after_ns", "given"), [(0, 0), (ITEM_NS - 1, 0), (ITEM_NS, 1), (4 * ITEM_NS + 1, 4), (10 * ITEM_NS - 1, 9)])
def test_a_stop_in_the_middle_of_a_list_cuts_it_after_the_pulses_whose_time_had_come(
    world: RecordingWorld, controller: Controller, client: Client, after_ns: int, given: int
) -> None:
    (ticket,) = client.send(ten())
    client.now_ns += after_ns
    Client(controller, 0, client.time).ask(messages.EmergencyStop())
    client.listen()
    assert client.answers[ticket].status == Status.OK
    assert outcomes(client, ticket) == [EXECUTED] * given + [REFUSED] * (10 - given)
    assert world.pulses == [(device, 100_000, 1000) for device in range(given)]
    assert [client.fate(1 + item) for item in range(10)] == [EXECUTED] * given + [REFUSED] * (10 - given)
    assert (client.status().pulses, client.status().last_pulse_id) == (given, 10)


def test_a_list_on_one_junction_is_cut_where_its_time_ended_it_however_seldom_anybody_came_by(
    world: RecordingWorld, controller: Controller, client: Client
) -> None:
    (ticket,) = client.send(program(1, *[7] * 200, ns=1000))
    client.now_ns += 150 * ITEM_NS
    Client(controller, 0, client.time).ask(messages.EmergencyStop())
    client.listen()
    assert outcomes(client, ticket).count(EXECUTED) == len(world.pulses) == 150


def test_zeros_on_the_line_stop_a_list_like_the_request_does(world: RecordingWorld, controller: Controller, client: Client) -> None:
    (ticket,) = client.send(ten())
    client.now_ns += 3 * ITEM_NS
    controller.connect().feed(bytes(16), client.now_ns)
    client.listen()
    assert outcomes(client, ticket).count(EXECUTED) == len(world.pulses) == 3
    assert controller.state is DeviceState.ESTOPPED


@pytest.mark.parametrize(
    "message",
    [
        messages.ReadBlock(0, 16, 100_000),
        messages.ReadList(16, 100_000, bytes(8)),
        messages.Vmm(0, 2, 0, 1, bytes(16)),
        messages.Select(Route.JUNCTION, 3),
        messages.Arm(Limits().crc32),
    ],
)
def test_anything_else_that_a_stop_interrupts_is_refused_and_has_done_nothing(
    world: RecordingWorld, client: Client, message: messages.Request
) -> None:
    ticket, _ = client.send(message, messages.EmergencyStop())
    assert client.answers[ticket].status == Status.REFUSED_ESTOP
    assert (client.status().reads, world.selected) == (0, (Route.NONE, None))


def test_what_waits_behind_a_stopped_command_is_answered_by_the_rules_of_a_stopped_board(world: RecordingWorld, client: Client) -> None:
    waiting = (ten(11), messages.ReadBlock(0, 1, 1), messages.Echo(b""), messages.Disarm(), messages.ClearFault(SafeReason.ESTOP, 1))
    tickets = client.send(ten(), *waiting, messages.EmergencyStop())
    client.run(client.now_ns + MS)
    statuses = [Status(client.answers[ticket].status) for ticket in tickets]
    assert statuses == [Status.OK, Status.REFUSED_ESTOP, Status.REFUSED_ESTOP, Status.OK, Status.OK, Status.OK, Status.OK]
    assert (world.pulses, client.status().state) == ([], DeviceState.SAFE)


def test_a_stopped_outer_product_says_how_many_pulses_it_gave(world: RecordingWorld, client: Client) -> None:
    counts = np.array([1, 2, 0, 0, 1, 1, 0, 0, 0], np.int8).tobytes()
    (ticket,) = client.send(messages.OuterProduct(1, 5, 100_000, 1000, counts))
    client.now_ns += ITEM_NS
    client.send(messages.EmergencyStop())
    answer = messages.OuterProductResponse.decode(client.answers[ticket].payload)
    assert (answer.executed, answer.events, answer.last_pulse_id) == (4, 1, 10)
    assert len(world.pulses) == 4
    assert [client.fate(pulse_id) for pulse_id in (8, 9, 10)] == [EXECUTED, REFUSED, REFUSED]


# --- the queue


def test_requests_behind_a_command_are_carried_out_in_order_each_in_its_time(world: RecordingWorld, client: Client) -> None:
    begun_ns = client.now_ns
    tickets = client.send(ten(), messages.Echo(b""), program(11, 39, ns=1000), messages.Disarm(), program(12, 38))
    assert client.answers.keys().isdisjoint(tickets)
    answered_ns: dict[int, int] = {}
    for ticket in tickets:
        client.await_answer(ticket)
        answered_ns[ticket.seq] = client.now_ns - begun_ns
    assert list(answered_ns.values()) == [10 * ITEM_NS, 10 * ITEM_NS, 11 * ITEM_NS, 11 * ITEM_NS + 5 * US, 11 * ITEM_NS + 5 * US]
    assert [device for device, _, _ in world.pulses] == [*range(10), 39]
    assert client.answers[tickets[4]].status == Status.REFUSED_NOT_ARMED


def test_questions_are_answered_while_a_command_runs_and_say_how_far_it_is(client: Client) -> None:
    (ticket,) = client.send(ten())
    client.now_ns += 3 * ITEM_NS
    assert [client.fate(pulse_id) for pulse_id in (1, 3, 4, 10, 11)] == [EXECUTED, EXECUTED] + [PulseOutcome.NEVER_SEEN] * 3
    assert (client.status().pulses, client.status().last_pulse_id) == (3, 10)
    assert ticket not in client.answers


def test_a_request_sent_again_while_it_waits_is_neither_doubled_nor_answered_twice(world: RecordingWorld, client: Client) -> None:
    first, second = (client.endpoint.request(message, client.now_ns) for message in (ten(), ten(11)))
    client.port.feed(first[1] + second[1], client.now_ns)
    client.now_ns += 2 * ITEM_NS
    client.port.feed(second[1] + first[1], client.now_ns)
    client.run(client.now_ns + 30 * ITEM_NS)
    assert len(world.pulses) == 20
    assert client.endpoint.counters.late == 0
    client.port.feed(second[1], client.now_ns)
    client.listen()
    assert client.endpoint.counters.late == 1, "now it is answered from memory"
    assert len(world.pulses) == 20


def test_more_than_a_window_of_requests_is_answered_busy_and_not_carried_out(world: RecordingWorld, client: Client) -> None:
    greedy = [Frame(Kind.REQUEST, Opcode.PROGRAM, 2 + index, 0x1111, 5, payload=program(1 + index, 7).encode()) for index in range(10)]
    client.port.feed(b"".join(frame.encode() for frame in greedy), client.now_ns)
    client.run(client.now_ns + 10 * MS)
    assert len(world.pulses) == 1 + WINDOW
    status = client.status()
    assert status.last_pulse_id == 1 + WINDOW


# --- sessions


def test_a_new_session_cuts_a_list_and_disarms(world: RecordingWorld, controller: Controller, client: Client) -> None:
    (ticket,) = client.send(ten())
    client.now_ns += 4 * ITEM_NS
    second = opened(controller, 0x2222, client.time)
    client.listen()
    assert outcomes(client, ticket) == [EXECUTED] * 4 + [REFUSED] * 6
    assert len(world.pulses) == 4
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.NEW_SESSION)
    assert second.status_of(ten(11)) is Status.REFUSED_NOT_ARMED


def test_what_waited_for_the_old_session_never_runs(world: RecordingWorld, controller: Controller, client: Client) -> None:
    tickets = client.send(messages.ReadBlock(0, 1, 100_000), ten(), messages.Select(Route.JUNCTION, 1))
    opened(controller, 0x2222, client.time)
    client.run(client.now_ns + 100 * MS)
    assert not client.endpoint.open, "the reading was answered REFUSED_BAD_SESSION"
    assert client.answers.keys().isdisjoint(tickets)
    assert (world.pulses, world.selected, client.status().reads) == ([], (Route.NONE, None), 0)


def test_the_answer_of_a_cut_command_is_not_remembered_for_the_new_session(controller: Controller, client: Client) -> None:
    client.send(ten())  # Sequence number 2.
    second = opened(controller, 0x2222, client.time)
    assert [second.status_of(messages.Echo(b"")) for _ in range(3)] == [Status.OK] * 3


def test_hello_said_again_changes_nothing(controller: Controller) -> None:
    client = opened(controller)
    wire = Frame(Kind.REQUEST, Opcode.HELLO, 0, 0x1111, 0, payload=messages.Hello().encode()).encode()
    ticket = client.endpoint.request(messages.Arm(Limits().crc32), 0)
    client.port.feed(wire, 0)
    client.port.feed(ticket[1], 0)
    client.run(MS)
    client.port.feed(wire, client.now_ns)
    assert controller.state is DeviceState.ARMED


def test_a_restart_in_the_middle_of_a_list_leaves_its_ids_used_and_their_fate_lost(
    world: RecordingWorld, controller: Controller, client: Client
) -> None:
    (ticket,) = client.send(ten(), messages.Echo(b""))[:1]
    client.now_ns += 4 * ITEM_NS
    controller.reboot(6, client.now_ns)
    client.run(client.now_ns + 100 * MS)
    assert ticket not in client.answers
    assert len(world.pulses) == 4
    second = opened(controller, 0x2222, client.time)
    assert second.status().last_pulse_id == 10
    assert second.fate(2) == second.fate(9) == PulseOutcome.LOST
    second.arm()
    assert second.refused(ten(10)) == (Status.REFUSED_PULSE_ID, messages.Refusal(10, 10))


# --- who is told


def test_the_answer_goes_to_the_connection_that_asked_and_may_be_asked_for_on_another(controller: Controller, client: Client) -> None:
    ticket, wire = client.endpoint.request(ten(), client.now_ns)
    client.port.feed(wire, client.now_ns)
    client.port.close()
    other = Client(controller, 0x1111, client.time)
    other.run(client.now_ns + MS)
    assert other.port.take(client.now_ns) == b""
    other.port.feed(wire, client.now_ns)
    client.hear(other.port.take(client.now_ns))
    assert outcomes(client, ticket) == [EXECUTED] * 10


def test_the_host_is_woken_when_one_client_makes_something_due_for_another(controller: Controller, client: Client) -> None:
    woken: list[int] = []
    controller.wake = lambda: woken.append(client.now_ns)
    client.send(ten())
    client.ask(messages.GetStatus())
    assert woken == []
    Client(controller, 0, client.time).send(messages.EmergencyStop())
    assert woken
    assert client.port.due_ns(client.now_ns) == client.now_ns


def test_a_client_that_never_listens_costs_a_bounded_number_of_answers(controller: Controller, client: Client) -> None:
    wire = Frame(Kind.REQUEST, Opcode.STATUS, 1, 0, 0).encode()
    for _ in range(100):
        client.port.feed(wire * 100, client.now_ns)
    taken = 0
    while data := client.port.take(client.now_ns):
        assert len(data) <= 2_100
        taken += data.count(0)
    assert 100 < taken < 5_000


# --- single readings


def test_a_list_of_junctions_is_answered_in_the_order_asked_for(world: RecordingWorld, client: Client) -> None:
    world.wafer.die((0, 0)).state_p[:] = False
    world.wafer.die((0, 0)).state_p.flat[[7, 31]] = True
    devices = np.array([31, 0, 7, 31], "<u2")
    answer = client.ask(messages.ReadList(64, 100_000, devices.tobytes()))
    assert isinstance(answer, messages.ReadListResponse)
    pairs = codes_of(answer.readings).reshape(-1, 2)
    assert list(pairs[:, 0]) == list(devices)
    assert pairs[1, 1] < min(pairs[0, 1], pairs[2, 1], pairs[3, 1])
    block = client.ask(messages.ReadBlock(1, 64, 100_000))
    assert isinstance(block, messages.ReadBlockResponse)
    assert abs(int(codes_of(block.codes)[11]) - int(pairs[0, 1])) < 20
    assert client.busy_ns == 5 * 25 * US + 20 * 640 * US


@pytest.mark.parametrize(
    ("message", "status", "value", "limit"),
    [
        (messages.ReadList(1, 100_000, b""), Status.REFUSED_RANGE, 0, 510),
        (messages.ReadList(1, 100_000, bytes(2 * 511)), Status.REFUSED_RANGE, 511, 510),
        (messages.ReadList(1, 100_000, b"\x28\x00"), Status.REFUSED_RANGE, 40, 39),
        (messages.ReadList(1, 300_001, bytes(2)), Status.REFUSED_LIMIT, 300_001, 300_000),
        (messages.ReadList(4097, 100_000, bytes(2)), Status.REFUSED_RANGE, 4097, 4096),
        (messages.Vmm(1, 2, 0, 1, bytes(16)), Status.REFUSED_RANGE, 2, 1),
        (messages.Vmm(1, 0, 0, 1, b""), Status.REFUSED_RANGE, 0, 1),
        (messages.Vmm(0, 2, 0, 103, bytes(16 * 103)), Status.REFUSED_RANGE, 103, 102),
    ],
)
def test_readings_out_of_range_are_refused(client: Client, message: messages.Request, status: Status, value: int, limit: int) -> None:
    assert client.refused(message) == (status, messages.Refusal(value, limit))
    assert client.status().reads == 0


def test_a_product_over_blocks_is_that_of_each_kernel_by_itself(world: RecordingWorld, client: Client) -> None:
    inputs = np.random.default_rng(1).integers(-10_000, 10_000, (3, 2, 4)).astype("<i2")
    answer = client.ask(messages.Vmm(0, 2, 0, 3, inputs.tobytes()))
    assert client.busy_ns == (5 + 3 * 2 * (20 + 5 * 10)) * US
    assert isinstance(answer, messages.VmmResponse)
    codes = codes_of(answer.codes).reshape(3, 2, 5).astype(int)
    for kernel in range(2):
        alone = client.ask(messages.Vmm(kernel, 1, 0, 3, inputs[:, kernel].tobytes()))
        assert isinstance(alone, messages.VmmResponse)
        assert np.abs(codes[:, kernel] - codes_of(alone.codes).reshape(3, 5)).max() < 100
    assert codes.std() > 500
    assert client.status().reads == 2 * 3 * 2 * 5
