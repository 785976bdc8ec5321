"""Commands about the station: check, estop, reset, release."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hil.cli.options import AT, AsJson, Data, Lab, Token, Url, connect, data_dir
from hil.cli.output import aligned, emit, tell, warn
from hil.model.lab import load_lab

DEFAULT_BAUD = 921_600
Directly = Annotated[
    Path | None, typer.Option("--lab", help="Go to the instruments of this lab.toml directly, without a service.", show_default=False)
]


def check(
    lab: Lab = Path("lab.toml"),
    data: Data = None,
    conformance: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Prove the protocol's rules on the controller at this address instead.", show_default=False),
    ] = None,
    baud: Annotated[int, typer.Option(min=1, help="With --conformance: of a serial line.")] = DEFAULT_BAUD,
    read: Annotated[bool, typer.Option("--read", help="With --conformance: junctions may be read at 1 mV.")] = False,
    with_path: Annotated[
        bool, typer.Option("--with-path", help="With --conformance: the contact pads may be connected; the SMU is off.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="With --conformance: although the board is not at rest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect to every instrument and identify it; changes nothing. Exit code 1 if one fails.

    With --conformance ADDRESS: a verdict for each rule of the protocol, in about 20 s; the board is left safe.
    """
    if conformance is not None:
        from hil.cli.conformance import prove

        prove(conformance, baud, read=read, with_path=with_path, force=force, as_json=as_json)
        return
    from hil.station.emergency import check_lab

    config = load_lab(lab)
    results = check_lab(config)
    rows = [["ok" if each.ok else "FAILED", each.instrument, each.text + (f" at {each.address}" if each.ok else "")] for each in results]
    emit(as_json, [asdict(result) for result in results], aligned(rows))
    _warn_if_latched(data_dir(data, config, lab))
    if not all(result.ok for result in results):
        raise typer.Exit(1)


def _warn_if_latched(data: Path) -> None:
    """By the station's service, where there has been one."""
    from hil.store import FILE_NAME, open_store
    from hil.store.errors import StoreError

    if not (data / FILE_NAME).exists():
        return
    try:
        with closing(open_store(data)) as store:
            may_be_on = store.station().may_be_on
    except StoreError as error:
        tell(f"whether the service says that an output may be on cannot be read: {error}")
        return
    if may_be_on is not None:
        warn(may_be_on)


def estop(
    reason: Annotated[str, typer.Option(help="Stands in the record.")] = "",
    lab: Directly = None,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Emergency stop: outputs off, everything deselected, prober separated, latched. Exit code 0 only if all is safe."""
    outcome = _direct(lab) if lab is not None else _by_service(url, token, reason)
    if outcome is None:
        emit(as_json, {"safe": None, "outcome": None}, "latched, but nobody has reported the outcome; look at the instruments")
        raise typer.Exit(1)
    safe = all(text == "safe" for text in outcome.values())
    emit(as_json, {"safe": safe, "outcome": outcome}, aligned([[name, text] for name, text in outcome.items()]))
    if lab is not None and outcome["smu"] != "safe":
        warn(f"the SMU's output may be on: {outcome['smu']}")
    if not safe:
        raise typer.Exit(1)


def _direct(lab: Path) -> dict[str, str]:
    from hil.station.emergency import stop_everything

    return stop_everything(load_lab(lab), latch=True)


def _by_service(url: str, token: str | None, reason: str) -> dict[str, str] | None:
    with connect(url, token) as service:
        return service.estop(reason)["outcome"]


def reset(
    force: Annotated[bool, typer.Option("--force", help="Although an instrument is not known to be safe: you have looked.")] = False,
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Clear the emergency stop."""
    with connect(url, token) as service:
        emit(as_json, *_switches(service.reset(force)))


def release(as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Let a queue go on that a failed run holds."""
    with connect(url, token) as service:
        emit(as_json, *_switches(service.release()))


def _switches(station: dict[str, Any]) -> tuple[dict[str, Any], str]:
    estop, held, queued = station["interlocks"]["estop"], station["queue"]["held"], station["queue"]["queued"]
    latch = "emergency stop clear" if estop is None else f"emergency stop LATCHED by {estop['by']} at {estop['at']}"
    queue = f"{len(queued)} queued" if held is None else f"queue held (`hil release` lets it go on): {held}"
    return {"interlocks": station["interlocks"], "queue": station["queue"]}, f"{latch}; {queue}"
