"""The report of a wafer: one HTML file that needs nothing else, its plots beside it as PNG for slides and papers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.lab import DieIndex
from hil.report import html
from hil.report.maps import conductance_png, defects_png, words
from hil.report.plots import curves_png, errors_against_shorts_png, errors_png, histogram_png
from hil.report.wafer import Panel, wafer_png

INDEX = "index.html"
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class ReportData:
    """All a report says. Per-die arrays are in the order of `dies`.

    errors_percent: method -> (dies,) test error, %. siemens_p, siemens_ap, codes: (dies, kernels, rows, columns).
    wires: instrument -> counters of its wire (unit, sent, received, ...). run: facts about the run and its provenance.
    maps: one row a map (die, kind, map id, measured at, ...). curves: method -> loss after each epoch.
    seconds: method -> training time. notes: what a reader must know, dies left out above all. imported: some map came from elsewhere.
    """

    wafer: str
    dies: tuple[DieIndex, ...]
    simulated: bool
    seed: int | None
    software_percent: float
    errors_percent: Mapping[str, NDArray[np.float64]]
    siemens_p: NDArray[np.float32]
    siemens_ap: NDArray[np.float32]
    codes: NDArray[np.uint8]
    wires: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run: Mapping[str, object] = field(default_factory=dict)
    maps: Sequence[Mapping[str, object]] = ()
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    imported: bool = False

    def __post_init__(self) -> None:
        count = len(self.dies)
        arrays = {"siemens_p": self.siemens_p, "siemens_ap": self.siemens_ap, "codes": self.codes, **self.errors_percent}
        for name, array in arrays.items():
            if len(array) != count:
                raise ValueError(f"{name} has {len(array)} entries for {count} dies")

    @property
    def kind(self) -> str:
        """As the header Lab-Origin words it: one simulated map makes all simulated, else one imported map all imported."""
        return "simulated" if self.simulated else "imported" if self.imported else "measured"

    @property
    def origin(self) -> str:
        match self.kind:
            case "simulated":
                return f"SIMULATED instruments and wafer, seed {NOT_GIVEN if self.seed is None else self.seed}: no real device was measured"
            case "imported":
                return "IMPORTED maps: how and on what they were measured is not known here"
            case _:
                return "MEASURED on real instruments"


@dataclass(frozen=True)
class Plot:
    file: str
    caption: str
    png: bytes

    @property
    def html(self) -> str:
        return html.picture(self.png, self.caption)


METHODS = {
    "software": "the network on ideal devices: the baseline",
    "conventional": "the software weights written as they are; nothing is known of the die",
    "hardware-aware": "one network a die, trained on that die's measured map; of no use elsewhere",
    "statistics-aware": "one set of weights from the maps of other dies (two folds: never the die it is judged on); nothing per die",
    "placed": "one set of weights as well; rows and columns chosen on each die by its map, digital numbers fitted without labels",
}
"""What each method knows of a die, in a line."""


def error_rows(data: ReportData) -> list[list[object]]:
    """One row a method: name, mean, sd between dies, worst die, points above the baseline, training seconds."""
    rows: list[list[object]] = [["software (ideal devices)", f"{data.software_percent:.2f}", "–", "–", "–", _seconds(data, "software")]]
    for method, errors in data.errors_percent.items():
        spread = float(errors.std(ddof=1)) if len(errors) > 1 else 0.0
        above = float(errors.mean()) - data.software_percent
        rows.append([method, f"{errors.mean():.2f}", f"{spread:.2f}", f"{errors.max():.2f}", f"{above:+.2f}", _seconds(data, method)])
    return rows


def _seconds(data: ReportData, method: str) -> str:
    return f"{data.seconds[method]:.1f}" if method in data.seconds else "–"


def defect_rows(data: ReportData) -> list[list[object]]:
    """One row a class that occurs: name, junctions on all dies, mean a die, fewest, most."""
    rows: list[list[object]] = []
    for defect in Defect:
        per_die = (data.codes == defect).sum(axis=(1, 2, 3))
        if per_die.any():
            name = words(defect)
            rows.append([name, f"{int(per_die.sum()):,}", f"{per_die.mean():,.1f}", f"{int(per_die.min()):,}", f"{int(per_die.max()):,}"])
    return rows


def example_die(data: ReportData) -> int:
    """The die whose number of defects is the median: neither the best nor the worst picture."""
    bad = (data.codes != Defect.GOOD).sum(axis=(1, 2, 3))
    return int(np.argsort(bad, kind="stable")[len(bad) // 2])


def _defect_panels(data: ReportData) -> list[Panel]:
    defective = (data.codes != Defect.GOOD) & (data.codes < Defect.NO_CONTACT)
    classes = {"shorts": data.codes == Defect.SHORT, "opens": data.codes == Defect.OPEN, "all defective": defective}
    return [Panel(name, chosen.sum(axis=(1, 2, 3)).astype(np.float64), ".0f") for name, chosen in classes.items()]


def _plots(data: ReportData) -> dict[str, Plot]:
    shown = example_die(data)
    origin = "" if data.kind == "measured" else f", {data.kind}"
    die = f"die ({data.dies[shown][0]}, {data.dies[shown][1]}) of wafer {data.wafer}{origin}"
    panels = [Panel(method, errors) for method, errors in data.errors_percent.items()]
    plots = [
        Plot(
            "errors.png",
            "Each mark is one die; every method sees the same test images.",
            errors_png(data.dies, data.errors_percent, data.software_percent),
        ),
        Plot("shorts.png", "Each mark is one die.", errors_against_shorts_png(data.codes, data.errors_percent, data.software_percent)),
        Plot(
            "defects-wafer.png",
            "Shorts, opens, and all classes together; one colour scale.",
            wafer_png(data.dies, _defect_panels(data), "Defective junctions on each die"),
        ),
        Plot("errors-wafer.png", "Test error on each die, %, one colour scale.", wafer_png(data.dies, panels, "Test error (%)")),
        Plot("conductances.png", "Both written states.", histogram_png(data.siemens_p, data.siemens_ap, data.codes)),
        Plot("die-defects.png", f"Defects of {die}, the die with the median number.", defects_png(data.codes[shown], f"Defects of {die}")),
        Plot("die-p.png", f"Conductance after writing P: {die}.", conductance_png(data.siemens_p[shown], f"After writing P: {die}")),
        Plot("losses.png", "Loss of each method's own task; the levels do not compare between methods.", curves_png(data.curves)),
    ]
    return {plot.file.removesuffix(".png"): plot for plot in plots}


def _wire_rows(wires: Mapping[str, Mapping[str, Any]]) -> str:
    if not wires:
        return html.note("No wire counts were given.")
    columns = list(dict.fromkeys(name for counts in wires.values() for name in counts))
    return html.table(
        ["instrument", *columns], [[name, *(counts.get(column, "–") for column in columns)] for name, counts in wires.items()]
    )


def _map_rows(maps: Sequence[Mapping[str, object]]) -> str:
    if not maps:
        return html.note("No map metadata was given.")
    columns = list(dict.fromkeys(name for row in maps for name in row))
    return html.table(columns, [[row.get(column, "–") for column in columns] for row in maps])


def _body(data: ReportData, plots: Mapping[str, Plot]) -> list[str]:
    errors = html.table(
        ["method", "mean error %", "sd %", "worst die %", "above software, points", "training s, all dies"], error_rows(data)
    )
    methods = html.facts({name: what for name, what in METHODS.items() if name == "software" or name in data.errors_percent})
    defects = html.table(["class", "junctions", "mean a die", "fewest", "most"], defect_rows(data))
    wires = html.note("Counted by the drivers while the wafer was measured.")
    return [
        f'<div class="origin {data.kind}">{html.text(data.origin)}</div>',
        html.section(
            "Misclassification of MNIST",
            errors,
            methods,
            *(html.note(words) for words in data.notes),
            plots["errors"].html,
            plots["shorts"].html,
        ),
        html.section("The wafer", plots["defects-wafer"].html, defects, plots["errors-wafer"].html),
        html.section("The junctions", plots["conductances"].html, plots["die-defects"].html, plots["die-p"].html),
        html.section("Training", plots["losses"].html),
        html.section("What went over the wires", wires, _wire_rows(data.wires)),
        html.section("Run", html.facts(data.run) if data.run else html.note("No facts about the run were given.")),
        html.section("Maps", _map_rows(data.maps)),
    ]


def write_report(out_dir: Path, data: ReportData) -> Path:
    """Writes index.html and the plots into the folder, which is made if need be. Returns the path of index.html."""
    out_dir.mkdir(parents=True, exist_ok=True)
    plots = _plots(data)
    for plot in plots.values():
        (out_dir / plot.file).write_bytes(plot.png)
    lead = f"{len(data.dies)} dies of {data.codes[0].size:,} junctions: measured, mapped, trained on."
    index = out_dir / INDEX
    index.write_text(html.page(f"Wafer {data.wafer}", lead, *_body(data, plots)), encoding="utf-8")
    return index
