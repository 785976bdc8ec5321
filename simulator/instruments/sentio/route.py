"""The order in which dies are stepped, and the subsites within them.

A subsite is routable on a die unless it was made inactive there or everywhere. Subsite 0 is the die's home position.
"""

from dataclasses import dataclass, field

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.wafer_map import Index, Place, WaferMap
from simulator.instruments.sentio.words import SentioError

STARTS = ("ul", "ur", "ll", "lr")
PRIORITIES = ("r", "c", "wr", "wc")


@dataclass
class Subsite:
    """place_um: from the die's home position, wafer frame. inactive_on: dies of the base grid."""

    name: str
    place_um: Place = (0.0, 0.0)
    active: bool = True
    set_on: dict[Index, bool] = field(default_factory=dict)

    def active_on(self, die: Index) -> bool:
        return self.set_on.get(die, self.active)


def fresh_subsites() -> list[Subsite]:
    return [Subsite("Home")]


@dataclass
class Route:
    """start: corner as seen with x right and y up. priority: r, c every line in the same direction, wr, wc winding.

    subsites: of every die, by number.
    """

    map: WaferMap
    start: str = "ul"
    priority: str = "wr"
    subsites: list[Subsite] = field(default_factory=fresh_subsites)

    def dies(self) -> list[Index]:
        """Selected dies (base grid) in stepping order."""
        along, across = (0, 1) if self.priority in ("r", "wr") else (1, 0)
        forward = [1 if self.start[1] == "l" else -1, 1 if self.start[0] == "l" else -1]
        lines = sorted({die[across] for die in self.map.selected}, reverse=forward[across] < 0)
        turns = {line: -1 if self.priority.startswith("w") and number % 2 else 1 for number, line in enumerate(lines)}
        return sorted(
            self.map.selected,
            key=lambda die: (forward[across] * die[across], turns[die[across]] * forward[along] * die[along]),
        )

    def stops(self, site: int) -> list[Index]:
        """Dies of the route where this subsite is routable, in order."""
        return [die for die in self.dies() if self.subsites[site].active_on(die)]

    def site(self, word: str) -> int:
        """Number of a subsite given by number or name. Raises SentioError ARGUMENT_OUT_OF_BOUNDS, INVALID_PARAMETER."""
        named = [number for number, subsite in enumerate(self.subsites) if subsite.name.lower() == word.lower()]
        if named:
            return named[0]
        if not word.lstrip("-").isdecimal():
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
        if not 0 <= int(word) < len(self.subsites):
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Site {word} does not exist!")
        return int(word)

    def require_routable(self, die: Index, site: int) -> None:
        """Raises SentioError SUBSITE_NOT_ROUTABLE."""
        if not self.subsites[site].active_on(die):
            raise SentioError(Code.SUBSITE_NOT_ROUTABLE, f"Subsite {site} is not routable on die {self.map.named(die)}")

    def sites_of(self, die: Index) -> list[int]:
        """Routable subsites of a die, in order."""
        return [number for number, subsite in enumerate(self.subsites) if subsite.active_on(die)]

    def place_um(self, die: Index, site: int) -> Place:
        """Relative to the home die's home position, wafer frame."""
        centre, beside = self.map.from_home_um(die), self.subsites[site].place_um
        return (centre[0] + beside[0], centre[1] + beside[1])
