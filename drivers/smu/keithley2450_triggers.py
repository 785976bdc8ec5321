"""Sweeps, pulses and triggered readings of a Keithley 2450, apart from running them: values in, lines and parts out.

Rule 1: a linear sweep is taken only where it visits the very levels asked for; everything else is a list.
Rule 2: nothing waits in the instrument's parser (`*WAI` would make it deaf): it is asked how far it has come.
Source: 2450 reference manual 2450-901-01: SOURce:LIST 6-78, SOURce:SWEep 6-81 to 6-85, TRACe 6-107 to 6-124; TRIGger:LOAD
"LogicTrigger" and TRIGger:STATe?: 2461-901-01, 6-228 and 6-234.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OverLimit, ProtocolError
from drivers.scpi import Question, Step, number, parse_count, parse_number
from drivers.smu.capabilities import SmuCapabilities, Source
from drivers.smu.keithley2450_messages import TEXT_FORM, read_back, set_level, source_delay, words
from drivers.smu.setup import Setup
from drivers.smu.values import Floats

BUFFER = "hil"
INITIATE = ":INIT"
COLUMNS = 3
"""Of a block: sourced, measured, s since the first reading of the buffer; each a little-endian double."""
STATUS = Question(":TRIG:STAT?", once=True, fields=3)
"""Two names of states and a block number; no garbled name is another one."""

_SMALLEST_BUFFER = 10
_SAME_LEVEL = 1e-12
"""Of the largest level: how far off a linear sweep may be."""
_EDGE_S = 10e-6
_STOPPED = frozenset({"IDLE", "ABORTED", "FAILED", "EMPTY"})
_MOVING = frozenset({"RUNNING", "WAITING", "ABORTING", "BUILDING", "PAUSED"})


@dataclass(frozen=True)
class Part:
    """What the instrument does in one go. levels: (points,) asked for. lines: what sets it up. stride: readings taken for each point,
    of which the first is the point's."""

    levels: Floats
    lines: tuple[str, ...]
    stride: int = 1

    @property
    def readings(self) -> int:
        return len(self.levels) * self.stride


def sweep_parts(setup: Setup, levels: Floats, *, stop_when_limited: bool) -> list[Part]:
    """As many as the instrument's lists and buffer ask for."""
    return [Part(piece, tuple(_sweep_lines(setup, piece, stop_when_limited))) for piece in _pieces(setup.capabilities, levels)]


def _pieces(model: SmuCapabilities, levels: Floats) -> Iterator[Floats]:
    longest = min(model.sweep_points, model.buffer_readings)
    even = evenly_spaced(levels)
    if len(levels) <= (longest if even else model.list_points):
        yield levels
    elif even:
        for piece in _cut(levels, longest):
            # A part is even only as far as its own levels tell: a rounding error is larger among small ones.
            yield from _pieces(model, piece)
    else:
        yield from _cut(levels, model.list_points)


def _cut(levels: Floats, longest: int) -> list[Floats]:
    return [levels[first : first + longest] for first in range(0, len(levels), longest)]


def _sweep_lines(setup: Setup, levels: Floats, stop_when_limited: bool) -> list[str]:
    if evenly_spaced(levels):
        return [linear_sweep(setup.source, levels, stop_when_limited=stop_when_limited)]
    lists = source_list(setup.source, levels, setup.capabilities.list_per_message)
    return [*lists, list_sweep(setup.source, 0.0, stop_when_limited=stop_when_limited)]


def evenly_spaced(levels: Floats) -> bool:
    """Whether start, stop and number of points give these very levels."""
    if len(levels) < 2 or levels[0] == levels[-1]:
        return False
    even = levels[0] + (levels[-1] - levels[0]) * np.arange(len(levels)) / (len(levels) - 1)
    return bool(np.abs(levels - even).max() <= _SAME_LEVEL * np.abs(levels).max())


