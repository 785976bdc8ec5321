"""How an instrument's tables are made: what an attribute or function refuses goes to the error queue, what it takes of time is counted.

Rule: a refusal is said and the statement goes on.
Assumed: what a line, a setting and a question take. They add up to the data sheet's rates of single readings and of scripts.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from simulator.instruments.keithley2600.errors import ErrorQueue, Refused
from simulator.instruments.smu.own_time import OwnTime
from simulator.instruments.tsp_values import Arguments, Native, Pause, Value, Waiting

LINE_NS = 400_000
SET_NS = 60_000
GET_NS = 10_000
CALL_NS = 30_000


@dataclass(frozen=True)
class Until:
    """Pause: the instrument is busy until then, ns of its own time."""

    when_ns: int


@dataclass(frozen=True)
class Happening:
    """Pause: until something calls what `arm` is given, with the time, ns."""

    arm: Callable[[Callable[[int], None]], None]


@dataclass(frozen=True)
class Turn:
    """Pause: nothing to wait for, but others have their turn."""


class Cursor:
    """The time at which the present statement stands: the instrument's own, and what the statement took so far."""

    def __init__(self, own: OwnTime) -> None:
        self.own, self.taken_ns = own, 0

    @property
    def now_ns(self) -> int:
        return self.own.now_ns + self.taken_ns

    def spend(self, taken_ns: int) -> None:
        self.taken_ns += taken_ns


class Natives:
    def __init__(self, errors: ErrorQueue, cursor: Cursor) -> None:
        self.errors, self.cursor = errors, cursor

    def table(self, luatype: str = "native", of: object = None, item: Callable[[float], Value] | None = None) -> Native:
        return Native(luatype, of, item)

    def numbered(self, table: Native, at: int, get: Callable[[], Value], set_: Callable[[Value], None]) -> None:
        """An attribute whose name is a number: `stimulus[1]`."""
        self.attribute(table, float(at), get, set_)

    def attribute(self, table: Native, name: str | float, get: Callable[[], Value], set_: Callable[[Value], None] | None = None) -> None:
        cursor, errors = self.cursor, self.errors

        def got() -> Value:
            cursor.taken_ns += GET_NS
            return get()

        def set_guarded(value: Value) -> None:
            cursor.taken_ns += SET_NS
            try:
                assert set_ is not None
                set_(value)
            except Refused as refused:
                errors.refuse(refused)

        table.attribute(name, got, None if set_ is None else set_guarded)

    def function(self, table: Native, name: str, do: Callable[[Arguments], Value]) -> None:
        table.function(name, self.guarded(do))

    def guarded(self, do: Callable[[Arguments], Value]) -> Callable[[Arguments], Value]:
        def done(given: Arguments) -> Value:
            self.cursor.taken_ns += CALL_NS
            try:
                return do(given)
            except Refused as refused:
                self.errors.refuse(refused)
                return None

        return done

    def waiting(self, table: Native, name: str, do: Callable[[Arguments], Waiting]) -> None:
        table.waiting(name, self.guarded_waiting(do))

    def guarded_waiting(self, do: Callable[[Arguments], Waiting]) -> Callable[[Arguments], Waiting]:
        def done(given: Arguments) -> Generator[Pause, None, Value]:
            self.cursor.taken_ns += CALL_NS
            try:
                return (yield from do(given))
            except Refused as refused:
                self.errors.refuse(refused)
                return None

        return done
