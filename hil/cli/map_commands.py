"""Commands about what was measured: wafers, map."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from hil.cli.options import AT, AsJson, Token, Url, connect
from hil.cli.output import aligned, emit
from hil.client import DieMap, LabClient
from hil.client.lab import State
from hil.model.defects import Defect

MICRO = 1e6
StateOption = Annotated[
    Literal["P", "AP", "as_found", "programmed"] | None,
    typer.Option("--state", help="Of a conductance map; without it, the newest.", show_default=False),
]


def wafers(as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Wafers, how many of their dies are characterised, and their yield."""
    with connect(url, token) as lab:
        found = [lab.wafer(each["name"]) for each in lab.wafers()]
    rows = [["wafer", "characterised", "yield", "registered"], *map(_wafer_cells, found)]
    emit(as_json, found, aligned(rows) if found else "no wafers yet; `hil measure WAFER` registers one")


def _wafer_cells(wafer: dict[str, Any]) -> list[str]:
    good = wafer["yield_fraction"]
    return [
        wafer["name"],
        f"{wafer['characterised']}/{len(wafer['dies'])} dies",
        "" if good is None else f"{good:.2%}",
        wafer["created_at"],
    ]


def show_map(
    wafer: Annotated[str, typer.Argument(metavar="WAFER", show_default=False)],
    x: Annotated[int, typer.Argument(metavar="X", help="Column of the die; negative ones as they are.", show_default=False)],
    y: Annotated[int, typer.Argument(metavar="Y", help="Row of the die.", show_default=False)],
    kind: Annotated[Literal["conductance", "defects"], typer.Option(help="Which map.")] = "conductance",
    state: StateOption = None,
    png: Annotated[Path | None, typer.Option(help="Also write a picture to this file.", show_default=False)] = None,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """The newest map of a die, in a few figures."""
    with connect(url, token) as lab:
        newest = _newest(lab, (wafer, x, y), kind, state)
        if png is not None:
            png.write_bytes(lab.picture(newest.map_id))
    figures = _defect_figures(newest.array) if kind == "defects" else _conductance_figures(newest.array)
    head = {"wafer": wafer, "x": x, "y": y, "kind": kind, "state": newest.state, "map_id": newest.map_id}
    head |= {"measured_at": newest.measured_at, "origin": str(newest.origin)}
    what = f"{kind} {newest.state}" if newest.state else kind
    lines = [f"{wafer} ({x}, {y}) {what}, {newest.measured_at}, {newest.origin}", *_lines(figures)]
    emit(as_json, {**head, **figures}, "\n".join([*lines, *([f"picture: {png}"] if png else [])]))


def _newest(lab: LabClient, die: tuple[str, int, int], kind: str, state: State | None) -> DieMap:
    return lab.defect_map(*die) if kind == "defects" else lab.conductance_map(*die, state)


def _defect_figures(codes: NDArray[Any]) -> dict[str, Any]:
    numbers = np.bincount(codes.ravel(), minlength=256)
    return {"junctions": int(codes.size), "counts": {defect.name.lower(): int(numbers[defect]) for defect in Defect if numbers[defect]}}


def _conductance_figures(siemens: NDArray[Any]) -> dict[str, Any]:
    """Percentiles of what was measured, in microsiemens; None when nothing was."""
    measured = siemens[np.isfinite(siemens)].astype(np.float64)
    low, median, high = np.percentile(measured, [1, 50, 99]) * MICRO if measured.size else (None, None, None)
    return {
        "junctions": int(siemens.size),
        "measured": int(measured.size),
        "p1_microsiemens": _rounded(low),
        "median_microsiemens": _rounded(median),
        "p99_microsiemens": _rounded(high),
    }


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)


def _lines(figures: dict[str, Any]) -> list[str]:
    if "counts" in figures:
        share = [[name, str(count), f"{count / figures['junctions']:.2%}"] for name, count in figures["counts"].items()]
        return aligned(share).splitlines()
    measured = f"{figures['measured']} of {figures['junctions']} junctions measured"
    if not figures["measured"]:
        return [measured]
    low, high = figures["p1_microsiemens"], figures["p99_microsiemens"]
    return [measured, f"median {figures['median_microsiemens']:g} uS, 1 % below {low:g} uS, 1 % above {high:g} uS"]
