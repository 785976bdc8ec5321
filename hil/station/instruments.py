"""The three instruments of lab.toml, opened by the names their drivers registered under the entry point `hil.drivers`.

A driver is a function: smu(address, timeout_s), and of dead_socket, trigger_in and trigger_out those that lab.toml gives;
prober(address, timeout_s, pitch_um, home, overtravel_limit_um, separate_within_s), and of notch, dies, chuck_x_um, chuck_y_um and
output_is_off those that it knows; crossbar(address, baud, pulse_ids, timeout_s).
Beside `open_x` the module of a crossbar driver holds `open_x_for_safety(address, baud, timeout_s)`, the way in while another program
holds the controller, and `inspect_x(address, baud, timeout_s)`, which looks without touching even the session.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any, Protocol, cast

from drivers.protocols import CrossbarController, Prober, PulseIds, SourceMeter
from drivers.smu.values import Settings, SourceSettings
from drivers.values import Identity, Moving
from firmware_protocol.geometry import Geometry
from hil.model.lab import LabConfig
from hil.station.errors import UnknownDriver

GROUP = "hil.drivers"
_SMU_WIRING = ("dead_socket", "trigger_in", "trigger_out")
"""Keys of [smu] that a driver gets only when they were given: one that knows nothing of them works without."""
_APERTURES = 3
"""Of a reading with autozero: signal, reference, zero."""
_BOTH_QUANTITIES, _RANGES_TRIED = 2, 4
"""The source is read too; and so many times where the range is searched for."""
_SLOWEST_LINE_HERTZ = 50.0


class SafetyController(Protocol):
    """What making a controller safe needs."""

    def isolate(self) -> None: ...
    def emergency_stop(self) -> None: ...
    def clear_emergency_stop(self) -> None: ...
    def close(self) -> None: ...


class ControllerInspection(Protocol):
    """What a controller says of itself without a session."""

    @property
    def identity(self) -> Identity: ...
    @property
    def geometry(self) -> Geometry: ...


class PulseWitness(Protocol):
    """What asking after pulses needs of a controller."""

    def identify(self) -> Identity: ...
    def pulse_outcomes(self, first_id: int, count: int, session: int | None = None) -> list[str]: ...


class SmuWitness:
    """A SourceMeter with a memory of what its output is told. on_s: the longest that one reading may take, s, from the moment the
    output is to be switched on until it is to be switched off; else None. Read by another thread."""

    def __init__(self, smu: SourceMeter) -> None:
        self._smu = smu
        self._reading_s = 0.0
        self.on_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        """Everything else is the instrument's."""
        return getattr(self._smu, name)

    def configure(self, settings: Settings) -> None:
        self.on_s = None
        self._smu.configure(settings)
        self._reading_s = _longest_reading_s(settings)

    def output_on(self) -> None:
        self.on_s = self._reading_s
        self._smu.output_on()

    def output_off(self) -> None:
        self.on_s = None
        self._smu.output_off()


def _longest_reading_s(settings: Settings) -> float:
    fixed = settings.measure_range_amps if isinstance(settings, SourceSettings) else settings.measure_range_volts
    readings = _BOTH_QUANTITIES * (1 if fixed is not None else _RANGES_TRIED)
    return (settings.settle_s or 0.0) + readings * settings.nplc * _APERTURES / _SLOWEST_LINE_HERTZ


@dataclass(frozen=True)
class Instruments:
    """The three of one station."""

    smu: SourceMeter
    crossbar: CrossbarController
    prober: Prober

    @property
    def output_on_s(self) -> float | None:
        """See SmuWitness; None for an SMU that has none."""
        return getattr(self.smu, "on_s", None)

    @property
    def moving(self) -> Moving | None:
        """The prober's move under way; None while there is none, and of a prober that does not tell."""
        return getattr(self.prober, "moving", None)

    def off_and_isolated(self) -> None:
        """Nothing on the needles is driven: before every touchdown, lift and move. Raises DriverError, then nothing may move."""
        self.smu.output_off()
        self.crossbar.isolate()

    def close(self) -> None:
        for instrument in (self.smu, self.crossbar, self.prober):
            instrument.close()


