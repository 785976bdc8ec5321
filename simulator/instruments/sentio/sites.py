"""The chuck's sites: the wafer, what lies beside it, and the heights and the home of each.

Assumptions: which sites there are and where, axis limits.
"""

from dataclasses import dataclass, field

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import SentioError

Z_LIMIT_UM = 20_000.0
_NEAR_UM = 0.5


@dataclass
class Heights:
    """contact_um: above z zero, None until set. Gaps are from contact, um."""

    contact_um: float | None = None
    separation_gap_um: float = 250.0
    overtravel_gap_um: float = 20.0
    hover_gap_um: float = 50.0

    def contact(self) -> float:
        """Raises SentioError CONTACT_HEIGHT_NOT_SET."""
        if self.contact_um is None:
            raise SentioError(Code.CONTACT_HEIGHT_NOT_SET, "Contact height not set!")
        return self.contact_um

    def separation(self) -> float:
        return self.contact() - self.separation_gap_um

    def check(self) -> None:
        """Raises SentioError when a height is outside the axis or a gap is negative."""
        contact = self.contact_um if self.contact_um is not None else 0.0
        if self.overtravel_gap_um < 0 or contact + self.overtravel_gap_um > Z_LIMIT_UM:
            raise SentioError(Code.OVERTRAVEL_OUT_OF_AXIS_LIMIT, "Overtravel out of axis limit")
        if not 0 <= contact <= Z_LIMIT_UM or min(self.separation_gap_um, self.hover_gap_um) < 0:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, "Height out of axis limit")


@dataclass
class Site:
    """home_um: stage position that counts as home, None until found or set. home_deg: chuck angle that counts as 0 there.

    last_um: where the chuck last stood on this site.
    """

    last_um: tuple[float, float]
    home_um: tuple[float, float] | None = None
    home_deg: float = 0.0
    heights: Heights = field(default_factory=Heights)
    overtravel_on: bool = False
    hover_on: bool = False
    vacuum_on: bool = False

    def home(self) -> tuple[float, float]:
        """Raises SentioError HOME_POSITION_NOT_SET."""
        if self.home_um is None:
            raise SentioError(Code.HOME_POSITION_NOT_SET, "Home position not set!")
        return self.home_um

    def above_separation(self, z_um: float) -> bool:
        contact = self.heights.contact_um
        return contact is not None and z_um > contact - self.heights.separation_gap_um + _NEAR_UM

    def at_contact(self, z_um: float) -> bool:
        contact = self.heights.contact_um
        return contact is not None and z_um > contact - _NEAR_UM

    def highest_um(self) -> float:
        """Maximum permitted height: contact (and overtravel where enabled), the axis' end while contact is not set.

        Source: comments in a user's driver that quote MPI's manual on move_chuck_z.
        """
        if self.heights.contact_um is None:
            return Z_LIMIT_UM
        return self.heights.contact_um + (self.heights.overtravel_gap_um if self.overtravel_on else 0.0)


def fresh_sites(centre_um: tuple[float, float]) -> dict[str, Site]:
    """By name. The cleaning pad lies on AuxLeft."""
    x, y = centre_um
    places = {
        "Wafer": centre_um,
        "AuxRight": (x - 110_000.0, y),
        "AuxLeft": (x + 110_000.0, y),
        "AuxRight2": (x - 100_000.0, y - 60_000.0),
        "AuxLeft2": (x + 100_000.0, y - 60_000.0),
        "ChuckCamera": (x, y + 115_000.0),
    }
    return {name: Site(place, None if name == "Wafer" else place) for name, place in places.items()}
