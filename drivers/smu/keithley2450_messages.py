"""What is said to a Keithley 2450 in SCPI mode, apart from saying it: values in, lines out, and answers back into values.

The 2460, 2461 and 2470 speak the same language. Source: 2450 reference manual 2450-901-01, section 6 (SCPI command reference);
bits of the source status: 8-29, and 2461-901-01, 8-31 (bufferVar.sourcestatuses); calibration date: calibration manual 2461-905-01, 5-12.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolError, Refused
from drivers.origin import origin_of
from drivers.scpi import Question, Step, number, parse_count, parse_flag, parse_number
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2460, KEITHLEY_2461, KEITHLEY_2470, SmuCapabilities, Source
from drivers.smu.setup import Setup
from drivers.smu.values import Flags, OffState, SmuReading
from drivers.values import Identity

IDENTITY = "*IDN?"
LANGUAGE = "*LANG?"
OUTPUT_OFF = ":OUTP OFF"
OUTPUT_ON = ":OUTP ON"
OUTPUT_STATE = Question(":OUTP?")
ABORT = ":ABOR"
TEXT_FORM = ":FORM ASC"
LINE_FREQUENCY = Question(":SYST:LFR?")
CALIBRATION_DATE = Question(":CAL:VER:DATE?")

_POINT = '"defbuffer1",SOUR,READ,SOURSTAT'
MEASUREMENT = Question(f":READ? {_POINT}", again=f":FETC? {_POINT}")
"""A reading, and the same one once more out of the buffer it went into."""

MODELS = {each.model: each for each in (KEITHLEY_2450, KEITHLEY_2460, KEITHLEY_2461, KEITHLEY_2470)}

OVERFLOW = 9e36
"""A reading beyond its range is +9.9E37."""
_PROTECTED, _OVER_TEMPERATURE, _LIMITED, _OUTPUT_ON = 4, 16, 32, 128
"""Bits of the source status. The overvoltage protection limits too; too hot, the source is off: nothing measured then is the device
either."""
_DIGITS = 10
"""Of a number as text, more than it measures."""
_READS_BACK = 1e-6
"""How far a setting that reads back may be off: its seven digits."""
_OFF_STATES = {OffState.NORMAL: "NORM", OffState.HIGH_IMPEDANCE: "HIMP", OffState.ZERO: "ZERO", OffState.GUARD: "GUAR"}


@dataclass(frozen=True)
class Words:
    """What the two quantities are called while one of them is sourced."""

    source: str
    measure: str
    limit: str

    @property
    def level(self) -> str:
        return f":SOUR:{self.source}:LEV"

    @property
    def level_question(self) -> Question:
        return Question(f"{self.level}?")


_UNITS = {"VOLT": "VOLT", "CURR": "AMP"}
_WORDS: dict[Source, Words] = {"volts": Words("VOLT", "CURR", "ILIM"), "amps": Words("CURR", "VOLT", "VLIM")}


def words(source: Source) -> Words:
    return _WORDS[source]


def configuration(setup: Setup) -> list[str]:
    """Everything at level 0, output left off. The output is off before anything changes.

    The level goes first: a level of before beyond the new range would make the 2450 refuse the range. The measure range is automatic
    while the limit is set: a fixed one of before would change the limit.
    """
    settings, said = setup.settings, words(setup.source)
    source, sense = f":SOUR:{said.source}", f":SENS:{said.measure}"
    return [
        OUTPUT_OFF,
        ABORT,
        f":SOUR:FUNC {said.source}",
        set_level(setup.source, 0.0),
        source_range(setup),
        f':SENS:FUNC "{said.measure}"',
        f"{sense}:RANG:AUTO ON",
        f"{source}:{said.limit} {number(setup.limit)}",
        *([] if setup.measure_range is None else [f"{sense}:RANG {number(setup.measure_range)}"]),
        read_back(setup, on=True),
        source_delay(setup),
        f":OUTP:{said.source}:SMOD {_OFF_STATES[settings.off_state]}",
        f"{sense}:RSEN {'ON' if settings.four_wire else 'OFF'}",
        f"{sense}:NPLC {number(settings.nplc)}",
        *([f"{sense}:AZER ON"] if settings.autozero else [f"{sense}:AZER OFF", ":SENS:AZER:ONCE"]),
        ":SENS:COUN 1",
        *_as_measured(said.measure),
        f":FORM:ASC:PREC {_DIGITS}",
        TEXT_FORM,
    ]


def _as_measured(measure: str) -> list[str]:
    """Nothing that the front panel or another client left stands between what is measured and what is read: no other unit, offset,
    filter or calculation, and no full buffer that would answer with its last reading."""
    sense, unit = f":SENS:{measure}", _UNITS[measure]
    return [
        f"{sense}:UNIT {unit}",
        f"{sense}:REL:STAT OFF",
        f"{sense}:AVER OFF",
        f":CALC:{measure}:MATH:STAT OFF",
        ':TRAC:FILL:MODE CONT,"defbuffer1"',
    ]


def source_delay(setup: Setup) -> str:
    """From a new level to its reading."""
    delay, settle_s = f":SOUR:{words(setup.source).source}:DEL", setup.settings.settle_s
    return f"{delay}:AUTO ON" if settle_s is None else f"{delay} {number(settle_s)}"


def read_back(setup: Setup, *, on: bool) -> str:
    """Whether what is sourced is measured too, with every reading: an aperture more."""
    return f":SOUR:{words(setup.source).source}:READ:BACK {'ON' if on else 'OFF'}"


def configured(setup: Setup) -> list[Step]:
    """Reads back what must not be otherwise: level, range, limit, output."""
    said = words(setup.source)
    return [said.level_question, Question(f":SOUR:{said.source}:RANG?"), Question(f":SOUR:{said.source}:{said.limit}?"), OUTPUT_STATE]


def check_configured(answers: Sequence[str], setup: Setup, name: str) -> bool:
    """Whether the output is on. Raises Refused when the instrument holds another level, range or limit than it was told."""
    *numbers, output = answers
    for what, text, wanted in zip(("level", "range", "limit"), numbers, (0.0, setup.range_, setup.limit), strict=True):
        require_value(what, parse_number(text, name), wanted, name)
    return parse_flag(output, name)


def require_value(what: str, value: float, wanted: float, name: str) -> None:
    """Raises Refused unless a setting reads back as it was said, to its seven digits."""
    if not abs(value - wanted) <= _READS_BACK * abs(wanted):
        raise Refused(f"{name}: the {what} reads {value!r} after it was set to {wanted!r}; look at the front panel, configure it again")


def set_level(source: Source, level: float) -> str:
    return f"{words(source).level} {number(level)}"


def source_range(setup: Setup) -> str:
    return f":SOUR:{words(setup.source).source}:RANG {number(setup.range_)}"


def back_to_zero(setup: Setup) -> list[str]:
    """Whatever an operation left: no sweep runs, level 0 on its own range (a list leaves another one), numbers as text."""
    return [ABORT, set_level(setup.source, 0.0), source_range(setup), TEXT_FORM]


def measurement(source: Source, level: float) -> list[Step]:
    """Level, reading, back to 0, output state in one message: one round trip, and the flags are this reading's.

    The output state is asked last: who has its answer knows that the level was at 0 before.
    """
    return [set_level(source, level), words(source).level_question, MEASUREMENT, set_level(source, 0.0), OUTPUT_STATE]


def parse_measurement(answers: Sequence[str], source: Source, level: float, name: str) -> tuple[SmuReading, bool]:
    """The reading and whether the output was on. What was measured is NaN where it overflowed. Raises ProtocolError, Refused."""
    level_text, point, output = answers
    fields = point.split(",")
    if len(fields) != 3:
        raise ProtocolError(f"{name}: {point!r} is not 'sourced,measured,status'")
    sourced, measured = (parse_number(text, name) for text in fields[:2])
    limited = bool(are_limited(np.array(parse_count(fields[2], name))))
    require_value("level", parse_number(level_text, name), level, name)
    if not abs(measured) < OVERFLOW:
        limited, measured = True, math.nan
    volts, amps = (sourced, measured) if source == "volts" else (measured, sourced)
    return SmuReading(volts, amps, limited), parse_flag(output, name)


def are_limited(status: NDArray[np.int64]) -> Flags:
    """By the source status of each reading: what was measured is the limit, and not the device."""
    return (status & (_LIMITED | _OVER_TEMPERATURE | _PROTECTED)) != 0


def are_on(status: NDArray[np.int64]) -> Flags:
    """By the source status of each reading: whether the output was on."""
    return (status & _OUTPUT_ON) != 0


def parse_identity(answer: str) -> tuple[Identity, SmuCapabilities] | None:
    """Who answers, if it is a 2450 or one of its sisters; None for anything else."""
    fields = [field.strip() for field in answer.split(",")]
    model = re.fullmatch(r"MODEL\s+(\d{4})", fields[1]) if len(fields) == 4 else None
    if model is None or model[1] not in MODELS:
        return None
    vendor, named, serial, firmware = fields
    return Identity(vendor, named, serial, firmware, *origin_of(serial)), MODELS[model[1]]
