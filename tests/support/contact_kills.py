"""The worker is killed with any byte of its traffic, or a moment after it: are the needles up in time, and is anything damaged?

Rule 1: worker, watchdog and lab are processes of their own, as the service runs them, on the clock of real motion. Rule 2: where the
chuck is, and whether the output is on, is asked of the instruments on connections of our own, which nobody else knows of. Rule 3: what was
damaged stands in the lab's own ledger, a file that no client of the lab sees. Rule 4: the lab does not help: its prober stays in contact
when a connection is lost, as a real one does.
"""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.model.lab import DieIndex, LabConfig, load_lab
from hil.model.maps import npy_bytes
from hil.model.plans import PLAN
from hil.model.runs import ENDED, RunState
from hil.runs.submit import submit_plan
from hil.runs.vigil import DIED
from hil.store import open_store
from hil.store.protocol import Store
from tests.support.killed_host import kill
from tests.support.killed_worker import Nursery, nursery
from tests.support.sweep_kills import Output, process, simulated_lab
from tests.support.tripwire import WIRES, Tripwire, across_the_wires

SEPARATED_S = 2.0
AFTER_S = 0.5
"""Half of the kills come up to this long after their byte: in the middle of a motion, say."""
GIVE_UP_S = 15.0
_RUN_S = 60.0
"""Longest wait for a byte."""
_STILL_UM = 0.05
_TOLERANCE_UM = 1.0
WAFER, DIES = "W1", 3
_JUNCTIONS = [[kernel, 0, 0] for kernel in range(4)]


@dataclass(frozen=True)
class Killed:
    """A plan, and about how many bytes a worker that does two dies of it has passed over each wire by then, from its start: it dies with
    one of them."""

    plan: Mapping[str, Any]
    bytes_of: Mapping[str, int]
    dies: int = DIES


PLANS: tuple[Killed, ...] = (
    Killed({"kind": "contact_check"}, {"prober": 6_000, "smu": 4_300, "crossbar": 2_600}),
    Killed({"kind": "read", "kernels": [0, 1]}, {"prober": 6_200, "smu": 4_300, "crossbar": 7_700}),
    Killed({"kind": "read", "kernels": [0], "path": "smu"}, {"prober": 6_700, "smu": 86_000, "crossbar": 4_400}),
    Killed({"kind": "characterise"}, {"prober": 13_000, "smu": 4_300, "crossbar": 400_000}),
    Killed(
        {"kind": "program", "target": np.tile(np.array([0, 1, 255, 1], np.uint8), 5_000).reshape(32, 25, 25)},
        {"prober": 13_000, "smu": 4_300, "crossbar": 400_000},
    ),
    Killed(
        {"kind": "switching", "junctions": _JUNCTIONS, "pulse_volts": [0.5], "pulse_s": [1e-7], "repeats": 20},
        {"prober": 7_300, "smu": 4_300, "crossbar": 40_000},
    ),
    Killed(
        {"kind": "iv_sweep", "junctions": _JUNCTIONS, "start": 0.0, "stop": 0.1, "points": 21},
        {"prober": 7_000, "smu": 43_000, "crossbar": 6_400},
    ),
    Killed({"kind": "vmm", "inputs": np.full((4, 25), 0.5, np.float32)}, {"prober": 10_000, "smu": 4_300, "crossbar": 31_000}),
    Killed({"kind": "hold", "idle_s": 2.0}, {"prober": 3_700, "smu": 2_500, "crossbar": 2_300}, dies=1),
    Killed({"kind": "calibrate", "points": [0.1], "repeats": 2}, {"prober": 7_000, "smu": 330_000, "crossbar": 26_000}),
    Killed({"kind": "retention", "kernels": [0], "interval_s": 0.5, "count": 2}, {"prober": 11_000, "smu": 7_700, "crossbar": 7_700}),
    Killed({"kind": "rehearse"}, {"prober": 3_100, "smu": 750, "crossbar": 2_100}),
)


@dataclass(frozen=True)
class Look:
    """at_s: since the kill. z_um: of the chuck. on: whether the output is, None where the instrument did not say."""

    at_s: float
    z_um: float
    on: bool | None


