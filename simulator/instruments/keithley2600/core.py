"""A 2636B as a LineCore: lines in, answers out. Messages of the command interface, statements and scripts under way, prompts.

Rule 1: a line is carried out whole before the next; what waits holds everybody up, but `abort` and *TRG are heard meanwhile.
Rule 2: what a line takes counts by the instrument's own time. A single reading is taken at once and answered when its time is over; a
script goes on point by point, at each point's own time.
Rule 3: an error of the language ends the line or the script (-285, -286); everything else that is refused does not.
Source: 2600BS-901-01, "Common commands", "Using the abort command", localnode.prompts, localnode.showerrors.
"""

from collections.abc import Callable

from simulator.instruments import Reply
from simulator.instruments.keithley2600.errors import TEXTS, Refused
from simulator.instruments.keithley2600.instrument import Instrument
from simulator.instruments.keithley2600.natives import LINE_NS, Happening, Until
from simulator.instruments.keithley2600.scripts import Collected
from simulator.instruments.tsp_flat import Run, ScriptError, TspStopped
from simulator.instruments.tsp_values import Pause
from simulator.instruments.tsp_words import TspSyntaxError
from simulator.world import World

LONGEST_LINE = 65_536
"""Bytes of a line (assumed: the manual names no limit)."""
_AT_ONCE_NS = 50_000_000
"""A line that takes no longer is carried out at once, and its answer waits; a longer one waits itself."""
_LONGEST_DEBT_NS = 1_000_000
"""A script that has taken so long without waiting waits then."""


