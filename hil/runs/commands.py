"""Which of the controller's commands a plan cannot do without. Rule: what its firmware does not list is not asked of it, and the
operator hears so when he asks, not when the needles are down."""

from collections.abc import Mapping
from typing import Any

from firmware_protocol.codes import Opcode
from hil.model.plans import (
    CalibratePlan,
    CharacterisePlan,
    ContactCheckPlan,
    HoldPlan,
    Plan,
    ProgramPlan,
    RehearsePlan,
    RetentionPlan,
    SwitchingPlan,
    VmmPlan,
)
from hil.runs.errors import CommandMissing
from hil.runs.metadata import read_path


def commands_of(plan: Plan) -> tuple[Opcode, ...]:
    """In the order of their use. WRITE_VERIFY and SCAN are none of them: without them the service pulses, and reads, one by one."""
    if isinstance(plan, RehearsePlan):
        return ()
    # Contact is proven through the pad pair whatever else the plan does.
    first = (Opcode.SELECT,)
    if isinstance(plan, ContactCheckPlan):
        return first
    if isinstance(plan, VmmPlan | HoldPlan):
        return (*first, Opcode.VMM)
    single = isinstance(plan, SwitchingPlan) or (isinstance(plan, CalibratePlan) and plan.junctions is not None)
    through_the_board = Opcode.READ_LIST if single else Opcode.READ_BLOCK
    reading = (through_the_board,) if read_path(plan) == "board" else ()
    return (*first, *reading, *((Opcode.ARM, Opcode.PROGRAM) if _writes(plan) else ()))


def _writes(plan: Plan) -> bool:
    if isinstance(plan, RetentionPlan):
        return plan.write != "leave"
    if isinstance(plan, CalibratePlan):
        return plan.states == "both"
    return isinstance(plan, CharacterisePlan | ProgramPlan | SwitchingPlan)


def require_commands(plan: Plan, snapshot: Mapping[str, Any]) -> None:
    """snapshot: of the station, as the worker publishes it; before it knows the controller, every plan passes.

    Raises CommandMissing.
    """
    crossbar: Mapping[str, Any] = (snapshot.get("instruments") or {}).get("crossbar") or {}
    for command in commands_of(plan):
        if command.name in crossbar.get("missing", ()):
            raise CommandMissing(plan.kind, command.name, str(crossbar.get("firmware", "of unknown version")))
