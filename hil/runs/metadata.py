"""The metadata every map carries: enough to say, years later, what was measured, with what, by which code."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from hil.analysis.calibration import Calibration
from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, Meta, map_id, npy_bytes, sha256_hex
from hil.model.plans import CharacterisePlan, IvSweepPlan, Plan, ProgramPlan
from hil.runs.context import RunContext
from hil.store.shelf import stamp

CONTACT_OHMS = "contact_ohms"
"""Name of a step's array (1,): resistance of the pad pair while it was measured."""
_NOT_USED = (("board", "nplc"), ("smu", "averages"))
"""Numbers of a plan that its path makes nothing of."""


def identify(measured: ConductanceMap) -> str:
    """The id the store gives this map."""
    return map_id(measured.meta, sha256_hex(npy_bytes(measured.array)))


def read_path(plan: Plan) -> Literal["board", "smu"]:
    """The way of reading that a plan's `path` comes to; the board is the faster and serves `auto`, but it sweeps no voltage."""
    return "smu" if plan.path == "smu" or isinstance(plan, IvSweepPlan) else "board"


@dataclass(frozen=True)
class DieResults:
    """One die of one run: what the station said of itself there (`Station.provenance`), what is stored already.

    began: s, monotonic. contact_ohms: of the pad pair, by kernel. drift: what reference junctions show, see hil.runs.rereading.
    """

    index: DieIndex
    plan: Plan
    context: RunContext
    began: float
    provenance: Mapping[str, Any]
    contact_ohms: Mapping[int, float] = field(default_factory=dict[int, float])
    drift: Mapping[str, Any] | None = None

    @cached_property
    def calibration(self) -> Calibration | None:
        """The newest one of this board, where it is still valid."""
        return self.context.calibration(str(self.provenance.get("instruments", {}).get("crossbar", {}).get("serial", "")))

    def is_stored(self, name: str) -> bool:
        return self.stored_id(name) is not None

    def stored_id(self, name: str) -> str | None:
        """Id of a map or object this run stored before it was stopped."""
        return self.context.stored.get((self.index, name))

    def describe_conductance(self, state: str, flagged: Mapping[str, int]) -> Meta:
        """Metadata of a conductance map. flagged: counts of readings not to be trusted, by reason."""
        plan = self.plan
        own: Meta = {"kind": "conductance", "state": state, "flagged": dict(flagged), **self._reading()}
        if isinstance(plan, CharacterisePlan | ProgramPlan):
            own |= {"pulse_volts": plan.pulse_volts, "pulse_s": plan.pulse_s, "max_pulses": plan.max_pulses}
        return {**self._common(), **own}

    def describe_object(self) -> Meta:
        """Metadata of a result that is no map: as of one, and every number of the plan. Its lists of junctions and conditions may be
        long, and stand beside the result as arrays."""
        asked = self.plan.model_dump(mode="json", exclude={"wafer", "dies", "note"})
        numbers = {name: value for name, value in asked.items() if name == "kernels" or not isinstance(value, list)}
        path = read_path(self.plan)
        return {**self._common(), **{name: value for name, value in numbers.items() if (path, name) not in _NOT_USED}, "path": path}

    def describe_defects(self, rule: str, inputs: Mapping[str, str], p: ConductanceMap) -> Meta:
        """Metadata of a defect map. inputs: ids of the maps it was derived from, by state."""
        reading = {name: p.meta.get(name) for name in ("read_volts", "averages", "path", "flagged")}
        return {**self._common(), **reading, "kind": "defects", "state": None, "rule": rule, "inputs": dict(inputs)}

    def _reading(self) -> Meta:
        """What decides what a reading says, of the path that was taken."""
        path = read_path(self.plan)
        own = {"nplc": getattr(self.plan, "nplc", None)} if path == "smu" else {}
        return {"path": path, "read_volts": getattr(self.plan, "read_volts", None), "averages": getattr(self.plan, "averages", None), **own}

    def _common(self) -> Meta:
        x, y = self.index
        # Said only where it is so: who sorts or subtracts these times has to know.
        stepped = {"clock_stepped": True} if self.context.clock_stepped() else {}
        return {
            "wafer": self.plan.wafer,
            "x": x,
            "y": y,
            "run": self.context.run,
            "measured_at": stamp(self.context.now()),
            "duration_s": round(self.context.monotonic() - self.began, 3),
            "temperature_c": _finite(self.provenance.get("temperature_c")),
            "calibration": None,
            "instruments": self.provenance.get("instruments", {}),
            "origin": self.provenance.get("origin", {}),
            "code_version": self.context.code_version,
            "plan_hash": self.context.plan_hash,
            **stepped,
        }


def _finite(value: Any) -> float | None:
    """JSON has no NaN: a temperature nobody could read is null."""
    return float(value) if value is not None and math.isfinite(value) else None
