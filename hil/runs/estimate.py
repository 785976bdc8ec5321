"""How long a plan will take, roughly: motion and contact per die, board times per reading and pulse. For people, not for timeouts.

Source of the board times: the contract (ADC 10 us a junction, DAC settling 20 us, switch 5 us); the rest are round figures."""

from hil.model.lab import LabConfig
from hil.model.plans import CharacterisePlan, ContactCheckPlan, Plan, ProgramPlan, VmmPlan, kernels_of, route

_DIE_S = 3.0
"""Separate, move, touch down, measure the pad pair."""
_COMMAND_S = 2e-3
_ADC_S, _SETTLING_S, _SWITCH_S = 10e-6, 20e-6, 5e-6
_REPEATED = 0.05
"""Share of a kernel's junctions pulsed again in a verify round."""


def duration_s(plan: Plan, lab: LabConfig) -> float:
    """Seconds on the real clock."""
    return len(route(plan, lab)) * (_DIE_S + len(kernels_of(plan, lab)) * _kernel_s(plan, lab))


def _kernel_s(plan: Plan, lab: LabConfig) -> float:
    if isinstance(plan, ContactCheckPlan):
        return 0.0
    junctions = lab.chip.rows * lab.chip.columns
    if isinstance(plan, VmmPlan):
        return _COMMAND_S + lab.chip.columns * _ADC_S
    read_s = _COMMAND_S + junctions * (_ADC_S * plan.averages + _SETTLING_S + _SWITCH_S)
    if not isinstance(plan, CharacterisePlan | ProgramPlan):
        return read_s
    pulse_s = _COMMAND_S + junctions * (plan.pulse_s + _SWITCH_S)
    rounds = 2 * (plan.max_pulses - 1)
    return 2 * (read_s + pulse_s) + rounds * (read_s + _REPEATED * pulse_s)
