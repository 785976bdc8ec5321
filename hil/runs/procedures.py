"""What each kind of plan does at one kernel, and what it has to show for a whole die. Results of a die are made from the
arrays of its steps alone, so that a die measured in two sessions gives the same maps as one measured in one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hil.model.plans import (
    CalibratePlan,
    CharacterisePlan,
    ContactCheckPlan,
    DiePlan,
    HoldPlan,
    IvSweepPlan,
    Plan,
    ProgramPlan,
    ReadPlan,
    RehearsePlan,
    RetentionPlan,
    SwitchingPlan,
    VmmPlan,
    junctions_in,
)
from hil.model.runs import Event, Step, Waiting
from hil.runs.calibrating import calibrate_kernel, calibrated
from hil.runs.characterising import characterise
from hil.runs.context import Arrays, Done, Measured, RunContext, Spot
from hil.runs.finding import read
from hil.runs.holding import hold
from hil.runs.metadata import DieResults
from hil.runs.products import multiply
from hil.runs.programming import program_kernel
from hil.runs.results import as_found, characterised, currents, programmed
from hil.runs.retention import Retention
from hil.runs.single_results import probabilities, traces
from hil.runs.switching import Tested, switch_kernel
from hil.runs.write_verify import KernelWriter
from hil.station.station import Station
from hil.station.sweeping import SweepHow


def _nothing(_station: Station) -> Iterator[Event | Waiting]:
    return iter(())


def _at_once(_station: Station, _steps: Sequence[Step]) -> Iterator[Waiting]:
    return iter(())


def _unmeasured(_station: Station, _spot: Spot) -> Measured:
    return Measured({})


@dataclass(frozen=True)
class Procedure:
    """measure: one kernel of the die in contact. conclude: the die's results from the arrays of its kernels. touches: whether the needles
    come down at all. stay: what a step that is a whole die does there, beside coming to it.
    turn: before a die of a round, by its steps. rounds: how often the run comes to all its dies. stays_down: needles that are on the die
    already stay there."""

    measure: Callable[[Station, Spot], Measured]
    conclude: Callable[[DieResults, Mapping[int, Arrays]], Iterator[Event]]
    touches: bool = True
    stay: Callable[[Station], Iterator[Event | Waiting]] = _nothing
    turn: Callable[[Station, Sequence[Step]], Iterator[Waiting]] = _at_once
    rounds: int = 1
    stays_down: bool = False


def procedure_of(plan: Plan, context: RunContext, done: Done) -> Procedure:
    """done: what earlier sessions of the run measured.

    Raises NotFound or Corrupt when an object the plan refers to has gone since it was submitted.
    """
    match plan:
        case ContactCheckPlan() | RehearsePlan() | HoldPlan():
            return _of_a_die(plan, context)
        case ReadPlan():
            return Procedure(lambda station, spot: read(station, plan, spot.kernel), as_found)
        case CharacterisePlan():
            return Procedure(lambda station, spot: characterise(KernelWriter(station, plan, spot.kernel), spot.before), characterised)
        case ProgramPlan():
            target = context.load(plan.target.object)
            return Procedure(
                lambda station, spot: program_kernel(KernelWriter(station, plan, spot.kernel, spot.begun), target[spot.kernel]), programmed
            )
        case IvSweepPlan():
            return Procedure(lambda station, spot: sweep(station, plan, spot.kernel), traces)
        case SwitchingPlan():
            return Procedure(lambda station, spot: switch_kernel(Tested(station, plan, spot.kernel)), probabilities)
        case RetentionPlan():
            retention = Retention(plan, context)
            retention.recall(done)
            return Procedure(retention.measure, retention.conclude, turn=retention.turn, rounds=plan.count, stays_down=True)
        case CalibratePlan():
            return Procedure(lambda station, spot: calibrate_kernel(station, plan, spot.kernel), calibrated)
        case VmmPlan():
            inputs = context.load(plan.inputs.object)
            return Procedure(lambda station, spot: multiply(station, plan, spot.kernel, inputs), currents)


def _of_a_die(plan: DiePlan, context: RunContext) -> Procedure:
    if isinstance(plan, HoldPlan):
        return Procedure(_unmeasured, lambda _die, _kernels: iter(()), stay=lambda station: hold(station, plan, context))
    # Coming to a die, verified, and the touchdown that every other plan begins with are the whole of it.
    return Procedure(_unmeasured, lambda _die, _kernels: iter(()), not isinstance(plan, RehearsePlan))


def sweep(station: Station, plan: IvSweepPlan, kernel: int) -> Measured:
    """arrays (junctions of the kernel, points): volts, amps, at_s float64, NaN where not taken, amps where limited; limited uint8."""
    how = SweepHow(
        np.array(plan.levels_volts),
        plan.compliance_amps,
        nplc=plan.nplc,
        settle_s=plan.settle_s,
        four_wire=plan.four_wire,
        stop_when_limited=plan.stop_when_limited,
    )
    found = station.sweep([plan.junctions[place] for place in junctions_in(plan, kernel)], how)
    arrays = {"volts": found.volts, "amps": found.amps, "at_s": found.at_s, "limited": found.limited.astype(np.uint8)}
    return Measured(arrays, int(found.limited.sum()))
