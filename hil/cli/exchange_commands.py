"""Commands that exchange maps with others: export, import."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import track

from hil.cli.options import AT, AsJson, CommandFailed, Token, Url, connect
from hil.cli.output import emit
from hil.client import LabClient, NotFound
from hil.client.arrays import DieMap
from hil.report.exports import Exported, ExportedDie, ExportFailed, write_export
from hil.report.import_files import FileRefused, read_maps

Wafer = Annotated[str, typer.Argument(metavar="WAFER", show_default=False)]
X = Annotated[int, typer.Argument(metavar="X", help="Column of the die; negative ones as they are.", show_default=False)]
Y = Annotated[int, typer.Argument(metavar="Y", help="Row of the die.", show_default=False)]


def export(
    wafer: Wafer,
    kind: Annotated[Literal["csv", "parquet", "zarr", "stdf", "e142", "g85"], typer.Option("--format", help="Of the file.")],
    out: Annotated[Path, typer.Option(help="The file to write; a folder for zarr.", show_default=False)],
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Write the newest maps of every measured die of a wafer to a file of another format."""
    with connect(url, token) as lab:
        exported = _exported(lab, wafer)
        try:
            write_export(exported, kind, out)
        except ExportFailed as error:
            raise CommandFailed(str(error)) from error
    told = {"wafer": wafer, "format": kind, "path": str(out), "dies": exported.measured}
    emit(as_json, told, f"{out}: {exported.measured} dies of {wafer} as {kind}")


def _exported(lab: LabClient, wafer: str) -> Exported:
    told = lab.wafer(wafer)
    measured = sorted((die for die in told["dies"] if die["status"] != "not measured"), key=lambda die: (die["y"], die["x"]))

    def pull() -> Iterator[ExportedDie]:
        console = Console(stderr=True)
        for die in track(measured, wafer, console=console, transient=True, disable=not sys.stderr.isatty()):
            yield _die(lab, wafer, die)

    dies = [(die["x"], die["y"]) for die in told["dies"]]
    return Exported(wafer, dies, len(measured), pull, datetime.now(UTC).isoformat(timespec="seconds"), version("mtj-hil"))


def _die(lab: LabClient, wafer: str, told: dict[str, Any]) -> ExportedDie:
    """The newest defect map with the two maps it was derived from; without one, the newest map of any state."""
    die = (told["x"], told["y"])
    if told["defect_map"] is None:
        newest = lab.conductance_map(wafer, *die)
        state = newest.state if newest.state in ("P", "AP") else "as_found"
        return ExportedDie(
            die, str(newest.origin), {state: newest.map_id}, newest.measured_at, {state: newest.array}, _uncertainties(lab, {state: newest})
        )
    defects = lab.map(told["defect_map"])
    inputs: dict[str, str] = lab.map_meta(defects.map_id).get("inputs") or {}
    maps = {state: lab.map(map_id) for state, map_id in inputs.items()}
    return ExportedDie(
        die,
        str(defects.origin),
        {**inputs, "defects": defects.map_id},
        defects.measured_at,
        {state: each.array for state, each in maps.items()},
        _uncertainties(lab, maps),
        defects.array,
        _part(lab, defects.map_id, "lines"),
        _part(lab, defects.map_id, "uncertainty"),
    )


def _uncertainties(lab: LabClient, maps: dict[str, DieMap]) -> dict[str, Any]:
    found = {state: _part(lab, each.map_id, "uncertainty") for state, each in maps.items()}
    return {state: array for state, array in found.items() if array is not None}


def _part(lab: LabClient, map_id: str, part: Literal["lines", "uncertainty"]) -> Any:
    """None where the map has none."""
    try:
        return lab.map_part(map_id, part)
    except NotFound:
        return None


def bring(
    wafer: Wafer,
    x: X,
    y: Y,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="npy, csv, txt, or a folder with one txt a kernel.", show_default=False)],
    state: Annotated[
        Literal["P", "AP", "as_found"], typer.Option(help="What was written before FILE was read, where it does not say.")
    ] = "as_found",
    ap: Annotated[Path | None, typer.Option(help="The same die in AP; FILE is then P.", show_default=False)] = None,
    units: Annotated[Literal["siemens", "microsiemens", "ohms"], typer.Option(help="Of the numbers.")] = "siemens",
    read_volts: Annotated[float, typer.Option(help="Bias across the cell while reading, V.")] = 0.1,
    note: Annotated[str, typer.Option(help="Kept with the maps.")] = "",
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Bring maps of a die that were measured elsewhere; with both states they are classified."""
    found = _read(file, (x, y), "P" if ap is not None else state)
    maps, declared = dict(found[0]), found[1]
    if ap is not None:
        maps |= _read(ap, (x, y), "AP")[0]
    told = {"units": units, "read_volts": read_volts, "note": note, "source": str(file), "declared_origin": declared}
    with connect(url, token) as lab:
        brought = lab.import_maps(wafer, x, y, maps, **told)
    ids = ", ".join(f"{name} {map_id[:12]}" for name, map_id in brought["maps"].items())
    emit(as_json, brought, f"{wafer} ({x}, {y}): {ids}; origin: imported; run {brought['run']}")


def _read(file: Path, die: tuple[int, int], state: str) -> tuple[dict[str, Any], str]:
    try:
        found = read_maps(file, die)
    except FileRefused as error:
        raise CommandFailed(str(error)) from error
    return {name or state: array for name, array in found.maps.items()}, found.declared_origin
