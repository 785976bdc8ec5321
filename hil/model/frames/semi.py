"""SEMI maps count within the rectangle of all dies: E142 names origin and axis directions, G85 a number for both.

Source: SEMI E142 (SubstrateMap: Orientation, OriginLocation, AxisDirection; defaults 0, LowerLeft, UpRight), SEMI E5 (FNLOC: degrees
clockwise from the bottom; ORLOC). Assumptions: that Orientation counts as FNLOC does, that G85's OriginLocation is ORLOC, and that
its columns and rows count away from that corner.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hil.model.frames.die_frame import DieFrame, FrameError, Notch
from hil.model.lab import DieIndex

Origin = Literal["LowerLeft", "LowerRight", "UpperLeft", "UpperRight", "Center"]
Axes = Literal["UpRight", "UpLeft", "DownRight", "DownLeft"]
_G85_ORIGINS: dict[int, tuple[Origin, Axes]] = {
    1: ("UpperRight", "DownLeft"),
    2: ("UpperLeft", "DownRight"),
    3: ("LowerLeft", "UpRight"),
    4: ("LowerRight", "UpLeft"),
}


@dataclass(frozen=True)
class E142Map:
    """lowest, highest: corners of the rectangle around all dies, wafer frame. orientation: of the notch, degrees."""

    lowest: DieIndex
    highest: DieIndex
    orientation: float = 0
    origin_location: Origin = "LowerLeft"
    axis_direction: Axes = "UpRight"

    @classmethod
    def around(cls, dies: Iterable[DieIndex], orientation: float = 0, origin: Origin = "LowerLeft", axes: Axes = "UpRight") -> "E142Map":
        """Raises FrameError when there is no die."""
        lowest, highest = _rectangle(dies)
        return cls(lowest, highest, orientation, origin, axes)

    @property
    def frame(self) -> DieFrame:
        """Raises FrameError for an orientation between the axes, and for a Center that is between two dies."""
        notch = Notch.at_degrees(self.orientation)
        first, second = notch.drawn(self.lowest), notch.drawn(self.highest)
        columns, rows = sorted((first[0], second[0])), sorted((first[1], second[1]))
        start = (_start(columns, self.origin_location, "Left"), _start(rows, self.origin_location, "Lower"))
        plain = DieFrame(notch, self.axis_direction.endswith("Right"), self.axis_direction.startswith("Up"), notch.undrawn(start))
        corners = [plain.index_of(corner) for corner in (self.lowest, self.highest)]
        least, most = _rectangle(corners)
        return DieFrame(notch, plain.x_right, plain.y_up, plain.anchor, (0, 0), least, most)

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows) of the drawing."""
        frame = self.frame
        return (frame.highest[0] - frame.lowest[0] + 1, frame.highest[1] - frame.lowest[1] + 1)


@dataclass(frozen=True)
class G85Map:
    """origin_location: 1 upper right, 2 upper left, 3 lower left, 4 lower right; 0, the centre, names no directions and is refused."""

    lowest: DieIndex
    highest: DieIndex
    orientation: float = 0
    origin_location: int = 2

    @classmethod
    def around(cls, dies: Iterable[DieIndex], orientation: float = 0, origin_location: int = 2) -> "G85Map":
        """Raises FrameError when there is no die."""
        lowest, highest = _rectangle(dies)
        return cls(lowest, highest, orientation, origin_location)

    @property
    def frame(self) -> DieFrame:
        """Raises FrameError."""
        if self.origin_location not in _G85_ORIGINS:
            raise FrameError(
                f"OriginLocation {self.origin_location} names no corner; 1 to 4 do: upper right, upper left, lower left, lower right"
            )
        origin, axes = _G85_ORIGINS[self.origin_location]
        return E142Map(self.lowest, self.highest, self.orientation, origin, axes).frame


def _rectangle(dies: Iterable[DieIndex]) -> tuple[DieIndex, DieIndex]:
    known = list(dies)
    if not known:
        raise FrameError("a map without a die has no corners")
    xs, ys = zip(*known, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def _start(ends: list[int], origin: Origin, low: str) -> int:
    """Where counting begins along one direction of the drawing. low: the word for its smaller end."""
    if origin == "Center":
        middle, rest = divmod(ends[0] + ends[1], 2)
        if rest:
            raise FrameError(f"{ends[1] - ends[0] + 1} dies in a line have none in the middle; name a corner as OriginLocation")
        return middle
    return ends[0] if low in origin else ends[1]
