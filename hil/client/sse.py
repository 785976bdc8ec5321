"""Reading server-sent events (WHATWG HTML, section 9.2). Rule: no I/O here; lines in, events out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hil.client.errors import UnexpectedReply


@dataclass(frozen=True)
class Event:
    """number: the event's id in the journal, None for `end`. data: its JSON body."""

    number: int | None
    kind: str
    data: dict[str, Any]


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Events of a stream of lines without line ends. Comments, retry and unknown fields are passed over."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif "data" in fields:
            yield _event(fields)
            fields = {}
        else:
            fields = {}


def _event(fields: dict[str, list[str]]) -> Event:
    text = "\n".join(fields["data"])
    number = fields.get("id", [""])[-1]
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UnexpectedReply(f"an event's data is not JSON: {text[:80]!r}") from error
    return Event(int(number) if number.isdecimal() else None, fields.get("event", ["message"])[-1], data)
