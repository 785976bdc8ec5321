"""The prober's own idea of the wafer: which dies, how far apart, what they are called. It can be wrong; where the needles
really are is the world's.

Rule: inside, a die is its place in the base grid (x right, y up; the wafer's centre is the lower left corner of base die 0, 0). Its
custom name counts from the grid origin in the direction of the axes, and may be negative.
Source: documentation of set_grid_params, set_grid_origin, set_axis_orient and set_home_die in sentio-prober-control 26.2.0.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError

Index = tuple[int, int]
Place = tuple[float, float]
_MOST_ACROSS = 200
"""Dies in a row of the largest map."""


@dataclass
class WaferMap:
    """dies, selected, home, origin: base grid. pitch_um: index size. orient: U or D (rows grow up or down) and R or L."""

    dies: set[Index]
    pitch_um: Place
    diameter_mm: float = 100.0
    home: Index = (0, 0)
    origin: Index = (0, 0)
    orient: str = "UR"
    street_um: tuple[int, int] = (0, 0)
    offset_um: Place = (0.0, 0.0)
    edge_um: float = 0.0
    marker: tuple[str, float, float] = ("Notch", 270.0, 1000.0)
    selected: set[Index] = field(default_factory=set)
    color_scheme: str = "0"

    @classmethod
    def of_wafer(cls, dies: Iterable[Index], pitch_um: float) -> "WaferMap":
        """Every die selected; named as the wafer names them."""
        present = set(dies)
        return cls(dies=present, pitch_um=(pitch_um, pitch_um), selected=set(present))

    # --- names
    @property
    def signs(self) -> Index:
        """+1 where column or row grow with the wafer's x and y."""
        return (-1 if self.orient[1] == "L" else 1, -1 if self.orient[0] == "D" else 1)

    def named(self, base: Index) -> Index:
        """Custom column and row."""
        return (self.signs[0] * (base[0] - self.origin[0]), self.signs[1] * (base[1] - self.origin[1]))

    def base(self, name: Index) -> Index:
        return (self.origin[0] + self.signs[0] * name[0], self.origin[1] + self.signs[1] * name[1])

    def present(self, name: Index) -> Index:
        """Base die of a custom name. Raises SentioError ARGUMENT_OUT_OF_BOUNDS for one that is not on the map."""
        die = self.base(name)
        if die not in self.dies:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, "Die does not exist!")
        return die

    # --- places
    def from_home_um(self, base: Index) -> Place:
        """Centre of a die relative to the home die's, wafer frame."""
        return ((base[0] - self.home[0]) * self.pitch_um[0], (base[1] - self.home[1]) * self.pitch_um[1])

    def at_um(self, x_um: float, y_um: float, tolerance_um: float) -> Index | None:
        """Base die whose centre is at a place relative to the home die's, None when there is none."""
        base = (self.home[0] + round(x_um / self.pitch_um[0]), self.home[1] + round(y_um / self.pitch_um[1]))
        if base not in self.dies or math.dist(self.from_home_um(base), (x_um, y_um)) > tolerance_um:
            return None
        return base

    def nearest_to_centre(self) -> Index:
        """Base die nearest the wafer's centre. Raises SentioError when there is none."""
        if not self.dies:
            raise SentioError(Code.INVALID_OPERATION, "The map has no dies")
        return min(self.dies, key=lambda die: (math.hypot(die[0] + 0.5, die[1] + 0.5), die))

    def size(self) -> Index:
        """Columns and rows from the first to the last die."""
        columns, rows = ({die[axis] for die in self.dies} for axis in (0, 1))
        return (max(columns) - min(columns) + 1, max(rows) - min(rows) + 1) if self.dies else (0, 0)

    # --- set-up
    def create(self, diameter_mm: float) -> None:
        """A new round map: every die of the present size that fits whole."""
        self.diameter_mm = diameter_mm
        self.home, self.origin = (0, 0), (0, 0)
        self.fill()

    def fill(self) -> None:
        """Dies of the present size within the diameter less the edge exclusion. Raises SentioError when that makes no map."""
        radius = self.diameter_mm * 500.0 - self.edge_um
        if radius <= 0 or min(self.pitch_um) < 2.0 * radius / _MOST_ACROSS:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Die size {self.pitch_um} um does not fit a wafer of {self.diameter_mm:g} mm")
        across, up = (math.ceil(radius / pitch) + 1 for pitch in self.pitch_um)
        everywhere = ((column, row) for column in range(-across, across) for row in range(-up, up))
        self.dies = {die for die in everywhere if self._farthest_corner_um(die) <= radius}
        self.selected = set(self.dies)

    def _farthest_corner_um(self, die: Index) -> float:
        lows = [die[axis] * self.pitch_um[axis] + self.offset_um[axis] for axis in (0, 1)]
        return math.hypot(*(max(abs(low), abs(low + pitch)) for low, pitch in zip(lows, self.pitch_um, strict=True)))

    def create_rect(self, columns: int, rows: int) -> None:
        """A new rectangular map around the centre."""
        left, bottom = -(columns // 2), -(rows // 2)
        self.home, self.origin = (0, 0), (0, 0)
        self.dies = {(left + column, bottom + row) for column in range(columns) for row in range(rows)}
        self.selected = set(self.dies)
