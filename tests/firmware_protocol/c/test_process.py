"""The firmware as a process: several clients, lines that end, a power cut, and nothing that a sanitizer complains of."""

import json
import os
import select
import signal
import socket
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from firmware_protocol import messages, vectors
from firmware_protocol.codes import Capability, DeviceState, PulseOutcome, Status
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.geometry import Geometry
from firmware_protocol.messages import Message, Request
from tests.support.c_end import build_process, c_device_process
from tests.support.device_dice import Dice
from tests.support.device_host import program
from tests.support.waiting import until

SMALL = Geometry(2, 4, 5)
PATIENCE_S = 10.0
READ_UV = 100_000


class Line:
    """One raw connection. session and boot_id go into each frame; ordered requests are numbered by the caller."""

    def __init__(self, address: str, session: int = 0x1111) -> None:
        self.session, self.boot_id = session, 0
        self._deframer = Deframer()
        self._socket: socket.socket | None = None
        if address.startswith("socket://"):
            host, port = address.removeprefix("socket://").split(":")
            self._socket = socket.create_connection((host, int(port)), PATIENCE_S)
            self._fd = self._socket.fileno()
        else:
            self._fd = os.open(address, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._fd)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._fd)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def wire(self, message: Request, seq: int) -> bytes:
        return Frame(Kind.REQUEST, message.opcode, seq, self.session, self.boot_id, payload=message.encode()).encode()

    def frames(self, within_s: float = PATIENCE_S) -> list[Frame]:
        """What comes next; [] when nothing does."""
        if not select.select([self._fd], [], [], within_s)[0]:
            return []
        return [found for found in self._deframer.feed(os.read(self._fd, 65536)) if isinstance(found, Frame)]

    def answer(self, opcode: int, seq: int) -> Frame:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            for frame in self.frames():
                # An answer to an earlier session may still be under way.
                if (frame.kind, frame.session, frame.opcode, frame.seq) == (Kind.RESPONSE, self.session, opcode, seq):
                    return frame
        raise AssertionError(f"no answer to opcode {opcode} seq {seq} within {PATIENCE_S} s")

    def ask(self, message: Request, seq: int) -> Message:
        self.write(self.wire(message, seq))
        frame = self.answer(message.opcode, seq)
        assert frame.status in (Status.OK, Status.ACCEPTED), frame
        return message.response.decode(frame.payload)

    def hello(self) -> messages.HelloResponse:
        self.write(self.wire(messages.Hello(), 0))
        frame = self.answer(messages.Hello.opcode, 0)
        self.boot_id = frame.boot_id
        return messages.HelloResponse.decode(frame.payload)

    def status(self) -> messages.StatusResponse:
        answer = self.ask(messages.GetStatus(), 0x8000)
        assert isinstance(answer, messages.StatusResponse)
        return answer


@contextmanager
def line_to(address: str, session: int = 0x1111) -> Iterator[Line]:
    with closing(Line(address, session)) as line:
        yield line


@pytest.mark.parametrize("pty", [False, True], ids=["socket", "pty"])
def test_a_client_is_served_and_after_it_the_next(pty: bool) -> None:
    with c_device_process(pty=pty, geometry=SMALL) as device:
        for session in (0x1111, 0x2222):
            with line_to(device.address, session) as line:
                assert line.hello().geometry == SMALL
                line.ask(messages.Arm(line.status().limits_crc32), 1)
                first = line.status().last_pulse_id + 1
                answer = line.ask(program(first, 3, 1, 2), 2)
                assert isinstance(answer, messages.ProgramResponse)
                assert answer.outcomes == bytes(3)
        assert [pulse[0] for pulse in device.pulses()] == [3, 1, 2] * 2


def test_each_of_several_clients_gets_its_own_answers() -> None:
    with c_device_process(geometry=SMALL, fast=True) as device, line_to(device.address) as owner, line_to(device.address, 0x9999) as other:
        owner.hello()
        owner.ask(messages.ReadBlock(0, 1, READ_UV), 1)
        assert other.status().session == 0x1111
        assert owner.frames(0.05) == [], "the answer to another is not for the owner"
        other.write(b"\0" * 16)
        until(lambda: owner.status().state == DeviceState.ESTOPPED, PATIENCE_S)


def test_every_client_that_fits_is_served_and_one_more_is_turned_away() -> None:
    with c_device_process(geometry=SMALL) as device:
        lines = [Line(device.address, n) for n in range(1, 9)]
        assert all(line.status().state == DeviceState.SAFE for line in lines)
        with closing(socket.create_connection(("127.0.0.1", int(device.address.rsplit(":", 1)[1])), PATIENCE_S)) as ninth:
            assert ninth.recv(1) == b""
        lines.pop().close()
        for line in lines:
            line.close()


def test_a_client_that_leaves_in_the_middle_of_an_answer_harms_nobody() -> None:
    with c_device_process(geometry=Geometry(), fast=True) as device:
        for session in range(1, 6):
            line = Line(device.address, session)
            line.hello()
            line.write(b"".join(line.wire(messages.ReadBlock(n % 32, 1, READ_UV), n) for n in range(1, 9)) + b"\x05half a frame")
            line.close()
        with line_to(device.address, 0x4444) as line:
            line.hello()
            assert line.status().rejected_frames == 0, "half a frame of another client is nobody's"
        assert device.process.poll() is None


def test_the_dead_man_isolates_when_the_client_is_gone() -> None:
    with c_device_process(geometry=SMALL) as device:
        with line_to(device.address) as line:
            line.hello()
            line.ask(messages.Select(1, 7), 1)
        with line_to(device.address, 0x9999) as other:
            until(lambda: other.status().state == DeviceState.SAFE, PATIENCE_S)


