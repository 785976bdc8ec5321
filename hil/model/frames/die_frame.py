"""How a foreign convention counts the dies of a wafer: which way up it draws it, which way it counts, and where it begins.

Rule: a drawing is the wafer frame turned by quarter turns until its notch points where the convention has it; columns and rows are
counted in the drawing, and only there has a direction a sign.
"""

import operator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from hil.model.lab import DieIndex

_WIDEST = 2**31 - 1


class FrameError(ValueError):
    """A convention that does not say where its dies are; the text says what is missing."""


class OutOfFrame(FrameError):
    """A die, or a column and row, that the convention cannot name."""


class Notch(StrEnum):
    """Where the notch, or the flat, points."""

    DOWN = "down"
    LEFT = "left"
    UP = "up"
    RIGHT = "right"

    @property
    def degrees(self) -> int:
        """Clockwise from the bottom, as SEMI E5 counts (FNLOC)."""
        return 90 * list(Notch).index(self)

    @classmethod
    def at_degrees(cls, degrees: float) -> Self:
        """Raises FrameError for anything but a quarter turn."""
        quarters, rest = divmod(degrees % 360, 90)
        if rest != 0:
            raise FrameError(f"a notch at {degrees!r} degrees is between the axes; only 0, 90, 180 and 270 have whole dies")
        return list(cls)[int(quarters)]

    def drawn(self, die: DieIndex) -> DieIndex:
        """A vector of the wafer frame as it points in a drawing whose notch is here: clockwise by the notch's angle."""
        x, y = die
        return {Notch.DOWN: (x, y), Notch.LEFT: (y, -x), Notch.UP: (-x, -y), Notch.RIGHT: (-y, x)}[self]

    def undrawn(self, vector: DieIndex) -> DieIndex:
        """The way back."""
        u, v = vector
        return {Notch.DOWN: (u, v), Notch.LEFT: (-v, u), Notch.UP: (-u, -v), Notch.RIGHT: (v, -u)}[self]


@dataclass(frozen=True)
class DieFrame:
    """notch: where it points in the drawing. x_right, y_up: whether columns count to the right and rows upward in the drawing.

    anchor, anchor_index: a die of the wafer frame, and its column and row here. lowest, highest: first and last column and row that
    the convention can name.
    """

    notch: Notch = Notch.DOWN
    x_right: bool = True
    y_up: bool = True
    anchor: DieIndex = (0, 0)
    anchor_index: tuple[int, int] = (0, 0)
    lowest: tuple[int, int] = (-_WIDEST, -_WIDEST)
    highest: tuple[int, int] = (_WIDEST, _WIDEST)

    def index_of(self, die: DieIndex) -> tuple[int, int]:
        """(column, row) of a die. Raises OutOfFrame."""
        x, y = _whole(die)
        right, up = self.notch.drawn((x - self.anchor[0], y - self.anchor[1]))
        columns, rows = self._signs
        index = (self.anchor_index[0] + columns * right, self.anchor_index[1] + rows * up)
        return self._named(index, f"die {die}")

    def die_at(self, index: tuple[int, int]) -> DieIndex:
        """The die at a (column, row). Raises OutOfFrame."""
        column, row = self._named(_whole(index), "an index")
        columns, rows = self._signs
        x, y = self.notch.undrawn((columns * (column - self.anchor_index[0]), rows * (row - self.anchor_index[1])))
        return (self.anchor[0] + x, self.anchor[1] + y)

    @property
    def _signs(self) -> tuple[int, int]:
        return (1 if self.x_right else -1, 1 if self.y_up else -1)

    def _named(self, index: tuple[int, int], what: str) -> tuple[int, int]:
        if not all(low <= each <= high for low, each, high in zip(self.lowest, index, self.highest, strict=True)):
            raise OutOfFrame(
                f"{what} would be column {index[0]}, row {index[1]}; this convention counts from {self.lowest} to {self.highest}"
            )
        return index


def centre_um(die: DieIndex, pitch_um: tuple[float, float]) -> tuple[float, float]:
    """Centre of a die from the home die's, wafer frame, um."""
    return (die[0] * pitch_um[0], die[1] * pitch_um[1])


def _whole(pair: tuple[int, int]) -> tuple[int, int]:
    """Numbers of any integer type as int. Raises FrameError for others: a die is never between two."""
    try:
        return (operator.index(pair[0]), operator.index(pair[1]))
    except TypeError as error:
        raise FrameError(f"{pair!r} is no pair of whole numbers") from error
