"""Making safe from outside: own connections, whoever holds the instruments. Used by the watchdog and before serving.

Rule 1: SMU and controller are stopped at the same time, so that a dead one does not delay the other; then the prober
separates, because lifting under bias arcs the pads. Rule 2: one that fails never keeps the others from being tried.
Rule 3: every wait has the hurry's own deadline, however patient the instrument's driver is otherwise.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from drivers.errors import DriverError, LinkTimeout
from drivers.values import Identity
from hil.model.lab import LabConfig
from hil.station.errors import StationError
from hil.station.instruments import inspect_crossbar, open_crossbar_for_safety, open_prober, open_smu
from hil.station.safety import attempt, dark, require_chip

HURRY_S = 0.8
"""Longest wait for a connection or an answer while stopping: SMU and controller have 2 s, the prober some 3 s more."""
SEPARATE_S = 2.5
"""Longest wait for the chuck to come down, the second try included."""


@dataclass(frozen=True)
class CheckResult:
    """One instrument of `check_lab`. text: who answered and in what state, or what went wrong and what to do."""

    instrument: str
    address: str
    ok: bool
    text: str
    identity: Identity | None = None


def stop_everything(lab: LabConfig, latch: bool, progress: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
    """SMU off, controller isolated (latched on request), prober separated. Instrument -> "safe" or the error's text.

    progress: told the outcome so far, the prober "separating", before the slow part. What it raises comes out after the
    prober has separated, never instead.
    """
    outcome = dark(lambda: _smu_off(lab), lambda: _isolate(lab, latch))
    try:
        if progress is not None:
            progress({**outcome, "prober": "separating"})
    finally:
        outcome["prober"] = attempt(lambda: _separate(lab))
    return outcome


def clear_emergency(lab: LabConfig) -> None:
    """Let the controller leave its latched stop; everything stays isolated. Raises UnknownDriver, DriverError."""
    with closing(open_crossbar_for_safety(lab, lab.crossbar.timeout_s)) as crossbar:
        crossbar.clear_emergency_stop()


def check_lab(lab: LabConfig) -> list[CheckResult]:
    """Connect to each instrument and identify it; changes nothing. One that fails never hides the others."""
    return [
        _check("prober", lab.prober.address, lambda: _look_at_prober(lab)),
        _check("smu", lab.smu.address, lambda: _look_at_smu(lab)),
        _check("crossbar", lab.crossbar.address, lambda: _look_at_crossbar(lab)),
    ]


def _smu_off(lab: LabConfig) -> None:
    with closing(open_smu(lab, HURRY_S)) as smu:
        smu.output_off()


def _isolate(lab: LabConfig, latch: bool) -> None:
    with closing(open_crossbar_for_safety(lab, HURRY_S)) as crossbar:
        if latch:
            crossbar.emergency_stop()
        else:
            crossbar.isolate()


def _separate(lab: LabConfig) -> None:
    with closing(open_prober(lab, HURRY_S, SEPARATE_S)) as prober:
        prober.separate()


def _look_at_prober(lab: LabConfig) -> tuple[Identity, str]:
    with closing(open_prober(lab)) as prober:
        return prober.identify(), ""


def _look_at_smu(lab: LabConfig) -> tuple[Identity, str]:
    with closing(open_smu(lab)) as smu:
        return smu.identify(), ", output ON" if smu.output_is_on() else ", output off"


def _look_at_crossbar(lab: LabConfig) -> tuple[Identity, str]:
    try:
        found = inspect_crossbar(lab)
    except LinkTimeout as error:
        raise LinkTimeout(f"{error}; is this the controller of [crossbar] in lab.toml?") from error
    require_chip(lab, found.geometry)
    return found.identity, ""


def _check(instrument: str, address: str, identify: Callable[[], tuple[Identity, str]]) -> CheckResult:
    try:
        identity, state = identify()
    except (DriverError, StationError) as error:
        return CheckResult(instrument, address, False, str(error))
    origin = f"simulated, seed {identity.seed}" if identity.simulated else "measured"
    text = f"{identity.vendor} {identity.model}, serial {identity.serial}, firmware {identity.firmware} ({origin}){state}"
    return CheckResult(instrument, address, True, text, identity)
