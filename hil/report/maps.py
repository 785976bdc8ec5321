"""Pictures of one die, every junction where it lies: four sub-arrays side by side, kernels numbered. What was not
measured is chequered, never a colour of the scale."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.layout import GROUPS, HALVES, PER_SUBARRAY, kernel_place
from hil.report.style import DEFECT_TINTS, INK, MUTED, RULE, Tint, inches, new_figure, png

CELL_PX, LARGEST_CELL_PX, LEAST_WIDTH_PX = 5, 14, 620
KERNEL_GAP, SUBARRAY_GAP = 3, 6
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 64, 24, 60, 100
OVER_COLOUR = "#d55e00"
MICRO = 1e6

Colours = NDArray[np.float64]


def _offset(kernel: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """(row, column) of a kernel's first cell in the picture, gaps included."""
    down, across = kernel_place(kernel)
    subarray, half = divmod(across, HALVES)
    pitch = HALVES * shape[2] + KERNEL_GAP + SUBARRAY_GAP
    return KERNEL_GAP + down * (shape[1] + KERNEL_GAP), subarray * pitch + half * (shape[2] + KERNEL_GAP)


def _canvas(colours: Colours) -> Colours:
    """(kernels, rows, columns, 3) colours laid out on white, (height, width, 3) cells."""
    kernels, rows, columns = colours.shape[:3]
    subarrays = -(-kernels // PER_SUBARRAY)
    height = min(GROUPS, kernels) * (rows + KERNEL_GAP) + KERNEL_GAP
    width = subarrays * (HALVES * columns + KERNEL_GAP + SUBARRAY_GAP) - SUBARRAY_GAP
    canvas = np.ones((height, width, 3))
    for kernel in range(kernels):
        top, left = _offset(kernel, colours.shape)
        canvas[top : top + rows, left : left + columns] = colours[kernel]
    return canvas


def _fill(shape: tuple[int, ...], tint: Tint) -> Colours:
    """(kernels, rows, columns, 3) of one tint, chequered cell by cell where the tint says so."""
    first, second = to_rgb(tint.colour), to_rgb(tint.check or tint.colour)
    odd = np.indices(shape).sum(axis=0) % 2
    return np.where(odd[..., None] == 0, first, second)


def _label_kernels(axes: Axes, shape: tuple[int, ...]) -> None:
    for kernel in range(shape[0]):
        top, left = _offset(kernel, shape)
        axes.text(left, top - 0.4, f"k{kernel}", fontsize=6.5, color=MUTED, va="bottom", ha="left")
    ticks = [(_offset(group, shape)[0], group * shape[1]) for group in range(min(GROUPS, shape[0]))]
    axes.set_yticks([at for at, _ in ticks], [str(row) for _, row in ticks], fontsize=8)
    starts = [_offset(kernel, shape)[1] for kernel in range(0, shape[0], GROUPS)]
    axes.set_xticks(starts, [str(index * shape[2]) for index in range(len(starts))], fontsize=8)
    axes.set_xlabel("physical column", fontsize=8, color=MUTED, loc="left")
    axes.set_ylabel("physical row", fontsize=8, color=MUTED)
    axes.tick_params(length=2, colors=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _die_figure(colours: Colours, title: str) -> tuple[Figure, Axes]:
    """A figure in which every junction is the same whole number of pixels: CELL_PX, more on a small chip."""
    canvas = _canvas(colours)
    cell = min(max(CELL_PX, LEAST_WIDTH_PX // canvas.shape[1]), LARGEST_CELL_PX)
    width, height = canvas.shape[1] * cell, canvas.shape[0] * cell
    full_width, full_height = max(width + LEFT_PX + RIGHT_PX, LEAST_WIDTH_PX), height + TOP_PX + BOTTOM_PX
    figure = new_figure(full_width, full_height)
    axes = figure.add_axes((LEFT_PX / full_width, BOTTOM_PX / full_height, width / full_width, height / full_height))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    _label_kernels(axes, colours.shape[:3])
    figure.text(LEFT_PX / full_width, 1 - 30 / full_height, title, fontsize=13, color=INK, ha="left", va="center", parse_math=False)
    return figure, axes


def words(defect: Defect) -> str:
    """`STUCK_AP` as a reader writes it: stuck AP."""
    return " ".join(word if word in {"P", "AP", "TMR"} else word.lower() for word in defect.name.split("_"))


def _legend(figure: Figure, entries: Mapping[str, Tint]) -> None:
    handles = [
        Patch(facecolor=tint.colour, edgecolor=tint.check or RULE, hatch="xxxx" if tint.check else None, linewidth=0.6, label=label)
        for label, tint in entries.items()
    ]
    left = inches(LEFT_PX - 8) / figure.get_figwidth()
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(left, 0.0), ncols=6, frameon=False, fontsize=9)


def defects_png(codes: NDArray[np.uint8], title: str) -> bytes:
    """Defect map of one die as PNG. codes: (kernels, rows, columns), see Defect. Raises ValueError on a code that is none."""
    colours = np.full((*codes.shape, 3), np.nan)
    legend: dict[str, Tint] = {}
    for defect, tint in DEFECT_TINTS.items():
        here = codes == defect
        count = int(here.sum())
        colours[here] = _fill(codes.shape, tint)[here]
        if count:
            legend[f"{words(defect)}: {count:,}"] = tint
    if np.isnan(colours).any():
        raise ValueError(f"defect code {int(codes[np.isnan(colours[..., 0])][0])} is none of {[int(code) for code in Defect]}")
    figure, _ = _die_figure(colours, title)
    _legend(figure, legend)
    return png(figure)


def _scale_top(finite: NDArray[Any]) -> float:
    """Where the colour scale ends, uS: above nearly all of the switching junctions, so that shorts stand out beyond it."""
    if not finite.size:
        return 1.0
    return float(max(1.25 * np.percentile(finite, 95), 1.0))


def conductance_png(siemens: NDArray[np.float32], title: str) -> bytes:
    """Conductance map of one die as PNG, linear from 0, beyond the scale in one warning colour. siemens: (kernels, rows, columns)."""
    from matplotlib import colormaps

    micro = siemens.astype(np.float64) * MICRO
    missing = np.isnan(micro)
    norm = Normalize(0.0, _scale_top(micro[~missing]))
    scale: Colormap = colormaps["viridis"].with_extremes(over=OVER_COLOUR, under="#000000")
    colours = np.asarray(scale(norm(np.where(missing, 0.0, micro))))[..., :3]
    unmeasured = DEFECT_TINTS[Defect.NOT_MEASURED]
    colours[missing] = _fill(siemens.shape, unmeasured)[missing]
    figure, _ = _die_figure(colours, title)
    beyond = int((micro > norm.vmax).sum()) if norm.vmax is not None else 0
    _scale_bar(figure, ScalarMappable(norm, scale))
    entries = {f"above the scale: {beyond:,}": Tint(OVER_COLOUR)} if beyond else {}
    if missing.any():
        entries[f"not measured: {int(missing.sum()):,}"] = unmeasured
    _legend(figure, entries)
    return png(figure)


def _scale_bar(figure: Figure, mapped: ScalarMappable) -> None:
    width, height = figure.get_figwidth(), figure.get_figheight()
    bar = figure.add_axes((1 - inches(RIGHT_PX + 390) / width, inches(46) / height, inches(380) / width, inches(12) / height))
    figure.colorbar(mapped, cax=bar, orientation="horizontal", extend="max")
    bar.set_xlabel("conductance (µS)", fontsize=8, color=INK)
    bar.tick_params(labelsize=8, colors=MUTED)
