"""From a plan to a queued run. Pure but for the store: the web process calls this and never touches an instrument.

Rule: a plan becomes its steps once, at submission, in the order they will be measured; resuming cannot change them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import from_npy_bytes
from hil.model.plans import (
    CalibratePlan,
    CharacterisePlan,
    DiePlan,
    Plan,
    ProgramPlan,
    RehearsePlan,
    RetentionPlan,
    SwitchingPlan,
    VmmPlan,
    kernels_of,
    path_um,
    plan_hash,
    route,
)
from hil.model.refusals import PlanRefused, check_plan
from hil.model.runs import Step
from hil.runs.biasing import reread_course, smu_course
from hil.runs.commands import require_commands
from hil.runs.estimate import duration_s
from hil.store.errors import NotFound
from hil.store.protocol import Store
from hil.store.records import RunRecord, WaferRecord


def expand(plan: Plan, lab: LabConfig) -> tuple[Step, ...]:
    """Every step in order: die by die along the route, kernel by kernel; one step per die when the plan has no kernels. Of a plan of
    several rounds, all dies in each."""
    kernels: tuple[int | None, ...] = kernels_of(plan, lab) or (None,)
    rounds = plan.count if isinstance(plan, RetentionPlan) else 1
    places = [(die, kernel) for die in route(plan, lab) for kernel in kernels] * rounds
    return tuple(Step(index, die, kernel) for index, (die, kernel) in enumerate(places))


def unit_of(plan: Plan) -> str:
    """What one step is, for the progress of the run."""
    return "die" if isinstance(plan, DiePlan) else "kernel"


def submit_plan(store: Store, lab: LabConfig, plan: Plan, requested_by: str, key: str | None = None) -> RunRecord:
    """Queue a run; registers the wafer with lab.toml's die map if its name is new.

    key: Idempotency-Key; the same key with the same plan gives the run made before.
    Raises PlanRefused (limits, unknown die or kernel, missing or wrong object), CommandMissing, KeyConflict, StoreError.
    """
    check_plan(plan, lab)
    snapshot = store.station().snapshot
    smu_course(plan, lab, snapshot)
    reread_course(plan, lab, snapshot)
    require_commands(plan, snapshot)
    _check_objects(plan, lab, store)
    _check_wafer(plan, lab, store.ensure_wafer(plan.wafer, lab.wafer.dies))
    hashed = plan_hash(plan)
    idempotency = None if key is None else (key, hashed)
    return store.submit(plan.model_dump(mode="json"), hashed, expand(plan, lab), unit_of(plan), requested_by, idempotency)


def dry_run(store: Store, lab: LabConfig, plan: Plan) -> dict[str, Any]:
    """What a run would do, nothing queued: route [[x, y], ...], path_um from the first die to the last, touchdowns (retries not counted)
    and how many are left, steps, unit, duration_s (rough), pulses (at most).

    Raises PlanRefused, CommandMissing.
    """
    check_plan(plan, lab)
    snapshot = store.station().snapshot
    require_commands(plan, snapshot)
    dies, steps = route(plan, lab), expand(plan, lab)
    return {
        "route": [list(die) for die in dies],
        "path_um": round(path_um(dies, lab), 1),
        "touchdowns": _touchdowns(plan, len(dies)),
        "touchdowns_left": _touchdowns_left(plan.wafer, dies, store, lab),
        "steps": len(steps),
        "unit": unit_of(plan),
        "duration_s": round(duration_s(plan, lab, snapshot), 1),
        "pulses_per_junction_at_most": _most_pulses(plan),
    }


def _touchdowns(plan: Plan, dies: int) -> int:
    if isinstance(plan, RetentionPlan):
        return plan.touchdowns(dies)
    return 0 if isinstance(plan, RehearsePlan) else dies


def _touchdowns_left(wafer: str, dies: Sequence[DieIndex], store: Store, lab: LabConfig) -> dict[str, Any]:
    """Of the budgets: on the die of the route that has fewest, with the probe card, before its next cleaning; and the dies without any."""
    made, card, limits = store.touchdowns(wafer), store.card(), lab.limits
    left = {die: max(limits.touchdowns_per_die - made.get(die, 0), 0) for die in dies}
    return {
        "die": min(left.values()),
        "card": max(limits.touchdowns_per_card - card.touchdowns, 0),
        "before_cleaning": max(limits.touchdowns_per_cleaning - card.since_cleaning, 0),
        "dies_spent": [list(die) for die in dies if not left[die]],
    }


def _most_pulses(plan: Plan) -> int:
    if isinstance(plan, SwitchingPlan):
        # To learn its two states, then one a trial and those that bring it back.
        trials = len(plan.pulse_volts) * len(plan.pulse_s) * plan.repeats
        return 2 * plan.max_pulses + trials * (1 + plan.max_pulses)
    if isinstance(plan, CalibratePlan):
        return 2 if plan.states == "both" else 0
    if isinstance(plan, RetentionPlan) and plan.write == "leave":
        return 0
    return 2 * plan.max_pulses if isinstance(plan, CharacterisePlan | ProgramPlan | RetentionPlan) else 0


def _check_wafer(plan: Plan, lab: LabConfig, wafer: WaferRecord) -> None:
    """A wafer keeps the die map it was registered with; lab.toml may have got another one since."""
    for die in route(plan, lab):
        if die not in wafer.dies:
            known = f"wafer {wafer.name} was registered with {len(wafer.dies)} dies without it"
            raise PlanRefused("dies", list(die), len(wafer.dies), f"die {die} is on the map of lab.toml, but {known}; use a new wafer name")


def _check_objects(plan: Plan, lab: LabConfig, store: Store) -> None:
    """The arrays a plan refers to are looked at now, not when the needles are down."""
    if isinstance(plan, ProgramPlan):
        check_target(_object(store, "target", plan.target.object), lab)
    if isinstance(plan, VmmPlan):
        check_inputs(_object(store, "inputs", plan.inputs.object), plan, lab)


def check_target(target: np.ndarray[Any, Any], lab: LabConfig) -> None:
    """Raises PlanRefused unless uint8 of the chip's shape with 1 (P), 0 (AP) and 255 (leave) only."""
    if target.dtype != np.uint8 or target.shape != lab.chip.shape:
        seen, needed = f"{target.dtype} {target.shape}", f"uint8 {lab.chip.shape}"
        raise PlanRefused("target", seen, needed, f"target is {seen}, not {needed}")
    wrong = target[~np.isin(target, (0, 1, 255))]
    if wrong.size:
        value = int(wrong.flat[0])
        raise PlanRefused("target", value, [0, 1, 255], f"target holds {value}; only 1 (P), 0 (AP) and 255 (leave) are allowed")


