"""What `hil twin` does: fit a foundry to measured dies and write it, or judge a twin that was measured."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from hil.analysis.likeness import Likeness, likeness
from hil.analysis.measured import MeasuredDie
from hil.analysis.twin import Twin, fit_twin
from hil.analysis.twin_file import fab_text
from hil.cli.measured_dies import measured_dies
from hil.cli.options import CommandFailed, connect
from hil.cli.output import aligned, emit
from hil.client import LabClient


@dataclass(frozen=True)
class Twinning:
    """What the command line asked for."""

    wafer: str
    out: Path | None
    model: Literal["auto", "pillars", "levels"]
    exact: bool
    against: str | None
    seed: int
    as_json: bool


def make_or_judge(asked: Twinning, url: str, token: str | None) -> bool:
    """False when a measured twin was rejected. Raises CommandFailed, LabError."""
    with connect(url, token) as lab:
        original = _dies(lab, asked.wafer)
        other = None if asked.against is None else _dies(lab, asked.against)
    told: dict[str, Any] = {"wafer": asked.wafer}
    lines: list[str] = []
    if asked.out is not None:
        made = _fitted(original, asked.model, asked.exact, asked.seed)
        asked.out.write_text(fab_text(made, f"wafer {asked.wafer}, {_origin(original)}"), encoding="utf-8")
        facts = {"file": str(asked.out), "model": made.model, "dies": len(made.dies)}
        told |= {**facts, "distances": made.distances, "parameters": made.parameters}
        lines += _made_lines(made, asked.out)
    found = None if other is None else likeness(original, other)
    if found is not None:
        counts = [{**asdict(each), "holds": each.holds} for each in found.counts]
        told |= {
            "against": asked.against,
            "holds": found.holds,
            "measured_distances": found.distances,
            "limit": found.limit,
            "counts": counts,
        }
        lines += _likeness_lines(found, f"{asked.against} as a twin of {asked.wafer}")
    emit(asked.as_json, told, "\n".join(lines))
    return found is None or found.holds


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
    origins: list[dict[str, Any]] = [die.p.meta.get("origin") or {} for die in dies]
    return next((name for name in ("simulated", "imported") if any(origin.get(name) for origin in origins)), "measured")


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
