"""A wafer's way onto the chuck: initialise, load, hold, align, find home; doors.

Rule: what moves the wafer on the chuck, or may have, costs the alignment; only an alignment gives it back, and may move the home with it,
so the map is read anew after it.
"""

from drivers.errors import MotionRefused, PositionNotVerified
from drivers.prober import sentio_commands as common
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober import sentio_commands_machine as say
from drivers.prober.die_grid import DieGrid
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_words import Alignment, Fence, LoadPosition, Station
from drivers.values import ProberState


class SentioWafer:
    """What moves raises MotionRefused unless separated with the doors closed."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    def initialise(self) -> None:
        """Where needed: a prober that is ready stays as it is. Takes up to three minutes."""
        if self._reader.not_ready() is None:
            return
        self._guard.require(Motion.INITIALISE)
        self._lose("the machine was initialised")
        command_id = self._session.move(common.START_INITIALISATION).command_id
        self._session.move(common.wait_complete(command_id))
        why = self._reader.not_ready()
        if why is not None:
            raise MotionRefused(f"{self._session.name}: initialised, and still not ready ({why}); look at the prober")

    def to_load_position(self, position: LoadPosition) -> None:
        """FRONT and SIDE bring the chuck to a door, where a wafer may be changed; CENTRE brings it back."""
        self._change(
            Motion.LOAD, chuck.move_load(position), None if position is LoadPosition.CENTRE else "the chuck was at a load position"
        )

    def load(self, station: Station, slot: int, degrees: int | None = None) -> str:
        """degrees: prealignment. Returns the wafer's id, "" without an id reader."""
        message = self._change(Motion.LOAD, say.load_wafer(station, slot, degrees), "a wafer was loaded")
        return "" if message.lower() == "ok" else message

    def unload(self, station: Station | None = None, slot: int = 1) -> None:
        """To where it came from, unless a station is named."""
        self._change(Motion.LOAD, say.unload_wafer(station, slot), "the wafer was unloaded")

    def align(self, how: Alignment = Alignment.ONLY) -> DieGrid:
        """Returns the map as it is after it: home die and pitch may have changed.

        Raises PositionNotVerified when it no longer is the map of lab.toml, and when no home is set.
        """
        self._change(Motion.ALIGN, say.align_wafer(how), "an alignment was begun")
        grid = self._reader.mapped()
        if not self._reader.stand().home_set:
            raise PositionNotVerified(f"{self._session.name}: aligned, and no home position is set; find or set home at the prober")
        self._guard.aligned.gain()
        return grid

    def find_home(self) -> ProberState:
        self._change(Motion.ALIGN, say.FIND_HOME, None)
        return self._reader.state()

    # --- vacuum and doors
    def hold(self) -> None:
        """Vacuum on. Raises PositionNotVerified when it reads back off."""
        self._guard.allow(Motion.HOLD)
        self._session.ask(say.set_vacuum(True))
        if not self._reader.stand().vacuum_on:
            raise PositionNotVerified(f"{self._session.name}: vacuum was switched on and reads back off; is a wafer seated?")

    def release(self) -> None:
        """Vacuum off."""
        self._guard.require(Motion.RELEASE)
        self._lose("the vacuum was switched off")
        self._session.ask(say.set_vacuum(False))

    def doors(self) -> tuple[bool, bool]:
        """(closed, locked)"""
        closed, locked = self._session.ask(say.DOORS).flags(2)
        return closed, locked

    def lock_doors(self) -> None:
        self._guard.allow(Motion.HOLD)
        self._session.ask(say.set_door_lock(True))

    def unlock_doors(self) -> None:
        self._guard.require(Motion.RELEASE)
        self._session.ask(say.set_door_lock(False))

    def set_fence(self, fence: Fence) -> None:
        """Raises MotionRefused for DISABLE: the chuck would reach the casing."""
        if fence is Fence.DISABLE:
            raise MotionRefused(f"{self._session.name}: the fence keeps the chuck from the casing and is not switched off from here")
        self._guard.allow(Motion.LOCK)
        self._session.ask(say.chuck_fence(fence))

    def _change(self, motion: Motion, command: Command, why: str | None) -> str:
        """why: it costs the alignment; None: it does not."""
        self._guard.require(motion)
        if why is not None:
            self._lose(why)
        self._reader.forget()
        return self._session.move(command).message.strip()

    def _lose(self, why: str) -> None:
        self._guard.aligned.lose(why)
        self._reader.forget()
