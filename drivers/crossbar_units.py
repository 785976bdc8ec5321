"""SI units of the caller to integers of the link and back. Rule: refuse what does not fit; never clip, never pass NaN."""

import math
import operator

import numpy as np
from numpy.typing import NDArray

from drivers.errors import OverLimit, Refused
from firmware_protocol.codes import CODE_MASKED, CODE_SATURATED, VMM_INPUT_UV

_MOST_VMM_UV = 32_767 * VMM_INPUT_UV
"""What a step of 16 bits can say."""
_MOST_COUNT = 127


def to_uv(volts: float, name: str) -> int:
    """Rounded to the link's 1 uV. Raises Refused for NaN and infinity."""
    return _rounded(volts, 1e6, name, "V")


def to_ns(seconds: float, name: str) -> int:
    """Rounded to the link's 1 ns. Raises Refused for NaN, infinity and what rounds to no pulse at all."""
    width_ns = _rounded(seconds, 1e9, name, "s")
    if width_ns < 1:
        raise Refused(f"crossbar: {name} {seconds:g} s is shorter than the controller's step of 1 ns")
    return width_ns


def _rounded(value: float, per_unit: float, name: str, unit: str) -> int:
    if not math.isfinite(value):
        raise Refused(f"crossbar: {name} is {value} {unit}; a finite number is needed")
    scaled = value * per_unit
    if not math.isfinite(scaled):
        raise OverLimit(f"crossbar: {name} is {value:g} {unit}, which is beyond any limit")
    return round(scaled)


def whole(value: int, name: str) -> int:
    """Raises Refused for what is no integer: cut off, it would be another junction."""
    try:
        return operator.index(value)
    except TypeError:
        raise Refused(f"crossbar: {name} is {value!r}; an integer is needed") from None


def check_limit(value: float, limit: int, per_unit: float, what: str) -> None:
    """Raises OverLimit naming both in the caller's unit. what: name and unit, as "read_volts V"."""
    if abs(value) > limit:
        name, unit = what.rsplit(" ", 1)
        raise OverLimit(
            f"crossbar: {name} {value / per_unit:g} {unit} is above the controller's limit of {limit / per_unit:g} {unit}; lower it"
        )


def to_vmm_inputs(volts: NDArray[np.float64], limit_uv: int) -> NDArray[np.int16]:
    """Inputs in the link's steps of 10 uV. Raises Refused for NaN, OverLimit beyond the read limit."""
    if not np.isfinite(volts).all():
        raise Refused("crossbar: an input voltage is not a finite number; unmeasured inputs must be left out, not sent")
    with np.errstate(over="ignore"):
        steps = np.rint(np.asarray(volts, np.float64) * (1e6 / VMM_INPUT_UV))
    # Compared before it becomes an integer of any size: what does not fit one would come out as another voltage.
    largest = float(np.abs(steps).max(initial=0.0)) * VMM_INPUT_UV
    check_limit(largest, min(limit_uv, _MOST_VMM_UV), 1e6, "input_volts V")
    return steps.astype("<i2")


def to_counts(counts: NDArray[np.integer], name: str) -> NDArray[np.int8]:
    """Times that each line is pulsed. Raises Refused for what is no integer, OverLimit beyond 127."""
    if not np.issubdtype(counts.dtype, np.integer):
        raise Refused(f"crossbar: {name} has dtype {counts.dtype}; integers are needed")
    if counts.min() < -_MOST_COUNT or counts.max() > _MOST_COUNT:
        raise OverLimit(f"crossbar: a line is pulsed at most {_MOST_COUNT} times by one outer product; send it in parts")
    return counts.astype(np.int8)


def to_amps(codes: bytes, zero_code: int, code_pa: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(amps, saturated), flat. amps is NaN for every reserved code."""
    wire = np.frombuffer(codes, "<u2")
    amps = (wire.astype(np.float64) - zero_code) * (code_pa * 1e-12)
    amps[wire >= CODE_MASKED] = np.nan
    return amps, wire == CODE_SATURATED


def to_codes(amps: NDArray[np.float64], zero_code: int, code_pa: int) -> NDArray[np.uint16]:
    """Reading codes of currents, "<u2"; NaN becomes CODE_MASKED. Raises OverLimit for what the converter cannot show."""
    codes = np.rint(amps / (code_pa * 1e-12)) + zero_code
    wanted = codes[~np.isnan(amps)]
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < CODE_MASKED):
        least, most = -zero_code * code_pa * 1e-12, (CODE_MASKED - 1 - zero_code) * code_pa * 1e-12
        raise OverLimit(f"crossbar: a target is beyond what the converter shows, {least:.4g} A to {most:.4g} A")
    return np.where(np.isnan(amps), CODE_MASKED, codes).astype("<u2")


def to_steps(amps: float, code_pa: int) -> int:
    """A difference of currents in the converter's steps. Raises Refused for what is no tolerance."""
    steps = _rounded(amps, 1e12 / code_pa, "tolerance", "A")
    if not 0 <= steps <= 0xFFFF:
        raise Refused(f"crossbar: a tolerance of {amps} A is {steps} steps of the converter; 0 to 65535 are possible")
    return steps
