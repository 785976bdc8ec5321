"""STDF V4: the coordinates of PRR, WRR and WCR, signed 16-bit, in the directions that the wafer configuration record names.

Source: STDF specification V4, WCR (WF_FLAT, POS_X, POS_Y, CENTER_X, CENTER_Y); -32768 is its "missing".
"""

from dataclasses import dataclass
from typing import Literal

from hil.model.frames.die_frame import DieFrame, FrameError, Notch
from hil.model.lab import DieIndex

MISSING = -32_768
_HIGHEST = 32_767
_FLATS = {"D": Notch.DOWN, "L": Notch.LEFT, "U": Notch.UP, "R": Notch.RIGHT}


@dataclass(frozen=True)
class StdfWafer:
    """Fields of a WCR. center_x, center_y: coordinates of the die in the wafer's middle, which is `centre` in the wafer frame.

    Raises FrameError for a record that leaves one of them open.
    """

    wf_flat: Literal["D", "L", "U", "R", " "] = "D"
    pos_x: Literal["R", "L", " "] = "R"
    pos_y: Literal["U", "D", " "] = "U"
    center_x: int = 0
    center_y: int = 0
    centre: DieIndex = (0, 0)

    def __post_init__(self) -> None:
        open_fields = [name for name in ("wf_flat", "pos_x", "pos_y") if getattr(self, name) == " "]
        open_fields += [name for name in ("center_x", "center_y") if not -_HIGHEST <= getattr(self, name) <= _HIGHEST]
        if open_fields:
            raise FrameError(f"the WCR leaves {', '.join(open_fields).upper()} open; say which way the wafer lies before reading its dies")

    @property
    def frame(self) -> DieFrame:
        return DieFrame(
            _FLATS[self.wf_flat],
            self.pos_x == "R",
            self.pos_y == "U",
            self.centre,
            (self.center_x, self.center_y),
            (-_HIGHEST, -_HIGHEST),
            (_HIGHEST, _HIGHEST),
        )
