"""Plans: what an operator may ask for, as values. Unknown fields, NaN and infinity are refused here; the station's
limits are applied by `hil.model.refusals`, so that a refusal names the value, the limit and where the limit comes from."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import canonical_json, sha256_hex

WAFER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MOST_POINTS = 10_000
"""Of one sweep."""
MOST_ROUNDS = 10_000
"""Of one retention plan."""
_MOST_LEVELS, _HIGHEST_LEVEL = 20, 0.2
"""Of a calibration, V."""
MOST_CONDITIONS = 1_000
"""Pulse voltages, and pulse widths, of one switching plan."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=2**31)]
KernelNumber = Annotated[int, Field(ge=0, le=255)]
LineNumber = Annotated[int, Field(ge=0, le=255)]
Junction = tuple[KernelNumber, LineNumber, LineNumber]
"""Kernel, row, column."""
Junctions = Annotated[tuple[Junction, ...], Field(min_length=1, max_length=65_025, examples=[[[0, 0, 0], [0, 12, 24]]])]
Path = Literal["board", "smu", "auto"]


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    wafer: Annotated[str, Field(pattern=WAFER_NAME, examples=["W1"])]
    dies: Literal["all"] | tuple[DieIndex, ...] = "all"
    path: Path = "auto"
    note: Annotated[str, Field(max_length=2000)] = ""


class ContactCheckPlan(_Plan):
    """Touch each die and measure the shorted pad pair."""

    kind: Literal["contact_check"]


class RehearsePlan(_Plan):
    """Walk the route at separation height, each die verified by reading back; nothing is touched."""

    kind: Literal["rehearse"]


class _Reading(_Plan):
    """averages: of the board's readings. nplc: power-line cycles of one reading of the SMU."""

    read_volts: PositiveFinite = 0.1
    averages: Count = 1
    nplc: PositiveFinite = 0.1


class ReadPlan(_Reading):
    """Read the state as found. kernels: "all" or a list of kernel numbers. nplc counts for path "smu", averages for the board."""

    kind: Literal["read"]
    kernels: Literal["all"] | tuple[KernelNumber, ...] = "all"


class CharacterisePlan(_Reading):
    """Write all P, read, write all AP, read, with write-verify; then classify."""

    kind: Literal["characterise"]
    averages: Count = 4
    pulse_volts: PositiveFinite = 0.8
    pulse_s: PositiveFinite = 1e-7
    max_pulses: Count = 5


