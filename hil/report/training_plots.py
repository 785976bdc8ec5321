"""Plots of a table of errors: methods by population, yields, what shorts do to shared weights, which junctions matter."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from hil.model.layout import to_die
from hil.report.plots import LEGEND, curves_png
from hil.report.style import INK, MARKERS, MUTED, SERIES, new_figure, png, quiet

Errors = NDArray[np.float64]
"""(seeds, dies), per cent."""

__all__ = ["curves_png", "errors_png", "junctions_png", "suffering_png", "yield_png"]


def errors_png(population: str, errors: Mapping[str, Errors], baseline_percent: float) -> bytes:
    """Each die a mark (mean over seeds), each method a line of them, its mean a bar; error on a log scale."""
    figure = new_figure(1100, 90 + 34 * len(errors))
    axes = figure.subplots()
    quiet(axes)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#eeeeee")
    for row, (_, of_method) in enumerate(errors.items()):
        dies = of_method.mean(axis=0)
        # A fixed lift by rank keeps dies apart without a random number in a picture.
        lift = (np.argsort(np.argsort(dies)) % 5 - 2) * 0.09
        axes.plot(dies, row + lift, "o", color=SERIES[2], alpha=0.45, markersize=5, markeredgewidth=0)
        axes.plot([of_method.mean()] * 2, [row - 0.32, row + 0.32], color=SERIES[1], linewidth=2.5)
    axes.axvline(
        baseline_percent, color=SERIES[0], linestyle="--", linewidth=1.2, label=f"software on ideal devices: {baseline_percent:.2f} %"
    )
    axes.set_yticks(range(len(errors)), [f"{name}  {of_method.mean():.2f} %" for name, of_method in errors.items()])
    axes.invert_yaxis()
    axes.set_xscale("log")
    ticks = [tick for tick in (2, 3, 5, 10, 20, 30, 50, 90) if tick <= max(float(e.max()) for e in errors.values()) * 1.2]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("test error (%)", color=INK)
    axes.legend(loc="lower right", **LEGEND)
    axes.set_title(f"Population {population}", fontsize=12, color=INK, loc="left", parse_math=False)
    figure.tight_layout()
    return png(figure)


def yield_png(population: str, errors: Mapping[str, Errors]) -> bytes:
    """Share of dies with at most so much error, by method."""
    figure = new_figure(1100, 400)
    axes = figure.subplots()
    quiet(axes)
    for index, (name, of_method) in enumerate(errors.items()):
        ordered = np.sort(of_method.ravel())
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(
            ordered,
            100 * share,
            where="post",
            color=SERIES[index % len(SERIES)],
            linestyle="-" if index < len(SERIES) else "--",
            label=name,
        )
    axes.set_xscale("log")
    ticks = [2, 3, 5, 10, 20, 50, 90]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 101)
    axes.set_xlabel("threshold: test error at most (%)", color=INK)
    axes.set_ylabel("dies (%)", color=INK)
    axes.legend(**LEGEND)
    axes.set_title(f"Yield against threshold, population {population}", fontsize=12, color=INK, loc="left", parse_math=False)
    figure.tight_layout()
    return png(figure)


def suffering_png(shorts: Sequence[int], losses: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Mean loss against the number of random shorts, with the middle 80 % of random dies. losses: (counts, dies), nat."""
    figure = new_figure(1100, 400)
    axes = figure.subplots()
    quiet(axes)
    for index, (name, of_network) in enumerate(losses.items()):
        colour = SERIES[index % len(SERIES)]
        low, high = np.quantile(of_network, (0.1, 0.9), axis=1)
        axes.fill_between(shorts, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(shorts, of_network.mean(axis=1), color=colour, marker=MARKERS[index % len(MARKERS)], label=name)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_yscale("log")
    axes.set_xticks(list(shorts), [str(count) for count in shorts])
    axes.minorticks_off()
    axes.set_xlabel("shorts at random places of an otherwise perfect die", color=INK)
    axes.set_ylabel("loss (nat)", color=INK)
    axes.legend(**LEGEND)
    axes.set_title("What shorts do to shared weights, nothing done for the die", fontsize=12, color=INK, loc="left", parse_math=False)
    figure.tight_layout()
    return png(figure)


def junctions_png(title: str, growth: NDArray[np.float32]) -> bytes:
    """A die's 100 x 200 junctions by how much the loss grows when that one alone is a short. growth: (32, 25, 25) nat, NaN unused."""
    figure = new_figure(1100, 560)
    axes = figure.subplots()
    die = to_die(growth)
    shown = np.where(np.isfinite(die), np.maximum(die, 1e-5), np.nan)
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    image = axes.imshow(shown, norm=LogNorm(1e-5, max(top, 1e-4)), cmap="viridis", interpolation="nearest", aspect="equal")
    axes.set_facecolor("#e6e9ec")
    axes.tick_params(colors=MUTED, labelcolor=INK)
    axes.set_xlabel("column of the die", color=INK)
    axes.set_ylabel("row of the die", color=INK)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label("growth of the loss (nat)", color=INK)
    axes.set_title(title, fontsize=12, color=INK, loc="left", parse_math=False)
    figure.tight_layout()
    return png(figure)
