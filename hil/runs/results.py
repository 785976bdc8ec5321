"""What a die has to show: maps and arrays made from the arrays of its kernels. Whatever the run stored before it was stopped
is not made again, so that every map is announced once."""

from collections.abc import Iterator, Mapping

import numpy as np

from hil.analysis.classify import classify
from hil.model.maps import ConductanceMap, DefectMap, MapState
from hil.model.plans import VmmPlan
from hil.model.runs import Event, MapMeasured, ObjectMeasured
from hil.runs.context import Arrays, stacked
from hil.runs.metadata import DieResults, identify
from hil.runs.programming import LEFT

OfKernels = Mapping[int, Arrays]
"""Arrays of a die's steps by kernel number."""


def as_found(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """One conductance map; NaN in kernels the plan left out."""
    yield from _unless_stored(die, _conductance(die, "as_found", kernels, "siemens"))


def characterised(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """Maps P and AP, and the defect map derived from them."""
    p, ap = _conductance(die, "P", kernels, "p"), _conductance(die, "AP", kernels, "ap")
    yield from _unless_stored(die, p)
    yield from _unless_stored(die, ap)
    if die.is_stored("defects"):
        return
    # A map stored before the run was stopped keeps the id it got then.
    inputs = {each.state: die.stored_id(each.state) or identify(each) for each in (p, ap)}
    found = classify(p, ap)
    meta = {**found.meta, **die.describe_defects(found.rule, inputs, p)}
    yield MapMeasured(die.index, DefectMap(found.codes, found.line_fault, found.confidence, found.rule, meta))


def programmed(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """Result codes (see hil.runs.programming) and the map after."""
    if not die.is_stored("program_codes"):
        yield ObjectMeasured(die.index, "program_codes", stacked(kernels, "codes", die.context.kernels, LEFT), die.describe_object())
    yield from _unless_stored(die, _conductance(die, "programmed", kernels, "siemens"))


def currents(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """(batch, kernels, lines sensed) float32 A, kernels in the plan's order."""
    plan = die.plan
    assert isinstance(plan, VmmPlan)
    order = sorted(kernels) if plan.kernels == "all" else plan.kernels
    if not die.is_stored("vmm_amps"):
        amps = np.stack([kernels[kernel]["amps"] for kernel in order], axis=1)
        yield ObjectMeasured(die.index, "vmm_amps", amps, die.describe_object())


def _conductance(die: DieResults, state: MapState, kernels: OfKernels, name: str) -> ConductanceMap:
    siemens = stacked(kernels, name, die.context.kernels, np.float32("nan"))
    lost = sum(int(np.count_nonzero(arrays["unknown"])) for arrays in kernels.values() if "unknown" in arrays)
    meta = die.describe_conductance(state, {"not_measured": int(np.isnan(siemens).sum()), "unknown_pulses": lost})
    return ConductanceMap(siemens, state, float(meta["read_volts"]), meta)


def _unless_stored(die: DieResults, measured: ConductanceMap) -> Iterator[Event]:
    if not die.is_stored(measured.state):
        yield MapMeasured(die.index, measured)
