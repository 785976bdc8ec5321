"""How a source-measure unit takes a set of readings, how long that takes, and what the junctions have to stand for it.

Rule 1: arithmetic only; nothing is sent from here. Rule 2: a duration is what is to be expected; what a junction has to stand is the
most that can happen, a scan that waits for an edge included. Rule 3: what is beyond a junction's limits is refused, never shortened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from drivers.errors import OverLimit
from drivers.smu.capabilities import (
    KEITHLEY_2450,
    KEITHLEY_2602B,
    KEITHLEY_2634B,
    KEITHLEY_2635B,
    KEITHLEY_2636B,
    SmuCapabilities,
)
from drivers.smu.values import Floats

LONGEST_CYCLE_HERTZ = 50.0
"""Where nobody knows the line's frequency yet: the longer apertures."""
_COMMAND_S = 5e-3
"""A command and its answer, the instrument's own time for it included."""
_CONNECT_S = 5e-3
"""Connecting a junction by command, and asking afterwards whether it still is."""
_SHORTEST_WAIT_S = 0.5
_WAITED_STEPS = 5
"""So many times the time of a step, and no less than the shortest wait, until a scan gives an edge up for lost."""
_LEAST_WAITED_STEPS = 2
_RANGES_TRIED = 4
"""Readings that finding the range anew takes, at most."""
_BOTH_QUANTITIES = 2
"""Outside a scan the source is measured beside the other quantity, which may take as long again."""
_EVEN = 1e-9
"""Levels are evenly spaced when none is off by more than this share of the span."""

_MODELS = (KEITHLEY_2450, KEITHLEY_2602B, KEITHLEY_2634B, KEITHLEY_2635B, KEITHLEY_2636B)
_BY_DRIVER: Mapping[str, SmuCapabilities] = {"keithley2450": KEITHLEY_2450, "keithley2600": KEITHLEY_2636B}


class Method(StrEnum):
    """SCAN: edge by edge with the controller. LINEAR, LIST: the instrument's own sweep. PER_POINT: each reading by command."""

    SCAN = "scan"
    LINEAR = "linear"
    LIST = "list"
    PER_POINT = "per point"


@dataclass(frozen=True)
class JunctionLimits:
    """What a junction may be given: volts across the cell, s without a break under bias, J counted as volts times limit times s."""

    volts: float
    dwell_s: float
    energy_joules: float


class BeyondJunction(OverLimit):
    """More than a junction may be given. what: name of the limit; value and limit in its unit."""

    def __init__(self, what: str, value: float, limit: float, text: str) -> None:
        super().__init__(text)
        self.what, self.value, self.limit = what, value, limit


@dataclass(frozen=True)
class Pace:
    """What decides how long a reading takes. settle_s: from a new level, or a new junction, to the reading; None: the instrument's own
    choice. line_hertz: of the mains. fixed_range: the range is not searched for.
    """

    nplc: float
    settle_s: float | None = 0.0
    autozero: bool = True
    fixed_range: bool = True
    line_hertz: float = LONGEST_CYCLE_HERTZ


@dataclass(frozen=True)
class Course:
    """How a set of readings is taken. duration_s: of all of them. dwell_s, energy_joules: of one junction, at most.

    step_timeout_s: of a scan, how long an edge is waited for; 0 elsewhere.
    """

    method: Method
    duration_s: float
    dwell_s: float
    energy_joules: float
    step_timeout_s: float = 0.0


def capabilities_of(driver: str, identity: str = "") -> SmuCapabilities:
    """For estimates, without the instrument. identity: the model as it said itself, such as "MODEL 2450", where that is known;
    otherwise by the driver's name in lab.toml. What nobody here knows is taken for the slowest model."""
    named = (model for model in _MODELS if model.model in identity.upper())
    return next(named, _BY_DRIVER.get(driver, KEITHLEY_2450))


def plan_readings(
    model: SmuCapabilities, readings: int, volts: float, limit_amps: float, pace: Pace, limits: JunctionLimits, *, triggered: bool
) -> Course:
    """One reading of each of many junctions at one level. triggered: the controller steps by edges, and the lines are wired.

    Raises OverLimit for an aperture that the model does not have, BeyondJunction.
    """
    model.check_nplc(pace.nplc)
    if triggered and model.digital_lines and readings <= model.buffer_readings:
        return _within(limits, volts, _scan(model, readings, volts * limit_amps, pace, limits.dwell_s))
    dwell_s, expected_s = _reading_s(model, limit_amps, pace), _reading_s(model, limit_amps, replace(pace, fixed_range=True))
    course = Course(Method.PER_POINT, readings * (_CONNECT_S + _COMMAND_S + expected_s), dwell_s, abs(volts) * limit_amps * dwell_s)
    return _within(limits, volts, course)


