"""One run from the queue to its end: pulls events out of `execute`, puts each into the store, and heeds the operator's
wishes between two of them. Whatever happens is told in the run's record, as soon as the disk takes it."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import from_npy_bytes
from hil.model.plans import PLAN, Plan
from hil.model.refusals import check_plan
from hil.model.runs import ContactMade, IllegalTransition, MapMeasured, Noted, RunState, Waiting
from hil.runs.bench import Bench
from hil.runs.calibrating import calibration_of, lapsed
from hil.runs.clock import STEPPED, WallClock
from hil.runs.commands import require_commands
from hil.runs.context import RunContext
from hil.runs.endings import Ending, ending_of, story
from hil.runs.errors import StopRequested
from hil.runs.execute import execute
from hil.runs.retention import ROUND, round_name
from hil.runs.stops import Stop, Stops
from hil.station.errors import NotMadeSafe
from hil.station.station import Station
from hil.store.errors import NotFound, Unwritable
from hil.store.protocol import Store
from hil.store.records import EventRecord, LiveRecord, MapRecord, RunRecord

_log = logging.getLogger(__name__)

Wires = Mapping[str, Mapping[str, Any]]
_WISHES = {None: RunState.FINISHED, "pause": RunState.PAUSED, "abort": RunState.ABORTED}
DISK_RETRY_S = 1.0
WAIT_LOOK_S = 0.1
"""How often a run that waits looks for the operator's wishes."""


@dataclass(frozen=True)
class Conductor:
    """now: UTC. monotonic: seconds."""

    lab: LabConfig
    store: Store
    bench: Bench
    stops: Stops
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic

    def perform(self, run: RunRecord) -> None:
        """Take the run from queued to whatever state it ends in. Raises Unwritable when it did not begin, or had to be left
        marked running: the next worker then calls it interrupted."""
        try:
            self.store.set_state(run.id, RunState.RUNNING)
        except (NotFound, IllegalTransition):
            return  # deleted or aborted between our look at the queue and now
        _log.info("run %s: %s on %s", run.id, run.plan["kind"], run.plan["wafer"])
        with self.stops.heeding(run.id):
            try:
                ending = Ending(self._measure(run))
            except Exception as error:  # noqa: BLE001 - recorded in the run, whatever it is
                ending = self._ending(run, error)
        self._keep(run, ending)
        _log.info("run %s: %s%s", run.id, ending.state, f": {ending.text}" if ending.text else "")
        self._settle(ending)

    def _measure(self, run: RunRecord) -> RunState:
        plan = PLAN.validate_python(run.plan)
        # Once more: lab.toml may have been tightened since the plan was queued.
        check_plan(plan, self.lab)
        self.bench.needles.at(plan.wafer, run.id)
        try:
            return self._measured(run, plan)
        finally:
            # What is seen of the wafer from now on, this run was not told.
            self.bench.needles.at(plan.wafer, None)

    def _measured(self, run: RunRecord, plan: Plan) -> RunState:
        station = self.bench.station()
        # When the plan was queued, nobody may have known the controller yet.
        snapshot = station.snapshot()
        require_commands(plan, snapshot)
        ended = lapsed(plan, self.store, snapshot, self.now())
        if ended is not None:
            self.store.append(run.id, ended)
        before = station.wires()
        try:
            return self._pull(run, plan, station, before)
        finally:
            self.bench.pulse_ids.flush()
            self.store.set_wires(run.id, added(run.wires, before, station.wires()))

    def _pull(self, run: RunRecord, plan: Plan, station: Station, before: Wires) -> RunState:
        clock = WallClock(self.now, self.monotonic, stepped=was_stepped(self.store, run.id))
        context = self._context(run, clock)
        with closing(execute(plan, station, context, self.store.steps_done(run.id))) as events:
            for event in events:
                if isinstance(event, Waiting):
                    wish = self._wait(run, event.seconds)
                    if wish is not None:
                        return _WISHES[wish]
                    continue
                if isinstance(event, ContactMade):
                    # First, so that whoever hears of the contact finds the die in contact.
                    self.bench.publish()
                self.store.append(run.id, event)
                self._tell_step_of(clock, run)
                self.bench.tell_links()
                if isinstance(event, ContactMade):
                    self.bench.pulse_ids.at(run.id, plan.wafer, event.die)
                if isinstance(event, MapMeasured):
                    self.store.set_wires(run.id, added(run.wires, before, station.wires()))
                self.stops.checkpoint()
                wish = self.store.run(run.id).wanted
                # A pause right after a touchdown would have the die touched once more for nothing.
                if wish is not None and not (wish == "pause" and isinstance(event, ContactMade)):
                    return _WISHES[wish]
        return RunState.FINISHED

    def _wait(self, run: RunRecord, seconds: float) -> str | None:
        """The operator's wish as soon as there is one. Raises StopRequested at once when told to stop."""
        until = self.monotonic() + seconds
        while True:
            self.stops.checkpoint()
            wish = self.store.run(run.id).wanted
            left_s = until - self.monotonic()
            if wish is not None or left_s <= 0:
                return wish
            self.stops.wait(min(left_s, WAIT_LOOK_S))

    def _tell_step_of(self, clock: WallClock, run: RunRecord) -> None:
        by_s = clock.news()
        if by_s is not None:
            text = f"the clock of this computer was set by {by_s:+.0f} s, or it slept; times of this run before and after do not compare"
            _log.warning("run %s: %s", run.id, text)
            self.store.append(run.id, Noted(STEPPED, text, {"seconds": round(by_s, 3)}))

    def _context(self, run: RunRecord, clock: WallClock) -> RunContext:
        return RunContext(
            run=run.id,
            plan_hash=run.plan_hash,
            code_version=version("mtj-hil"),
            kernels=self.lab.chip.kernels,
            steps=self.store.steps(run.id),
            stored=stored_results(self.store, run.id),
            load=lambda sha256: from_npy_bytes(self.store.get_object(sha256)),
            now=self.now,
            touched=touched(self.store, run.id),
            monotonic=self.monotonic,
            clock_stepped=clock.stepped,
            live=_Asked(self.store, run.id),
            calibration=lambda board: calibration_of(self.store, board, self.now(), self.lab.chip),
        )

    def _ending(self, run: RunRecord, error: Exception) -> Ending:
        """How a run ends after an error. What stopped us counts for more than what broke on the way down."""
        # The watchdog takes the instruments from us the moment it sees the latch: what broke since then is the stop's doing.
        reason = self.stops.reason(at_once=True)
        if isinstance(error, NotMadeSafe) and reason is not Stop.ESTOP:
            self.bench.note(error.outcome)
        if reason is Stop.ESTOP:
            return Ending(RunState.ABORTED, self._estop_text())
        if reason is not None:
            text = story(error)
            return Ending(RunState.INTERRUPTED, text if isinstance(error, StopRequested) else f"{reason}; {text}")
        if isinstance(error, StopRequested):
            return Ending(RunState.ABORTED, cut_short=True)
        return ending_of(run.id, error, self._disk())

    def _disk(self) -> Unwritable | None:
        """Why nothing can be written now."""
        try:
            self.store.heartbeat()
        except Unwritable as error:
            return error
        return None

    def _keep(self, run: RunRecord, ending: Ending) -> None:
        """The run's end in the store, however long the disk takes nothing. Raises Unwritable when the service has to end first."""
        while True:
            try:
                self.store.set_state(run.id, ending.state, ending.text)
            except Unwritable as error:
                _log.error("run %s is %s and cannot be marked so: %s", run.id, ending.state, error)
                self.bench.let_go()
                if self.stops.leaving() is not None:
                    raise
            else:
                return
            self.stops.wait(DISK_RETRY_S)

    def _estop_text(self) -> str:
        latch = self.store.station().estop or {}
        return f"emergency stop by {latch.get('by', 'somebody')}: {latch.get('reason', 'cleared meanwhile')}"

    def _settle(self, ending: Ending) -> None:
        if ending.links_in_doubt:
            self.bench.drop(f"the last run {ending.state}; connecting anew: {ending.text or 'it was cut short'}")
        elif self.stops.reason() is None:
            self.bench.publish()


