"""What is said to channel A of a Keithley 2600B, apart from saying it: values in, flat TSP statements out, and answers back into values.

Rule: what matters is set, never assumed: another client, or the front panel, may have changed anything.
Source: 2600B reference manual 2600BS-901-01, section 9 (TSP command reference), 9-34 (buffer status bits), 5 (limits).
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from drivers.errors import OverLimit, ProtocolError, Refused
from drivers.origin import origin_of
from drivers.smu.capabilities import KEITHLEY_2602B, KEITHLEY_2634B, KEITHLEY_2635B, KEITHLEY_2636B, Source
from drivers.smu.setup import Setup
from drivers.smu.values import Flags, Floats, OffState, SmuProvenance, SmuReading
from drivers.tsp import PRECISE, number, parse_count, parse_flag, parse_number
from drivers.values import Identity

IDENTITY = "*IDN?"
ABORT = "smua.abort()"
OUTPUT = "smua.source.output"
OUTPUT_OFF = f"{OUTPUT} = 0"
OUTPUT_ON = f"{OUTPUT} = 1"
MODELS = {each.model: each for each in (KEITHLEY_2602B, KEITHLEY_2634B, KEITHLEY_2635B, KEITHLEY_2636B)}
BUFFERS = ("smua.nvbuffer1", "smua.nvbuffer2")
"""Of currents and of voltages."""
PROVENANCE = ("localnode.revision", "smua.cal.date", "localnode.linefreq")
READING = ("hil_i", "hil_v", "hil_s", "hil_l", "hil_o")
"""Variables of a measurement: current, voltage, status, level, whether the output is on."""
LEVEL_ERROR = 1e-4
"""How far a level may be off what was asked for, of its range: more than a step of the converter, far less than a wrong level."""

_COMPLIANCE = 0x40
"""Bit of a buffer's status: the source was limited."""
_OVERFLOW = 9e37
"""A reading beyond its range is 9.91E+37."""
_MODEL = re.compile(r"Model\s+(?P<number>26\d\dB)\b.*", re.IGNORECASE)
_OFF_MODES = {
    OffState.NORMAL: "smua.OUTPUT_NORMAL",
    OffState.HIGH_IMPEDANCE: "smua.OUTPUT_HIGH_Z",
    OffState.ZERO: "smua.OUTPUT_ZERO",
}
_LETTERS: dict[Source, tuple[str, str]] = {"volts": ("v", "i"), "amps": ("i", "v")}
"""(of the sourced, of the measured quantity)"""
_FUNCTIONS: dict[Source, tuple[str, int]] = {"volts": ("smua.OUTPUT_DCVOLTS", 1), "amps": ("smua.OUTPUT_DCAMPS", 0)}
_READ_BACK = 1e-6
"""What was set reads back to single precision."""


def level(source: Source, value: float) -> str:
    return f"smua.source.level{_LETTERS[source][0]} = {number(value)}"


def configuration(setup: Setup) -> list[str]:
    """Source at level 0, output left off. The output is off before anything changes.

    The lowest source range goes before the limit, because every limit fits it, and the wanted range after it, because limits of
    before need not fit that. Raises OverLimit for an off state that the 2600B does not have.
    """
    settings, (sourced, measured) = setup.settings, _LETTERS[setup.source]
    lowest = setup.capabilities.sourced(setup.source).source_ranges[0]
    automatic = settings.settle_s is None
    return [
        OUTPUT_OFF,
        ABORT,
        "localnode.showerrors = 0",
        f"smua.source.func = {_FUNCTIONS[setup.source][0]}",
        level(setup.source, 0.0),
        f"smua.source.range{sourced} = {number(lowest)}",
        f"smua.source.limit{measured} = {number(setup.limit)}",
        "smua.source.limitp = 0",
        f"smua.source.range{sourced} = {number(setup.range_)}",
        f"smua.source.offmode = {_off_mode(settings.off_state, setup)}",
        "smua.source.highc = smua.DISABLE",
        f"smua.source.delay = {'smua.DELAY_AUTO' if settings.settle_s is None else number(settings.settle_s)}",
        f"smua.measure.delay = {'smua.DELAY_AUTO' if automatic else 'smua.DELAY_OFF'}",
        f"smua.sense = {'smua.SENSE_REMOTE' if settings.four_wire else 'smua.SENSE_LOCAL'}",
        f"smua.measure.nplc = {number(settings.nplc)}",
        measure_range(setup),
        "smua.measure.count = 1",
        "smua.measure.filter.enable = smua.FILTER_OFF",
        "smua.measure.rel.enablei = smua.REL_OFF",
        "smua.measure.rel.enablev = smua.REL_OFF",
        f"smua.measure.autozero = {'smua.AUTOZERO_AUTO' if settings.autozero else 'smua.AUTOZERO_ONCE'}",
        *_buffers(),
    ]


