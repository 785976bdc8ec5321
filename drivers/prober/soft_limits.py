"""Where needles and chuck may be sent, whatever the prober itself would allow. Checked before anything is sent.

Two frames: dies on the wafer, and the chuck's own axes, um from their zero.
"""

from collections.abc import Collection
from dataclasses import dataclass

from drivers.errors import OverLimit
from drivers.prober.die_grid import Die, Place

Range = tuple[float, float]


@dataclass(frozen=True)
class SoftLimits:
    """dies: those that may be touched; None: any that the prober knows. chuck_x_um, chuck_y_um: (least, most); None: the prober's own.

    overtravel_um: hard maximum above contact height.
    """

    dies: Collection[Die] | None = None
    chuck_x_um: Range | None = None
    chuck_y_um: Range | None = None
    overtravel_um: float = 60.0

    @property
    def bound_axes(self) -> bool:
        """Whether the chuck's axes have limits of the lab."""
        return self.chuck_x_um is not None or self.chuck_y_um is not None

    def check_die(self, die: Die, prober: str) -> None:
        """Raises OverLimit for a die that is not one of the lab's."""
        if self.dies is not None and die not in self.dies:
            raise OverLimit(f"{prober}: die {die} is not one of the {len(self.dies)} dies of [wafer] in lab.toml; nothing was moved")

    def check_axes(self, axes_um: Place, prober: str) -> None:
        """Raises OverLimit for a place beyond the lab's axis limits, and for one that is no place."""
        for name, at_um, allowed in zip("xy", axes_um, (self.chuck_x_um, self.chuck_y_um), strict=True):
            if allowed is not None and not allowed[0] <= at_um <= allowed[1]:
                raise OverLimit(
                    f"{prober}: chuck {name} = {at_um:g} um is outside {allowed[0]:g} to {allowed[1]:g} um (limits.chuck_{name}_um); "
                    "nothing was moved"
                )

    def check_overtravel(self, overtravel_um: float, prober: str) -> None:
        """Raises OverLimit unless 0 <= overtravel <= limits.overtravel_um."""
        if not 0 <= overtravel_um <= self.overtravel_um:
            raise OverLimit(
                f"{prober}: overtravel gap {overtravel_um:g} um is beyond limits.overtravel_um {self.overtravel_um:g} um; set a smaller one"
            )
