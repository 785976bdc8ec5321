"""A simulated lab in this process, on real sockets, for clients that others wrote."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simulator.clock import Clock
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.sentio import Sentio
from simulator.server import Host
from simulator.server import Served as Instrument
from simulator.world import World


@dataclass(frozen=True)
class Served:
    world: World
    smu_port: int
    prober_port: int


def keithley2450(world: World) -> Instrument:
    return Keithley2450(world, Clock("fast").wall_ns)


@contextmanager
def served(world: World, smu: Callable[[World], Instrument] = keithley2450) -> Iterator[Served]:
    """SMU and prober over one world, on the fast clock, in a thread of their own."""
    ready, stop = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with Host(Clock("fast")) as host:
            ports.extend([await host.serve(smu(world)), await host.serve(Sentio(world))])
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield Served(world, ports[0], ports[1])
    finally:
        stop.set()
        thread.join(10)