@dataclass(frozen=True)
class Kill:
    """death: what the worker died with. looks: from then until the watchdog had told what it did. separated_um: from there down no
    needle touches."""

    death: str
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

    def __init__(self, lab: LabConfig, store: Store, workers: Nursery, tripwire: Tripwire, eyes: tuple[Prober, Output], seed: int) -> None:
        self._lab, self.store, self._workers, self._tripwire = lab, store, workers, tripwire
        self._prober, self._output = eyes
        self._rng = np.random.default_rng(seed)
        self._kills = int(self._rng.integers(len(PLANS)))

    def kill_one(self) -> Kill:
        """A worker is started, measures, and dies with a byte or a moment after it; the watchdog does the rest."""
        killed, at_once = PLANS[self._kills % len(PLANS)], bool(self._rng.integers(2))
        self._kills += 1
        wire = str(self._rng.choice(WIRES))
        byte = int(self._rng.integers(1, killed.bytes_of[wire] + 1))
        run, pid = self.begin(killed, wire, byte, at_once)
        separated_um = self._prober.separated_um()
        self._await_byte(run)
        after_s = 0.0 if at_once else self._rng.uniform(0.0, AFTER_S)
        time.sleep(after_s)
        killed_at = self._tripwire.reached_at_s if at_once and self._tripwire.reached.is_set() else time.monotonic()
        kill(pid)
        seen, looks = self.store.last_event(), [self._look(killed_at)]
        while not self._told(seen) and looks[-1].at_s < GIVE_UP_S:
            looks += [self._look(killed_at) for _ in range(5)]
        return Kill(f"{killed.plan['kind']}: byte {byte} of the {wire} and {after_s:.2f} s", [*looks, self._look(killed_at)], separated_um)

    def begin(self, killed: Killed, wire: str, byte: int, at_once: bool) -> tuple[str, int]:
        """Run, and process id of a new worker that will take it; at_once: and die with this byte."""
        # One that came to rest by itself, as on a computer that hardly lets the lab answer, holds the queue.
        self.store.release_queue("killer")
        for left in self.store.runs(limit=5):
            if left.state is RunState.PAUSED:
                self.store.want(left.id, "abort")
        fields = {key: self._referred(value) for key, value in killed.plan.items()} | {"wafer": WAFER, "dies": self._freshest(killed.dies)}
        run = submit_plan(self.store, self._lab, PLAN.validate_python(fields), "killer")
        self._tripwire.set(wire, byte)
        pid = self._workers.start()
        if at_once:
            self._tripwire.kills(pid)
        return run.id, pid

    def _await_byte(self, run: str) -> None:
        """Or the end of the run, which may have been shorter this time; or too long on a computer that does other things as well."""
        end_s = time.monotonic() + _RUN_S
        while not self._tripwire.reached.wait(0.1) and time.monotonic() < end_s and self.store.run(run).state not in ENDED:
            pass

    def _referred(self, value: Any) -> Any:
        return {"object": self.store.put_object(npy_bytes(value))} if isinstance(value, np.ndarray) else value

    def _look(self, killed_at: float) -> Look:
        z_um = self._prober.z_um()
        return Look(time.monotonic() - killed_at, z_um, self._output.is_on())

    def _freshest(self, number: int) -> list[DieIndex]:
        """So many dies that were touched least: one wafer bears all the kills of a lane within its budgets."""
        made = self.store.touchdowns(WAFER)
        return sorted(self._lab.wafer.dies, key=lambda die: made.get(die, 0))[:number]

    def unbooked(self) -> int:
        """Touchdowns that the prober has counted and the budgets do not know of."""
        return max(int(self._prober.ask("setup:contact_counter:get")[0]) - sum(self.store.touchdowns(WAFER).values()), 0)

    def alarms(self) -> list[str]:
        """What the watchdog told of all the workers."""
        texts, after = [], 0
        while page := self.store.events(after):
            after = page[-1].number
            texts += [str(each.payload["text"]) for each in page if each.payload.get("what") == "worker_silent"]
        return texts

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
        relayed, tripwire = stack.enter_context(across_the_wires(toml))
        workers = stack.enter_context(nursery(relayed, data))
        eyes = stack.enter_context(closing(Prober(lab))), stack.enter_context(closing(Output(lab)))
        yield Lane(lab, store, workers, tripwire, eyes, seed)


@dataclass(frozen=True)
class Outcome:
    """damage: entries of the ledgers. unbooked: touchdowns that the probers counted and no budget knows of. false_alarms: what the
    watchdogs told of workers that were alive."""

    kills: list[Kill]
    damage: list[dict[str, Any]]
    unbooked: int
    false_alarms: list[str]


def kill_many(folder: Path, kills: int, lanes: int, seed: int) -> Outcome:
    """So many kills, spread over lanes that run beside each other."""

    def one_lane(number: int) -> Outcome:
        own = folder / str(number)
        own.mkdir()
        wanted = kills // lanes + (number < kills % lanes)
        with lane(own, seed + number) as one:
            done, unbooked = [one.kill_one() for _ in range(wanted)], one.unbooked()
            false = [text for text in one.alarms() if not text.startswith(DIED)]
        return Outcome(done, [json.loads(line) for line in (own / "ledger.jsonl").read_text().splitlines()], unbooked, false)

    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(one_lane, range(lanes)))
    kills_of_all, damage = [each for one in found for each in one.kills], [each for one in found for each in one.damage]
    return Outcome(kills_of_all, damage, sum(one.unbooked for one in found), [text for one in found for text in one.false_alarms])
