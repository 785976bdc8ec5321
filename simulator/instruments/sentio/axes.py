"""Steps that move the chuck: sideways, up and down, round. On the way it is where it is by then, and stays there when it is stopped.

Assumptions: speeds and accelerations (a 200 mm station's), the time to settle, that a stopped axis stops at once.
"""

from enum import Enum
from typing import Protocol

from simulator.instruments.sentio.scripts import Mark, Step
from simulator.physics.travel import Travel
from simulator.world import World

SETTLE_S = 0.02
XY_SPEED, XY_ACCELERATION = 60_000.0, 400_000.0
Z_SPEED, Z_ACCELERATION = 4_000.0, 40_000.0
THETA_SPEED, THETA_ACCELERATION = 2.0, 8.0
SPEEDS = {"Fast": 1.5, "Normal": 1.0, "Slow": 0.25, "Jog": 0.05, "Index": 1.0}
"""Share of the speed above, by the name of the chuck's speed."""
SOFT_CONTACT = 0.25
"""Share of z's speed with soft contact."""
_HAIR_UM = 1e-3
_NS_PER_S = 1_000_000_000


class Direction(Enum):
    UP = "up"
    DOWN = "down"
    SIDEWAYS = "sideways"


class Machine(Protocol):
    """What every move asks before it begins, and tells."""

    world: World
    moving: "Move | None"

    @property
    def speed(self) -> float:
        """Share of full speed."""
        ...

    @property
    def now_ns(self) -> int: ...

    def require_ready(self, direction: "Direction") -> None:
        """Raises SentioError: not initialised, a door is open."""
        ...

    def slid(self) -> None:
        """The chuck moved sideways or turned: what nothing holds does not come along."""
        ...

    def lifted(self, from_um: float, to_um: float) -> None:
        """The chuck moved up or down."""
        ...


class Move(Step):
    """One axis, or two together, on its way."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.needles = machine, machine.world.needles
        self.way = Travel(0.0, 1.0, 1.0)
        self._begun_ns = 0

    def start(self, distance: float, speed: float, acceleration: float) -> None:
        self.way = Travel(distance, speed * self.machine.speed, acceleration)
        self.seconds = self.way.seconds + (SETTLE_S if distance else 0.0)
        self._begun_ns = self.machine.now_ns
        self.machine.moving = self

    def share(self, seconds: float | None) -> float:
        """Share of the way that is covered after so long, by now if left out."""
        since_s = (self.machine.now_ns - self._begun_ns) / _NS_PER_S if seconds is None else seconds
        return self.way.at(since_s) / self.way.distance if self.way.distance else 1.0

    def end(self) -> None:
        self.machine.moving = None


class StageMove(Move):
    """to_um: stage position, both axes at a time, each as far as it has to."""

    def __init__(self, machine: Machine, to_um: tuple[float, float]) -> None:
        super().__init__(machine)
        self.from_um, self.to_um = self.needles.stage_um, to_um

    def begin(self) -> None:
        self.machine.require_ready(Direction.SIDEWAYS)
        self.from_um = self.needles.stage_um
        self.needles.leave_for(*self.to_um)
        self.start(max(abs(to - at) for to, at in zip(self.to_um, self.from_um, strict=True)), XY_SPEED, XY_ACCELERATION)

    def at(self, seconds: float | None = None) -> tuple[float, float]:
        share = self.share(seconds)
        (x, y), (to_x, to_y) = self.from_um, self.to_um
        return (x + share * (to_x - x), y + share * (to_y - y))

    def end(self) -> None:
        super().end()
        self._arrived(self.to_um)

    def halt(self, seconds: float) -> None:
        super().end()
        self._arrived(self.at(seconds))

    def _arrived(self, at_um: tuple[float, float]) -> None:
        if at_um != self.needles.stage_um:
            self.needles.arrive(*at_um)
            self.machine.slid()


class Lift(Move):
    """to_um: z. Needles touch, or let go, when the chuck passes the height at which they do."""

    def __init__(self, machine: Machine, to_um: float, softly: bool = False) -> None:
        super().__init__(machine)
        self.from_um, self.to_um, self.softly = self.needles.z_um, to_um, softly

    def begin(self) -> None:
        self.from_um = self.needles.z_um
        self.machine.require_ready(Direction.UP if self.to_um > self.from_um else Direction.DOWN)
        self.start(abs(self.to_um - self.from_um), Z_SPEED * (SOFT_CONTACT if self.softly else 1.0), Z_ACCELERATION)

    def at(self, seconds: float | None = None) -> float:
        return self.from_um + self.share(seconds) * (self.to_um - self.from_um)

    def marks(self) -> list[Mark]:
        touch_um = self.needles.first_touch_um()
        if self.from_um < touch_um < self.to_um:
            return [(self.way.when(touch_um - self.from_um), lambda: self._pass(touch_um + _HAIR_UM))]
        if self.to_um < touch_um <= self.from_um:
            return [(self.way.when(self.from_um - touch_um), lambda: self._pass(touch_um - _HAIR_UM))]
        return []

    def _pass(self, z_um: float) -> None:
        self.machine.world.move_chuck_z(z_um)

    def end(self) -> None:
        self._arrived(self.to_um)

    def halt(self, seconds: float) -> None:
        self._arrived(self.at(seconds))

    def _arrived(self, z_um: float) -> None:
        super().end()
        self._pass(z_um)
        self.machine.lifted(self.from_um, z_um)


class Turn(Move):
    """to_deg: chuck angle."""

    def __init__(self, machine: Machine, to_deg: float) -> None:
        super().__init__(machine)
        self.from_deg, self.to_deg = self.needles.theta_deg, to_deg

    def begin(self) -> None:
        self.machine.require_ready(Direction.SIDEWAYS)
        self.from_deg = self.needles.theta_deg
        self.start(abs(self.to_deg - self.from_deg), THETA_SPEED, THETA_ACCELERATION)

    def at(self, seconds: float | None = None) -> float:
        return self.from_deg + self.share(seconds) * (self.to_deg - self.from_deg)

    def end(self) -> None:
        super().end()
        self._turned(self.to_deg)

    def halt(self, seconds: float) -> None:
        super().end()
        self._turned(self.at(seconds))

    def _turned(self, to_deg: float) -> None:
        if to_deg != self.needles.theta_deg:
            self.needles.turn(to_deg)
            self.machine.slid()
