"""Where dies are under the needles and what the prober calls them. Dies are named in the wafer frame: notch down, x right, y up.

Rule 1: the chuck's frame and the wafer's meet here and nowhere else. SENTIO's positions are those of the needles over the wafer as it
lies, x right, y up, whichever way the stage runs below it; from home and from zero they differ by where home is. Assumption, which the
position read back after every step would contradict.
Rule 2: what the prober's map says of itself (axis directions, home die, pitch) is read from the prober, not configured.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from drivers.errors import PositionNotVerified

Die = tuple[int, int]
Notch = Literal["down", "left", "up", "right"]
Place = tuple[float, float]

_QUARTERS: dict[str, int] = {"down": 0, "left": 1, "up": 2, "right": 3}
_PITCH_TOLERANCE = 1e-3
"""Of the pitch of lab.toml: more than any wafer expands or any alignment corrects."""


@dataclass(frozen=True)
class DieGrid:
    """pitch_um: (x, y) die pitch in the wafer frame. home: the die at the chuck's home position. notch: where it points on the chuck.

    axis_orient, home_index: which way the prober counts columns and rows, and what it calls the home die; None: the home die's own name.
    xy_tolerance_um, z_tolerance_um: largest accepted difference between where the chuck was sent and what it reads back.
    """

    pitch_um: tuple[float, float] = (10_000.0, 10_000.0)
    home: Die = (0, 0)
    notch: Notch = "down"
    axis_orient: str = "UR"
    home_index: tuple[int, int] | None = None
    xy_tolerance_um: float = 10.0
    z_tolerance_um: float = 5.0

    def centre_um(self, die: Die) -> Place:
        """(x, y) of the needles over a die's centre, from home."""
        right, up = self._drawn(die)
        pitch_um = self.chuck_pitch_um
        return (right * pitch_um[0], up * pitch_um[1])

    def is_at(self, die: Die, xy_um: Place) -> bool:
        return self.near(self.centre_um(die), xy_um)

    def near(self, target_um: Place, found_um: Place) -> bool:
        return math.dist(target_um, found_um) <= self.xy_tolerance_um

    def index_of(self, die: Die) -> tuple[int, int]:
        """The prober's (column, row)."""
        right, up = self._drawn(die)
        columns, rows = self._signs
        first = self._home_index
        return (first[0] + columns * right, first[1] + rows * up)

    def die_at(self, index: tuple[int, int]) -> Die:
        """The way back."""
        columns, rows = self._signs
        first = self._home_index
        x, y = columns * (index[0] - first[0]), rows * (index[1] - first[1])
        for _ in range(-_QUARTERS[self.notch] % 4):
            x, y = y, -x
        return (self.home[0] + x, self.home[1] + y)

    @property
    def chuck_pitch_um(self) -> Place:
        """Die pitch along the chuck's x and y."""
        x_um, y_um = self.pitch_um
        return (x_um, y_um) if _QUARTERS[self.notch] % 2 == 0 else (y_um, x_um)

    def as_mapped(self, axis_orient: str, home_index: tuple[int, int], index_um: Place, prober: str) -> "DieGrid":
        """The grid as the prober's map has it. index_um: its die pitch along the chuck's axes.

        Raises PositionNotVerified when its dies are not of the pitch of lab.toml.
        """
        expected = self.chuck_pitch_um
        if not all(abs(found - wanted) <= _PITCH_TOLERANCE * wanted for found, wanted in zip(index_um, expected, strict=True)):
            raise PositionNotVerified(
                f"{prober}: its wafer map has dies of {index_um} um, by the pitch of lab.toml they are {expected} um; "
                "one of the two is another wafer's"
            )
        # An alignment measures the pitch anew, and the map steps by what it measured.
        pitch_um = index_um if expected == self.pitch_um else (index_um[1], index_um[0])
        return replace(self, pitch_um=pitch_um, axis_orient=axis_orient, home_index=home_index)

    def _drawn(self, die: Die) -> tuple[int, int]:
        """From the home die, dies right and up on the chuck: the wafer turned clockwise until its notch points where it does."""
        x, y = die[0] - self.home[0], die[1] - self.home[1]
        for _ in range(_QUARTERS[self.notch]):
            x, y = y, -x
        return (x, y)

    @property
    def _signs(self) -> tuple[int, int]:
        return (1 if self.axis_orient[1] == "R" else -1, 1 if self.axis_orient[0] == "U" else -1)

    @property
    def _home_index(self) -> tuple[int, int]:
        return self.home if self.home_index is None else self.home_index


def from_zero(home_um: Place, from_home_um: Place) -> Place:
    """A place given from home, counted from the axes' zero. home_um: where home is from zero."""
    return (home_um[0] + from_home_um[0], home_um[1] + from_home_um[1])


def from_home(home_um: Place, from_zero_um: Place) -> Place:
    """The way back."""
    return (from_zero_um[0] - home_um[0], from_zero_um[1] - home_um[1])
