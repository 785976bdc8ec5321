"""How long a plan will take, roughly: motion and contact per die, board times per reading and pulse, the SMU's own pace. For people, not
for timeouts.

Source of the board times: the contract (ADC 10 us a junction, DAC settling 20 us, switch 5 us); the rest are round figures."""

from collections.abc import Mapping
from typing import Any

from hil.analysis.remeasure import READINGS
from hil.model.lab import LabConfig
from hil.model.plans import (
    CalibratePlan,
    CharacterisePlan,
    ContactCheckPlan,
    HoldPlan,
    IvSweepPlan,
    Plan,
    ProgramPlan,
    ReadPlan,
    RehearsePlan,
    RetentionPlan,
    SwitchingPlan,
    VmmPlan,
    kernels_of,
    route,
)
from hil.runs.biasing import reread_course, smu_course

_Averaging = ReadPlan | CharacterisePlan | ProgramPlan | SwitchingPlan | RetentionPlan | CalibratePlan
_MOVE_S, _TOUCH_S = 1.0, 2.0
"""Separate and move; touch down and measure the pad pair."""
_COMMAND_S = 2e-3
_SWITCH_ON_S = 0.1
"""Setting the SMU up, on, off, and isolated again."""
_ADC_S, _SETTLING_S, _SWITCH_S = 10e-6, 20e-6, 5e-6
_REPEATED = 0.05
"""Share of a kernel's junctions pulsed, and read, again in a verify round."""
_IN_DOUBT = 0.3
"""Junctions of a kernel that a screening pass leaves in doubt."""
_RESETS = 1.0
"""Pulses, each with a reading, that bring a junction back between two trials."""


def duration_s(plan: Plan, lab: LabConfig, snapshot: Mapping[str, Any]) -> float:
    """Seconds on the real clock. snapshot: of the station. Raises PlanRefused for what a junction may not be given."""
    touch_s = 0.0 if isinstance(plan, RehearsePlan) else _TOUCH_S
    round_s = len(route(plan, lab)) * (_MOVE_S + touch_s + _steps_s(plan, lab, snapshot))
    return round_s + (plan.count - 1) * max(plan.interval_s, round_s) if isinstance(plan, RetentionPlan) else round_s


def _steps_s(plan: Plan, lab: LabConfig, snapshot: Mapping[str, Any]) -> float:
    course = smu_course(plan, lab, snapshot)
    kernels, chip_junctions = len(kernels_of(plan, lab)), lab.chip.rows * lab.chip.columns
    match plan:
        case ContactCheckPlan() | RehearsePlan():
            return 0.0
        case HoldPlan():
            return plan.idle_s
        case IvSweepPlan():
            assert course is not None
            return kernels * _SWITCH_ON_S + len(plan.junctions) * course.duration_s
        case CalibratePlan():
            assert course is not None
            junctions = chip_junctions if plan.junctions is None else len(plan.junctions)
            rounds = len(plan.points) * plan.repeats * (2 if plan.states == "both" else 1)
            return kernels * rounds * (_board_reading_s(plan, junctions) + _SWITCH_ON_S + course.duration_s)
        case VmmPlan():
            return kernels * (_COMMAND_S + lab.chip.columns * _ADC_S)
        case SwitchingPlan():
            reading_s = _board_reading_s(plan, len(plan.junctions)) if course is None else _SWITCH_ON_S * kernels + course.duration_s
            return _switching_s(plan, kernels, reading_s)
        case _:
            junctions = lab.chip.rows * lab.chip.columns
            reading_s = _board_reading_s(plan, junctions) if course is None else _SWITCH_ON_S + course.duration_s
            return kernels * (_kernel_s(plan, junctions, reading_s) + _again_s(plan, lab, snapshot))


def _again_s(plan: Plan, lab: LabConfig, snapshot: Mapping[str, Any]) -> float:
    """What the SMU takes on a kernel for what the board leaves in doubt."""
    course = reread_course(plan, lab, snapshot)
    if course is None or not isinstance(plan, CharacterisePlan):
        return 0.0
    return 2 * _IN_DOUBT * (_SWITCH_ON_S + READINGS * course.duration_s)


def _board_reading_s(plan: _Averaging, junctions: int) -> float:
    return _COMMAND_S + junctions * (_ADC_S * plan.averages + _SETTLING_S + _SWITCH_S)


def _kernel_s(plan: ReadPlan | CharacterisePlan | ProgramPlan | RetentionPlan, junctions: int, reading_s: float) -> float:
    if isinstance(plan, ReadPlan | RetentionPlan):
        return reading_s
    pulsing_s = _COMMAND_S + junctions * (plan.pulse_s + _SWITCH_S)
    rounds = 2 * (plan.max_pulses - 1)
    return 2 * (reading_s + pulsing_s) + rounds * _REPEATED * (reading_s + pulsing_s)


def _switching_s(plan: SwitchingPlan, kernels: int, reading_s: float) -> float:
    """reading_s: of all junctions once."""
    trials = len(plan.pulse_volts) * len(plan.pulse_s) * plan.repeats
    longest_s = max(*plan.pulse_s, plan.reset_s) + _SWITCH_S
    pulsing_s = kernels * _COMMAND_S + len(plan.junctions) * longest_s
    return (1 + _RESETS) * (trials + 1) * (reading_s + pulsing_s)
