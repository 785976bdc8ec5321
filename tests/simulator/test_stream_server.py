"""Instruments that speak unasked, over real sockets: in their time, at the line's speed, with its faults, never more than is read."""

import asyncio
import socket
import time
import tracemalloc

import pytest

from simulator.clock import Clock
from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.line import LineSettings
from simulator.server import HOST, Access, Host
from tests.simulator.parrots import SCANNED, Caller, until, with_caller

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(port: int) -> Streams:
    return await asyncio.open_connection(HOST, port, limit=4096)


async def said(streams: Streams, frames: bytes) -> float:
    """Seconds until the frames are back."""
    started = time.monotonic()
    streams[1].write(frames)
    assert await asyncio.wait_for(streams[0].readexactly(len(frames)), 10) == frames
    return time.monotonic() - started


def failing(name: FaultName, number: int, direction: str, **settings: int) -> LineSettings:
    plan = DirectionPlan((Fault(name, at=frozenset({number}), **settings),))
    return LineSettings(plan=LinePlan(**{direction: plan}))


def test_frames_come_back_and_what_is_due_later_comes_then() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        streams = await opened(port)
        assert await said(streams, b"a\0b\0") < 0.1
        assert 0.15 <= await said(streams, b"later\0") < 0.3
        streams[1].close()
        await until(lambda: not caller.ports)

    with_caller(scenario, later_ns=150_000_000)


def test_what_one_client_does_reaches_the_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.server.TICK_S", 3600.0)

    async def scenario(caller: Caller, port: int) -> None:
        first, second = await opened(port), await opened(port)
        await said(second, b"here\0")
        first[1].write(b"shout\0")
        assert await second[0].readexactly(6) == b"shout\0"
        caller.shout(b"trigger\0")
        assert await second[0].readexactly(8) == b"trigger\0"
        first[1].close()
        second[1].close()

    with_caller(scenario)


def test_a_client_that_does_not_read_stops_being_served_and_keeps_no_memory_and_nobody_waiting() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        slow, quick = await opened(port), await opened(port)
        tracemalloc.start()
        slow[1].write(b"scan\0")
        before = -1
        while before != caller.taken:
            before = caller.taken
            await asyncio.sleep(0.1)
        assert before > 100
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()
        heard = len(caller.fed)
        slow[1].write(b"f\0" * 3_000_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow[1].drain(), 0.5)
        assert len(caller.fed) - heard < 200_000, "nor is it heard"
        assert await said(quick, b"hello\0") < 0.1
        before = caller.taken
        for _ in range(before):
            assert (await slow[0].readexactly(len(SCANNED)))[-1:] == b"\0"
        assert caller.taken > before, "reading again, it is served again"
        slow[1].transport.abort()
        quick[1].close()

    with_caller(scenario)


@pytest.mark.parametrize("baud", [0, 115_200])
def test_what_was_sent_before_hanging_up_still_arrives(baud: int) -> None:
    async def scenario(caller: Caller, port: int) -> None:
        with socket.create_connection((HOST, port)) as rude:
            rude.sendall(bytes(16) + b"x" * 600)
        await until(lambda: len(caller.fed) == 616)
        await until(lambda: not caller.ports)

    with_caller(scenario, LineSettings(baud))


def test_a_client_that_only_ends_its_own_half_gets_its_answers() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        reader, writer = await opened(port)
        writer.write(b"last words\0")
        writer.write_eof()
        assert await reader.read() == b"last words\0"
        writer.close()

    for line in (LineSettings(), LineSettings(115_200)):
        with_caller(scenario, line)


def test_more_clients_than_an_instrument_has_room_for_are_turned_away() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        first, second, third = await opened(port), await opened(port), await opened(port)
        assert await asyncio.wait_for(third[0].read(), 5) == b""
        await said(second, b"room\0")
        first[1].close()
        await until(lambda: len(caller.ports) == 1)
        fourth = await opened(port)
        await said(fourth, b"room again\0")
        for _, writer in (second, third, fourth):
            writer.close()

    with_caller(scenario, access=Access(most_clients=2))


def test_whoever_connects_to_the_dead_socket_ends_every_connection_of_the_instrument() -> None:
    async def scenario(host: Host, caller: Caller) -> None:
        port = await host.serve(caller, access=Access(most_clients=1))
        dead = await host.serve_dead_socket(caller)
        holder = await opened(port)
        await said(holder, b"mine\0")
        second = await opened(port)
        assert await second[0].read() == b"", "a second client is turned away"
        killer = await opened(dead)
        assert await killer[0].read() == b""
        assert await holder[0].read() == b""
        await until(lambda: not caller.ports)
        successor = await opened(port)
        await said(successor, b"free again\0")
        for _, writer in (holder, second, killer, successor):
            writer.close()

    async def run() -> None:
        async with Host(Clock("fast")) as host:
            await asyncio.wait_for(scenario(host, Caller()), 20)

    asyncio.run(run())


def test_a_reset_ends_the_connection_without_a_farewell() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        streams = await opened(port)
        streams[1].write(b"one\0")
        with pytest.raises(ConnectionResetError):
            await streams[0].read()
        streams[1].close()

    with_caller(scenario, failing(FaultName.RESET, 1, "to_host"))


# --- the line's speed


