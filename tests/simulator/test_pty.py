"""The serial device that is none: raw, one wire for everybody, clients that come, go, hang and do not read; unplugged and back."""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.line import LineSettings
from tests.simulator.parrots import SCANNED, Caller, until, with_caller_on_a_pty

EVERY_BYTE = bytes(range(1, 256)) * 4 + b"\0"
"""Among them the ones that a terminal would echo, translate, or take for a signal."""


@contextmanager
def opened(path: str) -> Iterator[serial.Serial]:
    with serial.Serial(path, 921_600, timeout=5, write_timeout=5, exclusive=False) as port:
        yield port


def ask(port: serial.Serial, frame: bytes) -> bytes:
    port.write(frame)
    return port.read(len(frame))


def in_thread(path: str, frames: int = 1) -> "asyncio.Future[list[bytes]]":
    def talk() -> list[bytes]:
        with opened(path) as port:
            return [ask(port, EVERY_BYTE) for _ in range(frames)]

    return asyncio.ensure_future(asyncio.to_thread(talk))


def test_every_byte_passes_unchanged_both_ways() -> None:
    async def scenario(caller: Caller, path: str) -> None:
        assert await in_thread(path) == [EVERY_BYTE]
        assert caller.fed == EVERY_BYTE

    with_caller_on_a_pty(scenario)


def test_clients_come_and_go_on_one_line() -> None:
    async def scenario(caller: Caller, path: str) -> None:
        for _ in range(3):
            assert await in_thread(path, frames=5) == [EVERY_BYTE] * 5
        assert len(caller.ports) == 1

    with_caller_on_a_pty(scenario)


def test_two_that_have_it_open_share_the_wire() -> None:
    async def scenario(caller: Caller, path: str) -> None:
        with opened(path) as first, opened(path) as second:
            first.write(b"half a ")
            await until(lambda: caller.fed == b"half a ")
            second.write(b"frame\0")
            assert await asyncio.to_thread(first.read, 13) == b"half a frame\0"

    with_caller_on_a_pty(scenario)


def test_a_client_that_opens_without_changing_any_setting_finds_it_raw() -> None:
    def talk(path: str) -> bytes:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(descriptor, b"\x03\r\n\x04\0")
            return os.read(descriptor, 100)
        finally:
            os.close(descriptor)

    async def scenario(_: Caller, path: str) -> None:
        assert await asyncio.to_thread(talk, path) == b"\x03\r\n\x04\0"

    with_caller_on_a_pty(scenario)


def test_what_nobody_reads_keeps_no_later_client_from_being_heard() -> None:
    """The dead client's scan fills the wire; the next one only writes a stop, and leaves."""

    async def scenario(caller: Caller, path: str) -> None:
        with opened(path) as port:
            port.write(b"scan\0")
            await until(lambda: caller.taken > 20)
        with opened(path) as port:
            port.write(bytes(16))
            await until(lambda: caller.fed.endswith(bytes(16)))

    with_caller_on_a_pty(scenario)


def test_answers_to_a_client_that_reads_late_are_whole() -> None:
    """Late, but before it counts as gone."""

    async def scenario(_: Caller, path: str) -> None:
        with opened(path) as port:
            port.write(b"scan\0")
            await asyncio.sleep(0.1)
            assert await asyncio.to_thread(port.read, 50_000) == SCANNED * 50

    with_caller_on_a_pty(scenario)


def test_the_lines_speed_holds_on_a_pty_too() -> None:
    async def scenario(_: Caller, path: str) -> None:
        started = time.monotonic()
        assert await in_thread(path, frames=3) == [EVERY_BYTE] * 3
        assert time.monotonic() - started >= 6 * len(EVERY_BYTE) * 10 / 115_200

    with_caller_on_a_pty(scenario, LineSettings(115_200))


def test_unplugged_it_hangs_up_and_comes_back_at_the_same_path() -> None:
    def until_hung_up(port: serial.Serial) -> None:
        with contextlib.suppress(serial.SerialException):
            while port.read(1):
                pass

    async def scenario(caller: Caller, path: str) -> None:
        before = Path(path).readlink()
        with opened(path) as port:
            started = time.monotonic()
            port.write(b"one\0two\0")
            await asyncio.to_thread(until_hung_up, port)
            assert time.monotonic() - started < 4, "the end of the device, not of the waiting"
            await until(lambda: Path(path).exists() and Path(path).readlink() != before)
            assert await in_thread(path) == [EVERY_BYTE]
        assert caller.fed == b"one\0" + EVERY_BYTE

    plan = LinePlan(to_device=DirectionPlan((Fault(FaultName.DISCONNECT, at=frozenset({2})),)))
    with_caller_on_a_pty(scenario, LineSettings(plan=plan))


def open_descriptors() -> int:
    # Counted by asking for each: not every system lists them.
    found = 0
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            os.fstat(descriptor)
            found += 1
    return found


def test_at_the_end_the_client_sees_it_and_nothing_is_left_behind() -> None:
    paths: list[Path] = []
    clients: list[serial.Serial] = []
    before = open_descriptors()

    async def scenario(_: Caller, path: str) -> None:
        paths.append(Path(path))
        clients.append(serial.Serial(path, timeout=5, exclusive=False))

    with_caller_on_a_pty(scenario)
    with clients[0] as client, pytest.raises(serial.SerialException):
        client.read(1)
    assert not paths[0].parent.exists()
    assert open_descriptors() <= before


def test_it_costs_nothing_while_nobody_is_there() -> None:
    async def scenario(_: Caller, path: str) -> None:
        with opened(path):
            pass
        started = time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - started < 0.05

    with_caller_on_a_pty(scenario)


def test_a_system_without_pseudo_terminals_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.pty_port import NoPseudoTerminals, PtyPath

    monkeypatch.delattr(os, "openpty")
    with pytest.raises(NoPseudoTerminals, match="no pseudo-terminals; leave --crossbar-pty out"):
        PtyPath()
