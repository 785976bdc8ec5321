"""Carries out TSP with Lua itself: whole scripts, loops, functions. The package lupa brings Lua along; without it there is `tsp_flat`.

Rule 1: Lua 5.2 and not 5.0.2 as in the instrument: of the Luas that lupa brings it is the one whose numbers are all floats, as there,
and in which everything can wait, even an attribute. `tsp_prelude` gives back what 5.2 lost of 5.0; what stays away is `arg` in
functions of variable parameters, and coroutines.
Rule 2: an error says what 5.0 says of it.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.instruments.tsp_flat import ScriptError, TspStopped
from simulator.instruments.tsp_prelude import EXIT, PRELUDE
from simulator.instruments.tsp_values import (
    Arguments,
    Function,
    Native,
    Pause,
    Table,
    TspRuntimeError,
    Value,
    Waiting,
    returned,
)
from simulator.instruments.tsp_words import TspSyntaxError

_LUA = "lupa.lua52"
_MEMORY_BYTES = 64_000_000
"""The instrument's runtime environment has 24 MB; Lua of 64 bits needs more than its own."""
_POSITION = re.compile(r"^script:(\d+): (.*)$", re.DOTALL)
_DEPTH = 20
"""Tables in tables, as far as an instrument's function looks."""


class NoLua(ImportError):
    """The package lupa is not installed."""


class LuaInterpreter:
    """turn: the pause in which a script lets others have their turn."""

    scripts = True

    def __init__(self, natives: dict[str, Value], turn: Pause) -> None:
        """Raises NoLua."""
        try:
            lua: Any = importlib.import_module(_LUA)
        except ImportError as error:
            raise NoLua("lupa is not installed; pip install mtj-hil[lua] for whole TSP scripts") from error
        self._turn = turn
        self._lua = lua.LuaRuntime(
            unpack_returned_tuples=True,
            encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            attribute_filter=_nothing_of_python,
            max_memory=_MEMORY_BYTES,
        )
        self._type_of: Callable[[Any], str | None] = lua.lua_type
        self._tables: dict[int, Any] = {}
        self._functions: dict[int, tuple[Function, Any]] = {}
        say = natives["print"]
        prelude = self._lua.eval("function(source, ...) return load(source, '=prelude')(...) end")
        made: Any = prelude(PRELUDE, self._get, self._set, self._begin, _step, self._result, self._plain(say), self._fill)
        self._make_native, self._make_function, self._make_waiting = made.native, made.func, made.waiting
        self._load, self._thread, self._handle = made.compile, made.thread, made.handle
        names = self._lua.globals()
        for name, value in natives.items():
            if name != "print":
                names[name] = self._out(value)

    def compile(self, source: str) -> Value:
        """A function of Lua's. Raises TspSyntaxError."""
        found = self._load(source)
        if isinstance(found, tuple):
            text, line = _placed(str(found[1]))
            raise TspSyntaxError(text, line)
        return found

    def begin(self, source: str) -> "LuaRun":
        return LuaRun(self._thread(self.compile(source)), self._turn)

    def value_of(self, name: str) -> Value:
        return self._in(self._handle(self._lua.globals()[name]))

    def set_value(self, name: str, value: Value) -> None:
        self._lua.globals()[name] = self._out(value)

    # --- between Lua and the instrument
    def _out(self, value: Value) -> Any:
        """A value as Lua has it."""
        if isinstance(value, Native):
            known = self._tables.get(id(value))
            if known is None:
                # The Lua table keeps the native, so that its id stays its own.
                known = self._tables[id(value)] = self._make_native(value, value.luatype, self._out(value.called))
            return known
        if isinstance(value, Table):
            return self._lua.table_from({key: self._out(each) for key, each in value.items()})
        return self._function(value) if isinstance(value, Function) else value

    def _function(self, function: Function) -> Any:
        known = self._functions.get(id(function))
        if known is None:
            made = self._make_waiting(function) if function.waits else self._make_function(self._plain(function))
            known = self._functions[id(function)] = function, made
        return known[1]

    def _in(self, value: Any, depth: int = 0) -> Value:
        """A value as the instrument has it."""
        kind = type(value)
        if kind is int:
            return float(value)
        if value is None or kind in (float, str, bool, Native) or self._type_of(value) != "table" or depth > _DEPTH:
            return value
        if isinstance(native := self._handle(value), Native):
            return native
        return Table(pairs={self._in(key, depth + 1): self._in(each, depth + 1) for key, each in value.items()})

    def _plain(self, function: Function) -> Callable[..., tuple[Any, ...]]:
        def run(*given: Any) -> tuple[Any, ...]:
            try:
                return None, *map(self._out, returned(function.do(tuple(map(self._in, given)))))
            except TspRuntimeError as error:
                return (str(error),)
            except TspStopped:
                return (EXIT,)

        return run

    def _get(self, native: Native, key: Any) -> tuple[Any, ...]:
        """(failure, value, whether it will always be this value)."""
        name = self._in(key)
        try:
            return None, self._out(native.get(name)), name in native.objects
        except TspRuntimeError as error:
            return (str(error),)

    def _set(self, native: Native, key: Any, value: Any = None) -> str | None:
        try:
            native.set(self._in(key), self._in(value))
        except TspRuntimeError as error:
            return str(error)
        return None

    def _begin(self, function: Function, *given: Any) -> "_Job":
        return _Job(function.do(tuple(map(self._in, given))))

    def _result(self, job: "_Job") -> tuple[Any, ...]:
        return (job.failure,) if job.failure is not None else (None, *map(self._out, job.values))

    def _fill(self, native: Native, getters: Any, setters: Any, objects: Any) -> None:
        """Everything that a metatable shows, for a script that walks it."""
        for name, get in native.getters.items():
            getters[name] = self._function(Function(lambda _, get=get: get()))
        for name, set_ in native.setters.items():
            setters[name] = self._function(Function(lambda given, do=set_: do(*given[:1])))
        for key, value in native.objects.items():
            objects[key] = self._out(value)


class LuaRun:
    """One chunk under way."""

    def __init__(self, resume: Callable[[], Any], turn: Pause) -> None:
        self._resume, self._turn = resume, turn

    def go_on(self) -> Pause | None:
        state = self._resume()
        if state == "over":
            return None
        kind, what = state
        if kind == "paused":
            return what or self._turn
        if what == EXIT:
            raise TspStopped
        if isinstance(what, BaseException):
            raise what
        raise ScriptError(*_placed(str(what)))


@dataclass
class _Job:
    """One call of a function that waits."""

    steps: Waiting
    values: Arguments = ()
    failure: str | None = None


def _step(job: _Job) -> Pause | None:
    try:
        return next(job.steps)
    except StopIteration as over:
        job.values = returned(over.value)
    except TspRuntimeError as error:
        job.failure = str(error)
    except TspStopped:
        job.failure = EXIT
    return None


def _nothing_of_python(_: Any, name: Any, __: Any) -> Any:
    raise AttributeError(f"{name} is out of a script's reach")


def _placed(message: str) -> tuple[str, int]:
    """Lua's message in the words of Lua 5.0, and its line."""
    found = _POSITION.match(message)
    text, line = (found.group(2), int(found.group(1))) if found else (message, 1)
    text = re.sub(r"'([^'\n]*)'", r"`\1'", text)
    text = re.sub(r"near (<\w+>)", r"near `\1'", text)
    return re.sub(r"^syntax error near", "`=' expected near", text), line
