"""MPI SENTIO's map: a native grid (origin in the wafer's middle, x right, y up on the chuck) and the user's own on top of it.

The user's column and row count from the grid origin, which is named in native ones, in the directions of the axis orientation; the
home die is named in the user's. Source: sentio-prober-control 26.2.0, documentation of set_axis_orient, set_grid_origin, set_home_die.
"""

from dataclasses import dataclass
from typing import Literal

from hil.model.frames.die_frame import DieFrame, Notch
from hil.model.lab import DieIndex


@dataclass(frozen=True)
class SentioMap:
    """axis_orient: as map:get_axis_orient says it. grid_origin: native. home_die: in the user's column and row. notch: on the chuck.

    home: which die of the wafer frame the prober's home die is.
    """

    axis_orient: Literal["UR", "UL", "DR", "DL"] = "UR"
    grid_origin: tuple[int, int] = (0, 0)
    home_die: tuple[int, int] = (0, 0)
    notch: Notch = Notch.DOWN
    home: DieIndex = (0, 0)

    @property
    def frame(self) -> DieFrame:
        """What map:step_die and map:die:get_current_index call the dies."""
        return DieFrame(self.notch, self.axis_orient[1] == "R", self.axis_orient[0] == "U", self.home, self.home_die)

    @property
    def native(self) -> DieFrame:
        """The same dies in SENTIO's own grid, whatever the user set."""
        right, up = (1 if self.axis_orient[1] == "R" else -1), (1 if self.axis_orient[0] == "U" else -1)
        home = (self.grid_origin[0] + right * self.home_die[0], self.grid_origin[1] + up * self.home_die[1])
        return DieFrame(self.notch, anchor=self.home, anchor_index=home)
