"""What a probe station is and knows, whoever asks: chuck, map, loader, doors, temperature, and how they hang together.

Assumption: the operator's part is done unless the station is cold: wafer on the chuck, aligned, home and contact heights set.
"""

from collections.abc import Callable, Mapping

import numpy as np

from simulator.agenda import Entry
from simulator.instruments.sentio.asynchronous import AsyncCommands
from simulator.instruments.sentio.axes import Direction, Lift
from simulator.instruments.sentio.bins import Bins
from simulator.instruments.sentio.chuck import CENTRE_UM, Chuck
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.doors import OF_THE_LOADER, OF_THE_PROBER, OPEN, Doors
from simulator.instruments.sentio.files import Files
from simulator.instruments.sentio.loader import Loader
from simulator.instruments.sentio.point_commands import PointOfInterest
from simulator.instruments.sentio.route import Route
from simulator.instruments.sentio.scripts import Script, Way
from simulator.instruments.sentio.side_stages import fresh_stages
from simulator.instruments.sentio.topography import Topography
from simulator.instruments.sentio.wafer_map import Index, WaferMap
from simulator.instruments.sentio.words import Answer, Arguments, SentioError
from simulator.instruments.sentio.work import Work
from simulator.physics.heat import ChuckHeat
from simulator.physics.surface import REFERENCE_C
from simulator.prober_faults import ProberFault
from simulator.world import World

WAFER_ID = "SIM-WAFER"
_NS_PER_S = 1_000_000_000
_ON_CENTRE_UM = 1.0


