"""What the station says of itself, as JSON: who measured, how the instruments are, what went over the wires."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from drivers.board_faults import SessionTaken
from drivers.errors import DriverError, LinkError
from drivers.values import Identity
from hil.station.instruments import Instruments
from hil.station.smu_path import knows

NAMES = ("smu", "crossbar", "prober")


def identify_all(instruments: Instruments) -> dict[str, Identity]:
    """Raises DriverError when one of them is not what lab.toml says."""
    return {name: getattr(instruments, name).identify() for name in NAMES}


def named(identity: Identity) -> dict[str, str]:
    return {"vendor": identity.vendor, "model": identity.model, "serial": identity.serial, "firmware": identity.firmware}


def named_all(instruments: Instruments, identities: Mapping[str, Identity]) -> dict[str, dict[str, Any]]:
    """Who each is, and of the SMU when it was calibrated and at which line frequency its apertures count."""
    told: dict[str, dict[str, Any]] = {name: {**named(identity)} for name, identity in identities.items()}
    told["smu"] |= instruments.smu.provenance().as_json() if knows(instruments.smu, "provenance") else {}
    return told


def origin(identities: Iterable[Identity]) -> dict[str, object]:
    """One simulated instrument makes everything simulated; the seed only where those that name one agree."""
    simulated = [identity for identity in identities if identity.simulated]
    seeds = {identity.seed for identity in simulated if identity.seed is not None}
    return {"simulated": bool(simulated), "seed": seeds.pop() if len(seeds) == 1 else None}


def wires(instruments: Instruments) -> dict[str, dict[str, Any]]:
    """Flat: what was rejected stands there by reason, as rejected_crc."""
    return {name: _flat(asdict(getattr(instruments, name).counts())) for name in NAMES}


def _flat(counts: dict[str, Any]) -> dict[str, Any]:
    rejected: dict[str, int] = counts.pop("rejected", {})
    return counts | {f"rejected_{reason}": number for reason, number in rejected.items()}


def instrument_states(
    instruments: Instruments, identities: Mapping[str, Identity], named_so: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Asks each; one that does not answer is shown as not connected, with the reason. missing: commands its firmware lacks.

    named_so: of `named_all`.
    """
    smu_on, smu_error = _ask(instruments.smu.output_is_on)
    crossbar, crossbar_error = _ask(lambda: asdict(instruments.crossbar.status()))
    prober, prober_error = _ask(lambda: finite(asdict(instruments.prober.state())))
    errors = {"smu": smu_error, "crossbar": crossbar_error, "prober": prober_error}
    told: dict[str, dict[str, Any]] = {
        name: {**named_so[name], "simulated": identity.simulated, **_connection(errors[name])} for name, identity in identities.items()
    }
    told["crossbar"]["missing"] = sorted(instruments.crossbar.info().missing)
    return {
        "instruments": told,
        "smu_output_on": smu_on,
        "crossbar": crossbar,
        "prober": prober,
    }


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN and no infinity: None."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()}


def lost(error: BaseException | None) -> bool:
    """Whether the line broke: not when somebody else took the controller, which is a quarrel to be settled and no line to be mended."""
    return isinstance(error, LinkError) and not isinstance(error, SessionTaken)


def _connection(error: DriverError | None) -> dict[str, Any]:
    return {"connected": error is None, "lost": lost(error), "error": None if error is None else str(error)}


def _ask(question: Callable[[], Any]) -> tuple[Any, DriverError | None]:
    try:
        return question(), None
    except DriverError as error:
        return None, error
