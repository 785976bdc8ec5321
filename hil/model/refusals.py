"""What the station does not let a plan ask for: numbers beyond the limits of lab.toml, dies, kernels and junctions that are not there.

Rule: a refusal names the field, the value, the limit and where the limit comes from; nothing is clipped.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from hil.model.lab import LabConfig
from hil.model.plans import RetentionPlan, kernels_of, route

MOST_RESULTS = 1_000_000
"""Values that one array of a die's results may have: 8 MB."""
MOST_STEPS = 200_000
"""Of one run: kernels of dies, in all rounds."""


class PlanRefused(ValueError):
    """A plan beyond the station's limits. field, value and limit for the problem document; the text names all three."""

    def __init__(self, field: str, value: Any, limit: Any, text: str) -> None:
        super().__init__(text)
        self.field, self.value, self.limit = field, value, limit


def check_plan(plan: BaseModel, lab: LabConfig) -> None:
    """Raises PlanRefused for the first field beyond the lab's limits, for an unknown die, kernel or junction."""
    _check_numbers(plan, lab)
    _check_dies(getattr(plan, "dies", "all"), lab)
    _check_kernels(getattr(plan, "kernels", "all"), lab)
    _check_junctions(getattr(plan, "junctions", None), lab)
    _check_results(plan)
    _check_rounds(plan, lab)


def _numeric_rules(lab: LabConfig) -> Iterator[tuple[str, float, str]]:
    """(plan field, limit, unit and name of the limit). A field may have several; the widest comes first."""
    limits = lab.limits
    volts = "V (limits.device_volts)"
    yield "read_volts", limits.device_volts, volts
    yield "read_volts", limits.read_volts, "V (limits.read_volts: read disturb)"
    yield "points_volts", limits.read_volts, "V (limits.read_volts: read disturb)"
    for field in ("pulse_volts", "reset_volts", "volts", "start", "stop"):
        yield field, limits.device_volts, volts
    yield "compliance_amps", limits.current_amps, "A (limits.current_amps)"
    yield "pulse_s", limits.pulse_s, "s (limits.pulse_s)"
    yield "reset_s", limits.pulse_s, "s (limits.pulse_s)"
    yield "averages", limits.averages, "(limits.averages)"
    yield "max_pulses", limits.max_pulses, "(limits.max_pulses)"


def _worst(value: Any) -> float | None:
    """The number of largest magnitude, of a list as of one; None where the plan has none."""
    if isinstance(value, tuple):
        return max(value, key=abs, default=None)
    return value


def _check_numbers(plan: BaseModel, lab: LabConfig) -> None:
    for field, limit, what in _numeric_rules(lab):
        value = _worst(getattr(plan, field, None))
        if value is not None and not abs(value) <= limit:
            text = f"{field} is {value:.9g}, beyond the station's limit of {limit:g} {what}; lower it or change lab.toml"
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


def _check_junctions(junctions: Any, lab: LabConfig) -> None:
    if junctions is None:
        return
    shape = lab.chip.shape
    for junction in junctions:
        if any(place >= size for place, size in zip(junction, shape, strict=True)):
            text = f"junction {list(junction)} (kernel, row, column) does not exist; the chip has {shape}"
            raise PlanRefused("junctions", list(junction), list(shape), text)
    if len(set(junctions)) != len(junctions):
        raise PlanRefused("junctions", len(junctions), len(set(junctions)), "junctions names a junction twice; name each only once")


def _check_results(plan: BaseModel) -> None:
    junctions, of_each = getattr(plan, "junctions", None), getattr(plan, "results_per_junction", 1)
    if junctions is not None and len(junctions) * of_each > MOST_RESULTS:
        many = len(junctions) * of_each
        text = f"{len(junctions)} junctions with {of_each} results each are {many} a die, above {MOST_RESULTS}; split the plan"
        raise PlanRefused("junctions", many, MOST_RESULTS, text)


def _check_rounds(plan: BaseModel, lab: LabConfig) -> None:
    if not isinstance(plan, RetentionPlan):
        return
    dies, kernels = len(route(plan, lab)), len(kernels_of(plan, lab))
    if plan.count * dies * kernels > MOST_STEPS:
        many = f"{plan.count} rounds of {dies} dies with {kernels} kernels are {plan.count * dies * kernels} steps"
        text = f"{many}, above {MOST_STEPS}; read less often, or fewer of them"
        raise PlanRefused("count", plan.count, MOST_STEPS // (dies * kernels), text)
