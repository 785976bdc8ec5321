"""The worker is killed in the middle of a sweep, again and again: how long does the output stay on?

Rule 1: worker, watchdog and lab are processes of their own, as the service runs them. Rule 2: whether the output is on is asked of the
instrument on a connection of our own, which nobody else knows of. Rule 3: the lab does not help: its SMU keeps its output on when a
connection is lost, as a real one does.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivers.crossbar import read_status
from hil.model.lab import LabConfig, load_lab
from hil.model.plans import PLAN
from hil.model.runs import ENDED, RunState
from hil.runs.submit import submit_plan
from hil.store import open_store
from hil.store.protocol import Store
from tests.support.killed_host import kill
from tests.support.killed_worker import Nursery, nursery
from tests.support.waiting import until

OFF_S = 2.0
SPAN_S = 1.5
"""Kills fall within this long after the first sweep began: about one sweep and the beginning of the next."""
GIVE_UP_S = 3 * OFF_S
DEAD_MAN_S = 2.0
PLAN_OF_A_SWEEP: dict[str, Any] = {
    "kind": "iv_sweep",
    "dies": [[0, 0]],
    "junctions": [[kernel, row, column] for kernel in range(8) for row in range(25) for column in range(25)],
    "start": 0.0,
    "stop": 0.1,
    "points": 101,
}
"""Five thousand junctions: it never comes to its end here."""
QUESTION = {"keithley2450": ":OUTP?", "keithley2600": "print(smua.source.output)"}


@dataclass(frozen=True)
class Kill:
    """was_on: the output outlived the worker. off_s: from the signal until the instrument said off. answer_s: what it took meanwhile to
    answer a question of ours, at the longest: a computer that is too busy lets nobody switch it off sooner. told: the watchdog's event
    in the store. left_safe: every junction isolated and the needles up, at the latest when the controller does it by itself."""

    was_on: bool
    off_s: float
    answer_s: float
    told: str
    left_safe: bool


class Output:
    """The SMU's output as anybody may ask for it, on one connection as long as that lasts.

    keep: whether the connection is kept; on an instrument for one client that would keep out whoever is to switch off.
    """

    def __init__(self, lab: LabConfig, keep: bool = True) -> None:
        self.look_s = 0.002 if keep else 0.1
        self._keep = keep
        host, port = lab.smu.address.split("::")[1:3]
        self._address = host, int(port)
        self._question = QUESTION[lab.smu.driver].encode() + b"\n"
        self._wire: socket.socket | None = None

    def is_on(self) -> bool | None:
        """None: the instrument turned us away, or cut us off."""
        try:
            if self._wire is None:
                self._wire = socket.create_connection(self._address, timeout=OFF_S)
                self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire.sendall(self._question)
            answer = self._wire.recv(64)
        except OSError:
            answer = b""
        if not answer or not self._keep:
            self.close()
        return float(answer) != 0.0 if answer else None

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


class Lane:
    """One lab with its watchdog, one worker after the other."""

    def __init__(self, lab: LabConfig, store: Store, workers: Nursery, output: Output, seed: int) -> None:
        self._lab, self.store, self._workers, self.output = lab, store, workers, output
        self._rng = np.random.default_rng(seed)
        self._wafers = 0
        self._pid: int | None = None

    def kill_one(self, end: Callable[[int], None] = kill) -> Kill:
        """A worker is started, sweeps, and is killed; the watchdog does the rest. end: of the worker's process id, as SIGKILL does."""
        pid = self.begin()
        time.sleep(self._rng.uniform(0.0, SPAN_S))
        seen = self.store.last_event()
        killed_at = time.monotonic()
        end(pid)
        asked_at, answer_s, answers = killed_at, 0.0, list[bool | None]()
        while not answers or (answers[-1] is not False and asked_at < killed_at + GIVE_UP_S):
            asked_at = time.monotonic()
            answers.append(self.output.is_on())
            answer_s = max(answer_s, time.monotonic() - asked_at)
            time.sleep(self.output.look_s)
        off_s = time.monotonic() - killed_at
        return Kill(bool(answers[0]), off_s, answer_s, self._told(seen), self._is_left_safe())

    def begin(self) -> int:
        """Process id of a new worker. Returns when the output is on for a sweep, and not for the contact before, as far as the
        instrument lets us ask."""
        self._pid = self._workers.start()
        until(lambda: self._sweeps(self._submit()), 60)
        return self._pid

    def end(self) -> None:
        """No worker is left, well or frozen."""
        if self._pid is not None:
            kill(self._pid)

    def _submit(self) -> str:
        # A wafer each time: the pads of one bear only so many touchdowns.
        self._wafers += 1
        plan = PLAN.validate_python({**PLAN_OF_A_SWEEP, "wafer": f"W{self._wafers}"})
        # One that failed by itself, as on a computer that hardly lets the lab answer, holds the queue.
        self.store.release_queue("killer")
        return submit_plan(self.store, self._lab, plan, "killer").id

    def _sweeps(self, run: str) -> bool:
        """Whether it is in contact and the output on; False when it ended before."""
        until(lambda: self.store.run(run).state in ENDED or (self._in_contact(run) and self.output.is_on() is not False), 40)
        return self.store.run(run).state is RunState.RUNNING

    def _in_contact(self, run: str) -> bool:
        return any(event.kind == "contact" for event in self.store.events(run_id=run))

    def _told(self, after: int) -> str:
        found: list[str] = []

        def told() -> bool:
            found.extend(each.payload["text"] for each in self.store.events(after) if each.payload.get("what") == "worker_silent")
            return bool(found)

        until(told, 30)
        return found[0]

    def _is_left_safe(self) -> bool:
        with suppress(AssertionError):
            until(self._safe, DEAD_MAN_S)
        return self._safe()

    def _safe(self) -> bool:
        status = read_status(self._lab.crossbar.address)
        return (status.state, status.route) == ("SAFE", "NONE") and not chuck_is_up(self._lab)


