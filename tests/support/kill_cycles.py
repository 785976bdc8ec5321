"""A host is killed while it programs, again and again, and the books are compared with what the junctions really got.

Rule: every claim is checked against the board's own log of pulses or its STATUS, asked on a connection of our own."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drivers.board_link import BoardLink
from drivers.board_talk import ask, open_link
from drivers.crossbar import open_crossbar
from firmware_protocol.codes import DeviceState, Route
from firmware_protocol.messages import GetStatus, StatusResponse
from hil.runs.settling import settle_left
from hil.store import open_store
from tests.support.killed_host import FIRST_UV, MOST_PULSES, VERIFIED_WIDTH_S, Doing, Nursery, Orders, alive, kill, nursery
from tests.support.logged_board import LoggedPulse, logged_board, logged_pulses

BAUD = 921_600
LOG = "pulses.log"
OFF_S = 2.0
_LONGEST_LIFE_S = 0.5
_SETTLED = Doing.NOTHING


@dataclass(frozen=True)
class Kill:
    """doing: what the host was at. off_s: from the kill until every junction was isolated and nothing armed. left: commands
    then without an outcome. unresolved: of those left by earlier kills, what this host had settled by then and is still open."""

    doing: Doing
    off_s: float
    left: int
    unresolved: int


@dataclass
class Audit:
    """intents, pulses: commands on disk; lines in the board's log. fates: pulses by outcome. wrong: what must not be, in words."""

    intents: int = 0
    pulses: int = 0
    fates: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


class Lane:
    """One board, one store, one host after the other."""

    def __init__(self, folder: Path, address: str, seed: int, hosts: Nursery, status: BoardLink) -> None:
        self._folder, self._address, self._hosts, self._status = folder, address, hosts, status
        self._rng = np.random.default_rng(seed)
        self._data = folder / "data"
        open_store(self._data).close()

    def kill_one(self) -> Kill:
        """Start a host, kill it, wait until the board is off."""
        before = self._open_intents()
        orders = self._orders()
        pid = self._hosts.start(orders)
        self._until_dead(pid, orders)
        killed_at = time.monotonic()
        doing = self._hosts.sign.doing
        self._until_off(killed_at)
        off_s = time.monotonic() - killed_at
        still = self._open_intents()
        return Kill(doing, off_s, len(still - before), len(still & before) if doing >= _SETTLED else 0)

    def settle(self) -> str | None:
        """What the last host of all finds and leaves in order."""
        store = open_store(self._data)
        intents = store.pulse_ids()
        with closing(open_crossbar(self._address, BAUD, intents)) as crossbar:
            told = settle_left(intents, crossbar)
        store.close()
        return told

    def _orders(self) -> Orders:
        drawn = self._rng
        stage = int(drawn.choice((Doing.INTENT, Doing.SENT, Doing.SENT, Doing.ANSWERED))) if drawn.random() < 0.5 else None
        delay_s = 0.0 if stage is None or drawn.random() < 0.3 else float(drawn.uniform(0, 0.01))
        after = int(drawn.integers(1, 6))
        last = self._query("SELECT coalesce(max(abs(pulse_volts)), 0) FROM pulse_intents")[0][0]
        number = max(0, round(last * 1e6) - FIRST_UV) + 1
        sign, seed = str(self._folder / "sign"), int(drawn.integers(2**31))
        return Orders(self._address, str(self._data), sign, number, seed, stage, after, delay_s)

    def _until_dead(self, pid: int, orders: Orders) -> None:
        """From outside at a random moment, or after it took its own life where it was told to."""
        life_s = 10.0 if orders.dies_at is not None else float(self._rng.uniform(0, _LONGEST_LIFE_S))
        end = time.monotonic() + life_s
        while time.monotonic() < end and alive(pid):
            time.sleep(0.0005)
        kill(pid)

    def _until_off(self, killed_at: float) -> None:
        while not self._off() and time.monotonic() < killed_at + 2 * OFF_S:
            time.sleep(0.005)

    def _off(self) -> bool:
        answer = ask(self._status, GetStatus())
        assert isinstance(answer, StatusResponse)
        return answer.state not in (DeviceState.SELECTED, DeviceState.ARMED) and answer.route == Route.NONE

    def _open_intents(self) -> set[int]:
        return {row[0] for row in self._query("SELECT first_id FROM pulse_intents WHERE outcome IS NULL")}

    def _query(self, sql: str) -> list[tuple[float, ...]]:
        return query(self._data, sql)


@contextmanager
def lane(folder: Path, address: str, seed: int) -> Iterator[Lane]:
    with nursery(folder / "sign") as hosts, closing(open_link(address, BAUD, 0, 5.0)) as status:
        yield Lane(folder, address, seed, hosts, status)


def kill_many(folder: Path, kills: int, lanes: int, seed: int) -> tuple[list[Kill], list[Audit]]:
    """So many kills, spread over lanes that run beside each other; each lane has a board and a store of its own."""

    def one_lane(number: int) -> tuple[list[Kill], Audit]:
        own = folder / str(number)
        own.mkdir()
        with logged_board(own / LOG) as address, lane(own, address, seed + number) as one:
            done = [one.kill_one() for _ in range(kills // lanes + (number < kills % lanes))]
            one.settle()
            return done, audit(own)

    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(one_lane, range(lanes)))
    return [kill for of_lane, _ in found for kill in of_lane], [each for _, each in found]


def query(data: Path, sql: str) -> list[tuple[float, ...]]:
    with closing(sqlite3.connect(data / "hil.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def audit(folder: Path) -> Audit:
    """The books of one lane against the log of its board, when everything is settled."""
    found = Audit()
    given: dict[int, list[LoggedPulse]] = {}
    for pulse in logged_pulses(folder / LOG):
        given.setdefault(abs(pulse.amplitude_uv), []).append(pulse)
        found.pulses += 1
    store = open_store(folder / "data")
    found.wrong += [f"intent {each.first_id} was never settled" for each in store.pulse_ids().unsettled()]
    store.close()
    columns = "first_id, count, pulse_volts, pulse_s, coalesce(outcome ->> 'executed', 0), coalesce(outcome ->> 'refused', 0)"
    for first_id, count, volts, seconds, executed, refused in query(folder / "data", f"SELECT {columns} FROM pulse_intents"):
        pulses = given.pop(round(abs(volts) * 1e6), [])
        unknown = int(count - executed - refused)
        found.intents += 1
        found.fates.update({"executed": int(executed), "refused": int(refused), "unknown": unknown})
        most = MOST_PULSES if seconds == VERIFIED_WIDTH_S else 1
        if max(Counter(pulse.device for pulse in pulses).values(), default=0) > most:
            found.wrong.append(f"intent {first_id:.0f}: a junction was pulsed more often than {most} times")
        if not executed <= len(pulses) <= executed + unknown:
            found.wrong.append(f"intent {first_id:.0f}: {executed} of {count} executed says the store, {len(pulses)} say the junctions")
    found.wrong += [f"{len(pulses)} pulses of {amplitude} uV belong to no intent" for amplitude, pulses in given.items()]
    return found
