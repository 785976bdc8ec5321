"""What is said to a Keithley 2450 in SCPI mode: lines in, answers out.

Rule: the trigger model runs beside the parser; *WAI and *OPC? hold the parser until it is idle, and nothing else does.
Source: Keithley 2450 reference manual 2450-901-01. Assumed: the time of one message (100 us), and the text of execution errors.
"""

from collections.abc import Callable, Iterator

from simulator.instruments import Reply
from simulator.instruments.keithley2450.call import Call
from simulator.instruments.keithley2450.commands import find_command
from simulator.instruments.keithley2450.instrument import Instrument
from simulator.instruments.scpi import MAX_LINE, ScpiError, Unit, too_many_parameters, undefined_header, units
from simulator.world import World

_COMMAND_NS = 100_000


class Core(Instrument):
    """A line_instrument.LineCore."""

    longest_line = MAX_LINE

    def __init__(self, world: World, wall_ns: Callable[[int], int], ready_line: int, measured_line: int) -> None:
        super().__init__(world, wall_ns, ready_line, measured_line)
        self._units: Iterator[Unit] = iter(())
        self._answers: list[bytes] = []
        self._waiting: str | None = None

    @property
    def blocked(self) -> bool:
        return self._waiting is not None and self.model.running

    def execute(self, line: str, now_ns: int) -> Reply:
        """One line, without its end. A command error drops the rest of the line; a failing query is not answered."""
        self.agenda.run(now_ns)
        self._answers = []
        self._units = units(line)
        self.status.available = False
        return self._go_on(now_ns)

    def resume(self, now_ns: int) -> Reply:
        answer, self._waiting = self._waiting, None
        if answer:
            self._answers.append(answer.encode())
        return self._go_on(now_ns)

    def wait(self, answer: str = "") -> None:
        """Parse nothing more before the trigger model is idle; then answer."""
        if self.model.running:
            self._waiting = answer
        elif answer:
            self._answers.append(answer.encode())

    def overrun(self, now_ns: int) -> None:
        self.status.record(ScpiError(-363, "Input buffer overrun"), now_ns)

    def _go_on(self, now_ns: int) -> Reply:
        self.time.enter(now_ns)
        for unit in self._units:
            self.busy_ns += _COMMAND_NS
            try:
                self._answer(self._run(unit))
            except ScpiError as error:
                self.status.record(error, self.now_ns)
                if -200 < error.code <= -100:
                    break
            if self.blocked:
                return self._said(b"")
        answers, self._answers = self._answers, []
        return self._said(b";".join(answers) + b"\n" if answers else b"")

    def _said(self, data: bytes) -> Reply:
        busy_ns, self.busy_ns = self.busy_ns, 0
        self.time.spend(busy_ns)
        return Reply(data, busy_ns)

    def _answer(self, answer: str | bytes | None) -> None:
        if answer is not None:
            self._answers.append(answer if isinstance(answer, bytes) else answer.encode("latin-1"))
            self.status.available = True

    def _run(self, unit: Unit) -> str | bytes | None:
        found = find_command(unit.header)
        if found is None:
            raise undefined_header()
        command, groups = found
        handler = command.query if unit.query else command.set
        if handler is None:
            raise undefined_header()
        if len(unit.arguments) > (command.asks if unit.query else command.takes):
            raise too_many_parameters()
        if command.idle_only and not unit.query:
            self.require_idle()
        return handler(self, Call(groups, unit.arguments))
