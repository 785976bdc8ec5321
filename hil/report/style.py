"""How every picture of the house looks: one palette safe for colour-blind readers (Okabe and Ito), Figure objects only,
so that no picture shares state with another thread's."""

import io
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hil.model.defects import Defect

DPI = 100
INK, MUTED, RULE, PAPER = "#222222", "#666666", "#cccccc", "#ffffff"


@dataclass(frozen=True)
class Tint:
    """colour: fill. check: second colour of a chequered fill, or None."""

    colour: str
    check: str | None = None


DEFECT_TINTS: dict[Defect, Tint] = {
    Defect.GOOD: Tint("#e6e9ec"),
    Defect.SHORT: Tint("#d55e00"),
    Defect.OPEN: Tint("#0072b2"),
    Defect.STUCK_P: Tint("#e69f00"),
    Defect.STUCK_AP: Tint("#56b4e9"),
    Defect.LOW_TMR: Tint("#cc79a7"),
    Defect.UNSTABLE: Tint("#009e73"),
    Defect.NO_CONTACT: Tint("#444444"),
    Defect.NOT_MEASURED: Tint("#ffffff", "#b0b0b0"),
}

SERIES = ("#222222", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("s", "o", "^", "D", "v", "P", "X")


def inches(pixels: float) -> float:
    return pixels / DPI


def new_figure(width_px: float, height_px: float) -> Figure:
    return Figure(figsize=(inches(width_px), inches(height_px)), dpi=DPI, facecolor=PAPER)


def quiet(axes: Axes) -> None:
    """Takes away what carries no information."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def png(figure: Figure) -> bytes:
    """The picture as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
