"""A host of the simulated controller on a virtual clock, and a world that remembers its pulses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_protocol import messages
from firmware_protocol.codes import Status
from firmware_protocol.events import Answered, Happened, Role
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import Request
from firmware_protocol.questions import Ticket
from firmware_protocol.session import Endpoint
from simulator.instruments.controller import Controller
from simulator.instruments.controller_port import ControllerPort
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

SMALL = Geometry(2, 4, 5)
US, MS, S = 1_000, 1_000_000, 1_000_000_000


class RecordingWorld(World):
    """pulses: (physical device, uV, ns) in order."""

    def __init__(self, wafer: Wafer) -> None:
        super().__init__(wafer)
        self.pulses: list[tuple[int, int, int]] = []

    def pulse(self, devices: NDArray[np.integer], volts: float | NDArray[np.float64], width_s: float) -> None:
        amplitudes = np.broadcast_to(volts, devices.shape)
        self.pulses += [(int(device), round(each * 1e6), round(width_s * 1e9)) for device, each in zip(devices, amplitudes, strict=True)]
        super().pulse(devices, volts, width_s)


def small_world(fab: str = "clean", seed: int = 3, geometry: Geometry = SMALL) -> RecordingWorld:
    """Needles on the one die."""
    made = RecordingWorld(Wafer(seed, PRESETS[fab], ((0, 0),), geometry))
    made.touch((0, 0))
    return made


@dataclass
class Time:
    now_ns: int = 0


class Client:
    """One host on one connection: encodes, feeds, takes, decodes. `now_ns` is the test's; waiting for an answer moves it on.

    answers: by ticket. events: what came unasked, oldest first. busy_ns: how long the latest answer took.
    """

    def __init__(self, controller: Controller, session: int, time: Time | None = None) -> None:
        self.endpoint = Endpoint(Role.HOST, session=session)
        self.port: ControllerPort = controller.connect()
        self.time = time or Time()
        self.busy_ns = 0
        self.answers: dict[Ticket, Frame] = {}
        self.events: list[messages.EventMessage] = []
        self._deframer = Deframer()
        self._ends = 0

    @property
    def now_ns(self) -> int:
        return self.time.now_ns

    @now_ns.setter
    def now_ns(self, now_ns: int) -> None:
        self.time.now_ns = now_ns

    # --- as the bytes go
    def send(self, *requests: Request) -> list[Ticket]:
        """All in one piece; what is answered by now is taken."""
        asked = [self.endpoint.request(message, self.now_ns) for message in requests]
        self.port.feed(b"".join(wire for _, wire in asked), self.now_ns)
        self.listen()
        return [ticket for ticket, _ in asked]

    def listen(self) -> None:
        """Take all there is by now."""
        while data := self.port.take(self.now_ns):
            self.hear(data)

    def hear(self, data: bytes) -> None:
        for frame in self._deframer.feed(data):
            assert isinstance(frame, Frame)
            for event in self.endpoint.receive(frame, self.now_ns):
                if isinstance(event, Answered):
                    self.answers[event.ticket] = event.frame
                elif isinstance(event, Happened):
                    self.events.append(event.message)

    def step(self) -> None:
        """To the next time at which there may be something to take."""
        due_ns = self.port.due_ns(self.now_ns)
        assert due_ns is not None, "nothing will ever come"
        self.now_ns = max(self.now_ns, due_ns)
        self.listen()

    def run(self, until_ns: int) -> None:
        """Listen whenever there is something, up to a time."""
        while (due_ns := self.port.due_ns(self.now_ns)) is not None and due_ns <= until_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.listen()
        self.now_ns = until_ns
        self.listen()

    # --- as the messages go
    def await_answer(self, ticket: Ticket) -> Frame:
        while ticket not in self.answers:
            self.step()
        return self.answers[ticket]

    def frame(self, message: Request) -> Frame:
        asked_ns = self.now_ns
        (ticket,) = self.send(message)
        frame = self.await_answer(ticket)
        self.busy_ns = self.now_ns - asked_ns
        return frame

    def answer(self, ticket: Ticket, message: Request) -> messages.Message:
        frame = self.await_answer(ticket)
        assert frame.status in (Status.OK, Status.ACCEPTED), Status(frame.status)
        return message.response.decode(frame.payload)

    def status_of(self, message: Request) -> Status:
        return Status(self.frame(message).status)

    def ask(self, message: Request) -> messages.Message:
        frame = self.frame(message)
        assert frame.status in (Status.OK, Status.ACCEPTED), Status(frame.status)
        return message.response.decode(frame.payload)

    def refused(self, message: Request) -> tuple[Status, messages.Refusal]:
        frame = self.frame(message)
        return Status(frame.status), messages.Refusal.decode(frame.payload)

    # --- what tests often say
    def arm(self) -> None:
        self.ask(messages.Arm(Limits().crc32))

    def status(self) -> messages.StatusResponse:
        answer = self.ask(messages.GetStatus())
        assert isinstance(answer, messages.StatusResponse)
        return answer

    def operation(self) -> messages.OperationResponse:
        answer = self.ask(messages.Operation())
        assert isinstance(answer, messages.OperationResponse)
        return answer

    def fate(self, pulse_id: int) -> int:
        answer = self.ask(messages.QueryPulse(pulse_id))
        assert isinstance(answer, messages.QueryPulseResponse)
        return answer.outcome

    def done(self) -> messages.Done:
        """Wait for the end of the long operation, speaking now and then."""
        spoke_ns = self.now_ns
        while True:
            ends = [event for event in self.events if isinstance(event, messages.Done)]
            if len(ends) > self._ends:
                self._ends = len(ends)
                return ends[-1]
            self.step()
            if self.now_ns - spoke_ns > 500 * MS:
                self.ask(messages.KeepAlive())
                spoke_ns = self.now_ns


def opened(controller: Controller, session: int = 0x1111, time: Time | None = None) -> Client:
    """A client that has said HELLO."""
    client = Client(controller, session, time)
    client.ask(messages.Hello())
    return client


def program(first: int, *devices: int, uv: int = 100_000, ns: int = 100) -> messages.Program:
    return messages.Program(first, uv, ns, np.array(devices, "<u2").tobytes())


def codes_of(data: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(data, "<u2")