def measure_range(setup: Setup) -> str:
    measured = _LETTERS[setup.source][1]
    if setup.measure_range is None:
        return f"smua.measure.autorange{measured} = smua.AUTORANGE_ON"
    return f"smua.measure.range{measured} = {number(setup.measure_range)}"


def cleared_buffers() -> list[str]:
    return [f"{buffer}.clear()" for buffer in BUFFERS]


def what_is_set(source: Source) -> tuple[str, str, str]:
    """What to ask before switching on: function, limit and level as they are by now."""
    sourced, measured = _LETTERS[source]
    return "smua.source.func", f"smua.source.limit{measured}", f"smua.source.level{sourced}"


def check_what_is_set(answers: Sequence[str], setup: Setup, name: str) -> None:
    """answers: to `what_is_set`. Raises Refused for an instrument that was reset or changed since it was configured."""
    function, limit, at_level = (parse_number(text, name) for text in answers)
    if function != _FUNCTIONS[setup.source][1] or at_level != 0 or not math.isclose(limit, setup.limit, rel_tol=_READ_BACK):
        raise Refused(
            f"{name}: function {function:g}, limit {limit!r} and level {at_level!r} are not what it was configured with "
            f"(limit {setup.limit!r}, level 0): it was reset, or someone else changed it; configure it again"
        )


def measurement(source: Source, value: float) -> list[str]:
    """Level, reading, its status, back to 0 and the output's state; `READING` is then to be asked for on the same line.

    The output's state is taken last: who has its answer knows that the level was at 0 before.
    """
    currents, voltages = BUFFERS
    return [
        PRECISE,
        *cleared_buffers(),
        level(source, value),
        f"hil_i, hil_v = smua.measure.iv({currents}, {voltages})",
        f"hil_s = {currents}.statuses[1]",
        f"hil_l = {currents}.sourcevalues[1]",
        level(source, 0.0),
        f"hil_o = {OUTPUT}",
    ]


def parse_measurement(answers: Sequence[str], setup: Setup, value: float, name: str) -> tuple[SmuReading, bool]:
    """answers: to `READING`, at the level `value`. The reading and whether the output was on.

    What was measured is NaN where it overflowed. Raises ProtocolError, for a reading at another level too.
    """
    amps, volts, at_level = (parse_number(text, name) for text in (answers[0], answers[1], answers[3]))
    status, output_on = parse_count(answers[2], name), parse_flag(answers[4], name)
    if not abs(at_level - value) <= LEVEL_ERROR * setup.range_:
        raise ProtocolError(f"{name}: the reading was taken at {at_level!r}, not at {value!r}; it is discarded")
    measured = amps if setup.source == "volts" else volts
    overflowed = abs(measured) > _OVERFLOW
    if overflowed:
        volts, amps = (volts, math.nan) if setup.source == "volts" else (math.nan, amps)
    return SmuReading(volts, amps, overflowed or bool(status & _COMPLIANCE)), output_on


def limited(measured: Floats, statuses: Floats) -> Flags:
    """Where the source was limited or the reading overflowed. Both (points,)."""
    return (statuses.astype(np.int64) & _COMPLIANCE != 0) | (np.abs(measured) > _OVERFLOW)


def parse_identity(answer: str) -> Identity | None:
    """Identity of a 2600B that is known here, None for anything else."""
    fields = [field.strip() for field in answer.split(",")]
    match = _MODEL.fullmatch(fields[1]) if len(fields) == 4 else None
    if match is None or match["number"].upper() not in MODELS:
        return None
    vendor, model, serial, firmware = fields
    return Identity(vendor, model, serial, firmware, *origin_of(serial))


def model_number(identity: Identity) -> str:
    """2636B of Model 2636B; of an identity that `parse_identity` accepted."""
    match = _MODEL.fullmatch(identity.model)
    assert match is not None
    return match["number"].upper()


def parse_provenance(answers: Sequence[str], name: str) -> SmuProvenance:
    """answers: to `PROVENANCE`. The calibration date is kept by the instrument in seconds since 1970, 0 for none."""
    calibrated_s = parse_number(answers[1], name) if answers[1] != "nil" else 0.0
    date = datetime.fromtimestamp(calibrated_s, UTC).date().isoformat() if calibrated_s > 0 else None
    return SmuProvenance(answers[0], date, parse_number(answers[2], name))


def _off_mode(state: OffState, setup: Setup) -> str:
    if state not in _OFF_MODES:
        known = ", ".join(_OFF_MODES)
        raise OverLimit(f"{setup.capabilities.model}: it has no output-off state {state.value!r}; choose one of {known}")
    return _OFF_MODES[state]


def _buffers() -> list[str]:
    """What each holds can only be changed while it is empty."""
    statements = cleared_buffers()
    for buffer in BUFFERS:
        statements += [
            f"{buffer}.appendmode = 1",
            f"{buffer}.collecttimestamps = 1",
            f"{buffer}.collectsourcevalues = 1",
            f"{buffer}.timestampresolution = 1e-06",
            f"{buffer}.fillmode = smua.FILL_ONCE",
        ]
    return statements
