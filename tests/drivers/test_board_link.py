"""The link's thread, with the controller at the other end of memory and the time in the test's hands."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from drivers.board_link import KEEP_ALIVE_S, OWNER_PATIENCE_S, BoardLink
from drivers.errors import LinkLost, LinkTimeout
from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Route, SafeReason
from firmware_protocol.events import Role
from firmware_protocol.framing import Frame
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
    """A byte link that ends in a simulated controller. deaf: what is sent is lost. time is `now_ns`, the test's."""

    address = "memory"

    def __init__(self) -> None:
        self.now_ns = 0
        self.controller = Controller(World(Wafer(1, PRESETS["clean"], ((0, 0),), Geometry(2, 4, 5))), boot_id=3)
        self.deaf = False
        self.reads = 0
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
            if not self.deaf:
                self._back += self._port.feed(data, self.now_ns).data
                self._lock.notify_all()

    def discard_output(self) -> None: ...
    def close(self) -> None: ...

    def advance_to(self, now_ns: int, link: BoardLink) -> None:
        """Let time pass in small steps, each long enough for the reader to come round twice; ticks the controller."""
        while self.now_ns < now_ns:
            self.now_ns += S // 4
            seen = self.reads
            until(lambda seen=seen: self.reads >= seen + 2 or link.down)
            self.controller.tick(self.now_ns)


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
    futures: list[Future[Frame]] = [link.submit(messages.KeepAlive()) for _ in range(3)]
    wire.advance_to(3 * S, link)
    for future in futures:
        with pytest.raises(LinkTimeout, match="KEEPALIVE: no answer before the deadline"):
            link.wait(future)
    assert link.counts().retransmitted > 0


def test_a_restart_of_the_board_ends_every_question_without_sending_it_again(wire: Wire, link: BoardLink) -> None:
    wire.deaf = True
    future = link.submit(messages.Arm(0))
    wire.deaf = False
    wire.controller.reboot(4, 0)
    wire.advance_to(S, link)
    with pytest.raises(LinkLost, match="ARM: the device restarted"):
        link.wait(future)
    assert wire.controller.state is DeviceState.SAFE


def test_questions_beyond_the_window_wait_for_room(wire: Wire, link: BoardLink) -> None:
    answers = [link.submit(messages.Echo(bytes([number]))) for number in range(100)]
    assert [link.wait(answer).payload for answer in answers] == [bytes([number]) for number in range(100)]
