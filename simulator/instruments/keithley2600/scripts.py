"""Scripts of a 2600B: collected line by line between loadscript and endscript, kept by name, run.

Rule: a script is a table that can be called; a named one is also a global variable.
Source: 2600BS-901-01, "Load a script by sending commands over the remote interface", script.*, scriptVar.*.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.instruments.keithley2600.errors import ErrorQueue, Refused, text
from simulator.instruments.keithley2600.natives import Natives
from simulator.instruments.keithley2600.queues import catalog
from simulator.instruments.tsp_flat import Interpreter
from simulator.instruments.tsp_values import Arguments, Native, Table, Value
from simulator.instruments.tsp_words import TspSyntaxError

_BEGIN = re.compile(r"(loadscript|loadandrunscript)(?:\s+(\w+))?\s*$")
_MOST_BYTES = 4_000_000


@dataclass
class Collected:
    """A script on its way. run: it is run when it is complete. anonymous: without a name."""

    name: str
    run: bool
    lines: list[str] = field(default_factory=list)
    bytes_: int = 0


class Scripts:
    """say: takes a line that is printed. The interpreter is given later: it needs the tables that are made here."""

    def __init__(self, natives: Natives, errors: ErrorQueue, say: Callable[[bytes], None]) -> None:
        self._natives, self._errors, self._say = natives, errors, say
        self.collecting: Collected | None = None
        self.interpreter: Interpreter | None = None
        self.table = natives.table()
        self._named = Table()
        self._saved: dict[str, Native] = {}
        user = self.table.objects["user"] = natives.table()
        natives.attribute(user, "scripts", lambda: self._named)
        factory = self.table.objects["factory"] = natives.table()
        natives.attribute(factory, "scripts", Table)
        natives.function(user, "catalog", lambda _: catalog(list(self._saved)))
        natives.function(factory, "catalog", lambda _: catalog([]))
        natives.function(self.table, "new", self._new)
        natives.function(self.table, "newautorun", self._new)
        natives.function(self.table, "delete", self._delete)
        natives.function(self.table, "restore", lambda _: None)
        natives.function(self.table, "load", lambda _: self._no_drive())
        self._anonymous = natives.table("script")
        natives.attribute(self.table, "anonymous", lambda: self._anonymous)
        natives.attribute(self.table, "run", lambda: self._anonymous.called)

    def begin(self, line: str) -> bool:
        """Whether a line begins a script."""
        found = _BEGIN.match(line)
        if found is not None:
            self.collecting = Collected(found.group(2) or "", found.group(1) == "loadandrunscript")
        return found is not None

    def collect(self, line: str) -> Collected | None:
        """One more line of the script that is collected; the script when it is complete."""
        collected = self.collecting
        assert collected is not None
        if line.strip() == "endscript":
            self.collecting = None
            return collected
        collected.bytes_ += len(line) + 1
        if collected.bytes_ <= _MOST_BYTES:
            collected.lines.append(line)
        return None

    def finish(self, collected: Collected) -> None:
        """The collected script takes its place. Raises TspSyntaxError, Refused -225."""
        if collected.bytes_ > _MOST_BYTES:
            raise Refused(-225)
        source = "\n".join(collected.lines)
        if not collected.name:
            self.set_anonymous(source)
            return
        script = self._made(source, collected.name)
        self._name(collected.name, script)
        self._interpreter.set_value(collected.name, script)

    @property
    def _interpreter(self) -> Interpreter:
        assert self.interpreter is not None
        return self.interpreter

    def set_anonymous(self, source: str) -> None:
        """Raises TspSyntaxError."""
        self._anonymous = self._made(source, "")
        self._interpreter.set_value("run", self._anonymous.called)

    def _made(self, source: str, name: str) -> Native:
        script, state = self._natives.table("script"), {"name": name, "source": source, "autorun": "no"}
        script.called = self._interpreter.compile(source)
        script.objects["run"] = script.called
        self._natives.function(script, "list", lambda _: self._list(state["name"], state["source"]))
        self._natives.function(script, "save", lambda _: self._saved.__setitem__(state["name"], script))
        for each in ("name", "source", "autorun"):
            self._natives.attribute(
                script, each, lambda each=each: state[each], lambda value, each=each: self._set(script, state, each, value)
            )
        return script

    def _set(self, script: Native, state: dict[str, str], attribute: str, value: Value) -> None:
        state[attribute] = "" if attribute == "source" and value is None else text(value)
        if attribute == "name":
            self._name(state["name"], script)

    def _name(self, name: str, script: Native) -> None:
        if name:
            self._named.set(name, script)

    def _list(self, name: str, source: str) -> None:
        lines = (f"loadscript {name}".rstrip(), *source.splitlines(), "endscript")
        for line in lines:
            self._say(line.encode("latin-1", "replace") + b"\n")

    def _new(self, given: Arguments) -> Value:
        source = text(given[0] if given else None)
        name = text(given[1]) if len(given) > 1 and given[1] is not None else ""
        try:
            script = self._made(source, name)
        except TspSyntaxError as error:
            self._errors.add(-285, f"TSP Syntax error at line {error.line}: {error.text}")
            return (None,)
        self._name(name, script)
        return script

    def _delete(self, given: Arguments) -> None:
        name = text(given[0] if given else None)
        if self._saved.pop(name, None) is None and self._named.get(name) is None:
            raise Refused(-292)
        self._named.set(name, None)

    def _no_drive(self) -> Value:
        """Nothing is plugged in."""
        raise Refused(2204)
