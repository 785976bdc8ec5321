"""`hil evaluate`: what a trained network makes of the dies it was made for, by their maps and, if asked, on the dies themselves."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url

Model = Annotated[str, typer.Argument(help="A checkpoint of `hil train`, as a file, or as its id on the service.")]
Images = Annotated[int, typer.Option(min=10, max=10_000, help="Test images, the first of MNIST's.")]


def evaluate(
    model: Model,
    wafer: Annotated[str, typer.Option(help="The wafer whose dies the network was made for.")],
    method: Annotated[str | None, typer.Option(help="Of several methods in one checkpoint, which.")] = None,
    in_the_loop: Annotated[
        str | None,
        typer.Option(
            "--in-the-loop", metavar="X,Y", help="Write the network into this die (several: x,y;x,y) and run the images through the board."
        ),
    ] = None,
    tune: Annotated[int, typer.Option(min=0, help="Fit the digital side to the die with so many unlabelled images first.")] = 0,
    images: Images = 1000,
    read_volts: Annotated[float, typer.Option(min=1e-3, help="Read voltage of the products, V.")] = 0.1,
    averages: Annotated[int, typer.Option(min=1, max=1000, help="How often each product is taken; their mean counts.")] = 4,
    store: Annotated[bool, typer.Option(help="Hand the checkpoint, if it is a file, and what was found to the service.")] = True,
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Predicted errors on every die of a checkpoint; with --in-the-loop, measured ones beside them.

    Refused where a die's maps are not those that the network was made for.
    """
    if find_spec("torch") is None:
        raise CommandFailed('evaluating needs torch: pip install "mtj-hil[train]"')
    from hil.cli.evaluation import Evaluating, evaluate_model
    from hil.training.in_the_loop import Reading

    asked = Evaluating(model, wafer, method, dies_named(in_the_loop), tune, images, Reading(read_volts, averages), store, as_json)
    evaluate_model(asked, url, token)


def follow(
    model: Model,
    wafer: Annotated[str, typer.Option(help="The wafer to watch.")],
    method: Annotated[str | None, typer.Option(help="Of several methods in one checkpoint, which.")] = None,
    images: Images = 1000,
    for_s: Annotated[float | None, typer.Option("--for", help="Stop after so many seconds; without it, until Ctrl-C.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that receives the bit map of every die that was placed anew.")] = Path("placed"),
    url: Url = AT,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Watch a wafer's defect maps; whenever a die has changed, place the shared network on that die anew and evaluate it there."""
    if find_spec("torch") is None:
        raise CommandFailed('placing networks needs torch: pip install "mtj-hil[train]"')
    from hil.cli.following import Following, follow_wafer

    follow_wafer(Following(model, wafer, method, images, for_s, out, as_json), url, token)


def dies_named(text: str | None) -> tuple[tuple[int, int], ...]:
    """ "x,y;x,y" as dies. Raises CommandFailed."""
    found: list[tuple[int, int]] = []
    for part in filter(None, (text or "").split(";")):
        try:
            x, y = (int(number) for number in part.split(","))
        except ValueError:
            raise CommandFailed(f"--in-the-loop is {text!r}; write dies as x,y or x,y;x,y, such as 0,0;-3,0") from None
        found.append((x, y))
    return tuple(found)
