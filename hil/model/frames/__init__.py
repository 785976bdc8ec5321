"""One wafer frame, and what others call its dies: SENTIO, STDF, SEMI E142 and G85.

The frame: notch down, x right, y up, home die (0, 0), integers; lengths in um. Rule 1: nothing inside the service knows another one.
Rule 2: every conversion goes through a DieFrame, which is one to one, so that there and back is the identity.
"""

from hil.model.frames.die_frame import DieFrame, FrameError, Notch, OutOfFrame, centre_um
from hil.model.frames.semi import E142Map, G85Map
from hil.model.frames.sentio import SentioMap
from hil.model.frames.stdf import StdfWafer

__all__ = ["DieFrame", "E142Map", "FrameError", "G85Map", "Notch", "OutOfFrame", "SentioMap", "StdfWafer", "centre_um"]
