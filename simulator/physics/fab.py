"""The named foundries, and those that a file describes: every number is an ASSUMPTION, none is a published value of a real MTJ die.

Four presets differ in their defects only. A file overrides any parameter of a preset by name, for the wafer or for single dies.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from simulator.physics.fab_file import overridden, parsed
from simulator.physics.parameters import Fab, FabError

__all__ = ["PRESETS", "Fab", "FabError", "load_fab"]

_NO_DEFECTS = dict.fromkeys(
    ("short_rate", "open_rate", "row_opens", "column_opens", "shorted_segments", "stuck_p_rate", "stuck_ap_rate",
     "pinhole_rate", "weak_rate", "unstable_rate", "telegraph_rate"), 0.0,
)  # fmt: skip
_CLEAN = replace(Fab(), **_NO_DEFECTS)

PRESETS: Mapping[str, Fab] = {
    "clean": _CLEAN,
    "paper-like": Fab(short_rate=0.0008, pinhole_rate=0.001, shorted_segments=0.0, unstable_rate=0.0),
    "default": Fab(),
    "harsh": Fab(
        short_rate=0.009, open_rate=0.001, row_opens=1.0, column_opens=0.7, shorted_segments=0.5, stuck_p_rate=0.005, stuck_ap_rate=0.005,
        unstable_rate=0.0002,
    ),
}  # fmt: skip
"""About 0, 20, 50 and 200 shorts on a mean die of 20,000 junctions, pinholes that class as shorts included."""

_LEVELS = replace(_CLEAN, model="levels", die_sigma=0.0, gradient=0.0)
"""Conductances as given, dies alike, nothing bad: what a file of that model starts from."""


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
        return overridden(parsed(path), PRESETS, _LEVELS)
    except FabError as error:
        raise FabError(f"{path}: {error}") from error
