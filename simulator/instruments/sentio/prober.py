"""One SENTIO on one world: who may move it, and what becomes of each line.

Rule 1: a lost connection changes nothing; what was heard is still carried out, and the chuck stays where that leaves it, in contact too.
Rule 2: a command that moves is answered when the move is over. Other clients are served meanwhile: what they ask is answered from where
the chuck is by then, a stop stops it, and what moves waits for the chuck.
Rule 3: columns and rows of dies are the wafer frame's x and y (notch down, x right, y up, home die 0, 0) unless the map is set otherwise.
Source: sentio-prober-control 26.2.0 and its documentation. Assumptions: message texts; that the client that moved first, or the last
that said *RCS 1, has remote control, and others are answered 12; rule 2, of which no document says anything.
"""

from collections.abc import Callable

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.commands import COMMANDS
from simulator.instruments.sentio.not_installed import missing_module
from simulator.instruments.sentio.port import SentioPort
from simulator.instruments.sentio.registry import Command, Needs
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.station import Station
from simulator.instruments.sentio.words import Answer, Arguments, SentioError
from simulator.instruments.sentio.work import Job
from simulator.prober_faults import PlannedFault, ProberFault, ProberFaults
from simulator.world import World

VERSION = "26.2.0"
_COMMAND_NS = 2_000_000
"""What any command takes."""


def _at_once(_: int) -> int:
    return 0


