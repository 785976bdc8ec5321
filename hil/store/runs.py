"""Runs and their queue. Every change of state is checked against hil.model.runs.TRANSITIONS inside the transaction that
makes it, so that two processes cannot both win. An Idempotency-Key lives and dies with its run."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from hil.model.runs import ENDED, RunState, Step, check_transition
from hil.store import schema
from hil.store.errors import KeyConflict, NotFound
from hil.store.records import RunRecord
from hil.store.shelf import Shelf

_table = schema.runs
LIVE_GONE = "the run that held the die has ended"
_AT_REST = ENDED | {RunState.PAUSED}
_FIELDS = (
    "id", "plan", "plan_hash", "state", "wanted", "done", "total", "unit", "requested_by",
    "created_at", "started_at", "ended_at", "error", "wires",
)  # fmt: skip


def _record(row: Row[Any]) -> RunRecord:
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    values["state"] = RunState(row.state)
    return RunRecord(**values)


def find_run(connection: Connection, run_id: str) -> RunRecord:
    """Raises NotFound."""
    row = connection.execute(select(_table).where(_table.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"run {run_id[:80]} does not exist; `hil runs` lists those that do")
    return _record(row)


class Runs(Shelf):
    def submit(
        self,
        plan: Mapping[str, Any],
        plan_hash: str,
        steps: Sequence[Step],
        unit: str,
        requested_by: str,
        key: tuple[str, str] | None = None,
    ) -> RunRecord:
        """See Store. The run, its steps and its key are one transaction."""
        with self._db.write() as connection:
            if key is not None:
                made = run_of_key(connection, *key)
                if made is not None:
                    return find_run(connection, made)
            run_id = self._insert_run(connection, dict(plan), plan_hash, len(steps), unit=unit, by=requested_by)
            _insert_steps(connection, run_id, steps)
            if key is not None:
                connection.execute(schema.keys.insert().values(key=key[0], body_sha256=key[1], run=run_id))
            self._tell_run(connection, run_id, RunState.QUEUED)
            return find_run(connection, run_id)

    def run(self, run_id: str) -> RunRecord:
        """Raises NotFound."""
        with self._db.read() as connection:
            return find_run(connection, run_id)

    def runs(self, limit: int = 100, before: str | None = None) -> list[RunRecord]:
        """Newest first; `before`: the id of the last run of the previous page. Raises NotFound."""
        query = select(_table).order_by(_table.c.seq.desc()).limit(limit)
        with self._db.read() as connection:
            if before is not None:
                find_run(connection, before)
                query = query.where(_table.c.seq < select(_table.c.seq).where(_table.c.id == before).scalar_subquery())
            return [_record(row) for row in connection.execute(query)]

    def running(self) -> RunRecord | None:
        """See Store."""
        with self._db.read() as connection:
            row = connection.execute(select(_table).where(_table.c.state == RunState.RUNNING)).first()
        return None if row is None else _record(row)

    def delete_queued(self, run_id: str) -> None:
        """Raises NotFound; IllegalTransition unless the run is queued."""
        with self._db.write() as connection:
            run = find_run(connection, run_id)
            if run.state is not RunState.QUEUED:
                # A queued run may become aborted, which is what deleting amounts to; any other state explains itself.
                check_transition(run_id, run.state, RunState.QUEUED)
            connection.execute(_table.delete().where(_table.c.id == run_id))
            self._journal(connection, run_id, "run", {"run": run_id, "state": "deleted", "error": None})

    def want(self, run_id: str, wanted: str) -> RunRecord:
        """Operator's wish: "pause", "abort" or "resume". See Store. Raises IllegalTransition, NotFound, ValueError."""
        if wanted not in ("pause", "abort", "resume"):
            raise ValueError(f"a run can be asked to pause, resume or abort, not {wanted!r}")
        with self._db.write() as connection:
            run = find_run(connection, run_id)
            if run.state is RunState.RUNNING:
                self._wish(connection, run, wanted)
            else:
                target = {"pause": RunState.PAUSED, "abort": RunState.ABORTED, "resume": RunState.QUEUED}[wanted]
                self._change(connection, run, target, None)
            return find_run(connection, run_id)

    def next_queued(self) -> RunRecord | None:
        """Head of the queue; None when empty, held, or the emergency stop is latched.

        While a run is paused, only runs on its wafer are taken: it is that wafer which lies on the chuck. None is while an
        error keeps one paused: whoever mends what broke, resumes it or gives it up, decides when needles move again.
        """
        with self._db.read() as connection:
            switches = connection.execute(select(schema.station.c.held, schema.station.c.estop)).one()
            if switches.held is not None or switches.estop is not None:
                return None
            query = select(_table).where(_table.c.state == RunState.QUEUED).order_by(_table.c.place).limit(1)
            paused = connection.execute(select(_table.c.wafer, _table.c.error).where(_table.c.state == RunState.PAUSED)).all()
            if any(run.error is not None for run in paused):
                return None
            if paused:
                query = query.where(_table.c.wafer.in_([run.wafer for run in paused]))
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def set_state(self, run_id: str, state: RunState, error: str | None = None) -> RunRecord:
        """Checked against TRANSITIONS; appends an event. FAILED holds the queue. Raises IllegalTransition, NotFound."""
        with self._db.write() as connection:
            self._change(connection, find_run(connection, run_id), state, error)
            return find_run(connection, run_id)

    def interrupt_running(self) -> list[RunRecord]:
        """At start-up: every run still marked running becomes interrupted. Returns those."""
        with self._db.write() as connection:
            query = select(_table).where(_table.c.state == RunState.RUNNING).order_by(_table.c.seq)
            running = [_record(row) for row in connection.execute(query)]
            for run in running:
                self._change(connection, run, RunState.INTERRUPTED, "the service ended while this run was running; resume or abort it")
            return [find_run(connection, run.id) for run in running]

    def set_wires(self, run_id: str, wires: Mapping[str, Mapping[str, Any]]) -> None:
        """What went over the wires for this run so far; replaces what was told before."""
        with self._db.write() as connection:
            connection.execute(_table.update().where(_table.c.id == run_id).values(wires={name: dict(of) for name, of in wires.items()}))

    def steps(self, run_id: str) -> list[Step]:
        """All steps of the run in order. Raises NotFound."""
        table = schema.steps
        with self._db.read() as connection:
            find_run(connection, run_id)
            rows = connection.execute(select(table).where(table.c.run == run_id).order_by(table.c["index"]))
            return [Step(row[1], (row.x, row.y), row.kernel) for row in rows]

    def _insert_run(self, connection: Connection, plan: dict[str, Any], plan_hash: str, total: int, *, unit: str, by: str) -> str:
        place = connection.execute(select(func.coalesce(func.max(_table.c.place), 0))).scalar_one() + 1
        number = connection.execute(select(func.coalesce(func.max(schema.events.c.number), 0))).scalar_one() + 1
        # The number grows and is easy to say; the tail keeps runs of two stations apart when their exports meet.
        run_id = f"r{number}-{secrets.token_hex(3)}"
        values = {"id": run_id, "wafer": plan.get("wafer", ""), "plan": plan, "plan_hash": plan_hash, "state": RunState.QUEUED}
        counts = {"done": 0, "total": total, "unit": unit, "place": place, "wires": {}}
        connection.execute(_table.insert().values(**values, **counts, requested_by=by, created_at=self._now()))
        return run_id

    def _wish(self, connection: Connection, run: RunRecord, wanted: str) -> None:
        # Taking a pause back is resuming; an abort is never taken back, because the run may already be ending.
        wish = "abort" if "abort" in (wanted, run.wanted) else (None if wanted == "resume" else wanted)
        connection.execute(_table.update().where(_table.c.id == run.id).values(wanted=wish))
        self._journal(connection, run.id, "run", {"run": run.id, "state": run.state, "wanted": wish, "error": None})

    def _change(self, connection: Connection, run: RunRecord, state: RunState, error: str | None) -> None:
        if run.wanted == "abort" and state in (RunState.PAUSED, RunState.INTERRUPTED):
            # The abort was granted after the worker had last looked; a run that was aborted must not come back.
            state = RunState.ABORTED
        check_transition(run.id, run.state, state)
        error = _with_output(connection, error) if state in _AT_REST else error
        values: dict[str, Any] = {"state": state, "wanted": None, "error": error}
        values["ended_at"] = self._now() if state in ENDED else None
        if state is RunState.RUNNING and run.started_at is None:
            values["started_at"] = self._now()
        if state is RunState.QUEUED:
            values["place"] = connection.execute(select(func.min(_table.c.place))).scalar_one() - 1
        connection.execute(_table.update().where(_table.c.id == run.id).values(values))
        if run.state is RunState.RUNNING:
            _refuse_live(connection, run.id)
        if state is RunState.FAILED:
            held = f"run {run.id} failed: {error or 'no reason given'}"
            connection.execute(schema.station.update().values(held=held))
        self._tell_run(connection, run.id, state, error)

    def _tell_run(self, connection: Connection, run_id: str, state: RunState, error: str | None = None) -> None:
        self._journal(connection, run_id, "run", {"run": run_id, "state": state, "error": error})


