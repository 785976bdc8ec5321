"""A small pretended instrument to try the language on, with and without Lua."""

from collections.abc import Generator
from dataclasses import dataclass, field

from simulator.instruments.tsp_flat import FlatInterpreter, Interpreter, ScriptError, TspStopped
from simulator.instruments.tsp_lua import LuaInterpreter
from simulator.instruments.tsp_values import Arguments, Function, Native, TspRuntimeError, Value, text_of
from simulator.instruments.tsp_words import TspSyntaxError

TURN = "turn"


@dataclass
class Bench:
    """said: what was printed. level: an attribute. pauses: of the latest chunk."""

    lua: bool
    said: list[str] = field(default_factory=list)
    level: float = 0.5
    pauses: list[object] = field(default_factory=list)
    turns: int = 0

    def __post_init__(self) -> None:
        smu, source, readings = Native(), Native(), Native("reading_buffer", item=lambda at: at * 10.0 if at <= 3 else None)
        source.attribute("level", lambda: self.level, self._set_level)
        source.attribute("range", lambda: 2.0)
        smu.objects |= {"source": source, "OUTPUT_ON": 1.0, "readings": readings}
        smu.objects |= {float(at): Native() for at in (1, 2)}
        smu.function("pair", lambda _: (1.5, 2.5))
        smu.function("nothing", lambda _: None)
        smu.function("sum", lambda given: sum(given[0].array()))
        smu.function("same", lambda given: given[0] is readings)
        smu.function("holds", lambda given: given[0].get("x") is readings)
        smu.function("buffer", lambda _: readings)
        smu.function("fail", self._fail)
        smu.function("stop", self._stop)
        smu.waiting("wait", self._wait)
        natives: dict[str, Value] = {"smu": smu, "print": Function(self._print)}
        self.interpreter: Interpreter = LuaInterpreter(natives, TURN) if self.lua else FlatInterpreter(natives)

    def run(self, source: str) -> str:
        """What it printed, or the error."""
        self.said.clear()
        self.pauses.clear()
        try:
            run = self.interpreter.begin(source)
            while (pause := run.go_on()) is not None:
                self.pauses.append(pause)
        except TspSyntaxError as error:
            return f"-285 line {error.line}: {error.text}"
        except ScriptError as error:
            return f"-286 line {error.line}: {error.text}"
        except TspStopped:
            self.said.append("stopped")
        return "|".join(self.said)

    def _print(self, given: Arguments) -> None:
        self.said.append("\t".join(text_of(each) for each in given))

    def _set_level(self, value: Value) -> None:
        if not isinstance(value, float):
            raise TspRuntimeError("a level is a number")
        self.level = value

    def _fail(self, _: Arguments) -> None:
        raise TspRuntimeError("it failed")

    def _stop(self, _: Arguments) -> None:
        raise TspStopped

    def _wait(self, given: Arguments) -> Generator[object, None, Value]:
        yield f"wait {text_of(given[0])}"
        yield "and again"
        return given[0], "waited"
