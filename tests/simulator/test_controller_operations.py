"""Long operations of the controller: the whole die in blocks, the scan with the SMU, and how they end."""

import numpy as np
import pytest

from firmware_protocol import messages
from firmware_protocol.codes import Capability, DeviceState, Opcode, OperationState, Route, SafeReason, Status
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from simulator.instruments.controller import Controller
from simulator.world import World
from tests.simulator.controller_client import MS, US, Client, RecordingWorld, codes_of, opened, program, small_world

EIGHT = Geometry(8, 4, 5)
KERNEL_NS = (5 * 25 + 20 * 10) * US
STEP_NS = (5 + 50) * US


@pytest.fixture
def world() -> RecordingWorld:
    return small_world(geometry=EIGHT)


@pytest.fixture
def controller(world: RecordingWorld) -> Controller:
    return Controller(world, boot_id=5)


@pytest.fixture
def client(controller: Controller) -> Client:
    return opened(controller)


READ_ALL = messages.ReadDie(0, 8, 1, 100_000)


def blocks_of(client: Client) -> list[messages.Block]:
    return [event for event in client.events if isinstance(event, messages.Block)]


# --- the whole die


def test_a_die_comes_kernel_by_kernel_as_fast_as_it_is_read(client: Client) -> None:
    begun_ns = client.now_ns
    accepted = client.ask(READ_ALL)
    assert accepted == messages.Accepted(3)
    assert client.now_ns == begun_ns, "accepted at once"
    client.run(begun_ns + 3 * KERNEL_NS)
    assert [(block.index, block.kernel) for block in blocks_of(client)] == [(0, 0), (1, 1), (2, 2)]
    done = client.done()
    assert client.now_ns == begun_ns + 8 * KERNEL_NS
    assert done == messages.Done(OperationState.DONE, 8, 8, 0)
    assert [block.kernel for block in blocks_of(client)] == list(range(8))
    assert all(len(codes_of(block.codes)) == 20 for block in blocks_of(client))
    assert client.status().reads == 160


def test_part_of_a_die_keeps_the_kernels_own_numbers(client: Client) -> None:
    client.ask(messages.ReadDie(5, 2, 4, -50_000))
    client.done()
    assert [(block.index, block.kernel, block.averages, block.read_uv) for block in blocks_of(client)] == [
        (0, 5, 4, -50_000),
        (1, 6, 4, -50_000),
    ]


def test_blocks_are_those_that_reading_one_by_one_gives(client: Client) -> None:
    client.ask(messages.ReadDie(0, 8, 256, 100_000))
    client.done()
    for block in blocks_of(client):
        answer = client.ask(messages.ReadBlock(block.kernel, 256, 100_000))
        assert isinstance(answer, messages.ReadBlockResponse)
        assert np.abs(codes_of(answer.codes).astype(int) - codes_of(block.codes)).max() < 40


def test_on_a_line_that_takes_nothing_at_most_two_blocks_wait(controller: Controller, client: Client) -> None:
    _, wire = client.endpoint.request(READ_ALL, client.now_ns)
    client.port.feed(wire, client.now_ns)
    for _ in range(100):
        client.now_ns += KERNEL_NS
        controller.tick(client.now_ns)
    assert controller.next_ns(client.now_ns) == Limits().dead_man_ms * MS, "nothing but the dead man"
    onlooker = Client(controller, 0, client.time)
    assert (onlooker.operation().done, onlooker.status().reads) == (2, 40)
    client.port.take(client.now_ns)  # The answer ACCEPTED.
    client.port.take(client.now_ns)
    for _ in range(100):
        client.now_ns += KERNEL_NS
        controller.tick(client.now_ns)
    assert onlooker.operation().done == 3
    client.listen()
    client.done()
    assert onlooker.operation().state == OperationState.DONE


