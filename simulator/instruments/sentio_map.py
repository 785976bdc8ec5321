"""The prober's own idea of the wafer: which dies, how far apart, in which order. It can be
wrong; where the needles really are is the world's.

Columns grow to the right and rows upward of the wafer (axis orientation UR) unless set otherwise; indices may be negative.
"""

import math
from dataclasses import dataclass, field

from simulator.instruments.sentio_words import Code, SentioError

Index = tuple[int, int]


@dataclass
class WaferMap:
    """dies: on the map. selected: part of the route. pitch_um: index size. home: index that the home position belongs to.

    orient: U or D (rows grow up or down) and R or L. start, priority: routing, as set_routing names them.
    """

    dies: set[Index]
    pitch_um: tuple[float, float]
    diameter_mm: float = 100.0
    home: Index = (0, 0)
    origin: Index = (0, 0)
    orient: str = "UR"
    start: str = "ul"
    priority: str = "wr"
    street_um: tuple[float, float] = (0.0, 0.0)
    offset_um: tuple[float, float] = (0.0, 0.0)
    edge_um: float = 0.0
    marker: tuple[str, float, float] = ("Notch", 270.0, 1000.0)
    selected: set[Index] = field(default_factory=set)
    bins: dict[Index, int] = field(default_factory=dict)
    values: dict[Index, float] = field(default_factory=dict)

    @classmethod
    def of_wafer(cls, dies: tuple[Index, ...], pitch_um: float) -> "WaferMap":
        return cls(dies=set(dies), pitch_um=(pitch_um, pitch_um), selected=set(dies))

    def create(self, diameter_mm: float) -> None:
        """A new round map: every die of the present size that fits whole. Die (0, 0) is the one at the centre."""
        self.diameter_mm = diameter_mm
        self.home, self.origin = (0, 0), (0, 0)
        self.fill()

    def fill(self) -> None:
        """Dies of the present size within the diameter less the edge exclusion."""
        radius = self.diameter_mm * 500.0 - self.edge_um
        if radius <= 0 or min(self.pitch_um) < radius / 200.0:
            raise SentioError(Code.OUT_OF_BOUNDS, f"Die size {self.pitch_um} um does not fit a wafer of {self.diameter_mm:g} mm")
        across, up = (math.ceil(radius / pitch) for pitch in self.pitch_um)
        self.dies = {
            (column, row) for column in range(-across, across + 1) for row in range(-up, up + 1) if self._corner_um(column, row) <= radius
        }
        self.selected = set(self.dies)
        self.bins.clear()
        self.values.clear()

    def _corner_um(self, column: int, row: int) -> float:
        return math.hypot((abs(column) + 0.5) * self.pitch_um[0], (abs(row) + 0.5) * self.pitch_um[1])

    @property
    def signs(self) -> tuple[int, int]:
        """+1 where column or row grow with the wafer's x and y."""
        return (-1 if self.orient[1] == "L" else 1, -1 if self.orient[0] == "D" else 1)

    def from_home_um(self, die: Index) -> tuple[float, float]:
        """Centre of a die relative to the home die's, wafer frame. Raises SentioError OUT_OF_BOUNDS for a die that is not on the map."""
        if die not in self.dies:
            raise SentioError(Code.OUT_OF_BOUNDS, "Die does not exist!")
        return (
            self.signs[0] * (die[0] - self.home[0]) * self.pitch_um[0],
            self.signs[1] * (die[1] - self.home[1]) * self.pitch_um[1],
        )

    def at_um(self, x_um: float, y_um: float, tolerance_um: float) -> Index | None:
        """Die whose centre is at a place relative to the home die's, None when there is none."""
        column = self.home[0] + self.signs[0] * round(x_um / self.pitch_um[0])
        row = self.home[1] + self.signs[1] * round(y_um / self.pitch_um[1])
        if (column, row) not in self.dies:
            return None
        centre = self.from_home_um((column, row))
        return (column, row) if math.dist(centre, (x_um, y_um)) <= tolerance_um else None

    def route(self) -> list[Index]:
        """Selected dies in stepping order. r, c: every line in the same direction; wr, wc: winding."""
        along, across = (0, 1) if self.priority in ("r", "wr") else (1, 0)
        # The start is a corner as seen with x right and y up: u is where the wafer's y is largest.
        ascending = (self.start[1] == "l") == (self.signs[0] > 0), (self.start[0] == "l") == (self.signs[1] > 0)
        lines = sorted({die[across] for die in self.selected}, reverse=not ascending[across])
        order: list[Index] = []
        for number, line in enumerate(lines):
            backward = self.priority.startswith("w") and number % 2 == 1
            members = [die for die in self.selected if die[across] == line]
            order += sorted(members, key=lambda die: die[along], reverse=ascending[along] == backward)
        return order

    def size(self) -> tuple[int, int]:
        """Columns and rows from the first to the last die."""
        columns, rows = ({die[axis] for die in self.dies} for axis in (0, 1))
        return (max(columns) - min(columns) + 1, max(rows) - min(rows) + 1) if self.dies else (0, 0)
