"""Configuration lists of a 2450: settings stored by number and recalled, by message or by the trigger model; and their commands.

Rule: a list holds the settings of one side, source or measure; a sweep's list holds levels, worked out when they are needed.
Source: 2450 reference manual 2450-901-01, section 6, SOURce and SENSe CONFiguration:LIST.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from simulator.instruments.keithley2450.call import Call, Command
from simulator.instruments.keithley2450.settings import SENSE, SETTINGS, SOURCE, Key, Value
from simulator.instruments.scpi import ScpiError, illegal_value, out_of_range

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.core import Core
    from simulator.instruments.keithley2450.instrument import Instrument

Side = Literal["source", "measure"]
_MOST = 300_000
_NOT_IN_SETTINGS: dict[Side, tuple[str, ...]] = {
    "source": ("LEVEL", "LIMIT", "SOURCE_RANGE", "SOURCE_RANGE_AUTO", "DELAY", "PROTECTION"),
    "measure": ("RANGE", "LOWEST", "HIGHEST", "RSENSE"),
}


def _does_not_exist() -> ScpiError:
    return ScpiError(2790, "Configuration list, error, does not exist")


class ConfigurationList(Protocol):
    side: Side

    def size(self) -> int: ...
    def recall(self, core: Instrument, index: int) -> None: ...
    def text(self, index: int) -> str: ...


@dataclass
class StoredList:
    """stored: (function, settings) by index, from 0."""

    side: Side
    stored: list[tuple[str, Mapping[Key, Value]]] = field(default_factory=list)

    def size(self) -> int:
        return len(self.stored)

    def recall(self, core: Instrument, index: int) -> None:
        function, values = self.stored[index - 1]
        if self.side == "measure":
            core.sense = function
        elif function != core.source:
            core.set_output(False)
            core.source = "VOLT" if function == "VOLT" else "CURR"
        core.values.update(values)
        if self.side == "source":
            core.set_level(function, core.number("LEVEL", function))
        core.set_drive()

    def text(self, index: int) -> str:
        function, values = self.stored[index - 1]
        return ", ".join([f"FUNC={function}", *(f"{name}={value}" for (name, _), value in values.items())])


class ConfigurationLists:
    def __init__(self) -> None:
        self._lists: dict[str, ConfigurationList] = {}

    def clear(self) -> None:
        self._lists.clear()

    def names(self, side: Side) -> list[str]:
        return [name for name, each in self._lists.items() if each.side == side]

    def put(self, name: str, made: ConfigurationList) -> None:
        self._lists[name] = made

    def of(self, name: str, side: Side) -> ConfigurationList:
        """Raises ScpiError 2790 for a list that does not exist."""
        found = self._lists.get(name)
        if found is None or found.side != side:
            raise _does_not_exist()
        return found

    def stored(self, name: str, side: Side) -> StoredList:
        """Raises ScpiError -224 for a list that a sweep made."""
        found = self.of(name, side)
        if not isinstance(found, StoredList):
            raise illegal_value()
        return found

    def side(self, name: str) -> Side:
        if name not in self._lists:
            raise _does_not_exist()
        return self._lists[name].side

    def size(self, name: str) -> int:
        return self._lists[name].size() if name in self._lists else 0

    def recall(self, core: Instrument, name: str, index: int) -> None:
        """Raises ScpiError 2790 for an index that the list does not have."""
        if not 1 <= index <= self.size(name):
            raise _does_not_exist()
        self._lists[name].recall(core, index)

    def delete(self, name: str) -> None:
        del self._lists[name]


def stored_now(core: Core, side: Side, function: str) -> tuple[str, Mapping[Key, Value]]:
    """What STORe keeps."""
    names = {setting.key[0] for setting in SETTINGS if (_is_source(setting.pattern) == (side == "source")) and setting.key[1] == function}
    names.update(_NOT_IN_SETTINGS[side])
    return function, {key: value for key, value in core.values.items() if key[1] == function and key[0] in names}


def _is_source(pattern: str) -> bool:
    return pattern.startswith((SOURCE, "OUTPut"))


def configuration_list_commands() -> Iterator[Command]:
    yield from _of_side("source", f"{SOURCE}CONFiguration:LIST:")
    yield from _of_side("measure", f"{SENSE}CONFiguration:LIST:")


def _of_side(side: Side, head: str) -> Iterator[Command]:
    for word, handler in _SETS.items():
        yield Command(head + word, _bound(handler, side), takes=4)
    for word, query in _QUERIES.items():
        yield Command(head + word, None, _bound(query, side), asks=3)


_SideHandler = Callable[["Core", Call, Side], str | None]


def _bound(handler: _SideHandler, side: Side) -> Callable[[Core, Call], str | None]:
    return lambda core, call: handler(core, call, side)


def _create(core: Core, call: Call, side: Side) -> None:
    call.argument()
    name = call.name(0)
    if not re.fullmatch(r"[A-Za-z_]\w{0,30}", name) or name in core.lists.names("source") + core.lists.names("measure"):
        raise illegal_value()
    core.lists.put(name, StoredList(side))


def _delete(core: Core, call: Call, side: Side) -> None:
    call.argument()
    found = core.lists.of(call.name(0), side)
    if not call.given(1):
        core.lists.delete(call.name(0))
        return
    index = call.whole(1, 1, _MOST)
    if index > found.size():
        raise _does_not_exist()
    del core.lists.stored(call.name(0), side).stored[index - 1]


def _store(core: Core, call: Call, side: Side) -> None:
    call.argument()
    kept = core.lists.stored(call.name(0), side).stored
    index = call.whole(1, 1, _MOST, len(kept) + 1)
    if index > len(kept) + 1:
        raise out_of_range()
    kept[index - 1 : index] = [stored_now(core, side, core.source if side == "source" else core.sense)]


def _recall(core: Core, call: Call, side: Side) -> None:
    call.argument()
    core.lists.of(call.name(0), side)
    index = call.whole(1, 1, _MOST, 1)
    core.lists.recall(core, call.name(0), index)
    if call.given(2):
        core.lists.of(call.name(2), "measure" if side == "source" else "source")
        core.lists.recall(core, call.name(2), call.whole(3, 1, _MOST, index))


def _catalogue(core: Core, _: Call, side: Side) -> str:
    return ",".join(core.lists.names(side)) or "none"


def _query(core: Core, call: Call, side: Side) -> str:
    call.argument()
    found = core.lists.of(call.name(0), side)
    index = call.whole(1, 1, _MOST, 1)
    if index > found.size():
        raise _does_not_exist()
    return found.text(index)


def _size(core: Core, call: Call, side: Side) -> str:
    call.argument()
    return str(core.lists.of(call.name(0), side).size())


_SETS: dict[str, _SideHandler] = {"CREate": _create, "DELete": _delete, "STORe": _store, "RECall": _recall}
_QUERIES: dict[str, _SideHandler] = {"CATalog": _catalogue, "QUERy": _query, "SIZE": _size}
