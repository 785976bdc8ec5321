"""A simulated prober on a real socket, for SENTIO clients that others wrote."""

import asyncio
import contextlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.clock import Clock, ClockName
from simulator.instruments.sentio import Sentio
from simulator.server import Host, new_loop

with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner on import
    from sentio_prober_control.Sentio.ProberSentio import SentioProber


@contextmanager
def served_prober(prober: Sentio, clock: ClockName = "fast") -> Iterator[int]:
    """Its port, while a thread of its own serves it. clock: whose time the host counts; the prober has been told its own."""
    ready, stop = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with Host(Clock(clock)) as host:
            ports.append(await host.serve(prober))
            ready.set()
            await asyncio.to_thread(stop.wait)

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def vendor_client(port: int) -> Iterator[SentioProber]:
    client = SentioProber.create_prober("tcpip", f"127.0.0.1:{port}")
    try:
        yield client
    finally:
        client.local_mode()
        client.comm._CommunicatorTcpIp__reader.close()
        client.comm.disconnect()