@dataclass(frozen=True)
class _Asked:
    """context.LiveRequests of one run, on the store."""

    store: Store
    run: str

    def take(self) -> LiveRecord | None:
        return self.store.take_live(self.run)

    def answer(self, number: int, data: bytes, meta: Mapping[str, Any]) -> None:
        self.store.answer_live(number, data, meta)

    def refuse(self, number: int, error: str) -> None:
        self.store.refuse_live(number, error)


def stored_results(store: Store, run_id: str) -> dict[tuple[tuple[int, int], str], str]:
    """Maps and objects of a run by (die, name), see RunContext."""
    stored = {(each.die, _result_name(each)): each.id for each in store.maps_of_run(run_id)}
    return stored | {(each.die, each.name): each.object for each in store.objects_of_run(run_id)}


def _result_name(record: MapRecord) -> str:
    """Of a run that reads again and again, each round has a map of the same state."""
    number = record.meta.get(ROUND)
    return record.state or record.kind if number is None else round_name(number)


def was_stepped(store: Store, run_id: str) -> bool:
    """Whether the clock was set in an earlier session of the run."""
    return any(event.payload["note"] == STEPPED for event in _events(store, run_id, "noted"))


def _events(store: Store, run_id: str, kind: str) -> Iterator[EventRecord]:
    after = 0
    while page := store.events(after, run_id):
        after = page[-1].number
        yield from (event for event in page if event.kind == kind)


def touched(store: Store, run_id: str) -> frozenset[DieIndex]:
    """Dies that earlier sessions of a run were in contact with."""
    return frozenset((event.payload["die"][0], event.payload["die"][1]) for event in _events(store, run_id, "contact"))


def added(earlier: Wires, before: Wires, after: Wires) -> dict[str, dict[str, Any]]:
    """Counts of `earlier` sessions of a run plus what was counted from `before` to `after` on this one's links."""
    return {name: {key: _sum(earlier.get(name, {}), before[name], key, value) for key, value in now.items()} for name, now in after.items()}


def _sum(earlier: Mapping[str, Any], before: Mapping[str, Any], key: str, value: Any) -> Any:
    return value if isinstance(value, str) else earlier.get(key, 0) + value - before.get(key, 0)
