"""What commands print: text for people on stdout, or one JSON value for scripts; everything else goes to stderr."""

import json
from collections.abc import Sequence
from typing import Any

import typer

from hil.client import Run


def emit(as_json: bool, value: Any, text: str) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False) if as_json else text)


def tell(text: str) -> None:
    """A line for the person at the terminal, never part of the result."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """What nobody at the terminal may overlook: that an output may be on."""
    typer.secho(f"WARNING: {text}", fg=typer.colors.RED, bold=True, err=True)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns, two blanks apart."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def run_cells(run: Run) -> list[str]:
    plan = run.json["plan"]
    return [run.id, run.state, f"{run.done}/{run.total} {run.unit}", f"{plan.get('kind')} {plan.get('wafer')}", run.error or ""]


def run_text(run: Run) -> str:
    return "  ".join(cell for cell in run_cells(run) if cell)