class ObjectRef(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    object: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ProgramPlan(_Reading):
    """Write a target: uint8 (kernels, rows, columns), 1 = P, 0 = AP, 255 = leave."""

    kind: Literal["program"]
    target: ObjectRef
    averages: Count = 4
    pulse_volts: PositiveFinite = 0.8
    pulse_s: PositiveFinite = 1e-7
    max_pulses: Count = 5
    verify: bool = True


class IvSweepPlan(_Plan):
    """Current against voltage of single junctions, by the SMU: `volts` in the order they are visited, a loop there and back
    included, or `points` levels from `start` to `stop`, V, evenly spaced, both ends among them.

    compliance_amps: current limit; a point that reaches it is no measurement and ends the junction's sweep, unless
    stop_when_limited is false. settle_s: from a new level to its reading.
    """

    kind: Literal["iv_sweep"]
    junctions: Junctions
    volts: Annotated[tuple[Finite, ...] | None, Field(min_length=1, max_length=MOST_POINTS, examples=[[0.0, 0.4, 0.0, -0.4, 0.0]])] = None
    start: Annotated[Finite | None, Field(validation_alias=AliasChoices("start", "start_volts"))] = None
    stop: Annotated[Finite | None, Field(validation_alias=AliasChoices("stop", "stop_volts"))] = None
    points: Annotated[int | None, Field(ge=2, le=MOST_POINTS)] = None
    compliance_amps: PositiveFinite = 1e-3
    nplc: PositiveFinite = 0.1
    settle_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-3
    four_wire: bool = False
    stop_when_limited: bool = True

    @model_validator(mode="after")
    def _levels_are_said_once(self) -> Self:
        spaced = [each is not None for each in (self.start, self.stop, self.points)]
        if any(spaced) if self.volts is not None else not all(spaced):
            raise ValueError("give either volts, or start, stop and points")
        if self.path == "board":
            raise ValueError("path is board; an iv_sweep goes through the SMU: path smu or auto")
        return self

    @property
    def levels_volts(self) -> tuple[float, ...]:
        """(points,) V, in the order they are visited."""
        if self.volts is not None:
            return self.volts
        return tuple(float(level) for level in np.linspace(self.start or 0.0, self.stop or 0.0, self.points or 0))

    @property
    def results_per_junction(self) -> int:
        return len(self.volts) if self.volts is not None else self.points or 0


class SwitchingPlan(_Reading):
    """How often one pulse switches, for each junction, pulse voltage and pulse width: `repeats` times each brought to the state the
    pulse drives from (positive volts drive AP to P), verified by reading, then one pulse, then read.

    reset_volts, reset_s, max_pulses: of the pulses that bring it back, at most so many a time, of the polarity that is needed.
    """

    kind: Literal["switching"]
    junctions: Junctions
    pulse_volts: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=MOST_CONDITIONS, examples=[[0.5, 0.6, -0.6]])]
    pulse_s: Annotated[tuple[PositiveFinite, ...], Field(min_length=1, max_length=MOST_CONDITIONS, examples=[[1e-7, 1e-6]])]
    repeats: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    averages: Count = 4
    reset_volts: PositiveFinite = 0.8
    reset_s: PositiveFinite = 1e-7
    max_pulses: Count = 5

    @model_validator(mode="after")
    def _conditions_are_pulses_and_differ(self) -> Self:
        if 0.0 in self.pulse_volts:
            raise ValueError("pulse_volts holds 0; a pulse of 0 V is none")
        for name, values in (("pulse_volts", self.pulse_volts), ("pulse_s", self.pulse_s)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} holds a value twice; raise repeats instead")
        return self

    @property
    def results_per_junction(self) -> int:
        return len(self.pulse_volts) * len(self.pulse_s)


class RetentionPlan(_Reading):
    """How long junctions keep their state: every junction of the kernels is written to `write`, or left as it is, then read `count` times,
    one reading every interval_s from the first on.

    lift_after_s: in a longer pause the needles are up, and each round begins with a touchdown. pulse_volts, pulse_s, max_pulses: of the
    writing, which writes both states once, so that they can be told apart.
    """

    kind: Literal["retention"]
    kernels: Literal["all"] | tuple[KernelNumber, ...] = "all"
    write: Literal["leave", "P", "AP"] = "leave"
    interval_s: Annotated[float, Field(gt=0, le=31_557_600, allow_inf_nan=False, examples=[3600.0])]
    count: Annotated[int, Field(ge=1, le=MOST_ROUNDS, examples=[10])]
    lift_after_s: PositiveFinite = 60.0
    averages: Count = 4
    pulse_volts: PositiveFinite = 0.8
    pulse_s: PositiveFinite = 1e-7
    max_pulses: Count = 5

    def touchdowns(self, dies: int) -> int:
        """Over so many dies: one a die and round, or one in all where the needles stay down on the only die."""
        stays = dies == 1 and self.interval_s <= self.lift_after_s
        return 1 if stays else dies * self.count


