"""Doors of the station and their locks. One that opens stops a chuck on its way sideways or up; with one open nothing goes up.

Assumptions: all of it, and which doors there are: stations are also used with open doors, at separation.
"""

from dataclasses import dataclass

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError

OPEN = {
    "prober": Code.PROBE_BACK_DOOR_OPEN,
    "front": Code.FRONT_DOOR_OPEN,
    "side": Code.PROBE_SIDE_DOOR_OPEN,
    "loader": Code.LOADER_DOOR_OPEN,
    "tray": Code.LOADER_TRAY_DOOR_OPEN,
}
"""What an open door is reported as."""
OF_THE_PROBER = ("prober", "front", "side")
OF_THE_LOADER = ("loader", "tray")


@dataclass
class Door:
    closed: bool = True
    locked: bool = True


class Doors:
    def __init__(self) -> None:
        self.by_name = {name: Door() for name in OPEN}

    def open(self, name: str) -> None:
        """By force, if it is locked."""
        self.by_name[name] = Door(closed=False, locked=False)

    def close(self, name: str) -> None:
        self.by_name[name] = Door()

    def require_closed(self, names: tuple[str, ...]) -> None:
        """Raises SentioError with the code of the first that is open."""
        for name in names:
            if not self.by_name[name].closed:
                raise SentioError(OPEN[name], f"{name.capitalize()} door is open")

    def named(self, word: str) -> Door:
        """Raises SentioError INVALID_PARAMETER."""
        door = self.by_name.get(word.lower())
        if door is None:
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
        return door

    def lock(self, word: str, locked: bool) -> None:
        """Raises SentioError: an open door cannot be locked."""
        door = self.named(word)
        if locked and not door.closed:
            of_loader = word.lower() in OF_THE_LOADER
            raise SentioError(Code.LOADER_DOOR_LOCK_FAIL if of_loader else Code.FRONT_DOOR_LOCK_FAIL)
        door.locked = locked
