"""Commands about runs: measure, runs, results, watch, pause, resume, abort."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url, connect
from hil.cli.output import aligned, emit, run_cells, run_text, tell
from hil.client import Run, RunEnded

INTERRUPTED_CODE = 130
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, see `hil runs`.", show_default=False)]


def parse_dies(text: str) -> str | list[list[int]]:
    """`all`, or `x,y;x,y`. Raises BadParameter."""
    if text == "all":
        return text
    try:
        return [[int(x), int(y)] for x, y in (part.split(",") for part in text.split(";"))]
    except ValueError as error:
        raise typer.BadParameter(f'{text!r} is neither "all" nor "x,y;x,y", such as "0,0;-3,0"', param_hint="--dies") from error


def parse_plan(text: str) -> dict[str, Any]:
    """The kind of a plan, or a JSON file with a plan's fields. Raises CommandFailed."""
    if not text.endswith(".json"):
        return {"kind": text}
    try:
        plan = json.loads(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandFailed(f"--plan {text}: {error}") from error
    if not isinstance(plan, dict):
        raise CommandFailed(f'--plan {text}: holds no JSON object; write the plan\'s fields, such as {{"kind": "read"}}')
    return plan


def parse_fields(settings: list[str]) -> dict[str, Any]:
    """Fields of a plan from `name=value`: the value as JSON where it is some, else as text. Raises BadParameter."""
    fields: dict[str, Any] = {}
    for text in settings:
        name, given, value = text.partition("=")
        if not (given and name):
            raise typer.BadParameter(f"{text!r} is not name=value, such as points=101 or 'junctions=[[0, 0, 0]]'", param_hint="--set")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return fields


def measure(
    wafer: Annotated[str, typer.Argument(metavar="WAFER", help="Name of the wafer; a new one is registered.", show_default=False)],
    dies: Annotated[
        str | None, typer.Option(help='"all" or "x,y;x,y" [default: those of the plan file, or all].', show_default=False)
    ] = None,
    plan: Annotated[
        str,
        typer.Option(help="Kind of plan (characterise, read, contact_check, rehearse, iv_sweep, ...) or a .json file with its fields."),
    ] = "characterise",
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A field of the plan, the value as JSON; as often as needed.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it ended.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: the same key and plan give the same run.", show_default=False)] = None,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Queue a measurement of a wafer."""
    # A flag beats the file.
    flags: dict[str, Any] = {"wafer": wafer} if dies is None else {"wafer": wafer, "dies": parse_dies(dies)}
    body: dict[str, Any] = {"dies": "all", **parse_plan(plan), **parse_fields(fields or []), **flags}
    with connect(url, token) as lab:
        if dry_run:
            would = lab.dry_run(body)
            emit(as_json, would, _dry_run_text(would))
            return
        run = lab.start(body, key)
        if watch:
            tell(f"run {run.id} queued")
            _watch(run, as_json)
        else:
            why = lab.why_waiting()
            emit(as_json, run.json, f"{run_text(run)}\n{f'it waits: {why}; then ' if why else ''}watch it with `hil watch {run.id}`")


def _dry_run_text(would: dict[str, Any]) -> str:
    left = would["touchdowns_left"]
    spent = f"\nno touchdown left on {'; '.join(f'{x},{y}' for x, y in left['dies_spent'])}" if left["dies_spent"] else ""
    steps = f"{would['steps']} {would['unit']}s, {would['path_um'] / 1000:g} mm, about {would['duration_s']:g} s"
    return (
        f"{would['touchdowns']} touchdowns, {steps}\n"
        f"touchdowns left: {left['die']} a die, {left['card']} of the probe card, {left['before_cleaning']} before the next cleaning{spent}"
    )


def results(
    run: RunId,
    out: Annotated[Path | None, typer.Option(help="Write each array there, as X,Y/NAME.npy.", show_default=False)] = None,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """What a run has measured beside its maps: traces, switching probabilities, products, result codes."""
    with connect(url, token) as lab:
        told = lab.result_list(run)
        if out is not None:
            for die, arrays in lab.results(run).items():
                _write_arrays(out / f"{die[0]},{die[1]}", arrays)
    rows = [[f"({each['x']}, {each['y']})", each["name"], str(each["dtype"]), str(each["shape"])] for each in told]
    emit(as_json, told, aligned([["die", "name", "dtype", "shape"], *rows]) if told else "no results beside maps; `hil map` shows those")


def _write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Runs, newest first."""
    with connect(url, token) as lab:
        found = lab.runs(limit)
    table = aligned([["run", "state", "done", "plan", "error"], *map(run_cells, found)])
    emit(as_json, [run.json for run in found], table if found else "no runs yet; `hil measure WAFER` starts one")


def watch(run: RunId, as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Follow a run until it ended; exit code 0 only if it finished."""
    with connect(url, token) as lab:
        _watch(lab.run(run), as_json)


def pause(run: RunId, as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Stop a run after the present step, so that it can be resumed."""
    with connect(url, token) as lab:
        _told(lab.pause(run), as_json)


def resume(run: RunId, as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Let a paused or interrupted run go on after its last step."""
    with connect(url, token) as lab:
        _told(lab.resume(run), as_json)


def abort(run: RunId, as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """End a run for good; what it measured stays."""
    with connect(url, token) as lab:
        _told(lab.abort(run), as_json)


def _told(run: Run, as_json: bool) -> None:
    asked = f", {run.json['wanted']} asked for" if run.json.get("wanted") else ""
    emit(as_json, run.json, run_text(run) + asked)


def _watch(run: Run, as_json: bool) -> None:
    try:
        run.wait(progress=True)
    except RunEnded:
        # The result goes to stdout in either case; main turns the error into a line and exit code 1.
        emit(as_json, run.json, run_text(run))
        raise
    except KeyboardInterrupt:
        tell(f"no longer watching; run {run.id} goes on (`hil abort {run.id}` ends it)")
        raise typer.Exit(INTERRUPTED_CODE) from None
    emit(as_json, run.json, run_text(run))
