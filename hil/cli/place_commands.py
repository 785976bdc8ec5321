"""Commands that take a trained network back to the bench: `hil place`, `hil worth`, `hil refine`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url

Model = Annotated[str, typer.Argument(help="A checkpoint of `hil train`, as a file, or as its id on the service.")]
Wafer = Annotated[str, typer.Option(help="The wafer whose dies the network was made for.")]
Method = Annotated[str | None, typer.Option(help="Of several methods in one checkpoint, which.")]


def place(
    model: Model,
    wafer: Wafer,
    method: Method = None,
    out: Annotated[Path, typer.Option(help="Folder that receives the files.")] = Path("placed"),
    upload: Annotated[bool, typer.Option(help="Hand the bit maps to the service and write plans that name them.")] = True,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Bit maps and placement tables of a network, for every die it was made for; each with a plan for `hil measure --plan`.

    Refused where a die's maps are not those that the network was made for.
    """
    _needs_torch()
    from hil.cli.placing import Placing, place_model

    place_model(Placing(model, wafer, method, out, upload, as_json), url, token)


def worth(
    model: Model,
    wafer: Wafer,
    method: Method = None,
    count: Annotated[int, typer.Option("--count", min=1, max=20_000, help="Junctions of each die.")] = 100,
    images: Annotated[int, typer.Option(min=10, max=10_000, help="Training images by which a junction is judged.")] = 1000,
    plans: Annotated[Path | None, typer.Option(help="Folder that receives a plan a die, which reads those junctions by the SMU.")] = None,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Which junctions of each die are worth reading again: those whose uncertainty moves the network's loss most."""
    _needs_torch()
    from hil.cli.certainty import Asked, tell_worth

    tell_worth(Asked(model, wafer, method, count, images, plans, as_json), url, token)


def refine(
    model: Model,
    wafer: Wafer,
    out: Annotated[Path, typer.Option(help="The new checkpoint.")],
    method: Method = None,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
    images: Annotated[int, typer.Option(min=10, max=10_000, help="Test images, the first of MNIST's.")] = 1000,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Train a network on for each of its dies, on samples of what the die may be: its maps and their uncertainties."""
    _needs_torch()
    from hil.cli.certainty import Asked, refine_model

    refine_model(Asked(model, wafer, method, epochs, images, out, as_json), url, token)


def _needs_torch() -> None:
    if find_spec("torch") is None:
        raise CommandFailed('networks need torch: pip install "mtj-hil[train]"')
