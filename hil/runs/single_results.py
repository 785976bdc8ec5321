"""What a die has to show of plans about single junctions: arrays, in the order of the plan's junctions whatever kernel they lie in.

iv_sweep    iv_junctions uint8 (junctions, 3): kernel, row, column; iv_level_volts (points,): asked for; iv_volts, iv_amps, iv_at_s
            (junctions, points): at the terminals, and seconds since the junction's first point, NaN where the point was not taken,
            iv_amps where the SMU was limiting too; iv_limited uint8 (junctions, points): 1 where it was limiting
switching   switching_junctions uint8 (junctions, 3); switching_pulse_volts (volts,), switching_pulse_s (widths,): the conditions;
            switching_switched, switching_trials uint32 (junctions, volts, widths); switching_probability, switching_low,
            switching_high (junctions, volts, widths): their quotient and its 95 % interval, NaN without a trial; switching_siemens_p,
            switching_siemens_ap float32 (junctions,): the two states as read; switching_pulses uint32 (junctions,): all it got
Numbers are float64 where nothing else is said.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.intervals import score_intervals
from hil.model.plans import IvSweepPlan, JunctionPlan, SwitchingPlan, junctions_in
from hil.model.runs import Event, ObjectMeasured
from hil.runs.context import Arrays
from hil.runs.metadata import DieResults

OfKernels = Mapping[int, Arrays]


def traces(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """iv_*, see above."""
    plan = die.plan
    assert isinstance(plan, IvSweepPlan)
    named = {"iv_level_volts": np.array(plan.levels_volts)}
    named |= {f"iv_{name}": in_order(plan, kernels, name) for name in ("volts", "amps", "at_s", "limited")}
    yield from _unless_stored(die, {"iv_junctions": _junctions(plan), **named})


def probabilities(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """switching_*, see above."""
    plan = die.plan
    assert isinstance(plan, SwitchingPlan)
    named = {name: in_order(plan, kernels, name) for name in ("switched", "trials", "siemens_p", "siemens_ap", "pulses")}
    low, high = score_intervals(named["switched"], named["trials"])
    named |= {"probability": _quotient(named["switched"], named["trials"]), "low": low, "high": high}
    named |= {"junctions": _junctions(plan), "pulse_volts": np.array(plan.pulse_volts), "pulse_s": np.array(plan.pulse_s)}
    yield from _unless_stored(die, {f"switching_{name}": array for name, array in named.items()})


def in_order(plan: JunctionPlan, kernels: OfKernels, name: str) -> NDArray[Any]:
    """Arrays of one name of all kernels, (junctions of the kernel, ...) each, as (junctions, ...) in the plan's order."""
    places = np.array([place for kernel in kernels for place in junctions_in(plan, kernel)])
    found = np.concatenate([arrays[name] for arrays in kernels.values()])
    whole = np.empty_like(found)
    whole[places] = found
    return whole


def _junctions(plan: JunctionPlan) -> NDArray[np.uint8]:
    return np.array(plan.junctions, np.uint8)


def _quotient(switched: NDArray[np.integer], trials: NDArray[np.integer]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return switched / trials


def _unless_stored(die: DieResults, named: Mapping[str, NDArray[Any]]) -> Iterator[Event]:
    meta = die.describe_object()
    for name, array in named.items():
        if not die.is_stored(name):
            yield ObjectMeasured(die.index, name, array, meta)
