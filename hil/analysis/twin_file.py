"""A twin as text: a TOML file of the keys that docs/fab-files.md names, with what it is and what was assumed at its top."""

from collections.abc import Mapping, Sequence
from typing import Any

from hil.analysis.twin import Twin

_ASSUMED = {
    "pillars": "Assumed, since two conductances at one voltage do not tell them: diameter, access resistance (by shorts where there are "
    "enough), how R_P's spread splits into RA and area, V_h of the TMR's roll-off, and all of switching, breakdown and read noise.",
    "levels": "Levels have no law behind them: they are the same at any bias. Switching, breakdown and read noise are assumed.",
}
_WIDTH = 120


def fab_text(twin: Twin, of: str) -> str:
    """TOML. of: the wafer it is a twin of, and where its maps come from, in words."""
    distances = ", ".join(f"{state} {distance:.4f}" for state, distance in twin.distances.items())
    placed = "where they were found" if twin.exact else "at the rates found"
    head = [
        f"Twin of {' '.join(of.split())}: {len(twin.dies)} dies, {twin.junctions} good junctions; isolated defects {placed}.",
        f"Kolmogorov-Smirnov distance of good junctions as this should read: {distances}.",
        _ASSUMED[twin.model],
        "Telegraph noise and whatever else two maps do not show is left out.",
    ]
    lines = [f"# {line}" for text in head for line in _wrapped(text)]
    opening = ['model = "levels"'] if twin.model == "levels" else ['base = "clean"']
    parts = [*lines, *opening, *_keys(twin.parameters)]
    for (x, y), table in sorted(twin.dies.items(), key=lambda item: (item[0][1], item[0][0])):
        parts += ["", f'[dies."{x},{y}"]', *_keys(table)]
    return "\n".join(parts) + "\n"


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in table.items()]


def _value(value: float | Sequence[float]) -> str:
    """Six figures of a measured number; whole numbers as they are."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = f"{value:.6g}"
        return text if any(mark in text for mark in ".en") else f"{text}.0"
    return "[" + ", ".join(_value(each) for each in value) + "]"


def _wrapped(text: str) -> list[str]:
    lines, line = list[str](), ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
