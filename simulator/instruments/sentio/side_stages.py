"""Stages beside the chuck: the microscope's and the positioners' in the corners. None of them reaches the wafer.

Assumptions: which stages there are, their limits, the microscope's sites.
"""

from dataclasses import dataclass, field

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError, decimals

REACH_UM, LIFT_UM = 25_000.0, 12_000.0
CORNERS = ("East", "West", "North", "South", "NorthEast", "NorthWest", "SouthEast", "SouthWest")


@dataclass
class SideStage:
    """Positions from its own zero, um. sites: by name, from home. at: number of the site it stands on."""

    x_um: float = 0.0
    y_um: float = 0.0
    z_um: float = 0.0
    home_um: tuple[float, float] = (0.0, 0.0)
    contact_um: float = 1_000.0
    sites: dict[str, tuple[float, float]] = field(default_factory=dict)
    at: int = 0

    def origin(self, letter: str) -> tuple[float, float]:
        return {"h": self.home_um, "u": self.home_um, "r": (self.x_um, self.y_um)}.get(letter, (0.0, 0.0))

    def z_origin(self, letter: str) -> float:
        return {"c": self.contact_um, "s": self.contact_um + 500.0, "h": self.contact_um + 50.0, "r": self.z_um}.get(letter, 0.0)

    def move(self, x_um: float, y_um: float) -> None:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS."""
        if max(abs(x_um), abs(y_um)) > REACH_UM:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Target {x_um:.1f}, {y_um:.1f} um is outside the axis limits")
        self.x_um, self.y_um = x_um, y_um

    def lift_to(self, z_um: float) -> None:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS."""
        if abs(z_um) > REACH_UM:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Target z {z_um:.1f} um is outside the axis limits")
        self.z_um = z_um

    def number_of(self, word: str) -> int:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS."""
        named = [number for number, name in enumerate(self.sites) if name.lower() == word.lower()]
        number = named[0] if named else int(word) if word.isdecimal() else -1
        if not 0 <= number < len(self.sites):
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Site {word} does not exist!")
        return number

    def step(self, number: int) -> str:
        """Answers name and place. Raises SentioError END_OF_ROUTE after the last."""
        if number >= len(self.sites):
            raise SentioError(Code.END_OF_ROUTE, "End of route reached!")
        name, (x_um, y_um) = list(self.sites.items())[number]
        self.move(self.home_um[0] + x_um, self.home_um[1] + y_um)
        self.at = number
        return f"{name},{decimals(x_um, y_um)}"


def fresh_stages() -> dict[str, SideStage]:
    scope = {"home": (0.0, 0.0), "clear_area": (2_000.0, 0.0), "topo": (0.0, 2_000.0)}
    return {"scope": SideStage(sites=scope), **{corner.lower(): SideStage() for corner in CORNERS}}
