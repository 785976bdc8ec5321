"""The link's thread, with the controller at the other end of memory and the time in the test's hands."""

import threading
import time
from collections.abc import Iterator

import pytest

from drivers.board_asked import Asked
from drivers.board_link import BoardLink, SessionTaken
from drivers.board_owner import KEEP_ALIVE_S, OWNER_PATIENCE_S
from drivers.errors import LinkLost, LinkTimeout, NotSent, Refused
from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, Route, SafeReason
from firmware_protocol.events import Role
from firmware_protocol.framing import STOP_ZEROS, Deframer, Frame, Kind
from firmware_protocol.geometry import Geometry
from firmware_protocol.questions import Timing
from firmware_protocol.session import Endpoint
from simulator.instruments.controller import Controller
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World
from tests.support.waiting import until

S = 1_000_000_000


class Wire:
    """A byte link that ends in a simulated controller. deaf: what is sent is lost. said: opcodes sent. time is `now_ns`, the test's."""

    address = "memory"
    low_latency: bool | None = None

    def __init__(self) -> None:
        self.now_ns = 0
        self.controller = Controller(World(Wafer(1, PRESETS["clean"], ((0, 0),), Geometry(2, 4, 5))), boot_id=3, wall_ns=lambda busy_ns: 0)
        self.deaf = False
        self.said: list[int] = []
        self.shared = False
        self.reads = 0
        self.closed = False
        self._port = self.controller.connect()
        self._back = b""
        self._lock = threading.Condition()

    def read(self, timeout_s: float) -> bytes:
        with self._lock:
            self.reads += 1
            self._lock.wait_for(lambda: self._back, timeout_s / 10)
            data, self._back = self._back, b""
            return data

    def write(self, data: bytes) -> None:
        with self._lock:
            self.said += [found.opcode for found in Deframer().feed(b"\0" + data) if isinstance(found, Frame)]
            if not self.deaf:
                self._port.feed(data, self.now_ns)
                self._collect()

    def _collect(self) -> None:
        while data := self._port.take(self.now_ns):
            self._back += data
        self._lock.notify_all()

    def discard_output(self) -> None: ...
    def shared_with_safety(self) -> bool:
        return self.shared

    def close(self) -> None:
        self.closed = True

    def hear(self, data: bytes) -> None:
        """Something on the line that answers nothing of ours."""
        with self._lock:
            self._back += data
            self._lock.notify_all()

    def advance_to(self, now_ns: int, link: BoardLink) -> None:
        """Let time pass in small steps, each long enough for the reader to come round twice; ticks the controller."""
        while self.now_ns < now_ns:
            self.now_ns += S // 4
            seen = self.reads
            until(lambda seen=seen: self.reads >= seen + 2 or link.down)
            with self._lock:
                self.controller.tick(self.now_ns)
                self._collect()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def link(wire: Wire) -> Iterator[BoardLink]:
    endpoint = Endpoint(Role.HOST, session=77, timing=Timing(give_up_ns=2 * S))
    made = BoardLink(wire, endpoint, timeout_s=2.0, clock=lambda: wire.now_ns)
    made.ask(messages.Hello())
    yield made
    made.close()


def test_a_path_is_kept_while_its_owner_is_alive(wire: Wire, link: BoardLink) -> None:
    link.ask(messages.Select(Route.JUNCTION, 3))
    link.keep_alive(True)
    for _ in range(3):
        wire.advance_to(wire.now_ns + 4 * S, link)
        assert wire.controller.state is DeviceState.SELECTED
        link.beat()


def test_an_owner_that_hangs_is_no_longer_spoken_for(wire: Wire, link: BoardLink) -> None:
    link.ask(messages.Select(Route.JUNCTION, 3))
    link.keep_alive(True)
    wire.advance_to(round((OWNER_PATIENCE_S + KEEP_ALIVE_S) * S), link)
    assert wire.controller.state is DeviceState.SELECTED
    wire.advance_to(round((OWNER_PATIENCE_S + 1.5 + 0.2) * S), link)
    assert (wire.controller.state, wire.controller.safe_reason) == (DeviceState.SAFE, SafeReason.DEAD_MAN)


def test_without_a_path_nothing_is_said(wire: Wire, link: BoardLink) -> None:
    sent = link.counts().sent
    wire.advance_to(3 * S, link)
    assert link.counts().sent == sent


