"""One run from the queue to its end: pulls events out of `execute`, puts each into the store, and heeds the operator's
wishes between two of them. Whatever happens is told in the run's record, in words an operator can act on."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DriverError
from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import from_npy_bytes
from hil.model.plans import PLAN, Plan, PlanRefused, check_plan
from hil.model.runs import ContactMade, IllegalTransition, MapMeasured, RunState
from hil.runs.bench import Bench, note_outcome
from hil.runs.context import RunContext
from hil.runs.errors import RunFailed, StopRequested
from hil.runs.execute import execute
from hil.runs.metadata import read_path
from hil.runs.stops import Stop, Stops
from hil.station.errors import NotMadeSafe, StationError
from hil.station.station import Station
from hil.store.protocol import NotFound, Store, StoreError
from hil.store.records import RunRecord

_log = logging.getLogger(__name__)

Wires = Mapping[str, Mapping[str, Any]]
_WISHES = {None: RunState.FINISHED, "pause": RunState.PAUSED, "abort": RunState.ABORTED}
_NAMED = (DriverError, StationError, StoreError, RunFailed, PlanRefused)
"""Errors whose text is written for the operator; any other one is a fault of ours and is told with its type."""


@dataclass(frozen=True)
class Conductor:
    """now: UTC."""

    lab: LabConfig
    store: Store
    bench: Bench
    stops: Stops
    now: Callable[[], datetime]

    def perform(self, run: RunRecord) -> None:
        """Take the run from queued to whatever state it ends in."""
        self.stops.rearm()
        try:
            self.store.set_state(run.id, RunState.RUNNING)
        except (NotFound, IllegalTransition):
            return  # deleted or aborted between our look at the queue and now
        _log.info("run %s: %s on %s", run.id, run.plan["kind"], run.plan["wafer"])
        try:
            ended, text = self._measure(run), None
        except Exception as error:  # noqa: BLE001 - recorded in the run, whatever it is
            ended, text = self._ending(run, error)
        self.store.set_state(run.id, ended, text)
        _log.info("run %s: %s%s", run.id, ended, f": {text}" if text else "")
        self._settle(ended)

    def _measure(self, run: RunRecord) -> RunState:
        plan = PLAN.validate_python(run.plan)
        # Once more: lab.toml may have been tightened since the plan was queued.
        check_plan(plan, self.lab)
        station = self.bench.station(plan.wafer)
        before = station.wires()
        try:
            return self._pull(run, plan, station, before)
        finally:
            self.bench.pulse_ids.flush()
            self.store.set_wires(run.id, added(run.wires, before, station.wires()))

    def _pull(self, run: RunRecord, plan: Plan, station: Station, before: Wires) -> RunState:
        context = self._context(run, plan)
        with closing(execute(plan, station, context, self.store.steps_done(run.id))) as events:
            for event in events:
                self.store.append(run.id, event)
                self.bench.tell_links()
                if isinstance(event, ContactMade):
                    self.bench.pulse_ids.at(run.id, plan.wafer, event.die)
                    self.bench.publish()
                if isinstance(event, MapMeasured):
                    self.store.set_wires(run.id, added(run.wires, before, station.wires()))
                self.stops.checkpoint()
                wish = self.store.run(run.id).wanted
                if wish is not None:
                    return _WISHES[wish]
        return RunState.FINISHED

    def _context(self, run: RunRecord, plan: Plan) -> RunContext:
        return RunContext(
            run=run.id,
            plan_hash=run.plan_hash,
            code_version=version("mtj-hil"),
            kernels=self.lab.chip.kernels,
            steps=self.store.steps(run.id),
            stored=stored_results(self.store, run.id),
            load=lambda sha256: from_npy_bytes(self.store.get_object(sha256)),
            now=self.now,
            resumed=run.started_at is not None,
            mapped=lambda die, state: mapped(self.store, plan, die, state),
        )

    def _ending(self, run: RunRecord, error: Exception) -> tuple[RunState, str]:
        """State and text a run ends with after an error. What stopped us counts for more than what broke on the way down."""
        # The watchdog takes the instruments from us the moment it sees the latch: what broke since then is the stop's doing.
        reason = self.stops.reason(at_once=True)
        if isinstance(error, NotMadeSafe) and reason is not Stop.ESTOP:
            note_outcome(self.store, error.outcome)
        text = _story(error)
        if reason is Stop.ESTOP:
            return RunState.ABORTED, self._estop_text()
        if reason is not None:
            return RunState.INTERRUPTED, text if isinstance(error, StopRequested) else f"{reason}; {text}"
        if not isinstance(error, _NAMED):
            _log.exception("run %s", run.id)
            text = f"a fault of the service, please report it: {type(error).__name__}: {error}"
        return RunState.FAILED, text

    def _estop_text(self) -> str:
        latch = self.store.station().estop or {}
        return f"emergency stop by {latch.get('by', 'somebody')}: {latch.get('reason', 'cleared meanwhile')}"

    def _settle(self, ended: RunState) -> None:
        """After a failure nobody knows what state the links are in: they are opened anew."""
        if ended is RunState.FAILED:
            self.bench.drop("the last run failed; connecting anew")
        elif self.stops.reason() is None:
            self.bench.publish()


def _story(error: BaseException) -> str:
    """What went wrong first, when making safe went wrong after it."""
    before = error.__context__
    if not isinstance(error, NotMadeSafe) or before is None or isinstance(before, GeneratorExit):
        return str(error)
    return f"{before}; and {error}"


def stored_results(store: Store, run_id: str) -> dict[tuple[tuple[int, int], str], str]:
    """Maps and objects of a run by (die, name), see RunContext."""
    stored = {(each.die, each.state or each.kind): each.id for each in store.maps_of_run(run_id)}
    after = 0
    while page := store.events(after, run_id):
        after = page[-1].number
        for event in page:
            if event.kind == "object":
                x, y = event.payload["die"]
                stored[((x, y), event.payload["name"])] = event.payload["object"]
    return stored


def mapped(store: Store, plan: Plan, die: DieIndex, state: str) -> NDArray[np.float32] | None:
    """See RunContext. A map read by the other path, or at another voltage, says nothing about what this plan will read."""
    record = store.newest_map(plan.wafer, die, "conductance", state)
    if record is None or (record.meta.get("path"), record.meta.get("read_volts")) != (read_path(plan), getattr(plan, "read_volts", None)):
        return None
    return from_npy_bytes(store.get_object(record.object))


def added(earlier: Wires, before: Wires, after: Wires) -> dict[str, dict[str, Any]]:
    """Counts of `earlier` sessions of a run plus what was counted from `before` to `after` on this one's links."""
    return {name: {key: _sum(earlier.get(name, {}), before[name], key, value) for key, value in now.items()} for name, now in after.items()}


def _sum(earlier: Mapping[str, Any], before: Mapping[str, Any], key: str, value: Any) -> Any:
    return value if isinstance(value, str) else earlier.get(key, 0) + value - before.get(key, 0)
