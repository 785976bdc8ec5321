"""Command about twins: a fab file that makes a measured wafer again, and whether a wafer measured is such a twin."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hil.analysis.likeness import Likeness, likeness
from hil.analysis.measured import MeasuredDie
from hil.analysis.twin import Twin, fit_twin
from hil.analysis.twin_file import fab_text
from hil.cli.measured_dies import measured_dies
from hil.cli.options import AT, AsJson, CommandFailed, Token, Url, connect
from hil.cli.output import aligned, emit
from hil.client import LabClient

MODEL_HELP = "What the junctions are made as: pillars with a law behind them, levels of any distribution, or the better of both."


def twin(
    wafer: Annotated[str, typer.Argument(metavar="WAFER", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Fab file to write, for `hil sim --fab FILE`.", show_default=False)] = None,
    model: Annotated[Literal["auto", "pillars", "levels"], typer.Option(help=MODEL_HELP)] = "auto",
    exact: Annotated[bool, typer.Option("--exact", help="Isolated defects lie where they were found, not only as often.")] = False,
    against: Annotated[
        str | None, typer.Option(metavar="WAFER", help="A measured wafer: is it a twin of this one?", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws that the fit is judged with.")] = 1,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Fit a foundry to a wafer's maps and write it, or compare a twin that was measured with its original."""
    if out is None and against is None:
        raise CommandFailed("say what to do: --out FILE writes a twin's fab file, --against WAFER compares one that was measured")
    with connect(url, token) as lab:
        original = _dies(lab, wafer)
        other = None if against is None else _dies(lab, against)
    told: dict[str, Any] = {"wafer": wafer}
    lines: list[str] = []
    if out is not None:
        made = _fitted(original, model, exact, seed)
        out.write_text(fab_text(made, f"wafer {wafer}, {_origin(original)}"), encoding="utf-8")
        told |= {"file": str(out), "model": made.model, "dies": len(made.dies), "distances": made.distances, "parameters": made.parameters}
        lines += _made_lines(made, out)
    found = None if other is None else likeness(original, other)
    if found is not None:
        counts = [{**asdict(each), "holds": each.holds} for each in found.counts]
        told |= {"against": against, "holds": found.holds, "measured_distances": found.distances, "limit": found.limit, "counts": counts}
        lines += _likeness_lines(found, f"{against} as a twin of {wafer}")
    emit(as_json, told, "\n".join(lines))
    if found is not None and not found.holds:
        raise typer.Exit(1)


def _dies(lab: LabClient, wafer: str) -> list[MeasuredDie]:
    dies = measured_dies(lab, wafer)
    if not dies:
        raise CommandFailed(f"wafer {wafer} has no die with maps of both states yet; a run of kind characterise makes them")
    return dies


def _fitted(dies: list[MeasuredDie], model: Literal["auto", "pillars", "levels"], exact: bool, seed: int) -> Twin:
    try:
        return fit_twin(dies, model, exact, seed)
    except ValueError as error:
        raise CommandFailed(str(error)) from error


def _origin(dies: list[MeasuredDie]) -> str:
    return "simulated" if any((die.p.meta.get("origin") or {}).get("simulated") for die in dies) else "measured"


def _made_lines(made: Twin, out: Path) -> list[str]:
    rows = [[name, f"{value:.6g}"] for name, value in made.parameters.items() if isinstance(value, float)]
    return [
        f"{out}: {len(made.dies)} dies as {made.model}, fitted to {made.junctions} good junctions",
        f"distance of good junctions as it should read: P {made.distances['P']:.4f}, AP {made.distances['AP']:.4f} (Kolmogorov-Smirnov)",
        aligned(rows),
        f"simulate it: hil sim --fab {out}",
    ]


def _likeness_lines(found: Likeness, title: str) -> list[str]:
    cells = (
        [each.of, str(each.count), str(each.other), f"{each.low} to {each.high}", "" if each.holds else "outside"] for each in found.counts
    )
    rows = [["count of", "original", "twin", "predicted", ""], *cells]
    distances = ", ".join(f"{state} {distance:.4f}" for state, distance in found.distances.items())
    verdict = "taken" if found.holds else "rejected"
    return [f"{title}: {verdict}; Kolmogorov-Smirnov distance {distances}, at most {found.limit}", aligned(rows)]
