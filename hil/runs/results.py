"""What a die has to show: maps and arrays made from the arrays of its kernels. Whatever the run stored before it was stopped
is not made again, so that every map is announced once."""

from collections.abc import Iterator, Mapping

import numpy as np

from hil.analysis.classify import classify
from hil.model.maps import ConductanceMap, DefectMap
from hil.model.plans import VmmPlan
from hil.model.runs import Event, MapMeasured, ObjectMeasured
from hil.runs.context import Arrays, stacked
from hil.runs.correcting import conductance_map
from hil.runs.metadata import DieResults, identify
from hil.runs.programming import LEFT
from hil.runs.reread import repeats_of, reread

OfKernels = Mapping[int, Arrays]
"""Arrays of a die's steps by kernel number."""


def as_found(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """One conductance map; NaN in kernels the plan left out. With path auto, how often the SMU read what of it (see `reread`)."""
    again = reread(die, kernels, ("smu",))
    yield from again.events(die)
    yield from _unless_stored(die, again.told(conductance_map(die, "as_found", kernels, "siemens")))


def characterised(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """Maps P and AP, and the defect map derived from them. With path auto, how often the SMU read what of them (see `reread`)."""
    again = reread(die, kernels, ("smu_p", "smu_ap"))
    yield from again.events(die)
    p, ap = again.told(conductance_map(die, "P", kernels, "p")), again.told(conductance_map(die, "AP", kernels, "ap"))
    yield from _unless_stored(die, p)
    yield from _unless_stored(die, ap)
    if die.is_stored("defects"):
        return
    # A map stored before the run was stopped keeps the id it got then.
    inputs = {each.state: die.stored_id(each.state) or identify(each) for each in (p, ap)}
    found = classify(p, ap, repeats=repeats_of(kernels, die.context.kernels))
    meta = {**found.meta, **die.describe_defects(found.rule, inputs, p), **again.meta}
    yield MapMeasured(die.index, DefectMap(found.codes, found.line_fault, found.confidence, found.rule, meta))


def programmed(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """Result codes (see hil.runs.programming) and the map after."""
    if not die.is_stored("program_codes"):
        yield ObjectMeasured(die.index, "program_codes", stacked(kernels, "codes", die.context.kernels, LEFT), die.describe_object())
    yield from _unless_stored(die, conductance_map(die, "programmed", kernels, "siemens"))


def currents(die: DieResults, kernels: OfKernels) -> Iterator[Event]:
    """(batch, kernels, lines sensed) float32 A, kernels in the plan's order."""
    plan = die.plan
    assert isinstance(plan, VmmPlan)
    order = sorted(kernels) if plan.kernels == "all" else plan.kernels
    if not die.is_stored("vmm_amps"):
        amps = np.stack([kernels[kernel]["amps"] for kernel in order], axis=1)
        yield ObjectMeasured(die.index, "vmm_amps", amps, die.describe_object())


def _unless_stored(die: DieResults, measured: ConductanceMap) -> Iterator[Event]:
    if not die.is_stored(measured.state):
        yield MapMeasured(die.index, measured)