def check_vmm(plan: VmmPlan, lab: LabConfig, store: Store) -> int:
    """Vectors in a batch that may be applied now. Raises PlanRefused, CommandMissing, NotFound, Corrupt."""
    check_plan(plan, lab)
    require_commands(plan, store.station().snapshot)
    inputs = _object(store, "inputs", plan.inputs.object)
    check_inputs(inputs, plan, lab)
    return len(inputs)


def check_inputs(inputs: np.ndarray[Any, Any], plan: VmmPlan, lab: LabConfig) -> None:
    """Raises PlanRefused unless float32 (batch, lines) or (batch, kernels, lines), at most the driven lines of a kernel, exactly the
    plan's kernels, each value in -1 to 1."""
    lines = lab.chip.rows if plan.direction == "rows" else lab.chip.columns
    kernels = len(kernels_of(plan, lab))
    seen = f"{inputs.dtype} {inputs.shape}"
    if inputs.dtype != np.float32 or inputs.ndim not in (2, 3) or not 1 <= inputs.shape[-1] <= lines or not len(inputs):
        needed = f"float32 (batch, lines) or (batch, kernels, lines) with 1 to {lines} lines"
        raise PlanRefused("inputs", seen, lines, f"inputs is {seen}, not {needed}")
    if inputs.ndim == 3 and inputs.shape[1] != kernels:
        raise PlanRefused(
            "inputs", seen, kernels, f"inputs is {seen}, but the plan has {kernels} kernels: (batch, {kernels}, lines) is needed"
        )
    worst = float(np.max(np.abs(inputs)))
    if not worst <= 1.0:
        raise PlanRefused("inputs", str(worst), 1.0, f"inputs reaches {worst:g}; values are in units of read_volts, limit -1 to 1")


def _object(store: Store, field: str, sha256: str) -> np.ndarray[Any, Any]:
    try:
        return from_npy_bytes(store.get_object(sha256))
    except NotFound as error:
        raise PlanRefused(field, sha256, "a stored object", f"{field}: {error}") from error
    except ValueError as error:
        raise PlanRefused(field, sha256, "an npy array", f"{field}: object {sha256} is not an npy array: {error}") from error
