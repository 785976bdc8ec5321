"""What TSP statements work with: Lua's values, and the tables through which they reach an instrument.

Rule 1: nil, booleans, numbers and strings are Python's own; every number is a float, every string latin-1.
Rule 2: an instrument's table (`Native`) is fixed when it is built: reading what it does not have is nil, writing it is an error.
Source: Series 2600B reference manual 2600BS-901-01, "Lua basics". A native table's metatable has Getters, Setters and Objects, as
scripts that walk the command tree of a real instrument find them.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

Value = Any
"""None, bool, float, str, Table, Native, Function; in the interpreter with Lua also a function of Lua's own."""
Pause = Any
"""What a statement waits for; whoever runs it knows what that means."""
Arguments = tuple[Value, ...]
Waiting = Generator[Pause, None, Value]
"""What a function that waits does, pause by pause."""


class TspRuntimeError(Exception):
    """Ends the script (-286). The text is without its line."""


@dataclass(frozen=True)
class Function:
    """A function of the instrument. do: told all arguments; returns None for no value, a tuple for several. waits: `do` is a generator
    of pauses."""

    do: Callable[[Arguments], Value]
    waits: bool = False

    def __str__(self) -> str:
        return f"function: 0x{id(self) & 0xFFFF_FFFF:08x}"


class Table:
    """A Lua table of a script. Keys as Lua has them: no nil; a number is a float."""

    def __init__(self, array: tuple[Value, ...] = (), pairs: dict[Value, Value] | None = None) -> None:
        self._values: dict[Value, Value] = {}
        self._length = 0
        for key, value in (pairs or {}).items():
            self.set(key, value)
        for at, value in enumerate(array, 1):
            self.set(float(at), value)

    def __str__(self) -> str:
        return f"table: 0x{id(self) & 0xFFFF_FFFF:08x}"

    def get(self, key: Value) -> Value:
        return self._values.get(key)

    def set(self, key: Value, value: Value) -> None:
        """Raises TspRuntimeError for a key that is nil."""
        if key is None:
            raise TspRuntimeError("table index is nil")
        if value is None:
            self._values.pop(key, None)
            if isinstance(key, float) and 1.0 <= key <= self._length:
                self._length = int(key) - 1
            return
        self._values[key] = value
        while float(self._length + 1) in self._values:
            self._length += 1

    def __len__(self) -> int:
        """How many values stand at 1, 2, 3, ... up to the first that is missing."""
        return self._length

    def array(self) -> list[Value]:
        """Those values."""
        return [self._values[float(at)] for at in range(1, self._length + 1)]

    def items(self) -> Iterator[tuple[Value, Value]]:
        return iter(self._values.items())


class Native:
    """One table of the instrument. getters, setters: attributes. objects: constants, functions, further tables, numbered ones by float.

    item: the value of a number that `objects` does not hold (readings of a buffer). called: what the table does when it is called like
    a function (scripts). of: what stands behind it.
    """

    def __init__(self, luatype: str = "native", of: object = None, item: Callable[[float], Value] | None = None) -> None:
        self.luatype, self.of, self.item = luatype, of, item
        self.called: Value = None
        self.getters: dict[str | float, Callable[[], Value]] = {}
        self.setters: dict[str | float, Callable[[Value], None]] = {}
        self.objects: dict[Value, Value] = {}

    def __str__(self) -> str:
        return f"table: 0x{id(self) & 0xFFFF_FFFF:08x}"

    def attribute(self, name: str | float, get: Callable[[], Value], set_: Callable[[Value], None] | None = None) -> None:
        self.getters[name] = get
        if set_ is not None:
            self.setters[name] = set_

    def function(self, name: str, do: Callable[[Arguments], Value]) -> None:
        self.objects[name] = Function(do)

    def waiting(self, name: str, do: Callable[[Arguments], Waiting]) -> None:
        """A function during which the statement waits."""
        self.objects[name] = Function(do, waits=True)

    def get(self, key: Value) -> Value:
        """nil for what is not there."""
        if key in self.getters:
            return self.getters[key]()
        value = self.objects.get(key)
        if value is None and self.item is not None and isinstance(key, float):
            return self.item(key)
        return value

    def set(self, key: Value, value: Value) -> None:
        """Raises TspRuntimeError for what cannot be set (the text is assumed)."""
        if key not in self.setters:
            raise TspRuntimeError(f"cannot set attribute `{text_of(key)}'")
        self.setters[key](value)

    def metatable(self) -> Table:
        """As `getmetatable` of a script sees it."""
        getters = Table(pairs={name: Function(lambda _, get=get: get()) for name, get in self.getters.items()})
        setters = Table(pairs={name: Function(lambda given, do=do: do(*given[:1])) for name, do in self.setters.items()})
        return Table(pairs={"Getters": getters, "Setters": setters, "Objects": Table(pairs=dict(self.objects)), "luatype": self.luatype})


def type_name(value: Value) -> str:
    """As Lua's `type` says it."""
    if value is None:
        return "nil"
    names = {bool: "boolean", float: "number", str: "string", Table: "table", Native: "table"}
    return names.get(type(value), "function")


def text_of(value: Value) -> str:
    """As Lua's `tostring` says it."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.14g}"
    return str(value)


def number_in(text: str, base: int = 10) -> float | None:
    """The number that a string holds, None for none; with a base other than 10 a whole one. Python's own readings of inf, nan and _ are
    none."""
    stripped = text.strip()
    try:
        if base != 10 or stripped[:3].lower().lstrip("+-").startswith("0x"):
            return float(int(stripped, 16 if base == 10 else base))
        return float(stripped) if stripped and set(stripped) <= set("0123456789+-.eE") else None
    except ValueError:
        return None


def returned(value: Value) -> tuple[Value, ...]:
    """The values that a function gave back."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
