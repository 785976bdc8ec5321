"""The probe card over the wafer: where the needles stand, whether they touch, how good the contact is, and what they broke.

Rule 1: the stage moves the chuck, so a stage move of +x puts the needles at wafer -x. Stage and wafer frames meet only here.
Rule 2: what the stage says of itself (`stage_um`, `z_um`, `theta_deg`) is not quite where it is: it comes back to a place within its
repeatability, and what it cannot know is that the wafer lies askew, is warm or has slipped.
Rule 3: whatever breaks is in the ledger (`damage`) at the moment it breaks, whoever did it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from simulator.physics.surface import REFERENCE_C, Surface, stretch
from simulator.physics.touch import CARD_TOUCHDOWNS, CLEANING_TOUCHDOWNS, PAD_TOUCHDOWNS, Wear, contact_ohms
from simulator.physics.wafer import DieIndex, Wafer

PAD_TOLERANCE_UM = 15.0
"""How far off a die's centre the needles still meet their pads, um."""
OVERTRAVEL_LIMIT_UM = 100.0
"""Above this the needles bend for good, um."""
DRIFT_K = 2.0
"""A change of temperature that moves needles in contact over their pads."""
XY_REPEATABILITY_UM, Z_REPEATABILITY_UM = 0.5, 0.2
_LOOKS_ALONG_A_WAY = 33
_SLIP_UM, _SLIP_DEG = 40.0, 0.05
_LYING_UM, _LYING_DEG = 200.0, 0.3


@dataclass(frozen=True)
class Damage:
    """One thing that should never happen. die: under the needles, or None.

    kind: "xy_in_contact", "theta_in_contact", "hot_touchdown", "hot_lift", "overtravel", "thermal_in_contact",
    "excess_touchdown" (of a die's pads), "card_worn" or "cleaning_overdue".
    """

    kind: str
    die: DieIndex | None
    detail: str


class _Below(NamedTuple):
    """What is under the needles. first_touch_um: without the error of the stage's z."""

    die: DieIndex | None
    first_touch_um: float


def _nobody(_: Damage) -> None:
    """Nobody else is told."""