def test_a_power_cut_keeps_what_is_durable_and_nothing_else() -> None:
    with c_device_process(geometry=SMALL) as device:
        with line_to(device.address) as line:
            line.hello()
            line.ask(messages.Arm(line.status().limits_crc32), 1)
            line.ask(program(5, 0, 1), 2)
            before = line.boot_id
            device.cut_power()
            until(lambda: line.status().state == DeviceState.SAFE, PATIENCE_S)
            line.session = 0x2222
            hello = line.hello()
            assert (hello.last_pulse_id, line.boot_id == before) == (6, False)
            fate = line.ask(messages.QueryPulse(5), 9)
            assert isinstance(fate, messages.QueryPulseResponse)
            assert fate.outcome == PulseOutcome.LOST
        assert len(device.pulses()) == 2


def test_a_whole_die_streams_and_waits_for_a_client_that_is_slow() -> None:
    with c_device_process(geometry=Geometry(), fast=True) as device, line_to(device.address) as line:
        line.hello()
        line.write(line.wire(messages.ReadDie(0, 32, 1, READ_UV), 1))
        kernels: list[int] = []
        while len(kernels) < 32:
            blocks = [frame for frame in line.frames() if frame.opcode == messages.Block.opcode]
            kernels += [messages.Block.decode(frame.payload).kernel for frame in blocks]
            time.sleep(0.001)
        assert kernels == list(range(32))


@pytest.mark.parametrize("pty", [False, True], ids=["socket", "pty"])
def test_a_device_that_waits_uses_no_processor_time(pty: bool) -> None:
    with c_device_process(pty=pty, geometry=SMALL) as device, line_to(device.address) as line:
        line.hello()
        before = _processor_s(device.process.pid)
        time.sleep(0.5)
        assert _processor_s(device.process.pid) - before <= 0.03
        line.status()


def _processor_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_real_board_time_passes_and_an_emergency_stop_leaves_the_rest() -> None:
    with c_device_process(geometry=SMALL) as device, line_to(device.address) as line:
        line.hello()
        line.ask(messages.Arm(line.status().limits_crc32), 1)
        started_s = time.monotonic()
        line.write(line.wire(program(1, *[0] * 600, ns=1_000_000), 2))
        time.sleep(0.1)
        line.write(line.wire(messages.EmergencyStop(), 9))
        answer = messages.ProgramResponse.decode(line.answer(messages.Program.opcode, 2).payload)
        took_s = time.monotonic() - started_s
        given = answer.outcomes.count(PulseOutcome.EXECUTED)
        assert 50 <= given <= took_s / 0.001_025 + 1
        assert answer.outcomes == bytes(given) + bytes([PulseOutcome.REFUSED]) * (600 - given)
        assert len(device.pulses()) == given


def test_the_smallest_build_works_and_offers_what_it_has() -> None:
    binary = build_process(sizes=("-DHIL_WINDOW=2", "-DHIL_WEAR_COUNTERS=0", "-DHIL_LINES=1"))
    with subprocess.Popen([str(binary), "--socket", "0", "--clock", "fast"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with line_to(process.stdout.readline().split()[1]) as line:
            hello = line.hello()
            assert hello.window == 2
            assert not hello.capabilities & Capability.WEAR_COUNTERS
            line.write(line.wire(messages.Counters(0, 0), 4))
            assert line.answer(messages.Counters.opcode, 4).status == Status.REFUSED_UNSUPPORTED
            line.write(line.wire(messages.ReadBlock(0, 1, READ_UV), 1) + line.wire(messages.ReadBlock(31, 1, READ_UV), 2))
            assert line.answer(messages.ReadBlock.opcode, 2).status == Status.OK
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    "words", [[], ["--pty", "--socket", "0"], ["--socket", "x"], ["--socket", "0", "--kernels", "33"], ["--clock"], ["--nonsense", "1"]]
)
def test_options_that_make_no_sense_end_with_the_usage(words: list[str]) -> None:
    said = subprocess.run([str(build_process()), *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (said.returncode, said.stderr.startswith("usage:")) == (2, True)


@pytest.mark.slow
def test_sanitizers_find_nothing_in_the_golden_vectors_and_in_thousands_of_random_requests() -> None:
    lines = [json.loads(text) for text in vectors.PATH.read_text(encoding="utf-8").splitlines()]
    with c_device_process(geometry=SMALL, fast=True, sanitize=True) as device, line_to(device.address) as line:
        for vector in lines:
            line.write(bytes.fromhex(vector["wire"]) + b"\0")
        dice = Dice(7)
        line.write(dice.hello(0x1111))
        for _ in range(2500):
            line.write(dice.data())
            dice.learn([(0, frame) for frame in line.frames(0.001)])
        line.session = 0x5555
        line.hello()
        line.status()
        assert device.process.poll() is None


def test_the_terminal_is_raw_before_anybody_makes_it_so() -> None:
    with c_device_process(pty=True, geometry=SMALL) as device:
        fd = os.open(device.address, os.O_RDWR | os.O_NOCTTY)
        flags = termios.tcgetattr(fd)
        os.close(fd)
        assert not flags[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
        assert not flags[0] & (termios.IXON | termios.ICRNL)
        assert not flags[1] & termios.OPOST


def test_every_byte_passes_the_terminal() -> None:
    with c_device_process(pty=True, geometry=SMALL) as device, line_to(device.address) as line:
        line.hello()
        echoed = line.ask(messages.Echo(bytes(range(256))), 1)
        assert isinstance(echoed, messages.EchoResponse)
        assert echoed.data == bytes(range(256)), "no byte is taken for a control character"
