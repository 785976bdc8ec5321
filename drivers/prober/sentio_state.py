"""Everything a SENTIO is asked and never told: where the chuck is, what is set, what is open. Lengths in um, z grows upward."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.errors import DriverError, PositionNotVerified
from drivers.prober import sentio_commands as say
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober import sentio_commands_machine as machine
from drivers.prober import sentio_commands_map as wafer_map
from drivers.prober.die_grid import Die, DieGrid, Place
from drivers.prober.motion_rules import ChuckState, chuck_state
from drivers.prober.sentio_codes import ProberError, is_unknown_command
from drivers.prober.sentio_deadlines import Command
from drivers.prober.sentio_replies import Reply
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_words import AxisOrient, XyReference, ZReference
from drivers.values import ProberState

_NO_DIE = "no die active"
"""In the text that answers a question for the active die where there is none. Source: SENTIO's user guide 2.1."""


@dataclass(frozen=True)
class Position:
    """What the prober says. index: column and row of the active die (None: no die active). sequence: its place in the route, -1 when it
    is not part of it. xy_um: from home."""

    index: tuple[int, int] | None
    sequence: int
    xy_um: Place


@dataclass(frozen=True)
class Heights:
    """Commissioned heights, um: contact from z zero, gaps from contact. NaN while the contact height is not set."""

    contact_um: float = math.nan
    separation_gap_um: float = math.nan
    overtravel_gap_um: float = math.nan
    hover_gap_um: float = math.nan


@dataclass(frozen=True)
class Stand:
    """How the chuck stands, just read: what every motion is judged by."""

    home_set: bool
    contact_set: bool
    overtravel_on: bool
    vacuum_on: bool
    heights: Heights
    z_um: float
    state: ChuckState


@dataclass
class SentioReader:
    """Questions of one session. Changes nothing. grid: as lab.toml has it. overtravel_limit_um: the lab's hard maximum.

    vacuum_lost: told whenever the vacuum is seen off: an unclamped wafer lies where it likes.
    """

    session: SentioSession
    grid: DieGrid
    overtravel_limit_um: float
    vacuum_lost: Callable[[], None] = lambda: None
    _version: say.Version | None = field(default=None, init=False)
    _mapped: DieGrid | None = field(default=None, init=False)

    def forget(self) -> None:
        """Of the map: read it anew when it is needed next."""
        self._mapped = None

    # --- who and how
    def version(self) -> say.Version:
        if self._version is None:
            told = self._told(say.VERSION)
            said = self._identity()["version"] if told is None else told.matched(say.VERSION_SAID, "a version")["version"]
            self._version = say.version_of(said)
        return self._version

    def machine_id(self) -> str:
        told = self._told(say.MACHINE_ID)
        return (self._identity()["serial"] if told is None else told.message).strip()

    def _told(self, question: Command) -> Reply | None:
        """None by a prober too old for the question."""
        try:
            return self.session.ask(question)
        except ProberError as error:
            if not is_unknown_command(error):
                raise
            return None

    def _identity(self) -> re.Match[str]:
        return self.session.ask_bare(say.IDENTITY).matched(say.IDENTITY_SAID, "the identity of a SENTIO")

    def not_ready(self) -> str | None:
        """What the machine says when it is not ready, None when it is."""
        answer = self.session.ask(say.MACHINE_STATUS)
        return None if "Ready" in answer.fields else answer.message or "it says nothing"

    def doors_closed(self) -> bool:
        return self.session.ask(machine.DOORS).flags(2)[0]

    # --- where
    def z_um(self) -> float:
        reply = self.session.ask(chuck.get_z(self.version()))
        return (reply.floats_from(1, ZReference.ZERO.value[1]) if say.has_stage_groups(self.version()) else reply.floats(1))[0]

    def xy_um(self, reference: XyReference = XyReference.HOME) -> Place:
        reply = self.session.ask(chuck.get_xy(self.version(), reference))
        x_um, y_um = reply.floats_from(2, reference.value[1]) if say.has_stage_groups(self.version()) else reply.floats(2)
        return (x_um, y_um)

    def stand(self) -> Stand:
        home_set, contact_set, overtravel_on, vacuum_on = self.session.ask(chuck.SITE_STATUS).flags(4)
        if not vacuum_on:
            self.vacuum_lost()
        heights = Heights(*self.session.ask(chuck.SITE_HEIGHTS).floats(4)) if contact_set else Heights()
        z_um = self.z_um()
        state = chuck_state(z_um, heights.contact_um, heights.separation_gap_um, self.grid.z_tolerance_um, self.overtravel_limit_um)
        return Stand(home_set, contact_set, overtravel_on, vacuum_on, heights, z_um, state)

    def whereabouts(self) -> str:
        """For whoever has just stopped it, in words."""
        stand = self.stand()
        return f"it reads back {stand.state.value} at z = {stand.z_um:g} um"

    def state(self) -> ProberState:
        """die is None unless the die index and the chuck's position agree. in_contact: not surely separated."""
        stand = self.stand()
        return self._state(stand, self.verified_die() if stand.home_set else None, self.doors_closed())

    def state_beside(self, stand: Stand) -> ProberState:
        """The same, where how the chuck stands is all that counts: what cannot be read beside it is no die, and an open door."""
        try:
            return self._state(stand, self.verified_die() if stand.home_set else None, self.doors_closed())
        except DriverError:
            return self._state(stand, None, False)

    def _state(self, stand: Stand, die: Die | None, doors_closed: bool) -> ProberState:
        return ProberState(
            die=die,
            z_um=stand.z_um,
            contact_z_um=stand.heights.contact_um,
            home_set=stand.home_set,
            contact_set=stand.contact_set,
            overtravel_on=stand.overtravel_on,
            vacuum_on=stand.vacuum_on,
            doors_closed=doors_closed,
            in_contact=not stand.state.clear,
        )

    # --- which die
    def mapped(self) -> DieGrid:
        """The grid with the prober's own axis directions, home die and pitch; lab.toml's where this version does not tell.

        Raises PositionNotVerified when the map is of another wafer than lab.toml.
        """
        if self._mapped is None:
            self._mapped = self._read_map()
        return self._mapped

    def _read_map(self) -> DieGrid:
        try:
            orient = self.session.ask(wafer_map.AXIS_ORIENT).one_of(AxisOrient)
            column, row = self.session.ask(wafer_map.HOME_DIE).ints(2)
            x_um, y_um = self.session.ask(wafer_map.INDEX_SIZE).floats(2)
        except ProberError as error:
            if not is_unknown_command(error):
                raise
            return self.grid
        return self.grid.as_mapped(orient, (column, row), (x_um, y_um), self.session.name)

    def position(self) -> Position:
        index, sequence = None, -1
        try:
            sequence, column, row = self.session.ask(wafer_map.CURRENT_INDEX).ints(3)
            index = (column, row)
        except ProberError as error:
            if _NO_DIE not in str(error).lower():
                raise
        return Position(index, sequence, self.xy_um())

    def verified_die(self) -> Die | None:
        """None unless the map is lab.toml's, and the die index and the chuck's position agree."""
        position = self.position()
        if position.index is None:
            return None
        try:
            grid = self.mapped()
        except PositionNotVerified:
            return None
        die = grid.die_at(position.index)
        return die if grid.is_at(die, position.xy_um) else None
