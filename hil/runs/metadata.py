"""The metadata every map carries: enough to say, years later, what was measured, with what, by which code."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hil.model.lab import DieIndex
from hil.model.maps import ConductanceMap, Meta, map_id, npy_bytes, sha256_hex
from hil.model.plans import CharacterisePlan, Plan, ProgramPlan
from hil.runs.context import RunContext
from hil.store.shelf import stamp


def identify(measured: ConductanceMap) -> str:
    """The id the store gives this map."""
    return map_id(measured.meta, sha256_hex(npy_bytes(measured.array)))


def read_path(plan: Plan) -> Literal["board", "smu"]:
    """The way of reading that a plan's `path` comes to; the board is the faster and serves `auto`."""
    return "smu" if plan.path == "smu" else "board"


@dataclass(frozen=True)
class DieResults:
    """One die of one run: what the station said of itself there (`Station.provenance`), what is stored already.

    began: s, monotonic.
    """

    index: DieIndex
    plan: Plan
    context: RunContext
    began: float
    provenance: Mapping[str, Any]

    def is_stored(self, name: str) -> bool:
        return self.stored_id(name) is not None

    def stored_id(self, name: str) -> str | None:
        """Id of a map or object this run stored before it was stopped."""
        return self.context.stored.get((self.index, name))

    def describe_conductance(self, state: str, flagged: Mapping[str, int]) -> Meta:
        """Metadata of a conductance map. flagged: counts of readings not to be trusted, by reason."""
        plan = self.plan
        reading = {"read_volts": getattr(plan, "read_volts", None), "averages": getattr(plan, "averages", None)}
        own: Meta = {"kind": "conductance", "state": state, "path": read_path(plan), "flagged": dict(flagged), **reading}
        if isinstance(plan, CharacterisePlan | ProgramPlan):
            own |= {"pulse_volts": plan.pulse_volts, "pulse_s": plan.pulse_s, "max_pulses": plan.max_pulses}
        return {**self._common(), **own}

    def describe_defects(self, rule: str, inputs: Mapping[str, str], p: ConductanceMap) -> Meta:
        """Metadata of a defect map. inputs: ids of the maps it was derived from, by state."""
        reading = {name: p.meta.get(name) for name in ("read_volts", "averages", "path", "flagged")}
        return {**self._common(), **reading, "kind": "defects", "state": None, "rule": rule, "inputs": dict(inputs)}

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