@pytest.mark.parametrize("size", [200, 4_000])
def test_bytes_take_their_time_each_way(size: int) -> None:
    """At 230,400 baud; the answer cannot begin before the question is whole."""

    async def scenario(_: Caller, port: int) -> None:
        streams = await opened(port)
        ideal_s = 2 * size * 10 / 230_400
        took_s = min([await said(streams, b"x" * (size - 1) + b"\0") for _ in range(5)])
        assert ideal_s <= took_s <= ideal_s + 0.004
        streams[1].close()

    with_caller(scenario, LineSettings(230_400))


def test_a_long_stream_keeps_the_lines_rate_and_the_instrument_is_asked_no_earlier() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        reader, writer = await opened(port)
        writer.write(b"scan\0")
        await reader.readexactly(1000)
        started, frames = time.monotonic(), 50
        for number in range(frames):
            await reader.readexactly(1000)
            assert caller.taken - number - 2 <= 4
        took_s = time.monotonic() - started
        assert took_s == pytest.approx(frames * 1000 * 10 / 921_600, rel=0.03)
        writer.transport.abort()

    with_caller(scenario, LineSettings(921_600))


def test_both_directions_run_at_once() -> None:
    """Eight frames on their way at a time: nearly the line's rate, not half of it."""

    async def scenario(_: Caller, port: int) -> None:
        reader, writer = await opened(port)
        frame, count = b"x" * 99 + b"\0", 60
        started = time.monotonic()
        writer.write(frame * count)
        await reader.readexactly(len(frame) * count)
        assert time.monotonic() - started < 1.25 * (count + 1) * len(frame) * 10 / 230_400
        writer.close()

    with_caller(scenario, LineSettings(230_400))


def test_a_slow_line_takes_no_more_from_its_client_than_a_serial_port_would() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        with socket.create_connection((HOST, port)) as flood:
            flood.setblocking(False)
            accepted = 0
            for _ in range(20):
                try:
                    while True:
                        accepted += flood.send(b"y" * 65_536)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
            assert len(caller.fed) <= 300, "9,600 baud"
            tracemalloc.start()
            await asyncio.sleep(0.2)
            assert tracemalloc.get_traced_memory()[1] < 500_000
            tracemalloc.stop()
            flood.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    with_caller(scenario, LineSettings(9_600))


# --- faults


def test_a_lost_frame_is_lost_and_the_next_one_is_not() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        streams = await opened(port)
        streams[1].write(b"one\0two\0three\0")
        assert await streams[0].readexactly(10) == b"one\0three\0"
        streams[1].close()

    assert b"two" not in with_caller(scenario, failing(FaultName.LOSE, 2, "to_device")).fed
    assert b"two" in with_caller(scenario, failing(FaultName.LOSE, 2, "to_host")).fed


def test_a_stall_holds_what_follows_too() -> None:
    async def scenario(_: Caller, port: int) -> None:
        streams = await opened(port)
        assert await said(streams, b"one\0") < 0.1
        assert await said(streams, b"two\0three\0") >= 0.2
        streams[1].close()

    with_caller(scenario, failing(FaultName.STALL, 2, "to_host", hold_ns=200_000_000))


@pytest.mark.parametrize("direction", ["to_device", "to_host"])
def test_a_disconnect_closes_the_connection_once_and_the_next_one_works(direction: str) -> None:
    async def scenario(caller: Caller, port: int) -> None:
        streams = await opened(port)
        await said(streams, b"one\0")
        streams[1].write(b"two\0")
        assert await streams[0].read() == b""
        streams[1].close()
        await until(lambda: not caller.ports)
        streams = await opened(port)
        await said(streams, b"three\0")
        streams[1].close()

    assert (b"two" in with_caller(scenario, failing(FaultName.DISCONNECT, 2, direction)).fed) is (direction == "to_host")


def test_a_reboot_restarts_the_instrument_and_leaves_the_connection() -> None:
    async def scenario(caller: Caller, port: int) -> None:
        streams = await opened(port)
        streams[1].write(b"one\0two\0three\0")
        assert await streams[0].readexactly(10) == b"one\0three\0"
        assert caller.reboots == 1
        streams[1].close()

    with_caller(scenario, failing(FaultName.REBOOT, 2, "to_device"))


# --- cost


def test_an_idle_line_costs_nothing() -> None:
    async def scenario(_: Caller, port: int) -> None:
        streams = [await opened(port) for _ in range(5)]
        await said(streams[0], b"hello\0")
        started = time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - started < 0.05
        for _, writer in streams:
            writer.close()

    with_caller(scenario, LineSettings(921_600))


def test_small_frames_eight_at_a_time_cost_less_than_a_20_000th_of_a_second_each() -> None:
    """Processor time of both ends together, which a busy machine does not change."""

    async def scenario(_: Caller, port: int) -> None:
        started = time.process_time()
        await asyncio.to_thread(exchange, port)
        assert (time.process_time() - started) / 8_000 < 1 / 20_000

    def exchange(port: int) -> None:
        frames = (b"x" * 17 + b"\0") * 8
        with socket.create_connection((HOST, port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(1_000):
                client.sendall(frames)
                got = 0
                while got < len(frames):
                    got += len(client.recv(65_536))

    with_caller(scenario)
