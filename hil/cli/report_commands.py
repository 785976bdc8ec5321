"""`hil report`: the page of a table that `hil train` or `hil reproduce` left, handed to the service where a model is named."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url


def report(
    results: Annotated[Path, typer.Argument(help="Folder that `hil train` or `hil reproduce` wrote to (--out).")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("training-report.html"),
    sensitivity: Annotated[
        bool, typer.Option(help="Say what shorts do to the shared weights, and which junctions matter (MNIST needed).")
    ] = True,
    model: Annotated[str | None, typer.Option(help="Id of a model on the service that gets this report.")] = None,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """One HTML page: errors by method, die and seed with intervals and in pairs, yields, sensitivity to shorts, training curves."""
    if find_spec("torch") is None:
        raise CommandFailed('the report of a training needs torch: pip install "mtj-hil[train]"')
    from hil.cli.training_page import Reporting, write_page

    write_page(Reporting(results, out, sensitivity, model, as_json), url, token)