def plan_sweep(model: SmuCapabilities, levels: Floats, limit_amps: float, pace: Pace, limits: JunctionLimits, *, sweeps: bool) -> Course:
    """Many levels at one junction. levels: (points,) V. sweeps: the driver has the instrument's own sweep.

    A fixed range is the limit's, where one can hold it. Raises OverLimit for what the model does not have, BeyondJunction.
    """
    model.check_nplc(pace.nplc)
    if pace.settle_s is not None:
        model.check_settle(pace.settle_s)
    if model.range_that_holds("volts", limit_amps) is None:
        pace = replace(pace, fixed_range=False)
    point_s = _reading_s(model, limit_amps, pace)
    dwell_s = point_s * np.count_nonzero(levels)
    energy_joules = float(np.abs(levels).sum()) * limit_amps * point_s
    worst = float(np.abs(levels).max(initial=0.0))
    if not sweeps:
        # Back to zero after each reading: only one point stands at a time.
        by_command_s = _CONNECT_S + len(levels) * (_COMMAND_S + point_s)
        return _within(limits, worst, Course(Method.PER_POINT, by_command_s, point_s, energy_joules))
    method = Method.LINEAR if evenly_spaced(levels) and 2 <= len(levels) <= model.sweep_points else Method.LIST
    commands = 1 if method is Method.LINEAR else -(-len(levels) // model.list_per_message)
    parts = 1 if method is Method.LINEAR else -(-len(levels) // model.list_points)
    # Between two parts of a long list the level stays.
    dwell_s += (parts - 1) * _COMMAND_S
    return _within(limits, worst, Course(method, _CONNECT_S + commands * _COMMAND_S + len(levels) * point_s, dwell_s, energy_joules))


def evenly_spaced(levels: Floats) -> bool:
    """Whether a linear sweep visits these levels: (points,) V or A."""
    if len(levels) < 2:
        return False
    even = np.linspace(levels[0], levels[-1], len(levels))
    return bool(np.abs(levels - even).max() <= _EVEN * abs(levels[-1] - levels[0]))


def _scan(model: SmuCapabilities, readings: int, watts: float, pace: Pace, longest_s: float) -> Course:
    settle_s = pace.settle_s or 0.0
    step_s = settle_s + model.reading_s(pace.nplc, pace.autozero, pace.line_hertz, triggered=True)
    wanted_s = max(_SHORTEST_WAIT_S, _WAITED_STEPS * step_s)
    # A junction stands under bias as long as its edge is waited for; a short limit shortens the wait, down to what a step needs.
    wait_s = max(min(wanted_s, longest_s - settle_s), _LEAST_WAITED_STEPS * step_s)
    dwell_s = settle_s + wait_s
    return Course(Method.SCAN, readings * step_s + 4 * _COMMAND_S, dwell_s, abs(watts) * dwell_s, wait_s)


def _reading_s(model: SmuCapabilities, limit_amps: float, pace: Pace) -> float:
    """From the level to its reading's end. Its own delay grows as the range falls, and a search may end in the lowest."""
    own_s = model.settles_s(limit_amps) if pace.fixed_range else max((delay_s for _, delay_s in model.own_settle_s), default=0.0)
    readings = _BOTH_QUANTITIES * (1 if pace.fixed_range else _RANGES_TRIED)
    return (own_s if pace.settle_s is None else pace.settle_s) + readings * model.reading_s(pace.nplc, pace.autozero, pace.line_hertz)


def _within(limits: JunctionLimits, volts: float, course: Course) -> Course:
    asked = (
        ("device_volts", abs(volts), limits.volts, "V", "lower the level"),
        ("dwell_s", course.dwell_s, limits.dwell_s, "s under bias without a break", "take fewer points or a shorter integration time"),
        ("energy_joules", course.energy_joules, limits.energy_joules, "J (level x limit x time)", "lower the current limit or the time"),
    )
    for what, value, limit, unit, remedy in asked:
        if not value <= limit:
            text = f"a junction would get {value:.4g} {unit}, beyond {limit:g} (limits.{what}); {remedy}, or change lab.toml"
            raise BeyondJunction(what, value, limit, text)
    return course
