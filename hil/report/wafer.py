"""Wafer maps: one square a die, coloured by a number that also stands in it. Notch down, x right, y up."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from numpy.typing import NDArray

from hil.model.lab import DieIndex
from hil.report.style import INK, MUTED, RULE, new_figure, png

PANEL_PX = 400
HEAD_PX = 84
SCALE = "YlOrBr"
DARK_ABOVE = 0.6
"""Share of the colour scale from which the number in a die is written white."""


@dataclass(frozen=True)
class Panel:
    """One wafer. values: one a die, NaN where there is none. form: how a number is written, as in format()."""

    title: str
    values: NDArray[np.float64]
    form: str = ".1f"


def _outline(axes: Axes, dies: Sequence[DieIndex]) -> None:
    """The wafer's edge around all dies, with the notch; drawn to show the orientation, not to scale."""
    across, up = np.array(dies, dtype=np.float64).T
    middle_x, middle_y = (across.min() + across.max()) / 2, (up.min() + up.max()) / 2
    radius = max(hypot(abs(x - middle_x) + 0.5, abs(y - middle_y) + 0.5) for x, y in zip(across, up, strict=True)) + 0.35
    axes.add_patch(Circle((middle_x, middle_y), radius, facecolor="#fafafa", edgecolor=MUTED, linewidth=1))
    notch = np.array([[-0.22, -0.04], [0.0, 0.3], [0.22, -0.04]]) + np.array([middle_x, middle_y - radius])
    axes.add_patch(Polygon(notch, facecolor="#ffffff", edgecolor=MUTED, linewidth=1))
    axes.set_xlim(middle_x - radius - 0.2, middle_x + radius + 0.2)
    axes.set_ylim(middle_y - radius - 0.2, middle_y + radius + 0.2)


def _draw_panel(axes: Axes, dies: Sequence[DieIndex], panel: Panel, norm: Normalize) -> None:
    _outline(axes, dies)
    scale = colormaps[SCALE]
    for (x, y), value in zip(dies, panel.values, strict=True):
        known = bool(np.isfinite(value))
        share = float(norm(value)) if known else 0.0
        face = scale(share) if known else "#ffffff"
        corner = (x - 0.47, y - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=face, edgecolor=RULE, hatch=None if known else "////", linewidth=0.8))
        colour = "#ffffff" if share > DARK_ABOVE else INK
        axes.text(x, y, format(value, panel.form) if known else "–", ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_title(panel.title, fontsize=11, color=INK, parse_math=False)
    axes.set_aspect("equal")
    axes.set_xticks(sorted({x for x, _ in dies}))
    axes.set_yticks(sorted({y for _, y in dies}))
    axes.tick_params(labelsize=8, colors=MUTED, length=0)
    axes.set_xlabel("die x", fontsize=8, color=MUTED)
    axes.set_ylabel("die y", fontsize=8, color=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)


def wafer_png(dies: Sequence[DieIndex], panels: Sequence[Panel], title: str, per_row: int = 3) -> bytes:
    """Wafer maps side by side on one colour scale, so that panels compare. Each panel has one value a die."""
    rows = -(-len(panels) // per_row)
    columns = min(len(panels), per_row)
    figure: Figure = new_figure(columns * PANEL_PX, rows * PANEL_PX + HEAD_PX)
    figure.suptitle(title, fontsize=13, color=INK, parse_math=False)
    norm = _common_scale(panels)
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(panels):
            _draw_panel(axes, dies, panels[index], norm)
        else:
            axes.set_visible(False)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    return png(figure)


def _common_scale(panels: Sequence[Panel]) -> Normalize:
    known = np.concatenate([panel.values[np.isfinite(panel.values)] for panel in panels])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return Normalize(low, high if high > low else low + 1.0)
