"""What is said to a Keithley 2450 in SCPI mode, apart from saying it: values in, lines out, and answers back into values.

Source: 2450 reference manual 2450-901-01, section 6 (SCPI command reference).
"""

import math
import re

from drivers.errors import ProtocolError
from drivers.origin import origin_of
from drivers.scpi import number, parse_flag, parse_number
from drivers.smu.values import SmuReading, SourceSettings
from drivers.values import Identity

IDENTITY = "*IDN?"
LANGUAGE = "*LANG?"
OUTPUT_OFF = ":OUTP OFF"
OUTPUT_ON = ":OUTP ON"
OUTPUT_STATE = ":OUTP?"

_OVERFLOW = 9e36
"""The 2450 reports +9.9E37 for a reading beyond its range."""


def configuration(settings: SourceSettings, range_volts: float) -> list[str]:
    """Source voltage at level 0, measure current, output left off. The output is off before anything changes.

    The level goes first: a level of before beyond the new range would make the 2450 refuse the range.
    """
    sense = "ON" if settings.four_wire else "OFF"
    return [
        OUTPUT_OFF,
        ":SOUR:FUNC VOLT",
        ":SOUR:VOLT:LEV 0",
        f":SOUR:VOLT:RANG {number(range_volts)}",
        f":SOUR:VOLT:ILIM {number(settings.limit_amps)}",
        ":SOUR:VOLT:READ:BACK ON",
        ':SENS:FUNC "CURR"',
        f":SENS:CURR:RSEN {sense}",
        ":SENS:CURR:RANG:AUTO ON",
        f":SENS:CURR:NPLC {number(settings.nplc)}",
        ":SENS:COUN 1",
    ]


def measurement(volts: float) -> str:
    """Level, reading, limit flag, back to 0 V, output state in one message: one round trip, and the flags are this reading's.

    The output state is asked last: who has its answer knows that the level was at 0 V before.
    """
    return f':SOUR:VOLT:LEV {number(volts)};:READ? "defbuffer1",SOUR,READ;:SOUR:VOLT:ILIM:TRIP?;:SOUR:VOLT:LEV 0;:OUTP?'


def parse_measurement(answer: str, name: str) -> tuple[SmuReading, bool]:
    """The reading and whether the output was on. amps is NaN where the reading overflowed. Raises ProtocolError."""
    parts = answer.split(";")
    point = parts[0].split(",")
    if len(parts) != 3 or len(point) != 2:
        raise ProtocolError(f"{name}: {answer!r} is not 'volts,amps;limiting;output'; resynchronise and repeat the reading")
    volts, amps = (parse_number(text, name) for text in point)
    overflowed = not abs(amps) < _OVERFLOW
    limiting = parse_flag(parts[1], name) or overflowed
    return SmuReading(volts, math.nan if overflowed else amps, limiting), parse_flag(parts[2], name)


def parse_identity(answer: str) -> Identity | None:
    """Identity of a 2450, None for anything else."""
    fields = [field.strip() for field in answer.split(",")]
    if len(fields) != 4 or not re.fullmatch(r"MODEL\s+2450", fields[1]):
        return None
    vendor, model, serial, firmware = fields
    return Identity(vendor, model, serial, firmware, *origin_of(serial))