def test_a_block_leaves_by_itself_so_that_answers_go_between_blocks(world: RecordingWorld) -> None:
    fast = opened(Controller(world, boot_id=5, wall_ns=lambda _busy_ns: 0))
    _, wire = fast.endpoint.request(READ_ALL, 0)
    _, alive = fast.endpoint.request(messages.KeepAlive(), 0)
    fast.port.feed(wire, 0)
    kinds: list[int] = []
    for turn in range(10):
        if turn == 2:
            fast.port.feed(alive, 0)
        (frame,) = Deframer().feed(fast.port.take(0))
        assert isinstance(frame, Frame)
        kinds.append(frame.opcode)
    assert kinds == [Opcode.READ_DIE, 64, Opcode.KEEPALIVE, *[64] * 7]


def test_a_host_that_went_away_does_not_hold_up_the_reading(controller: Controller, client: Client) -> None:
    client.send(READ_ALL)
    client.port.close()
    for _ in range(10):
        client.now_ns += KERNEL_NS
        controller.tick(client.now_ns)
    assert Client(controller, 0, client.time).operation().state == OperationState.DONE


def test_events_go_where_the_owner_spoke_last(controller: Controller, client: Client) -> None:
    client.send(READ_ALL)
    client.run(client.now_ns + 2 * KERNEL_NS)
    client.port.close()
    other = controller.connect()
    _, wire = client.endpoint.request(messages.KeepAlive(), client.now_ns)
    other.feed(wire, client.now_ns)
    client.port = other
    client.done()
    assert [block.kernel for block in blocks_of(client)] == list(range(8))


def test_the_blocks_of_a_die_are_not_kept(client: Client) -> None:
    client.ask(READ_ALL)
    client.done()
    latest = client.operation()
    assert client.refused(messages.Result(latest.of_session, latest.of_seq, 0))[0] is Status.REFUSED_RANGE


@pytest.mark.parametrize(
    ("message", "status", "value", "limit"),
    [
        (messages.ReadDie(0, 9, 1, 1), Status.REFUSED_RANGE, 8, 7),
        (messages.ReadDie(3, 0, 1, 1), Status.REFUSED_RANGE, 2, 7),
        (messages.ReadDie(0, 8, 0, 1), Status.REFUSED_RANGE, 0, 4096),
        (messages.ReadDie(0, 8, 1, 300_001), Status.REFUSED_LIMIT, 300_001, 300_000),
        (messages.Scan(0, 0, 0, 0, 0, 1), Status.REFUSED_RANGE, 0, 160),
        (messages.Scan(150, 11, 0, 0, 0, 1), Status.REFUSED_RANGE, 160, 159),
        (messages.Scan(0, 1, 160, 1, 0, 1), Status.REFUSED_RANGE, 160, 159),
        (messages.Scan(0, 1, 0, 0, 0, 0), Status.REFUSED_RANGE, 0, 1),
    ],
)
def test_an_operation_out_of_range_is_refused_and_never_begun(
    client: Client, message: messages.Request, status: Status, value: int, limit: int
) -> None:
    assert client.refused(message) == (status, messages.Refusal(value, limit))
    assert client.status().operation == 0
    assert client.refused(messages.Operation())[0] is Status.REFUSED_RANGE, "nothing to be remembered"


# --- while an operation runs


def test_while_an_operation_runs_other_requests_are_busy_and_questions_are_not(client: Client) -> None:
    client.arm()
    client.send(READ_ALL)
    for message in (messages.ReadBlock(0, 1, 1), program(1, 0), READ_ALL, messages.Arm(1), messages.ClearFault(0, 0), messages.Select(0)):
        assert client.refused(message) == (Status.BUSY, messages.Refusal(Opcode.READ_DIE, 3))
    assert client.status().operation == Opcode.READ_DIE
    assert client.ask(messages.Echo(b"x")) == messages.EchoResponse(b"x")
    client.run(client.now_ns + 5 * KERNEL_NS)
    assert client.refused(messages.ReadBlock(0, 1, 1)) == (Status.BUSY, messages.Refusal(Opcode.READ_DIE, 1))
    client.done()
    assert (client.status().operation, client.status().state) == (0, DeviceState.ARMED)
    assert client.status_of(messages.ReadBlock(0, 1, 1)) is Status.OK


