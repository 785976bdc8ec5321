"""The whole experiment, readable top to bottom. The caller pulls events; nothing here calls back.

Rule 1: however it ends (done, failed, closed by an abort, stopped at a checkpoint), the station is made safe.
Rule 2: a committed step is never measured again; moving, touching down and measuring the contact always are. The steps that a
stopped run may have been in the middle of (`_begun`) say so to their procedure.
Rule 3: a die without contact is "no contact", never a die full of defects: it gets no map."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from hil.model.lab import DieIndex
from hil.model.plans import Plan
from hil.model.runs import ContactMade, Event, Noted, Step, StepMeasured, Waiting
from hil.runs.context import Arrays, Done, RunContext, Spot
from hil.runs.errors import RunFailed
from hil.runs.metadata import CONTACT_OHMS, DieResults
from hil.runs.procedures import Procedure, procedure_of
from hil.runs.rereading import DRIFTED, reread, told
from hil.station.errors import ContactFailed, NotMadeSafe, TouchdownsSpent
from hil.station.station import Station


def execute(plan: Plan, station: Station, context: RunContext, done: Done) -> Generator[Event | Waiting]:
    """Measure what is not done yet, die by die in the order of the steps.

    Raises RunFailed after limits.consecutive_contact_failures dies in a row without contact, or when no die at all had any;
    NotMadeSafe, whatever else happened, when the station could not be made safe; StationError, DriverError.
    """
    procedure = procedure_of(plan, context, done)
    failures, reached, limit = 0, 0, station.lab.limits.consecutive_contact_failures
    last: ContactFailed | None = None
    try:
        for die, steps in dies_of(context.steps, procedure.rounds):
            try:
                yield from _visit(_Die(die, steps, plan, procedure), station, context, done)
                failures, reached = 0, reached + 1
            except ContactFailed as error:
                failures += 1
                yield Noted("no contact", str(error), {"die": list(die), "steps_left": len(steps), **_facts(error)})
                if failures >= limit:
                    raise RunFailed(
                        f"{failures} dies in a row without contact, limit {limit} (limits.consecutive_contact_failures); "
                        f"the last one: {error}"
                    ) from error
                last = error
        if failures and not reached:
            raise RunFailed(f"no die could be measured: {failures} of {failures} without contact; the last one: {last}") from last
    finally:
        unsafe = NotMadeSafe.unless_safe(station.make_safe())
        if unsafe is not None:
            raise unsafe


def _facts(error: ContactFailed) -> dict[str, Any]:
    """finding: whether the needles touched nothing or badly; None where they were not let down any more."""
    name = "touchdowns_in_all" if isinstance(error, TouchdownsSpent) else "touchdowns"
    return {name: error.touchdowns, "finding": error.finding}


def dies_of(steps: Sequence[Step], rounds: int = 1) -> Iterator[tuple[DieIndex, list[Step]]]:
    """Steps of each die, in order; of each round by itself, where a run has several."""
    per_round = max(len(steps) // rounds, 1)
    for (_, die), group in groupby(steps, key=lambda step: (step.index // per_round, step.die)):
        yield die, list(group)


class _Die:
    """One die's share of the plan."""

    def __init__(self, index: DieIndex, steps: Sequence[Step], plan: Plan, procedure: Procedure) -> None:
        self.index, self.steps, self.plan, self.procedure = index, steps, plan, procedure


def _visit(die: _Die, station: Station, context: RunContext, done: Done) -> Iterator[Event | Waiting]:
    todo = [step for step in die.steps if step.index not in done]
    begun = _begun(die.index, todo, context)
    if todo:
        yield from die.procedure.turn(station, die.steps)
    began = context.monotonic()
    if todo and not (die.procedure.stays_down and station.in_contact_with(die.index)):
        station.go_to(die.index)
        if die.procedure.touches:
            yield _touch(station, die.index)
    provenance = station.provenance()
    kernels = {step.kernel: done[step.index] for step in die.steps if step.index in done and step.kernel is not None}
    for step in todo:
        yield from _measure(die.procedure, station, step, kernels, begun=step.index == begun)
    results = DieResults(die.index, die.plan, context, began, provenance, contacts_of(kernels))
    if todo and todo[-1].kernel is not None:
        drift = reread(die.plan, results, station, todo[-1].kernel)
        if drift is not None and drift["beyond"]:
            yield Noted(DRIFTED, told(drift, results), {"die": list(die.index), **drift})
        results = replace(results, drift=drift)
    yield from die.procedure.conclude(results, kernels)


def contacts_of(kernels: Mapping[int, Arrays]) -> dict[int, float]:
    """Resistance of the pad pair while each kernel was measured; steps of earlier releases do not say."""
    return {kernel: float(arrays[CONTACT_OHMS][0]) for kernel, arrays in kernels.items() if CONTACT_OHMS in arrays}


def _begun(die: DieIndex, todo: Sequence[Step], context: RunContext) -> int | None:
    """Index of the step of a die that may have been pulsed and was not kept: the first one left, as a die's steps are taken in
    their order, wherever else the run was since; none where the run was never in contact with the die."""
    return todo[0].index if todo and die in context.touched else None


def _touch(station: Station, die: DieIndex) -> ContactMade:
    contact = station.contact(die)
    return ContactMade(die, contact.ohms, contact.touchdowns, contact.overtravel_um)


def _measure(procedure: Procedure, station: Station, step: Step, kernels: dict[int, Arrays], *, begun: bool) -> Iterator[Event | Waiting]:
    """Measures one step, adds its arrays to `kernels`, and says what happened."""
    if step.kernel is None:
        yield from procedure.stay(station)
        yield StepMeasured(step, {})
        return
    # One proof for the whole kernel, before anything of it is kept.
    with station.proven_contact():
        measured = procedure.measure(station, Spot(step.die, step.kernel, begun, step.index, kernels))
        arrays = {**measured.arrays, CONTACT_OHMS: np.array([station.contact_ohms])}
    kernels[step.kernel] = arrays
    for kind, text in measured.notes:
        yield Noted(kind, text, {"die": list(step.die), "kernel": step.kernel})
    yield StepMeasured(step, arrays, measured.flagged)
