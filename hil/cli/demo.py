"""`hil demo`: the command. What it needs beyond the service (torch, the report) is imported only when it runs."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.interrupt import interruptible
from hil.cli.options import CommandFailed


def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Leave when done instead of serving on until Ctrl-C.")] = False,
    out: Annotated[Path, typer.Option(help="Folder that receives the report and the measured data.")] = Path("demo-report"),
    wafer_seed: Annotated[int, typer.Option(help="Seed of the simulated wafer.")] = 20261122,
    fab: Annotated[str, typer.Option(help="Fab preset of the simulated wafer: clean, paper-like, default or harsh.")] = "default",
    dies: Annotated[int, typer.Option(min=2, max=36, help="Dies on the wafer.")] = 36,
    quick: Annotated[bool, typer.Option("--quick", help="Train briefly: a check that everything works, not a result.")] = False,
) -> None:
    """The whole way: a simulated lab on real sockets, 36 dies measured, networks trained on them, a table of errors.

    Example: hil demo --exit --out demo-report
    """
    if find_spec("torch") is None:
        typer.echo('the demo trains networks and needs torch: pip install "mtj-hil[train]"', err=True)
        raise typer.Exit(1)
    from hil.cli.child import ChildFailed
    from hil.cli.demo_run import Wishes, run_demo
    from hil.training.errors import TrainingError

    try:
        with interruptible():
            run_demo(Wishes(out, leave, wafer_seed, fab, dies, quick))
    except KeyboardInterrupt:
        typer.echo("\nstopped: the service made the lab safe, the lab is down", err=True)
        raise typer.Exit(130) from None
    except (ChildFailed, TrainingError) as error:
        raise CommandFailed(str(error)) from error
