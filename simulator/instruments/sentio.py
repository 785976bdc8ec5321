"""An MPI SENTIO probe station, as bytes: remote command set 1 over the world's chuck and needles.

Rule 1: a lost connection changes nothing; the chuck stays where it is, in contact too.
Rule 2: die column and row are the wafer frame's x and y (notch down, x right, y up, home die 0, 0); negative ones are ordinary.
Source: sentio-prober-control 26.2.0 and its documentation. Assumptions: message texts, that *RCS 1 of a newer client takes the
motion from an older one (answer 12), temperatures' rate.
"""

from simulator.instruments import Reply
from simulator.instruments.sentio_chuck import Chuck
from simulator.instruments.sentio_commands import COMMANDS, MOTION
from simulator.instruments.sentio_map import Index, WaferMap
from simulator.instruments.sentio_words import Answer, Arguments, Code, SentioError
from simulator.world import World

VERSION = "26.2.0"
MAX_LINE = 65_536
AMBIENT_C = 25.0
_COMMAND_NS = 2_000_000


class Sentio:
    """One prober on one world. cold: nothing loaded, aligned or set up. kelvin_per_s: of the thermal chuck; None: at once."""

    def __init__(self, world: World, *, cold: bool = False, kelvin_per_s: float | None = None) -> None:
        self.world = world
        self.machine_id = f"SIM{world.seed}"
        self.chuck = Chuck(world)
        self.map = WaferMap.of_wafer(world.wafer.dies, world.wafer.pitch_um)
        self.active: Index | None = None
        self.initialized = not cold
        self.doors_closed = True
        self.doors_locked = True
        self.counter_start = 0
        self.last_command_id = 0
        self.now_ns = 0
        self._kelvin_per_s = kelvin_per_s
        self._ramp = (AMBIENT_C, AMBIENT_C, 0)
        self.thermo_on = False
        self._owner: SentioPort | None = None
        world.needles.stage_um = (150_000.0, 150_000.0)
        world.needles.wafer_loaded = not cold
        if not cold:
            self._commission()

    def _commission(self) -> None:
        """What an operator has done before: wafer aligned, home and contact heights set, chuck separated under the home die."""
        needles = self.world.needles
        self.chuck.vacuum_on = True
        self.chuck.home_stage_um = needles.home_stage_um
        self.chuck.heights.contact_um = needles.contact_z_um
        needles.stage_um = needles.home_stage_um
        needles.z_um = needles.contact_z_um - self.chuck.heights.separation_gap_um
        self.active = self.map.home if self.map.home in self.map.dies else None

    def connect(self) -> "SentioPort":
        return SentioPort(self)

    def tick(self, now_ns: int) -> None:
        """Nothing: a prober has no dead man's timer."""

    # --- temperature
    def temperature_c(self) -> float:
        """Of the chuck, now."""
        start_c, target_c, since_ns = self._ramp
        if self._kelvin_per_s is None:
            return target_c
        moved = self._kelvin_per_s * (self.now_ns - since_ns) / 1e9
        return min(start_c + moved, target_c) if target_c >= start_c else max(start_c - moved, target_c)

    @property
    def target_c(self) -> float:
        return self._ramp[1]

    def ramp_to(self, target_c: float) -> None:
        self._ramp = (self.temperature_c(), target_c, self.now_ns)
        self.thermo_on = True

    # --- messages
    def execute(self, line: str, port: "SentioPort", now_ns: int) -> Reply:
        """One line without its end; no answer for a blank line, `*RCS n` and `*LOCAL`."""
        text = line.strip()
        if not text:
            return Reply()
        self.now_ns = now_ns
        self.chuck.busy_ns = _COMMAND_NS
        word, _, rest = text.partition(" ")
        answer = self._starred(text, port) if word.startswith("*") else self._command(text, word.lower(), Arguments.parse(rest), port)
        self.world.temperature_c = self.temperature_c()
        return Reply(b"" if answer is None else answer.encode("latin-1", "replace") + b"\n", self.chuck.busy_ns)

    def _command(self, text: str, word: str, arguments: Arguments, port: "SentioPort") -> str:
        handler = COMMANDS.get(word)
        try:
            if handler is None:
                raise SentioError(Code.EXECUTION_ERROR, f"Unsupported remote command: {text}")
            if word in MOTION:
                self._require_remote(port)
            result = handler(self, arguments)
        except SentioError as error:
            return Answer(error.text).line(error.code)
        return (result if isinstance(result, Answer) else Answer(result)).line()

    def _require_remote(self, port: "SentioPort") -> None:
        """The first client that moves something, or the last that said *RCS 1, may move; queries are everybody's."""
        if self._owner is None:
            self._owner = port
        if self._owner is not port:
            raise SentioError(Code.INVALID_OPERATION, "Another client has remote control")

    def _starred(self, text: str, port: "SentioPort") -> str | None:
        word = text.upper()
        if word == "*IDN?":
            return f"MPI Corporation,TS2000-SE,{self.machine_id},SENTIO {VERSION}"
        if word == "*RCS?":
            return "1"
        if word.startswith("*RCS"):
            self._owner = port
            return None
        if word == "*LOCAL":
            self.release(port)
            return None
        return Answer(f"Unsupported remote command: {text}").line(Code.EXECUTION_ERROR)

    def release(self, port: "SentioPort") -> None:
        if self._owner is port:
            self._owner = None


class SentioPort:
    """One client: lines out of bytes in any split."""

    def __init__(self, sentio: Sentio) -> None:
        self._sentio = sentio
        self._rest = b""

    def feed(self, data: bytes, now_ns: int) -> Reply:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[-MAX_LINE:]
        replies = [self._sentio.execute(line.decode("latin-1"), self, now_ns) for line in lines]
        return Reply(b"".join(reply.data for reply in replies), sum(reply.busy_ns for reply in replies))

    def close(self) -> None:
        """Nothing moves; the next client may take control."""
        self._sentio.release(self)