class CalibratePlan(_Plan):
    """Calibrate the board against the SMU: both read the same reference junctions, `repeats` times at each of `points`, in both states or
    as they are found. Reference junctions are those named, or all of some kernels.

    points: levels, V; a number n stands for n of them up to 0.2 V. nplc: of one reading of the SMU. valid_s: for how long it counts.
    """

    kind: Literal["calibrate"]
    junctions: Junctions | None = None
    kernels: Annotated[tuple[KernelNumber, ...], Field(min_length=1)] = (0,)
    points: Annotated[tuple[PositiveFinite, ...], Field(min_length=1, max_length=20, examples=[[0.05, 0.1, 0.2]])] = (0.05, 0.1, 0.2)
    averages: Count = 16
    repeats: Annotated[int, Field(ge=2, le=100)] = 3
    nplc: PositiveFinite = 0.1
    states: Literal["both", "as_found"] = "both"
    pulse_volts: PositiveFinite = 0.8
    pulse_s: PositiveFinite = 1e-7
    valid_s: PositiveFinite = 7 * 86_400.0

    @property
    def points_volts(self) -> tuple[float, ...]:
        """The levels, by the name under which a refusal tells of them."""
        return self.points

    @field_validator("points", mode="before")
    @classmethod
    def _so_many_points(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_LEVELS:
            return tuple(round(_HIGHEST_LEVEL * (place + 1) / value, 6) for place in range(value))
        return value

    @model_validator(mode="after")
    def _levels_differ_and_both_paths_are_taken(self) -> Self:
        if len(set(self.points)) != len(self.points):
            raise ValueError("points names a level twice; raise repeats instead")
        if self.path != "auto":
            raise ValueError(f"path is {self.path}; a calibration takes both paths: leave it out")
        return self


class VmmPlan(_Plan):
    """Vector-matrix products on the die. inputs: float32 (batch, lines), the same for every kernel, or (batch, kernels, lines), each
    kernel of `kernels` its own, in that order; in units of read_volts, each in -1 to 1.
    """

    kind: Literal["vmm"]
    inputs: ObjectRef
    read_volts: PositiveFinite = 0.1
    kernels: Literal["all"] | tuple[KernelNumber, ...] = "all"
    direction: Literal["rows", "columns"] = "rows"


class HoldPlan(_Plan):
    """Keep one die in contact and serve live requests (POST /dies/{wafer}/{x}/{y}/vmm) until nobody asked for `idle_s`, for `most_s` at
    the longest, or until it is aborted. The output is off and everything isolated between two requests.
    """

    kind: Literal["hold"]
    idle_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 60.0
    most_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 3600.0

    @model_validator(mode="after")
    def _one_die(self) -> Self:
        if self.dies == "all" or len(self.dies) != 1:
            raise ValueError("dies must name exactly one die: only one can be held in contact, such as [[0, 0]]")
        return self


DiePlan = ContactCheckPlan | RehearsePlan | HoldPlan
"""Plans whose step is a whole die."""
JunctionPlan = IvSweepPlan | SwitchingPlan
"""Plans about single junctions: a step is a kernel that holds some of them."""
Plan = Annotated[
    ContactCheckPlan
    | RehearsePlan
    | HoldPlan
    | ReadPlan
    | CharacterisePlan
    | ProgramPlan
    | IvSweepPlan
    | SwitchingPlan
    | RetentionPlan
    | CalibratePlan
    | VmmPlan,
    Field(discriminator="kind"),
]
PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


def plan_hash(plan: BaseModel) -> str:
    """sha256 of the plan's canonical JSON: a resumed run cannot have changed its plan."""
    return sha256_hex(canonical_json(plan.model_dump(mode="json")).encode())


def route(plan: BaseModel, lab: LabConfig) -> tuple[DieIndex, ...]:
    """Dies in the order they will be touched: boustrophedon over (y, x), so that each step is one die pitch."""
    named: Any = getattr(plan, "dies", "all")
    dies = lab.wafer.dies if named == "all" else named
    rows = sorted({y for _, y in dies})
    return tuple((x, y) for index, y in enumerate(rows) for x in sorted((x for x, row in dies if row == y), reverse=bool(index % 2)))


def path_um(dies: Sequence[DieIndex], lab: LabConfig) -> float:
    """From the first die's centre to the last one's, die by die, as the chuck goes."""
    x_um, y_um = lab.wafer.pitch_um
    return sum(math.hypot((to[0] - at[0]) * x_um, (to[1] - at[1]) * y_um) for at, to in pairwise(dies))


def kernels_of(plan: BaseModel, lab: LabConfig) -> tuple[int, ...]:
    """Kernels a plan visits on each die; () for a plan whose step is a whole die."""
    if isinstance(plan, DiePlan):
        return ()
    junctions: tuple[Junction, ...] | None = getattr(plan, "junctions", None)
    if junctions is not None:
        return tuple(sorted({kernel for kernel, _, _ in junctions}))
    named: Any = getattr(plan, "kernels", "all")
    return tuple(range(lab.chip.kernels)) if named == "all" else tuple(named)


def junctions_in(plan: JunctionPlan, kernel: int) -> list[int]:
    """Which of the plan's junctions lie in a kernel, by their place in its list, in its order."""
    return [place for place, junction in enumerate(plan.junctions) if junction[0] == kernel]