def test_anybody_may_ask_how_an_operation_stands_and_only_the_latest_is_known(controller: Controller, client: Client) -> None:
    (ticket,) = client.send(READ_ALL)
    client.run(client.now_ns + 2 * KERNEL_NS)
    anybody = Client(controller, 0, client.time)
    expected = messages.OperationResponse(0x1111, ticket.seq, Opcode.READ_DIE, OperationState.RUNNING, 2, 8, 0, 0, 2)
    assert anybody.operation() == expected
    assert anybody.ask(messages.Operation(0x1111, ticket.seq)) == expected
    assert anybody.refused(messages.Operation(0x1111, ticket.seq + 1)) == (
        Status.REFUSED_RANGE,
        messages.Refusal(ticket.seq + 1, ticket.seq),
    )
    client.done()
    (second,) = client.send(messages.ReadDie(0, 1, 1, 1))
    assert anybody.status_of(messages.Operation(0x1111, ticket.seq)) is Status.REFUSED_RANGE
    assert anybody.operation().of_seq == second.seq


def test_an_operation_needs_the_capability_that_hello_granted(controller: Controller) -> None:
    plain = Client(controller, 0x3333)
    hello = plain.ask(messages.Hello(capabilities=Capability.DURABLE_PULSE_IDS))
    assert isinstance(hello, messages.HelloResponse)
    assert hello.capabilities == Capability.DURABLE_PULSE_IDS
    for message in (READ_ALL, messages.Operation(), messages.Counters(0, 0), messages.OuterProduct(0, 1, 1, 1, bytes(9))):
        assert plain.status_of(message) is Status.REFUSED_UNSUPPORTED


# --- how operations end


def test_abort_ends_the_operation_it_names_and_no_other(client: Client) -> None:
    client.arm()
    (ticket,) = client.send(READ_ALL)
    client.run(client.now_ns + 2 * KERNEL_NS)
    assert client.refused(messages.Abort(ticket.seq + 1)) == (Status.REFUSED_RANGE, messages.Refusal(ticket.seq + 1, ticket.seq))
    client.ask(messages.Abort(ticket.seq))
    assert client.events[-1] == messages.Done(OperationState.ABORTED, 2, 8, 0)
    assert (client.operation().state, client.operation().remaining_ms) == (OperationState.ABORTED, 0)
    assert client.status().state == DeviceState.ARMED, "an abort disarms nothing"
    assert client.status_of(messages.Abort(ticket.seq)) is Status.REFUSED_RANGE
    client.run(client.now_ns + 20 * KERNEL_NS)
    assert len(blocks_of(client)) == 2


def test_disarm_ends_an_operation_and_disarms(controller: Controller, client: Client) -> None:
    client.arm()
    client.send(READ_ALL)
    client.ask(messages.Disarm())
    assert client.events[-1] == messages.Done(OperationState.ABORTED, 0, 8, 0)
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.HOST)


def test_an_emergency_stop_ends_an_operation(controller: Controller, client: Client) -> None:
    client.send(READ_ALL)
    client.run(client.now_ns + KERNEL_NS)
    Client(controller, 0, client.time).ask(messages.EmergencyStop())
    client.listen()
    assert client.events[-1] == messages.Done(OperationState.STOPPED, 1, 8, 0)
    assert controller.state is DeviceState.ESTOPPED


def test_a_new_session_ends_an_operation_and_isolates(controller: Controller, client: Client) -> None:
    (ticket,) = client.send(READ_ALL)
    client.run(client.now_ns + KERNEL_NS)
    second = opened(controller, 0x2222, client.time)
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.NEW_SESSION)
    assert second.operation().state == OperationState.ABORTED
    client.listen()
    assert client.events[-1] == messages.Done(OperationState.ABORTED, 1, 8, 0)
    assert second.events == []
    assert second.status_of(messages.Abort(ticket.seq)) is Status.REFUSED_RANGE


