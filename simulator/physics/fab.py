"""How the pretended foundry makes wafers: every number is an ASSUMPTION, none is a published value of a real MTJ die.

Four presets differ in their defects only. A file overrides any parameter of a preset by name.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any


class FabError(ValueError):
    """A fab file or preset that cannot be used; the text names the key, the value and what would be right."""


@dataclass(frozen=True)
class Fab:
    """Means, spreads (relative standard deviations) and rates (probability per junction unless said otherwise).

    resistance_area_ohm_um2, diameter_nm, tmr, access_ohms: nominal cell, middle of the published 55 to 130 nm pillars.
    ra_sigma, diameter_sigma, tmr_sigma, access_sigma: junction to junction. die_sigma, gradient: RA from die to die, across the wafer.
    stability, stability_sigma, critical_volts, critical_sigma: Delta and V_c0 (4.4 %: IBM 4-kbit arrays, IEDM 2010).
    breakdown_volts, breakdown_shape: Weibull scale (1 s stress, across the junction) and shape.
    short_rate: mean over dies; the rate of one die is Gamma distributed with short_rate_shape, so that dies differ widely.
    short_ohms_low, short_ohms_high: junction resistance of a short, 2.5 % and 97.5 % points of a log-normal.
    row_opens, column_opens, shorted_segments: mean number per die (Poisson).
    pinhole_rate: metallic path that leaves 20 to 80 % of the TMR. weak_rate: barrier with 10 to 45 % of the TMR.
    telegraph_rate: two-level noise of 2 to 5 %. read_noise_p, read_noise_ap: relative noise of one read.
    """

    resistance_area_ohm_um2: float = 10.0
    diameter_nm: float = 80.0
    tmr: float = 1.2
    access_ohms: float = 1_000.0
    ra_sigma: float = 0.04
    diameter_sigma: float = 0.015
    tmr_sigma: float = 0.04
    access_sigma: float = 0.05
    die_sigma: float = 0.03
    gradient: float = 0.03
    stability: float = 60.0
    stability_sigma: float = 0.08
    critical_volts: float = 0.40
    critical_sigma: float = 0.044
    breakdown_volts: float = 1.35
    breakdown_shape: float = 25.0
    short_rate: float = 0.002
    short_rate_shape: float = 1.5
    short_ohms_low: float = 30.0
    short_ohms_high: float = 300.0
    open_rate: float = 0.0002
    row_opens: float = 0.3
    column_opens: float = 0.2
    shorted_segments: float = 0.1
    stuck_p_rate: float = 0.002
    stuck_ap_rate: float = 0.002
    pinhole_rate: float = 0.002
    weak_rate: float = 0.0005
    telegraph_rate: float = 0.001
    read_noise_p: float = 0.001
    read_noise_ap: float = 0.003

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0:
                raise FabError(f"{field.name} is {value}; it must be a finite number, 0 or more")
            if field.name.endswith("_rate") and value > 1:
                raise FabError(f"{field.name} is {value:g}; a probability is at most 1")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise FabError(f"{name} is {getattr(self, name):g}; it must be above 0")
        if self.short_ohms_low > self.short_ohms_high:
            raise FabError(f"short_ohms_low {self.short_ohms_low:g} is above short_ohms_high {self.short_ohms_high:g}")


_POSITIVE = (
    "resistance_area_ohm_um2", "diameter_nm", "tmr", "access_ohms", "stability", "critical_volts", "breakdown_volts",
    "breakdown_shape", "short_rate_shape", "short_ohms_low", "short_ohms_high",
)  # fmt: skip

_NO_DEFECTS = dict.fromkeys(
    ("short_rate", "open_rate", "row_opens", "column_opens", "shorted_segments", "stuck_p_rate", "stuck_ap_rate",
     "pinhole_rate", "weak_rate", "telegraph_rate"), 0.0,
)  # fmt: skip

PRESETS: Mapping[str, Fab] = {
    "clean": Fab(**_NO_DEFECTS),
    "paper-like": Fab(short_rate=0.0008, pinhole_rate=0.001, shorted_segments=0.0),
    "default": Fab(),
    "harsh": Fab(
        short_rate=0.009, open_rate=0.001, row_opens=1.0, column_opens=0.7, shorted_segments=0.5, stuck_p_rate=0.005, stuck_ap_rate=0.005
    ),
}
"""About 0, 20, 50 and 200 shorts on a mean die of 20,000 junctions, pinholes that class as shorts included."""


def load_fab(name_or_path: str) -> Fab:
    """A preset by name, or a TOML or JSON file: parameters by name, and `base` naming the preset they change (default).

    Raises FabError naming the file, the key and what would be right.
    """
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise FabError(f"{name_or_path}: neither a preset ({', '.join(PRESETS)}) nor a file")
    try:
        return _overridden(_parsed(path))
    except FabError as error:
        raise FabError(f"{path}: {error}") from error


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise FabError(f"cannot be read as {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise FabError("must be a table of parameters by name")
    return {str(key): value for key, value in values.items()}


def _overridden(values: dict[str, Any]) -> Fab:
    base = values.pop("base", "default")
    if base not in PRESETS:
        raise FabError(f"base is {base!r}; the presets are {', '.join(PRESETS)}")
    known = {field.name for field in fields(Fab)}
    for key, value in values.items():
        if key not in known:
            raise FabError(f"unknown parameter {key!r}; known are {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FabError(f"{key} is {value!r}; it must be a number")
    return replace(PRESETS[base], **{key: float(value) for key, value in values.items()})
