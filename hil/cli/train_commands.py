"""`hil train` and `hil reproduce`: tables of errors, from a measured wafer or from populations of simulated ones.

Heavy imports wait until a command runs: the trainer is an extra, and every other command works without it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url

NETS = "Network: inputs-hidden-classes, xR for R output columns a class."
POPULATIONS = "10x-0.1,10x-0.3,10x-1,10x-3,3x-0.3,10x-0.05,mixed"

Network = Annotated[str, typer.Option("--net", help=NETS)]
Pairs = Annotated[str, typer.Option("--pairs", help="How two junctions make a weight: tied, independent or reference.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds 0 to N - 1.")]
Out = Annotated[Path, typer.Option(help="Folder that receives cells, networks and table; what it holds already is not computed again.")]
Quick = Annotated[bool, typer.Option("--quick", help="Train briefly: a check that everything works, not a result.")]
Workers = Annotated[
    str | None,
    typer.Option(help="Who computes: dask://HOST:PORT of a scheduler, or how many processes of this machine.", show_default="this process"),
]


def train(
    method: Annotated[str, typer.Option(help="Method, or several, separated by commas.")],
    wafer: Annotated[str | None, typer.Option(help="A wafer of the service: each half of its dies is judged by the other's.")] = None,
    population: Annotated[str | None, typer.Option(help="A population by name, or a fab file, measured in a simulated lab.")] = None,
    net: Network = "100-76-10x3",
    pairs: Pairs = "independent",
    seeds: Seeds = 1,
    out: Out = Path("training"),
    quick: Quick = False,
    workers: Workers = None,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Train by one method and print the errors on every die."""
    _needs_trainer(workers)
    from hil.cli.train_table import Asked, train_on_population, train_on_wafer

    if (wafer is None) == (population is None):
        raise CommandFailed("say which dies: either --wafer W or --population NAME")
    asked = Asked(_listed(method), (population or str(wafer),), net, pairs, seeds, out, quick, as_json, workers)
    if wafer is not None:
        train_on_wafer(asked, wafer, url, token)
    else:
        train_on_population(asked)


def reproduce(
    populations: Annotated[str, typer.Option(help="Names or fab files, separated by commas.")] = POPULATIONS,
    methods: Annotated[str, typer.Option(help="Methods, separated by commas, or all.")] = "all",
    net: Network = "100-76-10x3",
    pairs: Pairs = "independent",
    seeds: Seeds = 3,
    out: Out = Path("reproduced"),
    quick: Quick = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """The whole table of errors, method by population, from nothing: simulated labs, measured wafers, training, evaluation."""
    _needs_trainer(workers)
    from hil.cli.train_table import Asked, train_on_population

    train_on_population(Asked(_listed(methods), tuple(_listed(populations)), net, pairs, seeds, out, quick, as_json, workers))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _needs_trainer(workers: str | None) -> None:
    if find_spec("torch") is None:
        raise CommandFailed('training needs torch: pip install "mtj-hil[train]"')
    if workers is not None and find_spec("distributed") is None:
        raise CommandFailed('--workers needs distributed, here and on the workers: pip install "mtj-hil[train,dask]"')
