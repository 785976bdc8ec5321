"""Plans: what an operator may ask for, as values. Unknown fields, NaN and infinity are refused here; the station's
limits are applied by `check_plan`, so that a refusal names the value, the limit and where the limit comes from."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hil.model.lab import DieIndex, LabConfig
from hil.model.maps import canonical_json, sha256_hex

WAFER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=2**31)]
KernelNumber = Annotated[int, Field(ge=0, le=255)]
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


class _Reading(_Plan):
    read_volts: PositiveFinite = 0.1
    averages: Count = 1


class ReadPlan(_Reading):
    """Read the state as found. kernels: "all" or a list of kernel numbers."""

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


class VmmPlan(_Plan):
    """Vector-matrix products on the die. inputs: float32 (batch, lines), in units of read_volts, each in -1 to 1."""

    kind: Literal["vmm"]
    inputs: ObjectRef
    read_volts: PositiveFinite = 0.1
    kernels: Literal["all"] | tuple[KernelNumber, ...] = "all"
    direction: Literal["rows", "columns"] = "rows"


Plan = Annotated[ContactCheckPlan | ReadPlan | CharacterisePlan | ProgramPlan | VmmPlan, Field(discriminator="kind")]
PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


class PlanRefused(ValueError):
    """A plan beyond the station's limits. field, value and limit for the problem document; the text names all three."""

    def __init__(self, field: str, value: Any, limit: Any, text: str) -> None:
        super().__init__(text)
        self.field, self.value, self.limit = field, value, limit


def plan_hash(plan: BaseModel) -> str:
    """sha256 of the plan's canonical JSON: a resumed run cannot have changed its plan."""
    return sha256_hex(canonical_json(plan.model_dump(mode="json")).encode())


def _numeric_rules(lab: LabConfig) -> Iterator[tuple[str, float, str]]:
    """(plan field, limit, unit and name of the limit). A field may have several; the widest comes first."""
    limits = lab.limits
    yield "read_volts", limits.device_volts, "V (limits.device_volts)"
    yield "read_volts", limits.read_volts, "V (limits.read_volts: read disturb)"
    yield "pulse_volts", limits.device_volts, "V (limits.device_volts)"
    yield "pulse_s", limits.pulse_s, "s (limits.pulse_s)"
    yield "averages", limits.averages, "(limits.averages)"
    yield "max_pulses", limits.max_pulses, "(limits.max_pulses)"


def check_plan(plan: BaseModel, lab: LabConfig) -> None:
    """Raises PlanRefused for the first field beyond the lab's limits, for an unknown die or an unknown kernel."""
    _check_numbers(plan, lab)
    _check_dies(getattr(plan, "dies", "all"), lab)
    _check_kernels(getattr(plan, "kernels", "all"), lab)


def _check_numbers(plan: BaseModel, lab: LabConfig) -> None:
    for field, limit, what in _numeric_rules(lab):
        value = getattr(plan, field, None)
        if value is not None and value > limit:
            text = f"{field} is {value:g}, above the station's limit of {limit:g} {what}; lower it or change lab.toml"
            raise PlanRefused(field, value, limit, text)
    read_volts, smallest = getattr(plan, "read_volts", None), lab.limits.smallest_read_volts
    if read_volts is not None and read_volts < smallest:
        text = f"read_volts is {read_volts:g}, below the station's {smallest:g} V (limits.smallest_read_volts)"
        raise PlanRefused("read_volts", read_volts, smallest, text)


def _check_dies(dies: Any, lab: LabConfig) -> None:
    if dies == "all":
        return
    known = lab.wafer.dies
    for x, y in dies:
        if (x, y) not in known:
            text = f"die ({x}, {y}) is not on the wafer map of lab.toml, which has {len(known)} dies"
            raise PlanRefused("dies", [x, y], len(known), text)
    if not dies or len(set(dies)) != len(dies):
        raise PlanRefused("dies", len(dies), 1, "dies must name at least one die, and each only once")


def _check_kernels(kernels: Any, lab: LabConfig) -> None:
    if kernels == "all":
        return
    last = lab.chip.kernels - 1
    for kernel in kernels:
        if kernel > last:
            raise PlanRefused("kernels", kernel, last, f"kernel {kernel} does not exist; the chip has 0 to {last}")
    if not kernels or len(set(kernels)) != len(kernels):
        raise PlanRefused("kernels", len(kernels), 1, "kernels must name at least one kernel, and each only once")


def route(plan: BaseModel, lab: LabConfig) -> tuple[DieIndex, ...]:
    """Dies in the order they will be touched: boustrophedon over (y, x), so that each step is one die pitch."""
    named: Any = getattr(plan, "dies", "all")
    dies = lab.wafer.dies if named == "all" else named
    rows = sorted({y for _, y in dies})
    return tuple((x, y) for index, y in enumerate(rows) for x in sorted((x for x, row in dies if row == y), reverse=bool(index % 2)))


def kernels_of(plan: BaseModel, lab: LabConfig) -> tuple[int, ...]:
    """Kernels a plan visits on each die; () for a plan whose step is a whole die."""
    if isinstance(plan, ContactCheckPlan):
        return ()
    named: Any = getattr(plan, "kernels", "all")
    return tuple(range(lab.chip.kernels)) if named == "all" else tuple(named)