def linear_sweep(source: Source, levels: Floats, *, stop_when_limited: bool) -> str:
    """The source range stays as it was configured, so that nothing switches in the middle of a curve."""
    start, stop = number(levels[0]), number(levels[-1])
    ends = "ON" if stop_when_limited else "OFF"
    return f':SOUR:SWE:{words(source).source}:LIN {start},{stop},{len(levels)},0,1,FIX,{ends},OFF,"{BUFFER}"'


def source_list(source: Source, levels: Sequence[float] | Floats, per_message: int) -> list[str]:
    """The levels of a list sweep, no more of them in a line than the instrument takes."""
    head = f":SOUR:LIST:{words(source).source}"
    pieces = (",".join(number(level) for level in levels[first : first + per_message]) for first in range(0, len(levels), per_message))
    return [f"{head}{':APP' if index else ''} {piece}" for index, piece in enumerate(pieces)]


def list_sweep(source: Source, delay_s: float, *, stop_when_limited: bool) -> str:
    """delay_s: from each level to its reading, 0 for none, beside the delay of the source."""
    ends = "ON" if stop_when_limited else "OFF"
    return f':SOUR:SWE:{words(source).source}:LIST 1,{number(delay_s)},1,{ends},"{BUFFER}"'


@dataclass(frozen=True)
class Pulse:
    """delay_s: from the level to its reading. stride: steps from one pulse to the next, all but the first of them at zero."""

    delay_s: float
    stride: int


def pulse_of(model: SmuCapabilities, pulse_s: float, period_s: float, reading_s: float) -> Pulse:
    """The 2450 has no pulses: each one is a step of a list at its level and as many as are needed at zero, all equally long.

    reading_s: from one reading to the next, what an instrument may do beside the next delay included: a pulse is rather shorter than
    asked for than longer. The period is the next longer multiple of the pulse. Raises OverLimit.
    """
    model.check_pulse(pulse_s, reading_s)
    steps = math.ceil(period_s / pulse_s - 1e-9) if math.isfinite(period_s) else 0
    if not 2 <= steps <= model.list_points:
        longest = model.list_points * pulse_s
        raise OverLimit(
            f"{model.model}: a pulse of {pulse_s:g} s every {period_s!r} s cannot be made: between pulses it is at zero for a multiple of "
            f"the pulse, so the period is {2 * pulse_s:g} to {longest:g} s; choose another"
        )
    return Pulse(_possible_delay(pulse_s - reading_s, model.sweep_delay_s[0]), steps)


def _possible_delay(delay_s: float, shortest_s: float) -> float:
    """0 or at least the shortest, whichever is nearer."""
    return max(delay_s, shortest_s) if delay_s >= shortest_s / 2 else 0.0


def pulse_parts(setup: Setup, levels: Floats, pulse: Pulse) -> list[Part]:
    model = setup.capabilities
    longest = min(model.list_points, model.buffer_readings) // pulse.stride
    return [Part(piece, tuple(_pulse_lines(setup, piece, pulse)), pulse.stride) for piece in _cut(levels, longest)]


def _pulse_lines(setup: Setup, levels: Floats, pulse: Pulse) -> Iterator[str]:
    steps = np.zeros((len(levels), pulse.stride))
    steps[:, 0] = levels
    yield from source_list(setup.source, steps.ravel(), setup.capabilities.list_per_message)
    yield list_sweep(setup.source, pulse.delay_s, stop_when_limited=False)


def before_pulses(setup: Setup) -> list[str]:
    """The source's own delay would stretch the steps that change the level, and only those; looking for the range any of them."""
    said = words(setup.source)
    fixed = [] if setup.measure_range is not None else [f":SENS:{said.measure}:RANG {number(setup.limit)}"]
    return [f":SOUR:{said.source}:DEL 0", *fixed, read_back(setup, on=False)]


def as_configured(setup: Setup) -> list[str]:
    """What pulses and triggered readings change, as it was before."""
    searched = [f":SENS:{words(setup.source).measure}:RANG:AUTO ON"] if setup.measure_range is None else []
    return [source_delay(setup), *searched, read_back(setup, on=True)]