def test_whoever_waits_for_a_long_command_is_spoken_for_whatever_the_state_and_however_full_the_window(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    link.submit([messages.Echo(b"")] * 20, device_s=60.0)
    assert wire.said.count(Opcode.ECHO) == 8
    for _ in range(3):
        wire.advance_to(wire.now_ns + 2 * S, link)
        link.beat()  # As waiting does.
    assert wire.said.count(Opcode.KEEPALIVE) >= 9
    wire.advance_to(wire.now_ns + round(OWNER_PATIENCE_S * S), link)
    before = wire.said.count(Opcode.KEEPALIVE)
    wire.advance_to(wire.now_ns + 3 * S, link)
    assert wire.said.count(Opcode.KEEPALIVE) == before, "nobody waits any more"


def test_a_long_order_that_was_lost_is_sent_again_although_keep_alives_are_answered(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    asked = link.submit([messages.Echo(b"x")], device_s=1.0)
    wire.deaf = False
    for _ in range(3):
        wire.advance_to(wire.now_ns + S, link)
        link.beat()
    assert [frame.payload for frame in asked.result()] == [b"x"]
    assert Opcode.KEEPALIVE in wire.said


def test_a_closed_link_says_nothing_more(wire: Wire, link: BoardLink) -> None:
    link.ask(messages.Select(Route.JUNCTION, 3))
    link.keep_alive(True)
    link.close()
    wire.controller.tick(2 * S)
    assert wire.controller.state is DeviceState.SAFE
    with pytest.raises(LinkLost, match="closed"):
        link.ask(messages.GetStatus())


def test_every_question_ends_by_its_deadline(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    all_asked = [link.submit([messages.KeepAlive()]) for _ in range(3)]
    wire.advance_to(3 * S, link)
    for asked in all_asked:
        with pytest.raises(LinkTimeout, match="KEEPALIVE: no answer before the deadline"):
            link.wait(asked)
    assert link.counts().retransmitted > 0


def test_a_restart_of_the_board_ends_every_question_without_sending_it_again(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    asked = link.submit([messages.Arm(0)])
    wire.deaf = False
    wire.controller.reboot(4, 0)
    wire.advance_to(S, link)
    with pytest.raises(LinkLost, match="ARM: the device restarted"):
        link.wait(asked)
    assert wire.controller.state is DeviceState.SAFE


def test_questions_beyond_the_window_wait_for_room(wire: Wire, link: BoardLink) -> None:
    echoes = [messages.Echo(bytes([number])) for number in range(100)]
    assert [frame.payload for frame in link.ask_all(echoes)] == [echo.data for echo in echoes]
    assert link.counts().naks == 0, "the window was never overrun"


def test_what_waits_in_the_outbox_is_not_sent_after_an_emergency_stop(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    asked = link.submit([messages.Echo(bytes([number])) for number in range(20)])
    wire.deaf = False
    link.wait(link.emergency_stop())
    assert wire.controller.state is DeviceState.ESTOPPED
    assert asked.sent == 8, "the window"
    assert sorted(asked.errors) == list(range(8, 20))
    assert all(isinstance(error, NotSent) for error in asked.errors.values())


def test_a_line_that_is_lost_says_what_was_never_sent(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    asked = link.submit([messages.Echo(b"")] * 20)
    link.close()
    assert (asked.sent, len(asked.errors)) == (8, 20)
    with pytest.raises(LinkLost, match="closed"):
        link.wait(asked)


class Interrupted(Asked):
    """Whoever waits for it presses Ctrl-C."""

    def wait(self, timeout_s: float) -> bool:
        raise KeyboardInterrupt


def fill_the_window(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    link.submit([messages.Echo(b"")] * 8, device_s=60.0)


def test_an_order_that_found_no_room_in_its_time_is_never_sent(wire: Wire, link: BoardLink) -> None:
    fill_the_window(wire, link)
    with pytest.raises(NotSent, match=r"no room for it within 0\.1 s; nothing happened"):
        link.ask(messages.Select(Route.JUNCTION, 3), timeout_s=0.1)
    wire.deaf = False
    wire.now_ns += 61 * S
    until(lambda: link.down or wire.said.count(Opcode.ECHO) > 8)
    assert Opcode.SELECT not in wire.said


def test_an_order_whose_caller_was_interrupted_before_it_was_sent_never_is(wire: Wire, link: BoardLink) -> None:
    fill_the_window(wire, link)
    asked = Interrupted([messages.Arm(0)])
    with pytest.raises(KeyboardInterrupt):
        link.wait_for(asked)
    assert (asked.sent, type(asked.errors[0])) == (0, NotSent)
    assert not link.down, "nothing of it is under way"


def test_an_order_whose_caller_was_interrupted_after_it_was_sent_ends_the_link(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    asked = Interrupted([messages.Echo(b"")] * 7 + [messages.Arm(0)] * 3)
    with pytest.raises(KeyboardInterrupt):
        link.wait_for(asked)
    assert link.down, "or it would be sent again after its caller has gone on"
    assert [type(asked.errors[place]) for place in (0, 7, 8, 9)] == [LinkTimeout, LinkTimeout, NotSent, NotSent]


def test_a_question_whose_caller_was_interrupted_ends_nothing(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    with pytest.raises(KeyboardInterrupt):
        link.wait_for(Interrupted([messages.GetStatus()]))
    wire.deaf = False
    assert link.ask(messages.Echo(b"x")).payload == b"x"


class StuckWire(Wire):
    """Takes no bytes once it is stuck: each write waits for WAIT_S, or until what waits is dropped."""

    WAIT_S = 0.3

    def __init__(self) -> None:
        super().__init__()
        self.stuck = False
        self.waited = 0
        self.stopped_by: bytes | None = None
        self._dropped = threading.Event()

    def write(self, data: bytes) -> None:
        if bytes(STOP_ZEROS) in data:
            self.stopped_by = data
        elif self.stuck:
            self.waited += 1
            self._dropped.clear()
            if not self._dropped.wait(self.WAIT_S):
                raise LinkTimeout("memory: the controller takes no more bytes")
            return
        super().write(data)

    def discard_output(self) -> None:
        self._dropped.set()


@pytest.fixture
def stuck() -> Iterator[tuple[StuckWire, BoardLink]]:
    """A link that is sending its window again to a board that takes nothing."""
    wire = StuckWire()
    link = BoardLink(wire, Endpoint(Role.HOST, session=77), timeout_s=5.0)
    link.ask(messages.Hello())
    wire.deaf = True
    link.submit([messages.Echo(bytes(450))] * 8)
    wire.stuck = True
    until(lambda: wire.waited > 0)
    yield wire, link
    link.close()


def test_an_emergency_stop_waits_behind_no_window_that_is_sent_again(stuck: tuple[StuckWire, BoardLink]) -> None:
    wire, link = stuck
    wire.deaf = False
    start_s = time.monotonic()
    link.wait(link.emergency_stop())
    assert time.monotonic() - start_s < wire.WAIT_S
    assert wire.controller.state is DeviceState.ESTOPPED
    assert wire.waited <= 2, "the write in progress ended, and at most one more began"


def test_a_board_that_takes_nothing_holds_the_link_for_one_write(stuck: tuple[StuckWire, BoardLink]) -> None:
    wire, link = stuck
    start_s = time.monotonic()
    link.drop_unsent("to see how long the lock is held")
    assert time.monotonic() - start_s < 2 * wire.WAIT_S
    until(lambda: link.down)
    assert wire.waited == 1


def foreign_answer(opcode: Opcode, session: int) -> bytes:
    return Frame(Kind.RESPONSE, opcode, 1, session, 3).encode()


def test_an_answer_to_another_program_makes_the_link_stand_aside(wire: Wire, link: BoardLink) -> None:
    wire.hear(foreign_answer(Opcode.ESTOP, 78))
    until(lambda: wire.closed)
    with pytest.raises(SessionTaken, match="stood aside"):
        link.ask(messages.GetStatus())


@pytest.mark.parametrize("answer", [foreign_answer(Opcode.STATUS, 0), foreign_answer(Opcode.ECHO, 78), b"rubbish\0"])
def test_what_takes_nothing_over_is_only_counted(wire: Wire, link: BoardLink, answer: bytes) -> None:
    before = link.counts().errors
    wire.hear(answer)
    until(lambda: link.counts().errors == before + 1)
    assert link.ask(messages.Echo(b"x")).payload == b"x"


def test_frames_in_pieces_while_the_safety_path_reads_too_make_the_link_stand_aside(wire: Wire, link: BoardLink) -> None:
    wire.shared = True
    wire.now_ns += S
    wire.hear(b"rubbish\0")
    until(lambda: wire.closed)
    assert link.taken


def test_the_link_counts_by_kind(wire: Wire, link: BoardLink) -> None:
    wire.hear(b"\x05\x01\x01\x01\x01\0" + foreign_answer(Opcode.ECHO, 78))
    until(lambda: link.counts().late == 1)
    assert link.counts().rejected == {"short": 1}
    assert link.counts().errors == 2


def test_questions_of_no_order_do_not_wait_for_the_window(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    link.submit([messages.Echo(b"")] * 20)
    wire.deaf = False
    assert link.ask(messages.GetStatus()).opcode == Opcode.STATUS


def test_many_questions_of_no_order_are_answered_in_order(link: BoardLink) -> None:
    frames = link.ask_all([messages.QueryPulse(number) for number in range(1, 50)])
    assert [messages.QueryPulseResponse.decode(frame.payload).pulse_id for frame in frames] == list(range(1, 50))


def test_what_fits_no_frame_is_refused_and_the_rest_goes_on(link: BoardLink) -> None:
    asked = link.submit([messages.Echo(b"a"), messages.Echo(bytes(4000)), messages.Echo(b"b")])
    with pytest.raises(Refused, match="over the link"):
        link.wait(asked)
    assert [frame and frame.payload for frame in asked.frames] == [b"a", None, b"b"]