def test_the_dead_man_ends_an_operation_whose_host_fell_silent_while_armed(controller: Controller, client: Client) -> None:
    client.arm()
    client.ask(messages.ReadDie(0, 8, 4096, 1))
    heard_ns = client.now_ns
    client.run(heard_ns + Limits().dead_man_ms * MS - 1)
    assert Client(controller, 0, client.time).operation().state == OperationState.RUNNING
    client.now_ns = heard_ns + 60_000 * MS
    controller.tick(client.now_ns)
    client.listen()
    assert isinstance(client.events[-1], messages.Done)
    assert client.events[-1].state == OperationState.DEAD_MAN
    assert client.events[-1].done == len(blocks_of(client)) == 1, "one kernel takes 0.8 s; nothing is read after the dead man's time"
    assert (controller.state, controller.safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)


def test_after_a_restart_no_operation_is_remembered(controller: Controller, client: Client) -> None:
    client.send(READ_ALL)
    client.run(client.now_ns + KERNEL_NS)
    controller.reboot(6, client.now_ns)
    client.run(client.now_ns + 20 * KERNEL_NS)
    assert len(blocks_of(client)) == 1
    fresh = opened(controller, 0x2222, client.time)
    assert (fresh.status().operation, fresh.status().state) == (0, DeviceState.SAFE)
    assert fresh.status_of(messages.Operation()) is Status.REFUSED_RANGE


# --- the scan


SCAN = messages.Scan(3, 4, 0, 0, 50, 250)


def scan_result(client: Client) -> messages.ScanResult:
    latest = client.operation()
    answer = client.ask(messages.Result(latest.of_session, latest.of_seq, 0))
    assert isinstance(answer, messages.ResultResponse)
    return messages.ScanResult.decode(answer.data)


def measuring_smu(world: World, times: int = 1) -> list[int | None]:
    """An SMU that measures as soon as it is told; what it was connected to at each edge. times: edges it answers each with."""
    seen: list[int | None] = []

    def measure(now_ns: int) -> None:
        seen.append(world.selected[1])
        for _ in range(times):
            world.trigger.measured.edge(now_ns)

    world.trigger.ready.listen(measure)
    return seen


def test_a_scan_connects_junction_after_junction_as_the_smu_answers(world: RecordingWorld, controller: Controller, client: Client) -> None:
    client.ask(SCAN)
    begun_ns = client.now_ns
    assert world.trigger.ready.edges == 0
    for step in range(4):
        assert world.selected == (Route.JUNCTION, 3 + step)
        assert client.status().state == DeviceState.SELECTED
        client.run(begun_ns + STEP_NS - 1)
        assert world.trigger.ready.edges == step
        client.run(begun_ns + STEP_NS)
        assert world.trigger.ready.edges == step + 1
        begun_ns = client.now_ns = client.now_ns + 7 * MS
        controller.trigger(client.now_ns)
    client.listen()
    assert client.events == [messages.Done(OperationState.DONE, 4, 4, 0)]
    assert (world.selected, controller.state, controller.safe_reason) == ((Route.NONE, None), DeviceState.SAFE, SafeReason.SCAN_ENDED)
    assert scan_result(client) == messages.ScanResult(4, 4, 4, 0)


def test_an_smu_that_answers_at_once_is_followed_at_once(world: RecordingWorld, client: Client) -> None:
    seen = measuring_smu(world)
    begun_ns = client.now_ns
    client.ask(messages.Scan(0, 160, 0, 0, 50, 250))
    assert client.done() == messages.Done(OperationState.DONE, 160, 160, 0)
    assert client.now_ns == begun_ns + 160 * STEP_NS
    assert seen == list(range(160))


def test_under_a_fast_clock_a_scan_takes_no_time_and_no_more_than_its_share_of_one_call(world: RecordingWorld) -> None:
    client = opened(Controller(world, boot_id=5, wall_ns=lambda _busy_ns: 0))
    seen = measuring_smu(world)
    client.port.feed(client.endpoint.request(messages.Scan(0, 160, 0, 0, 50, 250), 0)[1], 0)
    assert 0 < len(seen) < 20
    assert client.done().done == 160
    assert client.now_ns == 0


def test_sentinels_stand_before_the_first_and_after_every_so_many(world: RecordingWorld, client: Client) -> None:
    seen = measuring_smu(world)
    client.ask(messages.Scan(10, 5, 99, 2, 0, 250))
    client.done()
    assert seen == [99, 10, 11, 99, 12, 13, 99, 14]
    seen.clear()
    client.ask(messages.Scan(10, 4, 99, 2, 0, 250))
    client.done()
    assert seen == [99, 10, 11, 99, 12, 13, 99]
    assert scan_result(client).steps == 7


