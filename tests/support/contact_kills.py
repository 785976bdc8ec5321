"""The worker is killed at any time of a run that moves the chuck, again and again: are the needles up in time, and is nothing damaged?

Rule 1: worker, watchdog and lab are processes of their own, as the service runs them, on the clock of real motion. Rule 2: where the
chuck is, and whether the output is on, is asked of the instruments on connections of our own, which nobody else knows of. Rule 3: what was
damaged stands in the lab's own ledger, a file that no client of the lab sees. Rule 4: the lab does not help: its prober stays in contact
when a connection is lost, as a real one does.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.model.lab import DieIndex, LabConfig, load_lab
from hil.model.plans import PLAN
from hil.model.runs import ENDED, RunState
from hil.runs.submit import submit_plan
from hil.store import open_store
from hil.store.protocol import Store
from tests.support.killed_host import kill
from tests.support.killed_worker import Nursery, nursery
from tests.support.sweep_kills import Output, process, simulated_lab
from tests.support.waiting import until

SEPARATED_S = 2.0
SPAN_S = 4.0
"""Kills fall within this long after the run began: some dies' worth of moving, touching, measuring and lifting."""
GIVE_UP_S = 15.0
_STILL_UM = 0.05
_TOLERANCE_UM = 1.0
WAFER, DIES = "W1", 9
"""Dies of one run, more than it comes to."""
_JUNCTIONS = [[kernel, 0, 0] for kernel in range(4)]
PLANS: tuple[dict[str, Any], ...] = (
    {"kind": "contact_check"},
    {"kind": "read", "kernels": [0, 1]},
    {"kind": "read", "kernels": [0], "path": "smu"},
    {"kind": "characterise"},
    {"kind": "switching", "junctions": _JUNCTIONS, "pulse_volts": [0.5], "pulse_s": [1e-7], "repeats": 20},
    {"kind": "iv_sweep", "junctions": _JUNCTIONS, "start": 0.0, "stop": 0.1, "points": 21},
    {"kind": "rehearse"},
)


@dataclass(frozen=True)
class Look:
    """at_s: since the kill. z_um: of the chuck. on: whether the output is, None where the instrument did not say."""

    at_s: float
    z_um: float
    on: bool | None


@dataclass(frozen=True)
class Kill:
    """looks: from the signal until the watchdog had told what it did. separated_um: from there down no needle touches."""

    plan: str
    looks: Sequence[Look]
    separated_um: float

    @property
    def was_up(self) -> bool:
        """Whether the needles outlived the worker."""
        return any(self._up(look) for look in self.looks)

    @property
    def separated_s(self) -> float:
        """When they were off the wafer for good; infinite where they are not."""
        if self._up(self.looks[-1]):
            return float("inf")
        up = [later.at_s for look, later in zip(self.looks, self.looks[1:], strict=False) if self._up(look)]
        return max(up, default=0.0)

    @property
    def moving_s(self) -> float:
        """How long of that time the chuck went up or down."""
        pairs = zip(self.looks, self.looks[1:], strict=False)
        return sum(
            later.at_s - look.at_s for look, later in pairs if abs(later.z_um - look.z_um) > _STILL_UM and look.at_s < self.separated_s
        )

    @property
    def late_s(self) -> float:
        """Until they were off, the motion itself not counted."""
        return max(self.separated_s - self.moving_s, 0.0)

    @property
    def lifted_live(self) -> bool:
        """Whether the chuck began to come down for good with the output on."""
        down = [look for look, later in zip(self.looks, self.looks[1:], strict=False) if later.z_um < look.z_um - _STILL_UM]
        return any(look.on is True for look in down)

    def _up(self, look: Look) -> bool:
        return look.z_um > self.separated_um + _TOLERANCE_UM


class Prober:
    """A connection of our own that only asks."""

    def __init__(self, lab: LabConfig) -> None:
        host, port = lab.prober.address.split("::")[1:3]
        self._wire = socket.create_connection((host, int(port)), timeout=10)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._wire.makefile("r")

    def ask(self, question: str) -> list[str]:
        self._wire.sendall(question.encode() + b"\n")
        return self._lines.readline().strip().split(",")[2:]

    def z_um(self) -> float:
        return float(self.ask("get_chuck_z Z")[0])

    def separated_um(self) -> float:
        contact_um, gap_um = (float(value) for value in self.ask("get_chuck_site_heights Wafer")[:2])
        return contact_um - gap_um

    def close(self) -> None:
        self._lines.close()
        self._wire.close()


