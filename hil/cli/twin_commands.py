"""Command about twins: a fab file that makes a measured wafer again, and whether a wafer measured is such a twin."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url

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
    # Only here: the fits take a second to import, and every other command does without them.
    from hil.cli.twinning import Twinning, make_or_judge

    if not make_or_judge(Twinning(wafer, out, model, exact, against, seed, as_json), url, token):
        raise typer.Exit(1)
