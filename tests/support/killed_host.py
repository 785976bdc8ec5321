"""A host that programs until it is killed, and the process that makes one after the other: `python -m tests.support.killed_host`.

The host is a process of its own with what the worker has: the store's durable intents, the driver, the settling of what the
last one left. A byte in a shared file says what it is doing, so that whoever kills it knows afterwards what was cut off. Hosts
are forked from a process that has imported everything: a start costs milliseconds, and two hundred are affordable.
"""

import json
import logging
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.board_values import WriteVerifySettings
from drivers.crossbar import Crossbar, open_crossbar
from hil.runs.settling import settle_left
from hil.store import open_store
from hil.store.logs import PulseIntents

FIRST_UV = 700_000
"""Every command has an amplitude of its own, this and its number in uV: each pulse in the board's log tells whose it is."""
WIDTH_S, VERIFIED_WIDTH_S = 1e-7, 2e-7
"""Of pulses sent one by one, of those that the board gives by itself while it writes and verifies; the former once a junction,
the latter up to MOST_PULSES times."""
MOST_PULSES = 3
_P_SIEMENS, _AP_SIEMENS, _NEAR_SIEMENS = 335e-6, 186e-6, 70e-6
_READ_VOLTS = 0.1
_VERIFIED = 0.3
"""Share of the commands that the board is left to verify by itself."""


class Doing(IntEnum):
    """In the order in which a host comes by."""

    STARTING = 0
    SETTLING = 1
    NOTHING = 2
    INTENT = 3
    SENT = 4
    ANSWERED = 5


@dataclass(frozen=True)
class Orders:
    """One host. numbers: of its commands, from this one on. dies_at: kills itself `delay_s` after it came to this stage of its
    command number `after` (from 0); None: lives until it is killed."""

    address: str
    data: str
    sign: str
    number: int
    seed: int
    dies_at: int | None = None
    after: int = 0
    delay_s: float = 0.0


class Sign:
    """Shared memory of host and killer: what the host is doing."""

    def __init__(self, path: Path) -> None:
        path.touch()
        os.truncate(path, mmap.PAGESIZE)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    @property
    def doing(self) -> Doing:
        return Doing(self._memory[0])

    @doing.setter
    def doing(self, doing: Doing) -> None:
        self._memory[0] = doing


class WatchedIntents:
    """The store's intents with a word before and after each: what is being done. came: told each stage."""

    def __init__(self, intents: PulseIntents, came: Callable[[Doing], None]) -> None:
        self._intents, self._came = intents, came

    def opened(self, serial: str, session: int) -> None:
        self._intents.opened(serial, session)

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        self._came(Doing.INTENT)
        first = self._intents.reserve(count, pulse_volts, pulse_s)
        self._came(Doing.SENT)
        return first

    def settle(self, first_id: int, outcomes: Sequence[str]) -> None:
        self._intents.settle(first_id, outcomes)
        self._came(Doing.ANSWERED)

    def advance(self, last_id: int) -> None:
        self._intents.advance(last_id)


def program_until_killed(orders: Orders) -> None:
    """Random targets into random kernels, without an end."""
    sign = Sign(Path(orders.sign))
    done = -1

    def came(doing: Doing) -> None:
        nonlocal done
        done += doing is Doing.INTENT
        sign.doing = doing
        if doing == orders.dies_at and done == orders.after:
            _die_in(orders.delay_s)

    store = open_store(Path(orders.data))
    intents = store.pulse_ids()
    crossbar = open_crossbar(orders.address, 921_600, WatchedIntents(intents, came))
    sign.doing = Doing.SETTLING
    settle_left(intents, crossbar)
    sign.doing = Doing.NOTHING
    rng = np.random.default_rng(orders.seed)
    shape = crossbar.info().geometry.shape
    for number in range(orders.number, orders.number + 100_000):
        chosen = rng.random(shape[1:]) < rng.uniform(0.02, 1.0)
        chosen.flat[rng.integers(chosen.size)] = True
        kernel, volts = int(rng.integers(shape[0])), (FIRST_UV + number) * 1e-6
        if rng.random() < _VERIFIED:
            _write_and_verify(crossbar, kernel, np.where(chosen, rng.choice((_P_SIEMENS, _AP_SIEMENS), chosen.shape), np.nan), volts)
        else:
            crossbar.pulse(kernel, chosen, rng.choice((-1, 1)) * volts, WIDTH_S)
        sign.doing = Doing.NOTHING


def _write_and_verify(crossbar: Crossbar, kernel: int, siemens: NDArray[np.float64], volts: float) -> None:
    near = _NEAR_SIEMENS * _READ_VOLTS
    settings = WriteVerifySettings(_READ_VOLTS, volts, -volts, VERIFIED_WIDTH_S, near, near, MOST_PULSES)
    crossbar.write_verify(kernel, siemens * _READ_VOLTS, settings)


def _die_in(delay_s: float) -> None:
    def die() -> None:
        time.sleep(delay_s)
        os.kill(os.getpid(), signal.SIGKILL)

    if delay_s:
        threading.Thread(target=die).start()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


class Nursery:
    """Starts hosts, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]", sign: Path) -> None:
        self._process = process
        self.sign = Sign(sign)

    def start(self, orders: Orders) -> int:
        """Process id of a new host."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self.sign.doing = Doing.STARTING
        self._process.stdin.write(json.dumps(asdict(orders)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery(sign: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.support.killed_host"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield Nursery(process, sign)
        finally:
            process.kill()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(pid: int) -> None:
    """Returns when nothing of it runs any more."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while alive(pid):
        time.sleep(0.0005)


def main() -> None:
    logging.disable(logging.WARNING)
    # Nobody waits for the hosts: the dead ones vanish by themselves.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            program_until_killed(Orders(**json.loads(line)))
            os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