class Core:
    """deliver: takes what is said while the line that says it is held up."""

    longest_line = LONGEST_LINE

    def __init__(self, world: World, wall_ns: Callable[[int], int]) -> None:
        self.agenda = world.agenda
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.instrument = Instrument(world, wall_ns, self._say)
        self._cursor = self.instrument.cursor
        self._said = bytearray()
        self._run: Run | None = None
        self._script = self._common = self._inside = False
        self._begun_ns = self._held_until_ns = 0
        self._turn = 0

    # --- lines
    @property
    def blocked(self) -> bool:
        return self._run is not None

    def execute(self, line: str, now_ns: int) -> Reply:
        own = self.instrument.own
        self._begun_ns = own.enter(now_ns)
        self._cursor.taken_ns = LINE_NS if line else 0
        self._inside, self._common = True, line.startswith("*")
        try:
            self._carry_out(line)
        finally:
            self._inside = False
        return self._reply()

    def resume(self, now_ns: int) -> Reply:
        self.instrument.own.enter(now_ns)
        return self._reply()

    def overrun(self, now_ns: int) -> None:
        self.instrument.own.enter(now_ns)
        self.instrument.errors.add(-363, TEXTS[-363])

    def interrupts(self, line: str) -> bool:
        """Whether a line is heard although another one waits: `abort`, and *TRG where that is waited for."""
        word = line.strip().lower()
        return self.blocked and (word == "abort" or (word == "*trg" and self.instrument.objects.command.waited))

    def interrupt(self, line: str, now_ns: int) -> None:
        """Carry out such a line."""
        self.instrument.own.enter(now_ns)
        if line.strip().lower() == "abort":
            self._end()
        else:
            self.instrument.trigger()

    def set_interlock(self, closed: bool, now_ns: int) -> None:
        """The interlock's switch. Open, outputs that could carry more than it allows go off."""
        self.instrument.own.enter(now_ns)
        self._cursor.taken_ns = 0
        self.instrument.set_interlock(closed)

    def _reply(self) -> Reply:
        said, taken_ns = bytes(self._said), self._cursor.taken_ns
        self._said.clear()
        self._cursor.taken_ns = 0
        self.instrument.own.spend(taken_ns)
        return Reply(said, taken_ns)

    def _say(self, message: bytes) -> None:
        if self._inside or not self.blocked:
            self._said += message
        else:
            self.deliver(message)

    # --- messages
    def _carry_out(self, line: str) -> None:
        scripts = self.instrument.scripts
        if scripts.collecting is not None:
            collected = scripts.collect(line)
            if collected is None:
                self._prompt(">>>>")
                return
            self._guarded(lambda: self._load(collected))
        elif scripts.begin(line):
            self._prompt(">>>>")
            return
        elif line and line.lower() != "abort":
            common = self._common_command(line) if self._common else None
            self._guarded(common or (lambda: self._start(line, script=False)))
        if not self.blocked:
            self._finish()

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except TspSyntaxError as error:
            self.instrument.errors.add(-285, f"TSP Syntax error at line {error.line}: {error.text}")
        except Refused as refused:
            self.instrument.errors.refuse(refused)

    def _common_command(self, line: str) -> Callable[[], None] | None:
        """What a starred message does; None for what is none (then it is a statement, and wrong as that)."""
        word, _, argument = line.partition(" ")
        instrument, status = self.instrument, self.instrument.status
        asked: dict[str, Callable[[], object]] = {
            "*IDN?": lambda: instrument.identity,
            "*ESE?": lambda: status["standard"].enable,
            "*ESR?": status["standard"].read_event,
            "*SRE?": lambda: status.request_enable,
            "*STB?": lambda: status.byte(bool(self._said)),
            "*TST?": lambda: 0,
        }
        done: dict[str, Callable[[], None]] = {
            "*CLS": instrument.clear_status,
            "*RST": instrument.reset,
            "*TRG": instrument.trigger,
            "*OPC": instrument.complete_later,
            "*WAI": lambda: self._start("waitcomplete()", script=False),
            "*OPC?": lambda: self._start("waitcomplete() print([[1]])", script=False),
            "*ESE": lambda: self._start(f"status.standard.enable = {argument}", script=False),
            "*SRE": lambda: self._start(f"status.request_enable = {argument}", script=False),
        }
        name = word.upper()
        if name in asked:
            return lambda: self._say(f"{asked[name]()}\n".encode())
        return done.get(name)

    def _load(self, collected: Collected) -> None:
        self.instrument.scripts.finish(collected)
        if collected.run:
            self._start(f"{collected.name}()" if collected.name else "script.run()", script=True)

    # --- statements under way
    def _start(self, source: str, script: bool) -> None:
        """Raises TspSyntaxError."""
        self._script = script
        self._run = self.instrument.interpreter.begin(source)
        self._go_on()

    def _go_on(self) -> None:
        """On to the next pause that has to be waited for."""
        run = self._run
        assert run is not None
        try:
            while (pause := run.go_on()) is not None:
                if not self._passed(pause):
                    return
        except ScriptError as error:
            self.instrument.errors.add(-286, f"TSP Runtime error at line {error.line}: {error.text}")
        except TspStopped:  # Aborted: whoever did it knows, and no error is queued for it.
            pass
        self._run = None

    def _passed(self, pause: Pause) -> bool:
        """Whether a pause needs no waiting; otherwise the rest comes when it is over."""
        cursor = self._cursor
        if isinstance(pause, Happening):
            turn = self._hold(cursor.now_ns)
            pause.arm(lambda now_ns: self._woken(turn, now_ns))
            return False
        until_ns = max(pause.when_ns, cursor.now_ns) if isinstance(pause, Until) else cursor.now_ns
        short = _LONGEST_DEBT_NS if self._script or not isinstance(pause, Until) else _AT_ONCE_NS
        waits = self._script and isinstance(pause, Until)
        if not waits and until_ns - self._begun_ns <= short:
            cursor.taken_ns = until_ns - cursor.own.now_ns
            return True
        turn = self._hold(until_ns)
        cursor.own.at(until_ns, lambda now_ns: self._woken(turn, now_ns))
        return False

    def _hold(self, until_ns: int) -> int:
        """A number for this pause: who comes to another one's end is not meant. until_ns: what the statement took so far is over then."""
        self._held_until_ns = until_ns
        self._turn += 1
        return self._turn

    def _woken(self, turn: int, now_ns: int) -> None:
        if turn != self._turn or self._run is None:
            return
        self._cursor.taken_ns = max(self._held_until_ns - now_ns, 0)
        self._begun_ns = now_ns
        self._go_on()
        if not self.blocked:
            self._finish()

    def _end(self) -> None:
        """abort: the script under way is over."""
        self._run = None
        self._turn += 1
        self._cursor.taken_ns = 0
        self._finish()

    def _finish(self) -> None:
        """After a message: errors that are to be shown, the prompt."""
        instrument = self.instrument
        while instrument.shows_errors and len(instrument.errors):
            entry = instrument.errors.next()
            instrument.printer.line([float(entry.code), entry.text, float(entry.severity), 1.0])
        if not self._common or instrument.prompts_common:
            self._prompt("TSP?" if len(instrument.errors) else "TSP>")

    def _prompt(self, text: str) -> None:
        if self.instrument.prompts:
            self._say(f"{text}\n".encode())
