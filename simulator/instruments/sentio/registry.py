"""What a command is: who carries it out, what it needs, since which version it exists.

A handler takes the prober and the arguments. It returns the message or an answer at once, or a script that takes its time;
either raises SentioError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.words import Answer, Arguments

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

Handler = Callable[["Sentio", Arguments], "str | Answer | Script"]
"""Raises SentioError."""
Version = tuple[int, int, int]


class Needs(Enum):
    """NOTHING: any client may ask at any time. REMOTE: only the client that has remote control. CHUCK: that, and the chuck free."""

    NOTHING = "nothing"
    REMOTE = "remote control"
    CHUCK = "the chuck"


@dataclass(frozen=True)
class Command:
    """since: first version that knows it."""

    handler: Handler
    needs: Needs
    since: Version = (0, 0, 0)


Commands = dict[str, Command]


def asking(handlers: Mapping[str, Handler], since: Version = (0, 0, 0)) -> Commands:
    return {name: Command(handler, Needs.NOTHING, since) for name, handler in handlers.items()}


def setting(handlers: Mapping[str, Handler], since: Version = (0, 0, 0)) -> Commands:
    return {name: Command(handler, Needs.REMOTE, since) for name, handler in handlers.items()}


def moving(handlers: Mapping[str, Handler], since: Version = (0, 0, 0)) -> Commands:
    return {name: Command(handler, Needs.CHUCK, since) for name, handler in handlers.items()}


def always(text: str) -> Handler:
    """What is answered the same at all times."""
    return lambda _sentio, _arguments: text


def each(names: Iterable[str], handler: Handler) -> dict[str, Handler]:
    return dict.fromkeys(names, handler)