@dataclass
class Needles:
    """Stage position and needles. Lengths in um; z grows upward; stage and z are those of the machine, not of a map.

    home_stage_um: stage position at which the home die's centre is under the needles: how the wafer happens to lie on the chuck.
    lying_deg: how far the wafer lies askew. contact_z_um: the contact height that was commissioned: from there on every die touches.
    report: told of every damage, besides the ledger.
    """

    wafer: Wafer
    home_stage_um: tuple[float, float]
    contact_z_um: float
    stage_um: tuple[float, float] = (0.0, 0.0)
    z_um: float = 0.0
    theta_deg: float = 0.0
    lying_deg: float = 0.0
    temperature_c: float = REFERENCE_C
    wafer_loaded: bool = True
    wear: Wear = field(default_factory=Wear)
    damage: list[Damage] = field(default_factory=list)
    report: Callable[[Damage], None] = _nobody
    _looked_at: tuple[object, ...] = field(default=(), init=False, repr=False)
    _seen: "_Below" = field(default_factory=lambda: _Below(None, 0.0), init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.wafer.seed, 10])
        self._surface = Surface.of_seed(self.wafer.seed, self.wafer.pitch_um)
        self._off_um, self._off_z_um = (0.0, 0.0), 0.0
        self._touched_at_c = REFERENCE_C
        self._worth_of: tuple[object, ...] = ()
        self._worth_ohms = 0.0

    # --- where they are
    @property
    def over_wafer_um(self) -> tuple[float, float]:
        """Where the needles stand over the wafer, wafer frame, relative to the home die's centre. It turns about that centre."""
        return self._over(self.stage_um)

    def _over(self, stage_um: tuple[float, float]) -> tuple[float, float]:
        x, y = (home - at - off for home, at, off in zip(self.home_stage_um, stage_um, self._off_um, strict=True))
        angle, grown = math.radians(-self.lying_deg - self.theta_deg), stretch(self.temperature_c)
        if angle:
            x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return (x / grown, y / grown)

    def stage_of(self, die: DieIndex) -> tuple[float, float]:
        """Stage position that puts a die's centre under the needles, with the wafer as it lies and as warm as it is."""
        pitch = self.wafer.pitch_um * stretch(self.temperature_c)
        angle = math.radians(self.lying_deg + self.theta_deg)
        x, y = die[0] * pitch, die[1] * pitch
        if angle:
            x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return (self.home_stage_um[0] - x, self.home_stage_um[1] - y)

    def first_touch_um(self, stage_um: tuple[float, float] | None = None) -> float:
        """z, as the stage counts it, at which the needles meet something at a place (here, unless another is named)."""
        if stage_um is None:
            return self._below.first_touch_um - self._off_z_um
        return self._meets_um(self._over(stage_um)) - self._off_z_um

    def _meets_um(self, over_wafer_um: tuple[float, float]) -> float:
        return self.contact_z_um - self._surface.above_commissioned_um(*over_wafer_um, self.temperature_c)

    @property
    def overtravel_um(self) -> float:
        """How far beyond the first touch; below 0: how far away."""
        return self.z_um - self.first_touch_um()

    @property
    def touching(self) -> bool:
        """True when the needles touch the wafer, wherever that is."""
        return self.wafer_loaded and self.overtravel_um >= 0.0

    @property
    def die_below(self) -> DieIndex | None:
        """Die whose pads are under the needles; None between dies and off the map."""
        return self._below.die

    @property
    def die_in_contact(self) -> DieIndex | None:
        below = self._below
        return below.die if self.wafer_loaded and self.z_um + self._off_z_um >= below.first_touch_um else None

    @property
    def _below(self) -> "_Below":
        where = (self.stage_um, self._off_um, self.home_stage_um, self.lying_deg, self.theta_deg, self.temperature_c)
        if where != self._looked_at:
            # Whatever reads a junction asks, and the stage hardly ever moves.
            over_um = self.over_wafer_um
            self._looked_at, self._seen = where, _Below(self._find_die(over_um), self._meets_um(over_um))
        return self._seen

    def _find_die(self, over_wafer_um: tuple[float, float]) -> DieIndex | None:
        x_um, y_um = over_wafer_um
        die = (round(x_um / self.wafer.pitch_um), round(y_um / self.wafer.pitch_um))
        off = max(abs(x_um - die[0] * self.wafer.pitch_um), abs(y_um - die[1] * self.wafer.pitch_um))
        return die if off <= PAD_TOLERANCE_UM and die in self.wafer.dies else None

    # --- what moves
    def move_stage(self, x_um: float, y_um: float) -> None:
        """Move the chuck sideways. In contact, at the start or anywhere on the way, this drags the needles over the wafer: damage."""
        self.leave_for(x_um, y_um)
        self.arrive(x_um, y_um)

    def leave_for(self, x_um: float, y_um: float) -> None:
        """A move sideways begins."""
        if (x_um, y_um) != self.stage_um and self._touching_on_the_way((x_um, y_um)):
            self._broke("xy_in_contact", f"stage moved from {_place(self.stage_um)} to {_place((x_um, y_um))} um")

    def _touching_on_the_way(self, to_um: tuple[float, float]) -> bool:
        if not self.wafer_loaded:
            return False
        places = np.linspace(self.stage_um, to_um, _LOOKS_ALONG_A_WAY)
        return any(self.z_um >= self.first_touch_um((float(x), float(y))) for x, y in places)

    def arrive(self, x_um: float, y_um: float) -> None:
        """A move sideways ends, there or wherever it was stopped."""
        if (x_um, y_um) != self.stage_um:
            self.stage_um = (x_um, y_um)
            x, y = self._rng.normal(0.0, XY_REPEATABILITY_UM, 2).tolist()
            self._off_um = (x, y)

    def turn(self, theta_deg: float) -> None:
        """Turn the chuck."""
        if self.touching and theta_deg != self.theta_deg:
            self._broke("theta_in_contact", f"chuck turned from {self.theta_deg:g} to {theta_deg:g} deg")
        self.theta_deg = theta_deg

    def move_z(self, z_um: float, output_on: bool) -> None:
        """Move the chuck up or down. output_on: the SMU's output is on, which arcs when contact is made and when it breaks."""
        touched_before = self.touching
        if not touched_before and z_um != self.z_um:
            self._off_z_um = float(self._rng.normal(0.0, Z_REPEATABILITY_UM))
        self.z_um = z_um
        if touched_before and not self.touching and output_on:
            self._broke("hot_lift", "the SMU's output was on")
        if self.touching and not touched_before:
            self._touch_down(output_on)
        if self.touching and self.overtravel_um > OVERTRAVEL_LIMIT_UM:
            self._broke("overtravel", f"{self.overtravel_um:.0f} um, the needles bear {OVERTRAVEL_LIMIT_UM:.0f} um")

    def _touch_down(self, output_on: bool) -> None:
        die, self._touched_at_c = self.die_below, self.temperature_c
        self.wear.touch(die)
        if output_on:
            self._broke("hot_touchdown", "the SMU's output was on")
        if die is not None and self.wear.of_die[die] > PAD_TOUCHDOWNS:
            self._broke("excess_touchdown", f"touchdown {self.wear.of_die[die]} of this die, its pads bear {PAD_TOUCHDOWNS}")
        if self.wear.of_card > CARD_TOUCHDOWNS:
            self._broke("card_worn", f"touchdown {self.wear.of_card} of the card, it bears {CARD_TOUCHDOWNS}")
        if self.wear.since_cleaning > CLEANING_TOUCHDOWNS:
            self._broke("cleaning_overdue", f"the needles want cleaning after {CLEANING_TOUCHDOWNS} touchdowns")

    def warm(self, temperature_c: float) -> None:
        """The wafer has another temperature."""
        self.temperature_c = temperature_c
        if self.touching and abs(temperature_c - self._touched_at_c) > DRIFT_K:
            self._broke("thermal_in_contact", f"from {self._touched_at_c:.1f} to {temperature_c:.1f} C since the touchdown")
            self._touched_at_c = temperature_c

    # --- what else happens to wafer and card
    def lay(self) -> None:
        """A wafer is put on the chuck: never twice at the same place, and a little askew."""
        middle = (150_000.0, 150_000.0)
        x, y, side, angle = self._rng.uniform(-1.0, 1.0, 4).tolist()
        self.home_stage_um = (middle[0] + _LYING_UM * x, middle[1] + _LYING_UM * y)
        self.lying_deg = math.copysign(_LYING_DEG * (2.0 + angle) / 3.0, side)
        self.wafer_loaded = True

    def slip(self) -> None:
        """Nothing holds the wafer, and the chuck moves under it."""
        x, y, angle = self._rng.normal(0.0, 1.0, 3).tolist()
        self.home_stage_um = (self.home_stage_um[0] + _SLIP_UM * x, self.home_stage_um[1] + _SLIP_UM * y)
        self.lying_deg += _SLIP_DEG * angle

    def clean(self, touches: int = 5) -> None:
        self.wear.clean(touches)

    def contact_ohms(self) -> float:
        """Two needles in series while touching, Ohm: a few, falling with overtravel, growing with dirt and with worn pads."""
        below, wear = self._below, self.wear
        of = (below, self.z_um, self._off_z_um, wear.since_cleaning, wear.film_ohms, wear.of_card)
        if of != self._worth_of:
            over_um = max(self.z_um + self._off_z_um - below.first_touch_um, 0.0)
            self._worth_of, self._worth_ohms = of, contact_ohms(over_um, wear.dirt_ohms, wear.worn_ohms(below.die))
        return self._worth_ohms

    @property
    def dirt_ohms(self) -> float:
        return self.wear.dirt_ohms

    @dirt_ohms.setter
    def dirt_ohms(self, ohms: float) -> None:
        self.wear.dirt_ohms = ohms

    @property
    def touchdowns(self) -> int:
        return self.wear.of_card

    @property
    def touchdowns_of_die(self) -> dict[DieIndex, int]:
        return self.wear.of_die

    def _broke(self, kind: str, detail: str) -> None:
        damage = Damage(kind, self.die_below, detail)
        self.damage.append(damage)
        self.report(damage)


def _place(stage_um: tuple[float, float]) -> str:
    return f"{stage_um[0]:.1f}, {stage_um[1]:.1f}"
