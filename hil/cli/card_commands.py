"""`hil card`: the probe card, and what an operator did about it. Rule: counts start anew only because somebody says why."""

from typing import Annotated, Any

import typer

from hil.cli.options import AT, AsJson, Token, Url, connect
from hil.cli.output import emit

cards = typer.Typer(no_args_is_help=True, help="The probe card: its touchdowns, a new one, cleaned needles.", rich_markup_mode=None)


@cards.command("show", epilog="Example: hil card show")
def show(as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Touchdowns of the probe card, and how many are left."""
    with connect(url, token) as lab:
        _told(lab.card(), as_json)


@cards.command("new", epilog="Example: hil card new Q-114")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the card that was put in, such as its serial number.", show_default=False)
    ],
    as_json: AsJson = False,
    url: Url = AT,
    token: Token = None,
) -> None:
    """Another probe card was put in: its touchdowns are counted from nothing."""
    with connect(url, token) as lab:
        _told(lab.new_card(name), as_json)


@cards.command("cleaned", epilog="Example: hil card cleaned")
def cleaned(as_json: AsJson = False, url: Url = AT, token: Token = None) -> None:
    """Somebody cleaned the needles: the interval to the next cleaning begins anew."""
    with connect(url, token) as lab:
        _told(lab.card_cleaned(), as_json)


def _told(card: dict[str, Any], as_json: bool) -> None:
    since = f", in since {card['since']} (by {card['by']})" if card["since"] else ""
    lines = [
        f"probe card {card['name']}{since}",
        f"{card['touchdowns']} touchdowns, {card['left']} left; {card['elsewhere']} of them made elsewhere",
        f"{card['since_cleaning']} since the last cleaning, {card['left_before_cleaning']} left before the next",
    ]
    emit(as_json, card, "\n".join(lines))
