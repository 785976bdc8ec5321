"""What a plan asks of the SMU: how it would be taken, how long that takes, and whether the junctions may be given it. Asked at the
request, by what is known of the instrument then; the station asks again, by the instrument itself, before anything is switched on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from drivers.smu.planning import (
    LONGEST_CYCLE_HERTZ,
    BeyondJunction,
    Course,
    JunctionLimits,
    Pace,
    SmuCapabilities,
    capabilities_of,
    plan_readings,
    plan_sweep,
)
from hil.model.lab import LabConfig
from hil.model.plans import CalibratePlan, CharacterisePlan, IvSweepPlan, Plan, ReadPlan, SwitchingPlan
from hil.model.refusals import PlanRefused
from hil.runs.metadata import read_path


def smu_course(plan: Plan, lab: LabConfig, snapshot: Mapping[str, Any]) -> Course | None:
    """Of what one step asks the SMU for: a sweep of one junction, or one reading of a kernel's junctions; None where it measures nothing.

    snapshot: of the station, which names the SMU's model once the worker knows it. Raises PlanRefused; of what several fields of the
    plan make together, such as the time under bias, it names the limit.
    """
    model, limits, hertz = _known(lab, snapshot)
    nplc = getattr(plan, "nplc", None) if read_path(plan) == "smu" or isinstance(plan, CalibratePlan) else None
    if nplc is None:
        return None
    _require_within("nplc", nplc, model.nplc, f"power-line cycles of a {model.model}")
    try:
        if isinstance(plan, IvSweepPlan):
            _require_within("settle_s", plan.settle_s, model.settle_s, f"s of a {model.model}")
            _require_within("compliance_amps", plan.compliance_amps, model.amps.limit, f"A of a {model.model}")
            pace = Pace(plan.nplc, plan.settle_s, line_hertz=hertz)
            return plan_sweep(model, np.array(plan.levels_volts), plan.compliance_amps, pace, limits, sweeps=True)
        named = plan.junctions if isinstance(plan, SwitchingPlan | CalibratePlan) else None
        triggered = lab.smu.trigger_lines and named is None
        pace = Pace(nplc, 0.0 if triggered else None, autozero=not triggered, fixed_range=triggered, line_hertz=hertz)
        junctions = lab.chip.rows * lab.chip.columns if named is None else len(named)
        volts = max(plan.points) if isinstance(plan, CalibratePlan) else getattr(plan, "read_volts", 0.0)
        return plan_readings(model, junctions, volts, lab.limits.current_amps, pace, limits, triggered=triggered)
    except BeyondJunction as error:
        raise PlanRefused(error.what, error.value, error.limit, str(error)) from error


def reread_course(plan: Plan, lab: LabConfig, snapshot: Mapping[str, Any]) -> Course | None:
    """Of one reading of one junction that a plan with path auto may have the SMU read again; None where it never does. Otherwise as
    `smu_course`."""
    if plan.path != "auto" or not isinstance(plan, ReadPlan | CharacterisePlan):
        return None
    model, limits, hertz = _known(lab, snapshot)
    _require_within(
        "nplc", plan.nplc, model.nplc, f"power-line cycles of a {model.model}, which path auto may read with; or say path board"
    )
    pace = Pace(plan.nplc, None, fixed_range=False, line_hertz=hertz)
    try:
        return plan_readings(model, 1, plan.read_volts, lab.limits.current_amps, pace, limits, triggered=False)
    except BeyondJunction as error:
        raise PlanRefused(error.what, error.value, error.limit, f"{error}; or say path board") from error


def _known(lab: LabConfig, snapshot: Mapping[str, Any]) -> tuple[SmuCapabilities, JunctionLimits, float]:
    """The SMU, what a junction may be given, and the line's frequency."""
    smu: Mapping[str, Any] = (snapshot.get("instruments") or {}).get("smu") or {}
    limits = JunctionLimits(lab.limits.device_volts, lab.limits.dwell_s, lab.limits.energy_joules)
    return capabilities_of(lab.smu.driver, str(smu.get("model", ""))), limits, float(smu.get("line_hertz") or LONGEST_CYCLE_HERTZ)


def _require_within(field: str, value: float, span: tuple[float, float], what: str) -> None:
    smallest, largest = span
    if not smallest <= value <= largest:
        text = f"{field} is {value:g}, outside {smallest:g} to {largest:g} {what}; choose one within"
        raise PlanRefused(field, value, [smallest, largest], text)
