"""Plots of the training report: errors by die, errors against shorts, conductances, losses."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.lab import DieIndex
from hil.report.style import INK, MARKERS, MUTED, SERIES, new_figure, png, quiet

MICRO = 1e6
FAMILIAR = ("software", "conventional", "hardware-aware", "statistics-aware")
LEGEND = {"frameon": False, "fontsize": 9}


def look_of(method: str, methods: Sequence[str]) -> tuple[str, str]:
    """(colour, marker) of a method: fixed for the four every report has, so that plots compare; then in order of appearance."""
    others = [name for name in methods if name not in FAMILIAR]
    index = FAMILIAR.index(method) if method in FAMILIAR else len(FAMILIAR) + others.index(method)
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


def _headed(figure: Figure, axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=12, color=INK, loc="left", parse_math=False)
    figure.tight_layout()


def errors_png(dies: Sequence[DieIndex], errors_percent: Mapping[str, NDArray[np.float64]], software_percent: float) -> bytes:
    """Error of each method on each die, dies sorted by the first method's error; the baseline as a line."""
    figure = new_figure(1100, 430)
    axes = figure.subplots()
    quiet(axes)
    first = next(iter(errors_percent))
    order = np.argsort(errors_percent[first], kind="stable")
    axes.axhline(software_percent, color=SERIES[0], linewidth=1.2, linestyle="--", label=f"software baseline: {software_percent:.2f} %")
    for method, errors in errors_percent.items():
        colour, marker = look_of(method, list(errors_percent))
        label = f"{method}: mean {errors.mean():.2f} %"
        axes.plot(np.arange(len(order)), errors[order], marker, color=colour, markersize=6, label=label)
    axes.set_xticks(np.arange(len(order)), [f"{dies[index][0]},{dies[index][1]}" for index in order], rotation=90, fontsize=8)
    axes.set_xlabel(f"die x,y, in the order of the {first} error", color=INK)
    axes.set_ylabel("test error (%)", color=INK)
    axes.set_ylim(bottom=0)
    axes.legend(**LEGEND)
    _headed(figure, axes, "Error on each die")
    return png(figure)


def errors_against_shorts_png(
    codes: NDArray[np.uint8], errors_percent: Mapping[str, NDArray[np.float64]], software_percent: float
) -> bytes:
    """Error of each method against the die's number of shorts. codes: (n, kernels, rows, columns)."""
    figure = new_figure(1100, 430)
    axes = figure.subplots()
    quiet(axes)
    shorts = (codes == Defect.SHORT).sum(axis=(1, 2, 3))
    axes.axhline(software_percent, color=SERIES[0], linewidth=1.2, linestyle="--", label="software baseline")
    for method, errors in errors_percent.items():
        colour, marker = look_of(method, list(errors_percent))
        axes.plot(shorts, errors, marker, color=colour, markersize=6, label=method)
    axes.set_xlabel("shorts on the die, measured", color=INK)
    axes.set_ylabel("test error (%)", color=INK)
    axes.set_ylim(bottom=0)
    axes.legend(**LEGEND)
    _headed(figure, axes, "Error against shorts")
    return png(figure)


def histogram_png(siemens_p: NDArray[np.float32], siemens_ap: NDArray[np.float32], codes: NDArray[np.uint8]) -> bytes:
    """Conductances of all junctions in both states, good ones filled, the others as outline, counts on a log scale."""
    figure = new_figure(1100, 430)
    axes = figure.subplots()
    quiet(axes)
    good = codes == Defect.GOOD
    states = {"written P": siemens_p, "written AP": siemens_ap}
    finite = {name: np.isfinite(values) for name, values in states.items()}
    everything = np.concatenate([values[finite[name]] for name, values in states.items()]) * MICRO
    edges = np.linspace(0.0, float(everything.max()) if everything.size else 1.0, 160).tolist()
    for (name, values), colour in zip(states.items(), (SERIES[1], SERIES[2]), strict=True):
        chosen = values[good & finite[name]] * MICRO
        label = f"{name}, good: median {np.median(chosen):.0f} µS" if chosen.size else f"{name}, good: none"
        axes.hist(chosen, edges, color=colour, alpha=0.55, label=label)
        axes.hist(values[~good & finite[name]] * MICRO, edges, histtype="step", color=colour, linewidth=1.4, label=f"{name}, defective")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.set_xlabel("cell conductance (µS)", color=INK)
    axes.set_ylabel("junctions", color=INK)
    axes.legend(**LEGEND)
    _headed(figure, axes, f"Conductances of {len(codes)} dies")
    return png(figure)


def curves_png(curves: Mapping[str, Sequence[float]]) -> bytes:
    """Training loss after each epoch, by method."""
    figure = new_figure(1100, 360)
    axes = figure.subplots()
    quiet(axes)
    for index, (method, losses) in enumerate(curves.items()):
        colour, _ = look_of(method, list(curves))
        # Colours come again when there are more methods than colours; dashes tell them apart.
        again = any(look_of(other, list(curves))[0] == colour for other in list(curves)[:index])
        label = f"{method}: {losses[-1]:.3f} at the end"
        axes.plot(np.arange(1, len(losses) + 1), losses, color=colour, linestyle="--" if again else "-", marker=".", label=label)
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("training loss (nat)", color=INK)
    if curves:
        axes.set_yscale("log")
        axes.legend(**LEGEND)
    else:
        axes.text(0.5, 0.5, "no losses were recorded", transform=axes.transAxes, ha="center", color=MUTED)
    _headed(figure, axes, "Training loss, mean over each epoch")
    return png(figure)
