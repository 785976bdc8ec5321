"""A controller in a process of its own, on a socket and in real time, that writes every pulse its junctions get into a file:
`python -m tests.support.logged_board LOG`. The log is the truth; nothing the controller says is.

A line of the log is one pulse: junction, amplitude in uV, width in ns."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.clock import Clock
from simulator.instruments.controller import Controller
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.server import Host
from simulator.world import World


class LoggedWorld(World):
    """A world whose pulses are in the file before anybody is told of them."""

    def __init__(self, wafer: Wafer, log: Path) -> None:
        super().__init__(wafer)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def pulse(self, devices: NDArray[np.integer], volts: NDArray[np.float64] | float, width_s: float) -> None:
        each = np.broadcast_to(np.rint(np.asarray(volts) * 1e6).astype(int), len(devices))
        lines = [f"{device} {one} {round(width_s * 1e9)}\n" for device, one in zip(devices, each, strict=True)]
        os.write(self._log, "".join(lines).encode())
        super().pulse(devices, volts, width_s)


class LoggedPulse(NamedTuple):
    device: int
    amplitude_uv: int
    width_ns: int


def logged_pulses(log: Path) -> list[LoggedPulse]:
    """In order of execution."""
    return [LoggedPulse(*map(int, line.split())) for line in log.read_text().splitlines()] if log.exists() else []


@contextmanager
def logged_board(log: Path) -> Iterator[str]:
    """Address of a controller that lives until the end of the block."""
    command = [sys.executable, "-m", "tests.support.logged_board", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as board:
        assert board.stdout is not None
        try:
            port = int(board.stdout.readline())
            yield f"socket://127.0.0.1:{port}"
        finally:
            board.kill()


async def _serve(log: Path) -> None:
    world = LoggedWorld(Wafer(5, PRESETS["clean"], ((0, 0),)), log)
    world.touch((0, 0))
    clock = Clock("real")
    controller = Controller(world, boot_id=7, serial="LOGGED", now_ns=clock.now_ns(), wall_ns=clock.wall_ns)
    async with Host(clock) as host:
        print(await host.serve(controller), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