class Lane:
    """One lab with its watchdog, one worker after the other."""

    def __init__(self, lab: LabConfig, store: Store, workers: Nursery, eyes: tuple[Prober, Output], seed: int) -> None:
        self._lab, self.store, self._workers = lab, store, workers
        self._prober, self._output = eyes
        self._rng = np.random.default_rng(seed)
        self._runs = 0

    def kill_one(self) -> Kill:
        """A worker is started, measures, and is killed; the watchdog does the rest."""
        pid, kind = self._begin()
        separated_um = self._prober.separated_um()
        time.sleep(self._rng.uniform(0.0, SPAN_S))
        seen = self.store.last_event()
        killed_at = time.monotonic()
        kill(pid)
        looks = [self._look(killed_at)]
        while not self._told(seen) and looks[-1].at_s < GIVE_UP_S:
            looks += [self._look(killed_at) for _ in range(5)]
        return Kill(kind, [*looks, self._look(killed_at)], separated_um)

    def _look(self, killed_at: float) -> Look:
        z_um = self._prober.z_um()
        return Look(time.monotonic() - killed_at, z_um, self._output.is_on())

    def _begin(self) -> tuple[int, str]:
        """Process id of a new worker, and the kind of plan it has begun."""
        pid = self._workers.start()
        fields = {**PLANS[self._runs % len(PLANS)], "wafer": WAFER, "dies": self._freshest()}
        self._runs += 1
        # One that failed by itself, as on a computer that hardly lets the lab answer, holds the queue.
        self.store.release_queue("killer")
        run = submit_plan(self.store, self._lab, PLAN.validate_python(fields), "killer")
        until(lambda: self.store.run(run.id).state in {RunState.RUNNING, *ENDED}, 60)
        return pid, str(fields["kind"])

    def _freshest(self) -> list[DieIndex]:
        """The dies that were touched least: one wafer bears all the kills of a lane within its budgets."""
        made = self.store.touchdowns(WAFER)
        return sorted(self._lab.wafer.dies, key=lambda die: made.get(die, 0))[:DIES]

    def unbooked(self) -> int:
        """Touchdowns that the prober has counted and the budgets do not know of."""
        return max(int(self._prober.ask("setup:contact_counter:get")[0]) - sum(self.store.touchdowns(WAFER).values()), 0)

    def _told(self, after: int) -> bool:
        return any(each.payload.get("what") == "worker_silent" for each in self.store.events(after))


@contextmanager
def lane(folder: Path, seed: int) -> Iterator[Lane]:
    data = folder / "data"
    with ExitStack() as stack:
        toml = stack.enter_context(simulated_lab(folder, "--dies", "36", "--ledger", str(folder / "ledger.jsonl")))
        store = stack.enter_context(closing(open_store(data)))
        lab = load_lab(toml)
        stack.enter_context(process("hil.runs.watchdog", "--lab", str(toml), "--data", str(data), "--parent", str(os.getpid())))
        workers = stack.enter_context(nursery(toml, data))
        eyes = stack.enter_context(closing(Prober(lab))), stack.enter_context(closing(Output(lab)))
        yield Lane(lab, store, workers, eyes, seed)


@dataclass(frozen=True)
class Outcome:
    """damage: entries of the ledgers. unbooked: touchdowns that the probers counted and no budget knows of."""

    kills: list[Kill]
    damage: list[dict[str, Any]]
    unbooked: int


def kill_many(folder: Path, kills: int, lanes: int, seed: int) -> Outcome:
    """So many kills, spread over lanes that run beside each other."""

    def one_lane(number: int) -> Outcome:
        own = folder / str(number)
        own.mkdir()
        wanted = kills // lanes + (number < kills % lanes)
        with lane(own, seed + number) as one:
            done, unbooked = [one.kill_one() for _ in range(wanted)], one.unbooked()
        return Outcome(done, [json.loads(line) for line in (own / "ledger.jsonl").read_text().splitlines()], unbooked)

    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(one_lane, range(lanes)))
    kills_of_all, damage = [each for one in found for each in one.kills], [each for one in found for each in one.damage]
    return Outcome(kills_of_all, damage, sum(one.unbooked for one in found))
