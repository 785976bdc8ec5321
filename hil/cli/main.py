"""`hil`: the command line. Rule: an error is one readable line on stderr and exit code 1, wrong usage is 2, success alone is 0."""

import os
import sys
from typing import NoReturn

import typer

from hil.cli import (
    analysis_commands,
    calibration_commands,
    evaluate_commands,
    exchange_commands,
    map_commands,
    place_commands,
    report_commands,
    run_commands,
    serve,
    sim,
    station_commands,
    statistics_commands,
    train_commands,
    twin_commands,
)
from hil.cli.card_commands import cards
from hil.cli.options import CommandFailed
from hil.cli.output import tell
from hil.cli.token_commands import tokens
from hil.client import LabError, Unauthorized
from hil.model.lab import LabConfigError
from hil.store.errors import StoreError

# Negative die coordinates are arguments, not options.
NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}
app = typer.Typer(
    name="hil",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure magnetic-tunnel-junction dies, look at their maps, serve them over REST.",
)
MEASURE = 'hil measure W1 --dies "0,0;-3,0" --plan characterise --watch'
SWEEP = "hil measure W1 --dies 0,0 --plan iv_sweep --set 'junctions=[[0,3,7]]' --set start=-0.5 --set stop=0.5 --set points=101"
COMMANDS = (
    ("sim", sim.sim, "hil sim --clock fast --port-base 0 --write-lab lab.toml"),
    ("serve", serve.serve, "hil serve --lab lab.toml --data hil-data"),
    ("check", station_commands.check, "hil check --lab lab.toml"),
    ("measure", run_commands.measure, f"{MEASURE}, or {SWEEP}"),
    ("runs", run_commands.list_runs, "hil runs --json"),
    ("results", run_commands.results, "hil results r7-0a1b2c --out traces"),
    ("analyse", analysis_commands.analyse, "hil analyse r7-0a1b2c --access-ohms 800"),
    ("calibrations", calibration_commands.calibrations, "hil calibrations"),
    ("watch", run_commands.watch, "hil watch r7-0a1b2c"),
    ("pause", run_commands.pause, "hil pause r7-0a1b2c"),
    ("resume", run_commands.resume, "hil resume r7-0a1b2c"),
    ("abort", run_commands.abort, "hil abort r7-0a1b2c"),
    ("release", station_commands.release, "hil release"),
    ("estop", station_commands.estop, "hil estop --reason smoke"),
    ("reset", station_commands.reset, "hil reset"),
    ("wafers", map_commands.wafers, "hil wafers"),
    ("map", map_commands.show_map, "hil map W1 -3 0 --kind defects --png die.png"),
    ("export", exchange_commands.export, "hil export W1 --format parquet --out w1.parquet"),
    ("import", exchange_commands.bring, "hil import W1 -3 0 w1_p.npy --ap w1_ap.npy --units siemens"),
    ("train", train_commands.train, "hil train --method hardware-aware,placed --population 10x-0.3 --out training"),
    ("reproduce", train_commands.reproduce, "hil reproduce --populations 10x-0.3,mixed --methods placed --seeds 1"),
    ("report", report_commands.report, "hil report reproduced --out reproduced.html"),
    ("evaluate", evaluate_commands.evaluate, "hil evaluate placed.safetensors --wafer W1 --in-the-loop 0,0"),
    ("follow", evaluate_commands.follow, "hil follow placed.safetensors --wafer W1"),
    ("place", place_commands.place, "hil place placed.safetensors --wafer W1 --out placed"),
    ("worth", place_commands.worth, "hil worth placed.safetensors --wafer W1 --count 50 --plans reread"),
    ("refine", place_commands.refine, "hil refine placed.safetensors --wafer W1 --out sampled.safetensors"),
    ("statistics", statistics_commands.statistics, "hil statistics W1"),
    ("twin", twin_commands.twin, "hil twin W1 --out twin.toml, later hil twin W1 --against W1-twin"),
    ("changes", statistics_commands.changes, "hil changes W1 -3 0 --from r7-0a1b2c --to r9-4d5e6f"),
)
WITH_DIE = ("map", "changes", "import")
for command_name, function, example in COMMANDS:
    app.command(command_name, epilog=f"Example: {example}", context_settings=NEGATIVE_NUMBERS if command_name in WITH_DIE else None)(
        function
    )
app.add_typer(tokens, name="token")
app.add_typer(cards, name="card")


@app.command("demo", context_settings=PASSED_ON, add_help_option=False)
def demo(context: typer.Context) -> None:
    """The whole way on a simulated lab: measure a wafer, train on its maps, write the report."""
    # Only here: the trainer is an extra, and every other command works without it.
    try:
        from hil.cli.demo import demo as whole_way
    except ModuleNotFoundError as error:
        raise CommandFailed(f"`hil demo` needs the trainer ({error.name} is missing): pip install 'mtj-hil[train]'") from error

    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    inner.command(epilog="Example: hil demo --exit --out report")(whole_way)
    inner(args=context.args, prog_name="hil demo")


def fail(text: str) -> NoReturn:
    tell("hil: " + " ".join(text.split()))
    sys.exit(1)


def main() -> None:
    try:
        app()
    except Unauthorized:
        fail("no valid token: `hil token create --scope operate --data DIR` makes one; hand it over as HIL_TOKEN or with --token")
    except (LabError, LabConfigError, StoreError, CommandFailed) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if os.environ.get("HIL_DEBUG"):
            raise
        fail(f"this should not happen: {type(error).__name__}: {error}; HIL_DEBUG=1 shows where")


if __name__ == "__main__":
    main()
