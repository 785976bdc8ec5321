"""As much of a SENTIO as a driver's faults need, on a script: the simulator is the faithful one, this one can be told to lie."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from tests.support.scripted_server import Answer

PITCH_UM = 10_000.0
CONTACT_UM = 16_000.0


@dataclass
class ScriptedSentio:
    """lies: command (without arguments, blanks stripped) -> the answer given instead. moves: what moved the chuck."""

    version: str = "26.2.0"
    machine_id: str = "TS2000-4711"
    die: tuple[int, int] = (0, 0)
    offset_um: tuple[float, float] = (0.0, 0.0)
    z_um: float = CONTACT_UM - 250.0
    home_set: bool = True
    contact_set: bool = True
    overtravel_on: bool = False
    vacuum_on: bool = True
    doors_closed: bool = True
    ready: bool = True
    overtravel_gap_um: float = 20.0
    remote: bool = False
    lock_contact: bool = False
    lies: dict[str, Answer] = field(default_factory=dict)
    moves: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> Answer:
        word = line.split(" ")[0]
        if word in self.lies:
            return self.lies[word]
        handler = self._SILENT.get(line)
        if handler is not None:
            handler(self)
            return None
        message = self._answer(word, line)
        return f"2,0,Unsupported remote command: {line}\n".encode() if message is None else f"0,0,{message}\n".encode()

    def _answer(self, word: str, line: str) -> str | None:
        if word in ("map:step_die", "move_chuck_contact", "move_chuck_separation", "enable_chuck_overtravel", "stop_chuck_xyz"):
            self.moves.append(word)
            return self._move(word, line)
        if word == "set_stepping_contact_mode":
            self.lock_contact = line.endswith(" LockContact")
            return "OK"
        return self._state(word)

    def _move(self, word: str, line: str) -> str:
        if word == "map:step_die":
            column, row, _ = line.split(" ", 1)[1].split(",")
            self.die = (int(column), int(row))
            return f"{self.die[0]},{self.die[1]},0"
        if word == "enable_chuck_overtravel":
            self.overtravel_on = line.endswith("True")
            return "OK"
        if word == "stop_chuck_xyz":
            return "OK"
        up = CONTACT_UM + (self.overtravel_gap_um if self.overtravel_on else 0.0)
        self.z_um = up if word == "move_chuck_contact" else CONTACT_UM - 250.0
        return f"{self.z_um}"

    def _state(self, word: str) -> str | None:
        x_um, y_um = self.die[0] * PITCH_UM + self.offset_um[0], self.die[1] * PITCH_UM + self.offset_um[1]
        return {
            "status:get_version": f"Version: {self.version}",
            "status:get_machine_id": self.machine_id,
            "status:get_machine_status": "Ready,," if self.ready else ",IsMeasuring,",
            "get_chuck_site_status": f"{self.home_set:d},{self.contact_set:d},{self.overtravel_on:d},{self.vacuum_on:d}",
            "get_chuck_site_heights": f"{CONTACT_UM},250.0,{self.overtravel_gap_um},50.0",
            "get_door_status": f"{self.doors_closed:d},1",
            "get_chuck_z": f"{self.z_um}",
            "get_chuck_xy": f"{x_um},{y_um}",
            "map:die:get_current_index": f"0,{self.die[0]},{self.die[1]}",
            "status:get_chuck_temp": "25.00",
            "setup:contact_counter:get": "42",
        }.get(word)

    def _take_remote(self) -> None:
        self.remote = True

    def _give_local(self) -> None:
        self.remote = False

    _SILENT: ClassVar[dict[str, Callable[["ScriptedSentio"], None]]] = {"*RCS 1": _take_remote, "*LOCAL": _give_local}
