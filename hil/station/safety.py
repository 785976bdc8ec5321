"""The lab's limits once more, right before an instrument is told: a plan was checked long ago and by another process.

Every check refuses NaN. Nothing is clipped: a value beyond a limit is somebody's mistake.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DriverError, OverLimit
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits as BoardLimits
from hil.model.lab import LabConfig, Limits
from hil.station.errors import StationError, WrongChip

_log = logging.getLogger(__name__)

_OFF_HEAD_START_S = 0.1
_OFF_WITHIN_S = 5.0
"""Our own drivers need about one second at the most."""


def check_read(limits: Limits, read_volts: float) -> None:
    """Raises OverLimit unless limits.smallest_read_volts <= |read_volts| <= limits.read_volts."""
    if not abs(read_volts) <= limits.read_volts:
        raise OverLimit(f"read_volts {read_volts!r} V is beyond {limits.read_volts:g} V (limits.read_volts); lower it or change lab.toml")
    if abs(read_volts) < limits.smallest_read_volts:
        raise OverLimit(
            f"read_volts {read_volts!r} V is below {limits.smallest_read_volts:g} V (limits.smallest_read_volts): "
            "a current that small says nothing; raise it"
        )


def check_averages(limits: Limits, averages: int) -> None:
    if not 1 <= averages <= limits.averages:
        raise OverLimit(f"averages {averages!r} is outside 1 to {limits.averages} (limits.averages); lower it or change lab.toml")


def check_pulse(limits: Limits, pulse_volts: float, pulse_s: float) -> None:
    """Raises OverLimit unless the pulse's magnitude and length are within limits.device_volts and limits.pulse_s."""
    if not 0 < abs(pulse_volts) <= limits.device_volts:
        raise OverLimit(
            f"pulse_volts {pulse_volts!r} V is outside 0 to {limits.device_volts:g} V (limits.device_volts); lower it or change lab.toml"
        )
    if not 0 < pulse_s <= limits.pulse_s:
        raise OverLimit(f"pulse_s {pulse_s!r} s is outside 0 to {limits.pulse_s:g} s (limits.pulse_s); shorten it or change lab.toml")


def check_inputs(limits: Limits, input_volts: NDArray[np.float64]) -> None:
    """Raises OverLimit unless every input of a vector-matrix product is finite and within limits.read_volts."""
    if input_volts.size and not np.abs(input_volts).max() <= limits.read_volts:
        worst = input_volts.flat[np.argmax(np.where(np.isnan(input_volts), np.inf, np.abs(input_volts)))]
        raise OverLimit(
            f"an input of {worst:g} V is beyond {limits.read_volts:g} V (limits.read_volts); scale the inputs or change lab.toml"
        )


def require_chip(lab: LabConfig, found: Geometry) -> None:
    """Raises WrongChip unless the controller addresses the crossbar of lab.toml."""
    if found.shape != lab.chip.shape:
        raise WrongChip(
            f"crossbar at {lab.crossbar.address}: the controller addresses {found.shape} (kernels, rows, columns), [chip] of lab.toml says "
            f"{lab.chip.shape}; correct lab.toml"
        )


def board_limits(limits: Limits, board: BoardLimits) -> BoardLimits:
    """What the controller is asked to refuse: the board's own limits, tightened to the lab's."""
    lab = replace(
        board,
        device_uv=round(limits.device_volts * 1e6),
        read_uv=round(limits.read_volts * 1e6),
        pulse_ns=round(limits.pulse_s * 1e9),
    )
    return board.tightened(lab)


def attempt(make_safe: Callable[[], object]) -> str:
    """ "safe", or what went wrong, whatever it is: the next instrument is tried whatever became of this one."""
    try:
        make_safe()
    except (DriverError, StationError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever broke, the others are tried and nothing is called safe
        _log.exception("making safe")
        return f"a fault of the driver, please report it: {type(error).__name__}: {error}"
    return "safe"


def dark(smu_off: Callable[[], object], isolate: Callable[[], object]) -> dict[str, str]:
    """SMU off and controller isolated, each whatever becomes of the other. Instrument -> "safe" or the error's text.

    Isolating waits for a healthy SMU, which is off in milliseconds, because switching under bias is hard on a junction;
    it does not wait for one that is silent. A driver that never comes back keeps nobody from going on.
    """
    found: list[str] = []
    switching = Thread(target=lambda: found.append(attempt(smu_off)), name="output-off", daemon=True)
    switching.start()
    switching.join(_OFF_HEAD_START_S)
    crossbar = attempt(isolate)
    switching.join(_OFF_WITHIN_S)
    overdue = f"its driver has not come back from switching off within {_OFF_WITHIN_S:g} s; treat the needles as live"
    return {"smu": found[0] if found else overdue, "crossbar": crossbar}