def triggered_readings(setup: Setup, readings: int, level: float, trigger_in: int, trigger_out: int) -> list[str]:
    """A reading for every rising edge of one line, answered by a short low pulse on the other; the level stands, and is not measured
    beside each reading, which would take as long again.

    The output line goes first: the other way round its change may be taken for an edge (3-64).
    """
    return [
        f":DIG:LINE{trigger_out}:MODE TRIG,OUT",
        f":TRIG:DIG{trigger_out}:OUT:LOG NEG",
        f":TRIG:DIG{trigger_out}:OUT:PULS {number(_EDGE_S)}",
        f":DIG:LINE{trigger_in}:MODE TRIG,IN",
        f":TRIG:DIG{trigger_in}:IN:EDGE RIS",
        read_back(setup, on=False),
        f':TRIG:LOAD "LogicTrigger",{trigger_in},{trigger_out},{readings},NEV,0,"{BUFFER}"',
        set_level(setup.source, level),
        f":TRIG:DIG{trigger_in}:IN:CLE",
    ]


def missed_edge(trigger_in: int) -> Question:
    return Question(f":TRIG:DIG{trigger_in}:IN:OVER?")


# --- the buffer
def make_buffer(readings: int) -> str:
    return f':TRAC:MAKE "{BUFFER}",{max(readings, _SMALLEST_BUFFER)}'


DELETE_BUFFER = f':TRAC:DEL "{BUFFER}"'
CLEAR_BUFFER = f':TRAC:CLE "{BUFFER}"'
STORED: tuple[Step, ...] = (Question(f':TRAC:ACT? "{BUFFER}"', once=True),) * 3
"""Readings in the buffer, asked three times: the one in the middle stood between the others, or is garbled."""
FIRST_READING_AT = Question(f':TRAC:DATA? 1,1,"{BUFFER}",SEC,FRAC')


def parse_stored(answers: Sequence[str], name: str) -> int:
    before, stored, after = (parse_count(each, name) for each in answers)
    if not before <= stored <= after:
        raise ProtocolError(f"{name}: its buffer held {before}, then {stored}, then {after} readings: one of them was garbled")
    return stored


def parse_stopped(answer: str, name: str) -> bool:
    """Whether nothing runs, by the answer to STATUS."""
    state = answer.split(";", maxsplit=1)[0].strip().upper()
    if state not in _STOPPED | _MOVING:
        raise ProtocolError(f"{name}: {answer!r} is no state of a trigger model")
    return state in _STOPPED


def parse_time(answer: str, name: str) -> tuple[float, float]:
    """s since 1970, and the fraction of a second that a float has no room for beside them; by the answer to FIRST_READING_AT."""
    fields = answer.split(",")
    if len(fields) != 2:
        raise ProtocolError(f"{name}: {answer!r} is not 'seconds,fraction'")
    return parse_number(fields[0], name), parse_number(fields[1], name)


def stored_values(first: int, last: int) -> tuple[str, ...]:
    """The query of a block: readings first to last, counted from 1."""
    return (":FORM:BORD SWAP", ":FORM REAL", f':TRAC:DATA? {first},{last},"{BUFFER}",SOUR,READ,REL')


def block_bytes(readings: int) -> int:
    return readings * COLUMNS * 8


def parse_values(block: bytes) -> Floats:
    """(readings, COLUMNS)"""
    return np.frombuffer(block, "<f8").reshape(-1, COLUMNS).astype(np.float64)


def stored_statuses(first: int, last: int) -> tuple[Step, ...]:
    """Only as text: a block does not hold them."""
    return (TEXT_FORM, Question(f':TRAC:DATA? {first},{last},"{BUFFER}",SOURSTAT'))


def parse_statuses(answer: str, readings: int, name: str) -> NDArray[np.int64]:
    """(readings,)"""
    statuses = np.array([parse_count(field, name) for field in answer.split(",")], np.int64)
    if len(statuses) != readings:
        raise ProtocolError(f"{name}: {len(statuses)} states of {readings} readings; nothing of it is believed")
    return statuses
