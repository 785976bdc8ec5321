"""The report of a table of errors: one HTML page with everything in it, so that it can be stored and served as one object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hil.analysis.pairing import Errors, mean_interval, paired, yields
from hil.report import html
from hil.report.training_plots import curves_png, errors_png, junctions_png, suffering_png, yield_png

THRESHOLDS = (3.5, 5.0, 10.0)
SEED = 0


@dataclass(frozen=True)
class Sensitivity:
    """shorts: counts. losses, errors_percent: by network, (counts, dies), on so many images. slopes: nat a short, by network. junctions:
    title to growth of the loss (32, 25, 25), NaN where nothing lies."""

    shorts: tuple[int, ...]
    losses: Mapping[str, NDArray[np.float64]]
    errors_percent: Mapping[str, NDArray[np.float64]]
    slopes: Mapping[str, float]
    junctions: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    images: int = 0


@dataclass(frozen=True)
class TableData:
    """errors: population to method to (seeds, dies) per cent, every method of a population on the same dies and seeds; where there are
    several networks, a population's title names its own. baseline_percent: by population, of the software network on ideal devices, mean
    over seeds. effort: per die, by method. seconds: by (population, method). curves: by (population, what was trained), loss after each
    epoch. notes: what a reader must know. shown: what the images are. origins: of the maps, by population."""

    net: str
    images: int
    errors: Mapping[str, Mapping[str, Errors]]
    baseline_percent: Mapping[str, float]
    effort: Mapping[str, str]
    seconds: Mapping[tuple[str, str], float]
    curves: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    sensitivity: Sensitivity | None = None
    notes: Sequence[str] = ()
    shown: str = "MNIST"
    origins: Mapping[str, str] = field(default_factory=dict)


def training_page(data: TableData) -> str:
    """HTML."""
    populations = [_population(data, population) for population in data.errors]
    software = ", ".join(dict.fromkeys(f"{percent:.2f} %" for percent in data.baseline_percent.values()))
    lead = f"{data.net}; {data.images:,} test images of {data.shown}; software on ideal devices {software}"
    notes = [html.note(words) for words in data.notes]
    return html.page("Networks on dies", lead, *notes, _methods(data), *populations, *_sensitivity(data.sensitivity))


def _methods(data: TableData) -> str:
    used = dict.fromkeys(method for methods in data.errors.values() for method in methods)
    return html.section("Methods", html.facts({method: data.effort.get(method, "") for method in used}))


def _population(data: TableData, population: str) -> str:
    errors = data.errors[population]
    rng = np.random.default_rng(SEED)
    columns = [
        "method",
        "mean error %",
        "95 % (dies, seeds)",
        "sd dies",
        "worst die",
        "above software",
        *(f"dies ≤ {t:g} %" for t in THRESHOLDS),
        "s",
    ]
    rows = [_row(data, population, method, rng) for method in errors]
    curves = {method: losses for (place, method), losses in data.curves.items() if place == population and losses}
    seeds, dies = next(iter(errors.values())).shape
    baseline = data.baseline_percent[population]
    return html.section(
        f"Population {population}",
        html.note(f"{dies} dies, {'one seed' if seeds == 1 else f'{seeds} seeds'}; every method on the same dies, seeds and images."),
        html.note(f"Origin of the maps: {data.origins.get(population, 'not given')}."),
        html.table(columns, rows),
        html.picture(errors_png(population, errors, baseline), "Each mark is one die, mean over seeds; the bar is the mean."),
        html.picture(yield_png(population, errors), "Dies of all seeds."),
        *_pairs(errors, rng),
        *([html.picture(curves_png(curves), "Loss of each method's own task; levels do not compare.")] if curves else []),
    )


def _row(data: TableData, population: str, method: str, rng: np.random.Generator) -> list[object]:
    errors = data.errors[population][method]
    mean = mean_interval(errors, rng)
    spread = float(errors.std(axis=1, ddof=1).mean()) if errors.shape[1] > 1 else 0.0
    good = [f"{100 * each.value:.0f} % ({100 * each.low:.0f} to {100 * each.high:.0f})" for each in yields(errors, THRESHOLDS)]
    above, seconds = mean.value - data.baseline_percent[population], data.seconds.get((population, method), float("nan"))
    interval = f"{mean.low:.2f} to {mean.high:.2f}"
    return [method, f"{mean.value:.2f}", interval, f"{spread:.2f}", f"{errors.max():.2f}", f"{above:+.2f}", *good, f"{seconds:.0f}"]


def _pairs(errors: Mapping[str, Errors], rng: np.random.Generator) -> list[str]:
    """Each method against the one that has the fewest errors."""
    if len(errors) < 2:
        return []
    best = min(errors, key=lambda method: float(errors[method].mean()))
    rows: list[list[object]] = []
    for method, of_method in errors.items():
        if method == best:
            continue
        found = paired(of_method, errors[best], rng)
        interval = f"{found.points.low:+.2f} to {found.points.high:+.2f}"
        rows.append([method, f"{found.points.value:+.2f}", interval, f"{100 * found.better_on:.0f} %", f"{found.p_value:.2g}"])
    columns = ["method", f"points above {best}", "95 % (dies, seeds)", "fewer errors on", "p (Wilcoxon, dies)"]
    return [html.note(f"In pairs, die by die, against {best}:"), html.table(columns, rows)]


def _sensitivity(found: Sensitivity | None) -> list[str]:
    if found is None:
        return []
    columns = ["shared weights", *(f"{count} shorts, error %" for count in found.shorts), "nat a short"]
    rows: list[list[object]] = [
        [name, *(f"{value:.2f}" for value in errors.mean(axis=1)), f"{found.slopes[name]:.4f}"]
        for name, errors in found.errors_percent.items()
    ]
    dies = next(iter(found.losses.values())).shape[1]
    words = html.note(f"Means over {dies} random dies a count; the first {found.images:,} test images; nothing is done for a die.")
    parts = [html.picture(suffering_png(found.shorts, found.losses), "Mean, and the middle 80 % of random dies.")]
    maps = [html.picture(junctions_png(title, growth), "One short alone, at each place.") for title, growth in found.junctions.items()]
    return [html.section("Sensitivity to shorts", words, html.table(columns, rows), *parts), html.section("Which junctions matter", *maps)]
