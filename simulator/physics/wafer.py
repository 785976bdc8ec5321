"""A wafer: which dies there are and how they differ. Die (x, y) is the same whenever and in whatever order it is first touched.

Wafer frame: notch down, x right, y up, home die (0, 0); the wafer's centre lies at (-0.5, -0.5).
"""

import numpy as np

from firmware_protocol.geometry import Geometry
from simulator.physics.die import Die
from simulator.physics.foundry import Spread
from simulator.physics.parameters import DieIndex, Fab

PITCH_UM = 10_000.0
_CENTRE = -0.5
_WIDTHS = {2: 4, 1: 6, 0: 8, -1: 8, -2: 6, -3: 4}
_OFFSET = 32_768
"""A seed sequence takes no negative numbers."""


def whole_map() -> tuple[DieIndex, ...]:
    """All 36 dies, ordered by (y, x): rows of 4, 6, 8, 8, 6 and 4."""
    return tuple((x, y) for y, width in sorted(_WIDTHS.items()) for x in range(-width // 2, width // 2))


def nearest_dies(count: int) -> tuple[DieIndex, ...]:
    """The `count` dies nearest the wafer's centre, ordered by (y, x); the home die is always among them.

    Raises ValueError unless 1 <= count <= 36.
    """
    dies = whole_map()
    if not 1 <= count <= len(dies):
        raise ValueError(f"{count} dies asked for; the wafer has 1 to {len(dies)}")

    def distance(die: DieIndex) -> tuple[float, int, int, int]:
        x, y = die
        return ((x - _CENTRE) ** 2 + (y - _CENTRE) ** 2, abs(x) + abs(y), y, x)

    return tuple(sorted(sorted(dies, key=distance)[:count], key=lambda die: (die[1], die[0])))


class Wafer:
    """Dies by index, made when first asked for. pitch_um: distance of neighbouring die centres, in x and y."""

    pitch_um = PITCH_UM

    def __init__(self, seed: int, fab: Fab, dies: tuple[DieIndex, ...] | None = None, geometry: Geometry | None = None) -> None:
        self.seed, self.fab = seed, fab
        self.dies = whole_map() if dies is None else dies
        self.geometry = geometry or Geometry()
        self._made: dict[DieIndex, Die] = {}
        angle = np.random.default_rng([seed, 1]).uniform(0.0, 2.0 * np.pi)
        self._slope = (float(np.cos(angle)), float(np.sin(angle)))

    def die(self, index: DieIndex) -> Die:
        """Raises KeyError for a die that is not on the map."""
        if index not in self.dies:
            raise KeyError(f"die {index} is not on the wafer map of {len(self.dies)} dies")
        if index not in self._made:
            fab = self.fab.of_die(index)
            rng = np.random.default_rng([self.seed, 2, index[0] + _OFFSET, index[1] + _OFFSET])
            self._made[index] = Die(fab, self.geometry, self._spread(index, fab, rng), rng)
        return self._made[index]

    def warm(self, temperature_c: float, now_s: float) -> None:
        """All dies get another temperature, having passed the time until now at the one they had."""
        for die in self._made.values():
            die.pass_time(now_s)
            die.temperature_c = temperature_c

    def _spread(self, index: DieIndex, fab: Fab, rng: np.random.Generator) -> Spread:
        """One draw moves RA and TMR together (a thicker barrier has more of both); the gradient runs across the wafer in one direction."""
        draw = rng.standard_normal()
        along = ((index[0] - _CENTRE) * self._slope[0] + (index[1] - _CENTRE) * self._slope[1]) / 4.0
        ra = float(np.exp(fab.die_sigma * draw) * (1.0 + fab.gradient * along))
        tmr = float(1.0 + 0.3 * fab.die_sigma * draw)
        return Spread(ra if fab.ra_factor is None else fab.ra_factor, tmr if fab.tmr_factor is None else fab.tmr_factor)