def _refuse_live(connection: Connection, run_id: str) -> None:
    """Whatever was asked of the die that the run held is refused with its end: a resumed run drives nothing for somebody who has gone."""
    table = schema.live_requests
    left = table.update().where(table.c.run == run_id, table.c.state.in_(("asked", "taken")))
    connection.execute(left.values(state="refused", error=LIVE_GONE))


def _with_output(connection: Connection, error: str | None) -> str | None:
    """A run that an output may have outlived says so."""
    latched: str | None = connection.execute(select(schema.station.c.may_be_on)).scalar_one()
    what = (latched or "").partition(":")[0]
    if not what or what in (error or ""):
        return error
    return f"{error}; {what}" if error else what


def run_of_key(connection: Connection, key: str, body_sha256: str) -> str | None:
    """The run that was made under this key before. Raises KeyConflict for another body."""
    row = connection.execute(select(schema.keys).where(schema.keys.c.key == key)).one_or_none()
    if row is None:
        return None
    if row.body_sha256 != body_sha256:
        raise KeyConflict(f"Idempotency-Key {key[:80]!r} was used for run {row.run} with another body; use a new key for a new request")
    return row.run


def _insert_steps(connection: Connection, run_id: str, steps: Sequence[Step]) -> None:
    rows = [{"run": run_id, "index": step.index, "x": step.die[0], "y": step.die[1], "kernel": step.kernel} for step in steps]
    if rows:
        connection.execute(schema.steps.insert(), rows)