class Sentio(Station):
    """A StreamInstrument. wake: set by its host, called when something that a client waits for has happened by itself.

    wall_ns: wall time that the machine's time takes, none unless given. version: what it says it is, and what it therefore knows.
    """

    def __init__(
        self,
        world: World,
        *,
        cold: bool = False,
        kelvin_per_s: float | None = None,
        wall_ns: Callable[[int], int] = _at_once,
        version: str = VERSION,
        faults: ProberFaults | None = None,
    ) -> None:
        self.wake: Callable[[], None] = lambda: None
        super().__init__(world, cold, kelvin_per_s, wall_ns, self._woke)
        self.version = version
        self.faults = faults or ProberFaults()
        self._wall_ns = wall_ns
        self._release = parse_version(version)
        self.ports: list[SentioPort] = []
        self._owner: SentioPort | None = None
        for when_ns, fault in self.faults.happening():
            world.agenda.at(when_ns, lambda now_ns, fault=fault: self._befall(fault, now_ns))

    # --- hosting
    def connect(self) -> SentioPort:
        self.ports.append(SentioPort(self))
        return self.ports[-1]

    def tick(self, now_ns: int) -> None:
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Bring everything up to now."""
        self.world.agenda.run(now_ns)
        self.work.now_ns = max(self.work.now_ns, now_ns)
        for port in tuple(self.ports):
            port.go_on(now_ns)

    def due_ns(self) -> int | None:
        """When it does something by itself next; None: not before somebody asks for something."""
        return self.work.due_ns()

    def _woke(self) -> None:
        self.wake()

    def forget(self, port: SentioPort) -> None:
        """It has left, and all it asked for is done. The next client may take control."""
        if port in self.ports:
            self.ports.remove(port)
        if self._owner is port:
            self._owner = None

    # --- one line
    def carry_out(self, line: str, port: SentioPort, at_ns: int) -> None:
        """A line without its end, not blank. The port is told the answer when it is there."""
        self.work.now_ns = max(self.work.now_ns, at_ns)
        over_ns = at_ns + self._wall_ns(_COMMAND_NS)
        line = line.replace("\t", " ")
        word, _, rest = line.partition(" ")
        if word.startswith("*"):
            port.answered(self._starred(line, port), over_ns)
            return
        struck = self._struck(word.lower(), at_ns)
        late_ns = sum(fault.hold_ns or 0 for fault in struck if fault.kind is ProberFault.LATE)
        try:
            result = self._result(line, word.lower(), Arguments.parse(rest), port, struck)
        except SentioError as error:
            port.answered(Answer.of(error), over_ns + late_ns)
            return
        if isinstance(result, Job):
            result.done = lambda answer, when_ns: self._answer(port, answer, when_ns + self._wall_ns(_COMMAND_NS) + late_ns, when_ns)
            self.work.begin(result, at_ns)
        else:
            port.answered(Answer.of(result), over_ns + late_ns)

    @staticmethod
    def _answer(port: SentioPort, answer: Answer, at_ns: int, now_ns: int) -> None:
        port.answered(answer, at_ns)
        port.go_on(now_ns)

    def _result(self, line: str, word: str, arguments: Arguments, port: SentioPort, struck: list[PlannedFault]) -> str | Answer | Job:
        command = self._find(line, word)
        failing = [fault for fault in struck if fault.kind is ProberFault.ERROR]
        if failing:
            raise SentioError(failing[0].code)
        mishap = next((fault.kind for fault in struck if fault.kind in (ProberFault.SILENT_STEP, ProberFault.LOST_STEP)), None)
        if command.needs is Needs.CHUCK:
            return Job(self._with_chuck(command, arguments, port, mishap), _unheard, word=word)
        if command.needs is Needs.REMOTE:
            self._require_remote(port)
        result = command.handler(self, arguments)
        return result if isinstance(result, str | Answer) else Job(result, _unheard, has_chuck=False, word=word)

    def _with_chuck(self, command: Command, arguments: Arguments, port: SentioPort, mishap: ProberFault | None) -> Script:
        """Begins when the chuck is free."""
        self._require_remote(port)
        self.mishap = mishap
        result = command.handler(self, arguments)
        if isinstance(result, str | Answer):
            return result
        return (yield from result)

    def _find(self, line: str, word: str) -> Command:
        """Raises SentioError: no such command at this version, or a module that is not there."""
        command = COMMANDS.get(word)
        module = missing_module(word)
        if module is not None:
            raise SentioError(Code.COMMAND_HANDLER_NOT_FOUND, f"Module {module} is not installed")
        if command is None or command.since > self._release:
            raise SentioError(Code.EXECUTION_ERROR, f"Unsupported remote command: {line}")
        return command

    # --- who may
    def _require_remote(self, port: SentioPort) -> None:
        if self._owner is None:
            self._owner = port
        if self._owner is not port:
            raise SentioError(Code.INVALID_OPERATION, "Another client has remote control")

    def _starred(self, line: str, port: SentioPort) -> str | None:
        """Questions are answered without the usual head, orders not at all."""
        word = line.upper()
        if word.startswith("*RCS") and not word.endswith("?"):
            self._owner = port
        elif word == "*LOCAL" and self._owner is port:
            self._owner = None
        if "?" not in word:
            return None
        known = {"*IDN?": f"MPI Corporation,TS2000-SE,{self.machine_id},SENTIO {self.version}", "*RCS?": "1", "*OPC?": "1"}
        return known.get(word) or self.properties.get(("env", line.partition(" ")[2].strip().lower()), "0")

    # --- what goes wrong
    def _struck(self, word: str, now_ns: int) -> list[PlannedFault]:
        struck = self.faults.struck(word, now_ns)
        for fault in struck:
            if fault.kind in (ProberFault.VACUUM_LOSS, ProberFault.DOOR_OPEN):
                self._befall(fault, now_ns)
        return struck

    def _befall(self, fault: PlannedFault, now_ns: int) -> None:
        """Vacuum or door, now; put right again after its time, where it has one."""
        self.work.now_ns = max(self.work.now_ns, now_ns)
        if fault.kind is ProberFault.VACUUM_LOSS:
            self.lose_vacuum()
        else:
            self.open_door(fault.door)
        if fault.hold_ns is not None:
            self.world.agenda.at(now_ns + fault.hold_ns, lambda _: self._mend(fault))

    def _mend(self, fault: PlannedFault) -> None:
        """The pump runs again (the vacuum has to be switched on), or the door is closed."""
        if fault.kind is ProberFault.VACUUM_LOSS:
            self.vacuum_lost = False
        else:
            self.doors.close(fault.door)


def _unheard(_: Answer, __: int) -> None:
    """Nobody listens yet."""


def parse_version(version: str) -> tuple[int, int, int]:
    """`26.2.0` -> (26, 2, 0). Raises ValueError."""
    major, minor, release = (int(part) for part in version.split("."))
    return (major, minor, release)