def ask(address: str, question: str) -> str:
    """One line and its answer, on a connection of its own."""
    host, port = address.split("::")[1:3]
    with socket.create_connection((host, int(port)), timeout=5) as wire, wire.makefile("r") as lines:
        wire.sendall(question.encode() + b"\n")
        return lines.readline().strip()


def chuck_is_up(lab: LabConfig) -> bool:
    """At contact height or above."""
    height, contact = (float(ask(lab.prober.address, say).split(",")[2]) for say in ("get_chuck_z Z", "get_chuck_site_heights Wafer"))
    return height >= contact - 1.0


@contextmanager
def process(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Of this installation, ended by SIGTERM."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)


@contextmanager
def simulated_lab(folder: Path, *flags: str) -> Iterator[Path]:
    """lab.toml of a lab of its own."""
    toml = folder / "lab.toml"
    with process("simulator", "--dies", "1", "--fab", "clean", "--clock", "real", "--port-base", "0", "--write-lab", str(toml), *flags):
        until(toml.exists, 60)
        yield toml


@contextmanager
def lane(folder: Path, seed: int, flags: Sequence[str] = (), without: str = "no such line") -> Iterator[Lane]:
    """flags: of the simulated lab; its SMU may be for "1" client. without: the line of lab.toml that begins so is left out."""
    data = folder / "data"
    with ExitStack() as stack:
        toml = stack.enter_context(simulated_lab(folder, *flags))
        toml.write_text("\n".join(line for line in toml.read_text().splitlines() if not line.startswith(without)))
        store = stack.enter_context(closing(open_store(data)))
        lab = load_lab(toml)
        stack.enter_context(process("hil.runs.watchdog", "--lab", str(toml), "--data", str(data), "--parent", str(os.getpid())))
        workers = stack.enter_context(nursery(toml, data))
        output = stack.enter_context(closing(Output(lab, keep="1" not in flags)))
        one = Lane(lab, store, workers, output, seed)
        stack.callback(one.end)
        yield one


def kill_many(folder: Path, kills: int, lanes: int, seed: int, flags: Sequence[str] = ()) -> list[Kill]:
    """So many kills with the output on, spread over lanes that run beside each other."""

    def one_lane(number: int) -> list[Kill]:
        own = folder / str(number)
        own.mkdir()
        wanted, done = kills // lanes + (number < kills % lanes), []
        with lane(own, seed + number, flags) as one:
            while sum(each.was_on for each in done) < wanted:
                done.append(one.kill_one())
        return done

    with ThreadPoolExecutor(lanes) as pool:
        return [each for of_lane in pool.map(one_lane, range(lanes)) for each in of_lane]
