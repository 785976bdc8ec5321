"""The sockets: bytes whole and in order, in their time, for several clients at once, and a clean end."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from simulator.clock import Clock
from simulator.instruments.keithley2450 import Keithley2450
from simulator.server import HOST, Host, PortTaken
from tests.simulator.parrots import BUSY_NS, Parrot, until
from tests.simulator.worlds import touching


def serving(clock: Clock, scenario: Callable[[Parrot, int], Awaitable[None]]) -> Parrot:
    parrot = Parrot()

    async def run() -> None:
        async with Host(clock) as host:
            await asyncio.wait_for(scenario(parrot, await host.serve(parrot)), 20)

    asyncio.run(run())
    return parrot


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> float:
    """Seconds until the whole answer is back."""
    started = time.monotonic()
    writer.write(text)
    assert await reader.readexactly(len(text)) == text
    return time.monotonic() - started


def test_the_real_clock_waits_and_the_fast_one_does_not() -> None:
    took: dict[str, float] = {}

    for clock in (Clock("real"), Clock("fast")):

        async def scenario(_: Parrot, port: int, name: str = clock.name) -> None:
            streams = await asyncio.open_connection(HOST, port)
            took[name] = await ask(*streams, b"slow")
            streams[1].close()

        serving(clock, scenario)
    assert took["real"] >= BUSY_NS / 1e9 > took["fast"]


def test_a_waiting_client_holds_up_no_other_and_its_own_answers_stay_in_order() -> None:
    async def scenario(parrot: Parrot, port: int) -> None:
        slow_reader, slow_writer = await asyncio.open_connection(HOST, port)
        quick = await asyncio.open_connection(HOST, port)
        slow_writer.write(b"slow 1;")
        await until(lambda: b"slow 1;" in parrot.heard)
        slow_writer.write(b"2;")
        assert await ask(*quick, b"hello") < BUSY_NS / 1e9
        assert await slow_reader.readexactly(9) == b"slow 1;2;"
        quick[1].close()
        slow_writer.close()

    serving(Clock("real"), scenario)


def test_what_a_busy_client_sends_is_heard_at_once() -> None:
    async def scenario(parrot: Parrot, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        started = time.monotonic()
        for number in range(3):
            writer.write(b"slow")
            await until(lambda expected=number + 1: len(parrot.heard) == expected)
        assert time.monotonic() - started < 3 * BUSY_NS / 1e9
        assert await reader.readexactly(12) == b"slow" * 3
        assert time.monotonic() - started >= 3 * BUSY_NS / 1e9
        writer.close()

    serving(Clock("real"), scenario)


def test_a_great_answer_reaches_a_slow_reader_whole_and_starves_nobody() -> None:
    async def scenario(_: Parrot, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port, limit=1024)
        writer.write(b"big")
        quick = await asyncio.open_connection(HOST, port)
        await ask(*quick, b"hello")
        got = 0
        while got < 8_000_000:
            got += len(await reader.read(100_000))
        assert got == 8_000_000
        writer.close()
        quick[1].close()

    serving(Clock("fast"), scenario)


def test_a_client_that_vanishes_is_closed_and_the_next_one_served() -> None:
    async def scenario(parrot: Parrot, port: int) -> None:
        rude = socket.create_connection((HOST, port))
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        rude.sendall(b"slow")
        await until(lambda: bool(parrot.heard))
        rude.close()
        await until(lambda: parrot.open_ports == 0)
        streams = await asyncio.open_connection(HOST, port)
        await ask(*streams, b"still there?")
        streams[1].close()

    serving(Clock("real"), scenario)


def test_the_instrument_is_ticked_and_at_the_end_every_client_sees_the_end() -> None:
    clients: list[socket.socket] = []

    async def scenario(parrot: Parrot, port: int) -> None:
        clients.append(socket.create_connection((HOST, port), timeout=5))
        await until(lambda: parrot.ticks >= 2 and parrot.open_ports == 1)

    assert serving(Clock("fast"), scenario).open_ports == 0
    with clients[0] as client:
        assert client.recv(1) == b""


def test_a_taken_port_is_named_with_what_to_do() -> None:
    async def scenario(_: Parrot, port: int) -> None:
        async with Host(Clock("fast")) as other:
            with pytest.raises(PortTaken, match=f"127.0.0.1:{port} cannot be used .*choose another --port-base, or 0"):
                await other.serve(Parrot(), port)

    serving(Clock("fast"), scenario)


def test_a_client_that_leaves_nagle_on_is_not_kept_waiting() -> None:
    """Write and query in two segments costs 40 ms each under delayed acknowledgements; a hundred of them must not."""

    async def run() -> float:
        async with Host(Clock("fast")) as host:
            port = await host.serve(Keithley2450(touching("clean"), Clock("fast").wall_ns))
            return await asyncio.to_thread(hundred_points, port)

    def hundred_points(port: int) -> float:
        with socket.create_connection((HOST, port), timeout=10) as client, client.makefile("rb") as answers:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            started = time.monotonic()
            for _ in range(100):
                client.sendall(b":SOUR:VOLT:LEV 0.1\n")
                client.sendall(b":READ?\n")
                answers.readline()
            return time.monotonic() - started

    if not hasattr(socket, "TCP_QUICKACK"):
        pytest.skip("this system has no TCP_QUICKACK")
    assert asyncio.run(run()) < 2.0