def test_a_doubled_edge_is_counted_and_moves_nothing(world: RecordingWorld, client: Client) -> None:
    seen = measuring_smu(world, times=2)
    client.ask(SCAN)
    client.done()
    assert seen == [3, 4, 5, 6]
    assert scan_result(client) == messages.ScanResult(4, 4, 8, 4)


def test_an_edge_before_the_line_was_raised_is_an_overrun(controller: Controller, client: Client) -> None:
    client.ask(SCAN)
    controller.trigger(client.now_ns)
    client.run(client.now_ns + STEP_NS)
    assert client.operation().done == 0
    controller.trigger(client.now_ns)
    assert client.operation().done == 1
    assert scan_result(client) == messages.ScanResult(4, 1, 2, 1)


def test_a_scan_without_an_answer_times_out_isolated(world: RecordingWorld, controller: Controller, client: Client) -> None:
    client.ask(SCAN)
    begun_ns = client.now_ns
    client.run(begun_ns + STEP_NS)
    controller.trigger(client.now_ns)
    client.done()
    assert client.now_ns == begun_ns + 2 * STEP_NS + 250 * MS
    assert client.events == [messages.Done(OperationState.TIMED_OUT, 1, 4, 0)]
    assert scan_result(client) == messages.ScanResult(4, 2, 1, 0)
    assert (world.selected, controller.safe_reason) == ((Route.NONE, None), SafeReason.SCAN_ENDED)
    controller.trigger(client.now_ns)
    assert scan_result(client).edges_in == 1


def test_a_slow_scan_reports_its_progress_once_a_second(controller: Controller, client: Client) -> None:
    client.ask(messages.Scan(0, 10, 0, 0, 0, 10_000))
    for _ in range(5):
        client.run(client.now_ns + 700 * MS)
        controller.trigger(client.now_ns)
        client.ask(messages.KeepAlive())
    assert client.events == [messages.Progress(1, 10), messages.Progress(2, 10), messages.Progress(4, 10)]


@pytest.mark.parametrize("end", ["disarm", "abort", "stop", "silence", "session"])
def test_however_a_scan_ends_it_ends_isolated(world: RecordingWorld, controller: Controller, client: Client, end: str) -> None:
    (ticket,) = client.send(messages.Scan(3, 4, 0, 0, 50, 10_000))
    assert world.selected[0] is Route.JUNCTION
    if end == "silence":
        client.now_ns += 1501 * MS
        controller.tick(client.now_ns)
    elif end == "session":
        opened(controller, 0x2222, client.time)
    else:
        client.ask({"disarm": messages.Disarm(), "abort": messages.Abort(ticket.seq), "stop": messages.EmergencyStop()}[end])
    client.listen()
    done = client.events[-1]
    assert isinstance(done, messages.Done)
    expected = {"stop": OperationState.STOPPED, "silence": OperationState.DEAD_MAN}
    assert done.state == expected.get(end, OperationState.ABORTED)
    assert world.selected == (Route.NONE, None)
    controller.trigger(client.now_ns)
    client.run(client.now_ns + MS)
    assert world.selected == (Route.NONE, None)


def test_a_scan_may_begin_on_a_closed_path_and_not_while_armed(client: Client) -> None:
    client.ask(messages.Select(Route.CONTACT_PADS))
    client.ask(SCAN)
    client.ask(messages.Disarm())
    client.arm()
    assert client.status_of(SCAN) is Status.REFUSED_CONFIG


def test_a_frame_of_another_kind_or_boot_id_moves_nothing(controller: Controller, client: Client) -> None:
    client.send(SCAN)
    for kind, boot_id in ((Kind.EVENT, 5), (Kind.RESPONSE, 5), (Kind.REQUEST, 6)):
        controller.connect().feed(Frame(kind, Opcode.DISARM, 2, 0x1111, boot_id).encode(), client.now_ns)
    assert client.operation().state == OperationState.RUNNING
