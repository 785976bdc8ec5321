"""The probe card over the wafer: where the needles stand, whether they touch, how good the contact is, and what they broke.

Rule: the stage moves the chuck, so a stage move of +x puts the needles at wafer -x. Stage and wafer frames meet only here.
"""

from dataclasses import dataclass, field

import numpy as np

from simulator.physics.wafer import DieIndex, Wafer

PAD_TOLERANCE_UM = 15.0
"""How far off a die's centre the needles still meet their pads, um."""

OVERTRAVEL_LIMIT_UM = 100.0
"""Above this the needles bend for good, um."""


@dataclass(frozen=True)
class Damage:
    """One thing that should never happen. die: under the needles, or None.

    kind: "xy_in_contact", "hot_touchdown", "hot_lift" or "overtravel".
    """

    kind: str
    die: DieIndex | None
    detail: str


@dataclass
class Needles:
    """Stage position and needles. Lengths in um; z grows upward; stage and z are those of the machine, not of a map.

    home_stage_um: stage position at which the home die's centre is under the needles: how the wafer happens to lie on the chuck.
    contact_z_um: stage height at which the needles first touch. dirt_ohms: film on the needles, cleaned off by cleaning.
    """

    wafer: Wafer
    home_stage_um: tuple[float, float]
    contact_z_um: float
    stage_um: tuple[float, float] = (0.0, 0.0)
    z_um: float = 0.0
    wafer_loaded: bool = True
    dirt_ohms: float = 0.0
    touchdowns: int = 0
    touchdowns_of_die: dict[DieIndex, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    _looked_at: tuple[tuple[float, float], tuple[float, float]] | None = field(default=None, init=False, repr=False)
    _below: DieIndex | None = field(default=None, init=False, repr=False)

    @property
    def touching(self) -> bool:
        """True when the needles touch the wafer, wherever that is."""
        return self.wafer_loaded and self.z_um >= self.contact_z_um

    @property
    def over_wafer_um(self) -> tuple[float, float]:
        """Where the needles stand over the wafer, wafer frame, relative to the home die's centre."""
        return (self.home_stage_um[0] - self.stage_um[0], self.home_stage_um[1] - self.stage_um[1])

    def stage_of(self, die: DieIndex) -> tuple[float, float]:
        """Stage position that puts a die's centre under the needles."""
        pitch = self.wafer.pitch_um
        return (self.home_stage_um[0] - die[0] * pitch, self.home_stage_um[1] - die[1] * pitch)

    @property
    def die_below(self) -> DieIndex | None:
        """Die whose pads are under the needles; None between dies and off the map."""
        where = (self.home_stage_um, self.stage_um)
        if where != self._looked_at:
            # Whatever reads a junction asks, and the stage hardly ever moves.
            self._looked_at, self._below = where, self._find_die()
        return self._below

    def _find_die(self) -> DieIndex | None:
        x_um, y_um = self.over_wafer_um
        die = (round(x_um / self.wafer.pitch_um), round(y_um / self.wafer.pitch_um))
        off = max(abs(x_um - die[0] * self.wafer.pitch_um), abs(y_um - die[1] * self.wafer.pitch_um))
        return die if off <= PAD_TOLERANCE_UM and die in self.wafer.dies else None

    @property
    def die_in_contact(self) -> DieIndex | None:
        return self.die_below if self.touching else None

    def move_stage(self, x_um: float, y_um: float) -> None:
        """Move the chuck sideways. In contact this drags the needles over the wafer: recorded as damage."""
        if self.touching and (x_um, y_um) != self.stage_um:
            self.damage.append(Damage("xy_in_contact", self.die_below, f"stage moved from {self.stage_um} to {(x_um, y_um)} um"))
        self.stage_um = (x_um, y_um)

    def move_z(self, z_um: float, output_on: bool) -> None:
        """Move the chuck up or down. output_on: the SMU's output is on, which arcs when contact is made and when it breaks."""
        touched_before = self.touching
        self.z_um = z_um
        if touched_before and not self.touching and output_on:
            self.damage.append(Damage("hot_lift", self.die_below, "the SMU's output was on"))
        if self.touching and not touched_before:
            self._touch_down(output_on)
        if self.touching and z_um - self.contact_z_um > OVERTRAVEL_LIMIT_UM:
            over = z_um - self.contact_z_um
            self.damage.append(Damage("overtravel", self.die_below, f"{over:.0f} um, the needles bear {OVERTRAVEL_LIMIT_UM:.0f} um"))

    def _touch_down(self, output_on: bool) -> None:
        self.touchdowns += 1
        self.dirt_ohms += 0.02
        die = self.die_below
        if die is not None:
            self.touchdowns_of_die[die] = self.touchdowns_of_die.get(die, 0) + 1
        if output_on:
            self.damage.append(Damage("hot_touchdown", die, "the SMU's output was on"))

    def clean(self) -> None:
        self.dirt_ohms = 0.0

    def contact_ohms(self) -> float:
        """Two needles in series while touching, Ohm: a few, falling with overtravel, growing with dirt. Assumption."""
        overtravel_um = max(self.z_um - self.contact_z_um, 0.0)
        return float(2.0 * (1.0 + 3.0 * np.exp(-overtravel_um / 10.0)) + 2.0 * self.dirt_ohms)