def load_drivers(lab: LabConfig) -> None:
    """Import all three now, for whoever must not wait for that later. Raises UnknownDriver, ImportError."""
    for role in ("smu", "prober", "crossbar"):
        _driver(role, getattr(lab, role).driver)


def open_smu(lab: LabConfig, timeout_s: float | None = None) -> SourceMeter:
    """timeout_s: instead of lab.toml's, for those in a hurry. Raises UnknownDriver, ConnectFailed."""
    section = lab.smu
    opened = _driver("smu", section.driver)
    given = {name: value for name in _SMU_WIRING if (value := getattr(section, name)) is not None}
    _require_parameters(section.driver, opened, given)
    return cast("SourceMeter", SmuWitness(opened(section.address, timeout_s=timeout_s or section.timeout_s, **given)))


def open_prober(
    lab: LabConfig, timeout_s: float | None = None, separate_within_s: float | None = None, output_is_off: Callable[[], bool] | None = None
) -> Prober:
    """separate_within_s: longest wait of separating, retries included. output_is_off: of the SMU, asked by the driver before the needles
    touch; a driver that asks nobody relies on the station. Raises UnknownDriver, ConnectFailed."""
    opened = _driver("prober", lab.prober.driver)
    limits = lab.limits
    more = {
        "notch": lab.wafer.notch,
        "dies": lab.wafer.dies,
        "chuck_x_um": limits.chuck_x_um,
        "chuck_y_um": limits.chuck_y_um,
        "output_is_off": output_is_off,
    }
    return opened(
        lab.prober.address,
        timeout_s=timeout_s or lab.prober.timeout_s,
        pitch_um=lab.wafer.pitch_um,
        home=lab.wafer.home,
        overtravel_limit_um=limits.overtravel_um,
        separate_within_s=separate_within_s,
        **{name: value for name, value in more.items() if _takes(opened, name)},
    )


def _takes(function: Callable[..., Any], name: str) -> bool:
    known = signature(function).parameters.values()
    return any(each.name == name or each.kind is Parameter.VAR_KEYWORD for each in known)


def open_crossbar(lab: LabConfig, pulse_ids: PulseIds) -> CrossbarController:
    """Raises UnknownDriver, ConnectFailed."""
    section = lab.crossbar
    return _driver("crossbar", section.driver)(section.address, baud=section.baud, pulse_ids=pulse_ids, timeout_s=section.timeout_s)


def open_crossbar_for_safety(lab: LabConfig, timeout_s: float) -> SafetyController:
    """Raises UnknownDriver, ConnectFailed."""
    section = lab.crossbar
    return _beside(section.driver, "{0}_for_safety")(section.address, baud=section.baud, timeout_s=timeout_s)


def inspect_crossbar(lab: LabConfig) -> ControllerInspection:
    """Raises UnknownDriver, DriverError."""
    section = lab.crossbar
    return _beside(section.driver, "inspect_{1}")(section.address, baud=section.baud, timeout_s=section.timeout_s)


def _require_parameters(driver: str, function: Callable[..., Any], names: Collection[str]) -> None:
    """Raises UnknownDriver for a key of lab.toml that the driver does not know."""
    unknown = sorted(name for name in names if not _takes(function, name))
    if unknown:
        raise UnknownDriver(f"[smu] driver {driver!r} knows no {', '.join(unknown)}; remove that from lab.toml or use a driver that does")


def _driver(role: str, name: str) -> Callable[..., Any]:
    return _entry(role, name).load()


def _beside(name: str, pattern: str) -> Callable[..., Any]:
    """A further function of the crossbar driver's module. pattern: its name, {0} the driver's function, {1} that without open_."""
    entry = _entry("crossbar", name)
    wanted = pattern.format(entry.attr, entry.attr.removeprefix("open_"))
    try:
        return getattr(import_module(entry.module), wanted)
    except AttributeError as error:
        raise UnknownDriver(f"[crossbar] driver {name!r}: {entry.module} has no {wanted}; use a driver that has") from error


def _entry(role: str, name: str) -> EntryPoint:
    registered = entry_points(group=GROUP)
    for entry in registered:
        if entry.name == name:
            return entry
    known = ", ".join(sorted(entry.name for entry in registered)) or "none"
    raise UnknownDriver(
        f"[{role}] driver {name!r} is not registered; known drivers: {known}. Correct lab.toml or install the driver's package"
    )
