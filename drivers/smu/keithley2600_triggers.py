"""The trigger model of a 2600B said in flat statements: sweeps, pulses, scans, and what is read out of its buffers.

Rule 1: every layer is set anew for every use; a stimulus of before would hang or hurry it.
Rule 2: nothing beyond what is stored is asked for: `printbuffer` waits for readings that are still to come, and blocks the parser.
Source: 2600B reference manual 2600BS-901-01, section 9 and 4 (trigger model, timers), 9-314 (trigger overruns).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivers.errors import OverLimit, ProtocolError, Refused
from drivers.smu.capabilities import SmuCapabilities, Source
from drivers.smu.keithley2600_messages import ABORT, BUFFERS, OUTPUT, cleared_buffers, level, measure_range
from drivers.smu.planning import evenly_spaced
from drivers.smu.setup import Setup
from drivers.smu.values import Floats, ScanSettings
from drivers.tsp import PRECISE, number, parse_count, parse_flag, table

COUNTS = ("hil_n", "hil_m", "hil_o", "hil_x")
"""Variables of `count_readings`."""
_EDGE_S = 10e-6
"""Width of the edge that says a reading is taken; also the shortest delay of a timer."""
_MEASURE_OVERRUN = 8
"""Bit of smua.trigger_overrun: an edge came while the measure layer had one waiting."""
_LETTERS: dict[Source, tuple[str, str]] = {"volts": ("v", "i"), "amps": ("i", "v")}
_STIMULI = ("arm", "source", "measure", "endpulse")


@dataclass(frozen=True)
class Pulse:
    """pulse_s: how long each level stands. period_s: from one to the next. reading_s: how long before its end the reading begins."""

    pulse_s: float
    period_s: float
    reading_s: float


@dataclass(frozen=True)
class Progress:
    """stored: readings that can be read out. overrun: whether an edge was lost."""

    stored: int
    output_on: bool
    overrun: bool


def check_pulse(pulse: Pulse, setup: Setup) -> None:
    """Raises OverLimit for a pulse too short for its reading, or that leaves no time at zero before the next."""
    settled_s = setup.settings.settle_s or 0.0
    setup.capabilities.check_pulse(pulse.pulse_s, settled_s + pulse.reading_s)
    if not pulse.period_s - pulse.pulse_s >= _EDGE_S:
        raise OverLimit(
            f"{setup.capabilities.model}: a period of {pulse.period_s!r} s leaves no {_EDGE_S:g} s at zero "
            f"after a pulse of {pulse.pulse_s!r} s; lengthen it"
        )


def check_scan(settings: ScanSettings, setup: Setup) -> None:
    """Raises OverLimit for more readings than the buffer holds, a level beyond what was configured, a model without digital lines."""
    model = setup.capabilities
    if not model.digital_lines:
        raise OverLimit(f"{model.model}: it has no digital lines to be triggered by; read junction by junction")
    if setup.source != "volts":
        raise Refused(f"{model.model}: a scan sources volts, and it was configured to source amps; configure it again")
    if not 1 <= settings.readings <= model.buffer_readings:
        raise OverLimit(
            f"{model.model}: {settings.readings} readings are not 1 to the {model.buffer_readings} of its buffer; scan in parts"
        )
    setup.check_level(settings.volts)


def parts_of(levels: Floats, capabilities: SmuCapabilities) -> list[Floats]:
    """The levels in order, each part for one message: long ones if evenly spaced, lists otherwise."""
    at_once = capabilities.sweep_points if evenly_spaced(levels) else capabilities.list_per_message
    return [levels[first : first + at_once] for first in range(0, len(levels), at_once)]


def sweep(source: Source) -> list[str]:
    """Trigger model for level after level, as fast as it goes; back to zero at the end of each part."""
    return [
        ABORT,
        *cleared_buffers(),
        *_stimuli(),
        f"smua.trigger.measure.iv({', '.join(BUFFERS)})",
        "smua.trigger.measure.action = smua.ENABLE",
        "smua.trigger.source.action = smua.ENABLE",
        f"smua.trigger.source.limit{_LETTERS[source][1]} = smua.LIMIT_AUTO",
        "smua.trigger.endpulse.action = smua.SOURCE_HOLD",
        "smua.trigger.endsweep.action = smua.SOURCE_IDLE",
        "smua.trigger.arm.count = 1",
    ]


def pulsed_sweep(setup: Setup, pulse: Pulse) -> list[str]:
    """Timer 1 begins the pulses, timer 2 ends them, timer 3 begins their readings; at zero between them.

    A range searched for anew would stretch a pulse: the limit's own is taken then; so would autozero: it is done once before.
    """
    letter = _LETTERS[setup.source][1]
    reading = _timer(3, pulse.pulse_s - pulse.reading_s, 1, "trigger.timer[1].EVENT_ID")
    at_end = pulse.pulse_s - pulse.reading_s >= _EDGE_S
    return [
        *sweep(setup.source),
        "smua.trigger.endpulse.action = smua.SOURCE_IDLE",
        *([f"smua.measure.range{letter} = {number(setup.limit)}"] if setup.measure_range is None else []),
        *(["smua.measure.autozero = smua.AUTOZERO_ONCE"] if setup.settings.autozero else []),
        *_timer(1, pulse.period_s, 1, "smua.trigger.ARMED_EVENT_ID", passthrough=True),
        *_timer(2, pulse.pulse_s, 1, "trigger.timer[1].EVENT_ID"),
        *(reading if at_end else []),
        "smua.trigger.source.stimulus = trigger.timer[1].EVENT_ID",
        f"smua.trigger.measure.stimulus = {'trigger.timer[3].EVENT_ID' if at_end else 0}",
        "smua.trigger.endpulse.stimulus = trigger.timer[2].EVENT_ID",
    ]


def part(source: Source, levels: Floats, *, pulsed: bool) -> list[str]:
    """levels: (points,), as `parts_of` made them. The one of before is over, its last step to zero perhaps not yet: hence the abort."""
    letter, points = _LETTERS[source][0], len(levels)
    if evenly_spaced(levels):
        levels_set = f"smua.trigger.source.linear{letter}({number(levels[0])}, {number(levels[-1])}, {points})"
    else:
        levels_set = f"smua.trigger.source.list{letter}({table(levels.tolist())})"
    periods = [f"trigger.timer[1].count = {max(1, points - 1)}"] if pulsed else []
    return [ABORT, levels_set, f"smua.trigger.count = {points}", *periods, "smua.trigger.initiate()"]


def scan(volts: float, readings: int, line_in: int, line_out: int) -> list[str]:
    """A reading for every rising edge on line_in, answered by a short low pulse on line_out; the level stands.

    The last statement arms it.
    """
    return [
        PRECISE,
        ABORT,
        *cleared_buffers(),
        *_stimuli(),
        f"digio.trigger[{line_in}].mode = digio.TRIG_RISINGA",
        f"digio.trigger[{line_in}].clear()",
        f"digio.trigger[{line_out}].mode = digio.TRIG_FALLING",
        f"digio.trigger[{line_out}].pulsewidth = {number(_EDGE_S)}",
        f"digio.trigger[{line_out}].clear()",
        f"digio.trigger[{line_out}].stimulus = smua.trigger.MEASURE_COMPLETE_EVENT_ID",
        f"smua.trigger.measure.i({BUFFERS[0]})",
        "smua.trigger.measure.action = smua.ENABLE",
        f"smua.trigger.measure.stimulus = digio.trigger[{line_in}].EVENT_ID",
        "smua.trigger.source.action = smua.DISABLE",
        "smua.trigger.source.limiti = smua.LIMIT_AUTO",
        "smua.trigger.endpulse.action = smua.SOURCE_HOLD",
        "smua.trigger.endsweep.action = smua.SOURCE_HOLD",
        "smua.trigger.arm.count = 1",
        f"smua.trigger.count = {readings}",
        level("volts", volts),
        "smua.trigger.initiate()",
    ]


def ended(setup: Setup, line_out: int | None = None) -> list[str]:
    """Nothing runs, the level is zero, the lines are quiet, range and autozero as configured; the output stays as it is."""
    quiet = [] if line_out is None else [f"digio.trigger[{line_out}].stimulus = 0"]
    zeroing = ["smua.measure.autozero = smua.AUTOZERO_AUTO"] if setup.settings.autozero else []
    return [ABORT, level(setup.source, 0.0), *quiet, *_stimuli(), measure_range(setup), *zeroing]


def count_readings(buffers: Sequence[str]) -> list[str]:
    """Progress taken once, into `COUNTS`. buffers: those that are filled."""
    first, last = buffers[0], buffers[-1]
    return [
        f"hil_n = {first}.n",
        f"hil_m = {last}.n",
        f"hil_o = {OUTPUT}",
        "hil_x = status.operation.instrument.smua.trigger_overrun.condition",
    ]


def parse_progress(answers: Sequence[str], name: str) -> Progress:
    """answers: to `COUNTS`."""
    stored = min(parse_count(text, name) for text in answers[:2])
    return Progress(stored, parse_flag(answers[2], name), bool(parse_count(answers[3], name) & _MEASURE_OVERRUN))


def columns_of_sweep(source: Source) -> tuple[str, ...]:
    """amps, volts, time, status, level"""
    measured = BUFFERS[0] if source == "volts" else BUFFERS[1]
    return (*(f"{each}.readings" for each in BUFFERS), f"{measured}.timestamps", f"{measured}.statuses", f"{measured}.sourcevalues")


def columns_of_scan() -> tuple[str, ...]:
    """amps, time, status"""
    return tuple(f"{BUFFERS[0]}.{each}" for each in ("readings", "timestamps", "statuses"))


def print_readings(first: int, last: int, columns: Sequence[str]) -> list[str]:
    """Readings first..last, counted from 1, every column twice, as one block of little-endian doubles."""
    listed = ", ".join(columns)
    return [
        "format.data = format.REAL64",
        "format.byteorder = format.LITTLEENDIAN",
        f"printbuffer({first}, {last}, {listed}, {listed})",
        "format.data = format.ASCII",
    ]


def block_bytes(readings: int, columns: Sequence[str]) -> int:
    """Of the answer to `print_readings`, without `#0` and the line's end."""
    return 8 * readings * 2 * len(columns)


def parse_block(block: bytes, columns: Sequence[str], name: str) -> Floats:
    """(readings, columns). Raises ProtocolError unless both copies of every value are the same."""
    pairs = np.frombuffer(block, dtype="<u8").reshape(-1, 2, len(columns))
    if not np.array_equal(pairs[:, 0], pairs[:, 1]):
        raise ProtocolError(f"{name}: the two copies of {len(pairs)} readings differ; they are not to be trusted")
    return np.ascontiguousarray(pairs[:, 0]).view("<f8").astype(np.float64)


def _stimuli() -> list[str]:
    return [f"smua.trigger.{layer}.stimulus = 0" for layer in _STIMULI]


def _timer(index: int, delay_s: float, count: int, stimulus: str, *, passthrough: bool = False) -> list[str]:
    timer = f"trigger.timer[{index}]"
    # Reset, because one that a sweep left behind still runs
    return [
        f"{timer}.reset()",
        f"{timer}.delay = {number(round(delay_s, 7))}",
        f"{timer}.count = {count}",
        f"{timer}.passthrough = {'true' if passthrough else 'false'}",
        f"{timer}.stimulus = {stimulus}",
    ]
