"""A TOML file of faults -> a plan for each instrument's line. docs/faults.md says what a file may hold.

Rule: a file is used whole or refused whole, in one line that names the key, its value and what would be right.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.prober_faults import DOORS, PlannedFault, ProberFault

Table = Mapping[str, object]
_NS_PER_S = 1_000_000_000
_LONGEST_S = 86_400.0
_MOST_NOISE_BYTES = 65_536

ON_A_SERIAL_LINE = frozenset(FaultName) - {FaultName.RESET}
ON_TCP = frozenset(set(FaultName) - {FaultName.FLIP, FaultName.DROP, FaultName.DOUBLE, FaultName.SWAP, FaultName.NOISE, FaultName.REBOOT})
"""TCP itself garbles no bytes; an instrument behind it can fail to speak, speak twice, stop in the middle, be late or hang up."""
GARBLED = frozenset((FaultName.FLIP, FaultName.DROP, FaultName.DOUBLE, FaultName.SWAP))
"""A source meter behind a converter of GPIB or a serial line does get its bytes garbled on the way."""
ALLOWED = {"crossbar": ON_A_SERIAL_LINE, "smu": ON_TCP | GARBLED, "prober": ON_TCP}
INTERLOCK = "interlock_open"
_WAYS = ("to_device", "to_host")
_ITS_OWN = {"smu": (INTERLOCK,), "prober": tuple(ProberFault)}
"""What an instrument itself can do wrong, besides its line."""
WHEN = ("probability", "at", "after_s")
_HELD = (FaultName.SPLIT, FaultName.DELAY, FaultName.STALL)


class FaultPlanError(ValueError):
    """A faults file that cannot be used; the text names the key, the value and what would be right."""


@dataclass(frozen=True)
class FaultPlan:
    """seed: everything random follows from it. lines: by instrument; one that is not named does not fail.

    interlock_open: when the SMU's interlock opens and for how long, (after ns, ns). prober: what goes wrong in the prober itself.
    """

    seed: int
    lines: Mapping[str, LinePlan]
    interlock_open: tuple[tuple[int, int], ...] = ()
    prober: tuple[PlannedFault, ...] = ()


def load_faults(path: Path) -> FaultPlan:
    """Raises FaultPlanError naming the file, the key, its value and what would be right."""
    try:
        return parse_faults(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultPlanError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FaultPlanError(f"{path}: {error}") from error


def parse_faults(text: str) -> FaultPlan:
    """Raises ValueError: not TOML, or (FaultPlanError) not a plan."""
    values = tomllib.loads(text)
    _expect_known(values, ("seed", *ALLOWED), "")
    tables = {name: _table(values[name], name) for name in ALLOWED if name in values}
    lines = {name: _line(table, name) for name, table in tables.items()}
    return FaultPlan(
        _whole(values.get("seed", 0), "seed", 0, 2**63 - 1),
        lines,
        tuple(_openings(tables.get("smu", {}))),
        tuple(_prober_faults(tables.get("prober", {}))),
    )


def _entries(given: object) -> list[object]:
    """One table, or a list of them."""
    return cast("list[object]", given) if isinstance(given, list) else [given]


def _openings(smu: Table) -> Iterator[tuple[int, int]]:
    for entry in _entries(smu.get(INTERLOCK, [])):
        times = _table(entry, f"smu.{INTERLOCK}")
        _expect_known(times, ("after_s", "seconds"), f"smu.{INTERLOCK}.")
        if "after_s" not in times or "seconds" not in times:
            raise FaultPlanError(f"smu.{INTERLOCK} is {entry!r}; it needs after_s and seconds, as in {{ after_s = 5.0, seconds = 1.0 }}")
        yield _ns(times["after_s"], f"smu.{INTERLOCK}.after_s"), _ns(times["seconds"], f"smu.{INTERLOCK}.seconds")


def _prober_faults(prober: Table) -> Iterator[PlannedFault]:
    for kind in ProberFault:
        for entry in _entries(prober.get(kind, [])):
            key = f"prober.{kind}"
            yield _prober_fault(kind, _table(entry, key), key)


def _prober_fault(kind: ProberFault, values: Table, key: str) -> PlannedFault:
    _expect_known(values, (*WHEN, "command", *kind.settings), f"{key}.")
    _expect_one_time(values, key)
    for needed in kind.needs:
        if needed not in values:
            raise FaultPlanError(f"{key} has no {needed}; give it one, as in {needed} = {'68' if needed == 'code' else '3.0'}")
    return PlannedFault(
        kind,
        command=_word(values.get("command", ""), f"{key}.command"),
        probability=_number(values.get("probability", 0.0), f"{key}.probability", 1.0),
        at=_frame_numbers(values.get("at", []), f"{key}.at"),
        after_ns=_ns(values["after_s"], f"{key}.after_s") if "after_s" in values else None,
        hold_ns=_ns(values["seconds"], f"{key}.seconds") if "seconds" in values else None,
        code=_whole(values.get("code", 2), f"{key}.code", 1, 1_023),
        door=_word(values.get("door", DOORS[0]), f"{key}.door", DOORS),
    )


def _line(values: Table, instrument: str) -> LinePlan:
    _expect_known(values, (*_WAYS, *_ITS_OWN.get(instrument, ())), f"{instrument}.")
    ways = {
        way: _direction(_table(values[way], f"{instrument}.{way}"), f"{instrument}.{way}", instrument) for way in _WAYS if way in values
    }
    return LinePlan(**ways)


def _direction(values: Table, key: str, instrument: str) -> DirectionPlan:
    _expect_known(values, ("latency_s", "jitter_s", *sorted(ALLOWED[instrument])), f"{key}.")
    latency_ns, jitter_ns = (_ns(values.get(name, 0.0), f"{key}.{name}") for name in ("latency_s", "jitter_s"))
    faults: list[Fault] = []
    for name in (each for each in FaultName if each in values):
        given = values[name]
        if isinstance(given, list):
            entries = _entries(given)
            faults += [
                _fault(name, _table(entry, f"{key}.{name}[{place}]"), f"{key}.{name}[{place}]") for place, entry in enumerate(entries)
            ]
        else:
            faults.append(_fault(name, _table(given, f"{key}.{name}"), f"{key}.{name}"))
    return DirectionPlan(tuple(faults), latency_ns, jitter_ns)


def _fault(name: FaultName, values: Table, key: str) -> Fault:
    more = ("seconds",) if name in _HELD else ("bytes",) if name is FaultName.NOISE else ()
    _expect_known(values, (*WHEN, *more), f"{key}.")
    _expect_one_time(values, key)
    if name in _HELD and "seconds" not in values:
        raise FaultPlanError(f"{key} has no seconds; a {name} needs how long it holds, as in seconds = 0.5")
    return Fault(
        name,
        probability=_number(values.get("probability", 0.0), f"{key}.probability", 1.0),
        at=_frame_numbers(values.get("at", []), f"{key}.at"),
        after_ns=_ns(values["after_s"], f"{key}.after_s") if "after_s" in values else None,
        hold_ns=_ns(values.get("seconds", 0.0), f"{key}.seconds"),
        noise_bytes=_whole(values.get("bytes", Fault.noise_bytes), f"{key}.bytes", 1, _MOST_NOISE_BYTES),
    )


def _expect_one_time(values: Table, key: str) -> None:
    given = [each for each in WHEN if each in values]
    if len(given) != 1:
        raise FaultPlanError(f"{key} has {' and '.join(given) or 'no time to strike'}; give one of probability, at, after_s")


def _expect_known(values: Table, known: tuple[str, ...], prefix: str) -> None:
    for key in values:
        if key not in known:
            raise FaultPlanError(f"unknown key {prefix}{key}; here may be {', '.join(known)}")


def _table(given: object, key: str) -> Table:
    if not isinstance(given, dict):
        raise FaultPlanError(f"{key} is {given!r}; it must be a table, as in {{ probability = 0.01 }}")
    return cast("Table", given)


def _number(given: object, key: str, most: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or not 0 <= given <= most:
        raise FaultPlanError(f"{key} is {given!r}; it must be a number from 0 to {most:g}")
    return float(given)


def _ns(given: object, key: str) -> int:
    return round(_number(given, key, _LONGEST_S) * _NS_PER_S)


def _whole(given: object, key: str, least: int, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise FaultPlanError(f"{key} is {given!r}; it must be a whole number from {least} to {most}")
    return given


def _word(given: object, key: str, allowed: tuple[str, ...] = ()) -> str:
    if not isinstance(given, str) or (allowed and given not in allowed):
        raise FaultPlanError(f"{key} is {given!r}; it must be {', '.join(allowed) or 'a text'}")
    return given.lower()


def _frame_numbers(given: object, key: str) -> frozenset[int]:
    if not isinstance(given, list):
        raise FaultPlanError(f"{key} is {given!r}; it must be a list of frame numbers, as in [1, 20]")
    return frozenset(_whole(each, key, 1, 2**63 - 1) for each in cast("list[object]", given))