class Station:
    """cold: nothing loaded, aligned or set up. kelvin_per_s: of the thermal chuck; None: at once. wall_ns: what the clock makes of
    the machine's time. changed: called when something was done that nobody asked for just now."""

    def __init__(
        self, world: World, cold: bool, kelvin_per_s: float | None, wall_ns: Callable[[int], int], changed: Callable[[], None]
    ) -> None:
        self.world = world
        self.machine_id = f"SIM{world.seed}"
        self.rng = np.random.default_rng([world.seed, 11])
        self.work = Work(world.agenda, wall_ns, changed)
        self.commands = AsyncCommands(self.work)
        self.chuck = Chuck(world, lambda: self.now_ns, self._require_ready)
        self.heat = ChuckHeat(kelvin_per_s)
        self.doors = Doors()
        self.files = Files()
        self.loader = Loader(self, WAFER_ID, on_chuck=not cold)
        self.side_stages = fresh_stages()
        self.map = WaferMap.of_wafer(world.wafer.dies, world.wafer.pitch_um)
        self.map_at_c = REFERENCE_C
        self.route = Route(self.map)
        self.bins = Bins()
        self.points: list[PointOfInterest] = []
        self.points_from_die = True
        self.point = -1
        self.topography = Topography(world.needles, lambda: self.chuck.wafer.home_um)
        self.chuck.lift_by_um = self._lift_by_um
        self.patterns: dict[str, tuple[float, float]] = dict.fromkeys(("align", "home", "2pt"), CENTRE_UM)
        self.properties: dict[tuple[str, str], str] = {}
        self.active: Index | None = None
        self.active_site = 0
        self.initialized = not cold
        self.vacuum_lost = self.auto_cleaning = False
        self.counted_from = 0
        self.carrier_step = 0
        self.mishap: ProberFault | None = None
        self._warming: Entry | None = None
        self._commission(cold)

    def _commission(self, cold: bool) -> None:
        """What an operator has done before, unless the station is cold: separated under the home die, ready for work."""
        needles = self.world.needles
        needles.stage_um, needles.wafer_loaded = CENTRE_UM, not cold
        if cold:
            return
        self.chuck.vacuum_on = True
        self.chuck.wafer.home_um = self.chuck.wafer.last_um = needles.stage_um = needles.home_stage_um
        self.restore_heights()
        needles.z_um = needles.contact_z_um - self.chuck.wafer.heights.separation_gap_um
        self.active = self.map.home if self.map.home in self.map.dies else None

    # --- time
    @property
    def now_ns(self) -> int:
        return self.work.now_ns

    @property
    def _now_s(self) -> float:
        return self.now_ns / _NS_PER_S

    def start(self, script: Script, word: str, has_chuck: bool = True) -> Answer:
        """An asynchronous command."""
        return self.commands.start(script, self.now_ns, word, has_chuck)

    def start_done(self, message: str, word: str) -> Answer:
        """One that is over already."""

        def script() -> Script:
            yield from ()
            return message

        return self.start(script(), word, has_chuck=False)

    def abort_named(self, word: str) -> None:
        for number, job in tuple(self.commands.running.items()):
            if job.word == word:
                self.commands.abort(number, self.now_ns)

    def stop_chuck(self) -> None:
        """Where it is. What moved it ends with an error."""
        self.work.halt(SentioError(Code.EXECUTION_ERROR, "Chuck motion was stopped"), self.now_ns)

    # --- what may move
    def _require_ready(self, direction: Direction) -> None:
        """Down goes always, up only with every door of the prober closed."""
        if direction is not Direction.DOWN and not self.initialized:
            raise SentioError(Code.PROBE_NOT_INITIALIZED, "The machine is not initialized")
        if direction is Direction.UP:
            self.doors.require_closed(OF_THE_PROBER)

    @property
    def doors_closed(self) -> bool:
        return all(self.doors.by_name[name].closed for name in OF_THE_PROBER)

    @doors_closed.setter
    def doors_closed(self, closed: bool) -> None:
        if closed:
            for name in OF_THE_PROBER:
                self.doors.close(name)
        else:
            self.doors.open("prober")

    def open_door(self, name: str) -> None:
        """Somebody opens it. A chuck that moves up or sideways stops where it is."""
        self.doors.open(name)
        moving = self.chuck.moving
        downward = isinstance(moving, Lift) and moving.to_um < moving.from_um
        if moving is not None and not downward and name in OF_THE_PROBER:
            self.work.halt(SentioError(OPEN[name], f"{name.capitalize()} door was opened"), self.now_ns)

    def lose_vacuum(self) -> None:
        self.vacuum_lost = True
        self.chuck.vacuum_on = False

    # --- where the chuck stands
    def look_where(self) -> None:
        """A die is active only if the chuck stands on its centre."""
        home_um = self.chuck.wafer.home_um
        known = home_um is not None and self.chuck.active == "Wafer"
        self.active = self.map.at_um(*self.chuck.xy_um("h", self.chuck.wafer), tolerance_um=_ON_CENTRE_UM) if known else None
        self.active_site = 0

    def new_map(self) -> None:
        """Nothing that was known of the old map's dies holds."""
        self.bins.of.clear()
        self.bins.values.clear()
        self.look_where()

    def restore_heights(self) -> None:
        """Those that were saved with the project."""
        self.chuck.wafer.heights.contact_um = self.world.needles.contact_z_um

    def commissioned_home_um(self) -> tuple[float, float]:
        """Where the home die of a wafer lies, as well as the loader lays one down."""
        away_um = self.map.from_home_um((0, 0))
        return (CENTRE_UM[0] + away_um[0], CENTRE_UM[1] + away_um[1])

    def _lift_by_um(self) -> float:
        return self.topography.above_home_um()

    # --- what the loader needs
    def chuck_to_loader(self) -> Way:
        self.doors.require_closed(OF_THE_LOADER)
        self.active = None
        yield from self.chuck.to_load_place("front")

    def chuck_back(self) -> Way:
        yield from self.chuck.to_load_place("center")

    def wafer_on_chuck(self, loaded: bool) -> None:
        """A wafer was laid down, or taken away: nothing that was found out about it holds."""
        self.chuck.wafer.home_um, self.chuck.wafer.home_deg = None, 0.0
        self.active = None
        self.topography.forget()
        self.chuck.vacuum_on = loaded and not self.vacuum_lost
        if loaded:
            self.world.needles.lay()
        else:
            self.world.needles.wafer_loaded = False

    # --- temperature
    def temperature_c(self) -> float:
        """Of the chuck, as its sensor says."""
        return self.heat.sensor_c(self._now_s)

    def thermo_state(self) -> str:
        return self.heat.state(self._now_s)

    def set_temperature(self, target_c: float) -> None:
        self.heat.set(target_c, self._now_s)
        if self._warming is not None:
            self._warming.cancel()
        self._warm(self.now_ns)

    def _warm(self, now_ns: int) -> None:
        """The wafer as warm as it is by now, and again in a second until it is as warm as it shall be."""
        now_s = now_ns / _NS_PER_S
        self.world.warm(round(self.heat.wafer_c(now_s), 1))
        self._warming = None if self.heat.settled(now_s) else self.world.agenda.at(now_ns + _NS_PER_S, self._warm)

    # --- properties by name
    def property_of(self, group: str, arguments: Arguments, known: Mapping[str, str]) -> str:
        """Raises SentioError INVALID_PARAMETER for one that nobody knows."""
        name = arguments.key(0)
        value = self.properties.get((group, name), known.get(name))
        if value is None:
            raise arguments.invalid(0)
        return value

    def set_property(self, group: str, arguments: Arguments) -> str:
        arguments.text(1)
        self.properties[group, arguments.key(0)] = ",".join(arguments.words[1:])
        return "OK"

    def require_pattern(self, name: str) -> None:
        """Raises SentioError PATTERN_NOT_TRAINED."""
        if name.lower() not in self.patterns:
            raise SentioError(Code.PATTERN_NOT_TRAINED, f"Pattern {name} is not trained")
