"""`hil check --conformance`: the protocol's rules against a real board, a verdict per rule."""

import sys

import typer
from rich.console import Console
from rich.table import Table

from drivers.conformance.report import Report, Result, Verdict
from drivers.conformance.rule import Wants
from drivers.conformance.runner import CannotStart, Wishes, run
from drivers.errors import DriverError
from drivers.links.serial import open_byte_link
from hil.cli.options import CommandFailed
from hil.cli.output import emit, tell

_COLOURS = {
    Verdict.PASSED: "green",
    Verdict.INFORMATION: "cyan",
    Verdict.FAIL: "bold red",
    Verdict.SKIPPED: "yellow",
    Verdict.NOT_RUN: "red",
}
STOP_NOTE = "nothing is armed, pulsed or left selected; the emergency stop is tried last and cleared again"
"""With nothing driven a stop changes nothing but its latch."""


def prove(address: str, baud: int, *, read: bool, with_path: bool, force: bool, as_json: bool) -> None:
    """Prints the report. Raises CommandFailed when the board cannot be tested, typer.Exit(1) unless every rule held."""
    wanted = {Wants.READ: read, Wants.PATH: with_path}
    wishes = Wishes(frozenset(each for each, allowed in wanted.items() if allowed), force)
    tell(f"{address}: {STOP_NOTE}")
    try:
        # force is for a board that is not at rest; a port in use by another process stays his.
        link = open_byte_link(address, baud)
        try:
            report = run(link, wishes, tell=_progress)
        finally:
            link.close()
    except (CannotStart, DriverError) as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        emit(True, report.as_json(), "")
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


def _progress(result: Result) -> None:
    """On a terminal: the rule just tried, on one line that the next one overwrites."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{result.id} {result.verdict}")
        sys.stderr.flush()


def _show(report: Report) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    console = Console(highlight=False)
    table = Table("rule", "what", "verdict", "remark", box=None, pad_edge=False)
    for result in report.results:
        colour = _COLOURS[result.verdict]
        table.add_row(result.id, result.text, f"[{colour}]{result.verdict}[/{colour}]", _plain(result.remark))
    console.print(table)
    console.print(f"{report.address}: {_plain(str(report.board))}")
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict))
    console.print(f"{counts} in {report.seconds:.1f} s; the board was left {report.left}")
    if report.ended:
        console.print(f"[bold red]ended early: {_plain(report.ended)}[/bold red]")


def _plain(text: str) -> str:
    """Text of a device, not to be read as markup."""
    return text.replace("[", "\\[")
