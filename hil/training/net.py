"""What a network is called and what it asks of a die. `100-76-10x3`: 100 inputs, 76 hidden units, ten classes on three columns each,
whose results are averaged. Any number of hidden layers."""

import re
from dataclasses import dataclass
from enum import StrEnum
from math import isqrt

from hil.training.errors import NetError

_NAME = re.compile(r"(\d+(?:-\d+)+)(?:x(\d+))?")
IMAGE_SIDE = 28


class Encoding(StrEnum):
    """How two junctions make a weight.

    tied: opposite states, -1 or +1. independent: any states, so that 0 comes for free. reference: one junction a weight, against a
    column of reference junctions.
    """

    TIED = "tied"
    INDEPENDENT = "independent"
    REFERENCE = "reference"

    @property
    def bits(self) -> int:
        """Bits that are programmed per weight."""
        return 2 if self is Encoding.INDEPENDENT else 1


@dataclass(frozen=True)
class Net:
    """sizes: inputs, hidden layers, classes. replicas: columns per class, neighbours in the output layer (class-major)."""

    sizes: tuple[int, ...]
    replicas: int = 1
    encoding: Encoding = Encoding.TIED

    @property
    def name(self) -> str:
        return "-".join(str(size) for size in self.sizes) + (f"x{self.replicas}" if self.replicas > 1 else "")

    @property
    def classes(self) -> int:
        return self.sizes[-1]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, columns) of each layer."""
        columns = (*self.sizes[1:-1], self.classes * self.replicas)
        return tuple(zip(self.sizes[:-1], columns, strict=True))

    @property
    def weights(self) -> int:
        return sum(inputs * columns for inputs, columns in self.shapes)

    @property
    def image_side(self) -> int:
        """Inputs as a square image. Raises NetError when they are none that MNIST can be cropped and averaged to."""
        side = isqrt(self.sizes[0])
        if side * side != self.sizes[0] or not 1 <= side <= IMAGE_SIDE:
            raise NetError(f"{self.name}: {self.sizes[0]} inputs are no square image of at most {IMAGE_SIDE} x {IMAGE_SIDE} pixels")
        return side


def parse_net(name: str, encoding: str = Encoding.TIED) -> Net:
    """`I-H-...-OxR`. Raises NetError saying what a name looks like."""
    match = _NAME.fullmatch(name)
    sizes = tuple(int(size) for size in match[1].split("-")) if match else ()
    replicas = int(match[2] or 1) if match else 0
    if not match or min(*sizes, replicas) < 1:
        raise NetError(f"{name!r} names no network; write inputs-hidden-classes, such as 100-90-10, 100-76-10x3 or 100-60-60-10")
    try:
        return Net(sizes, replicas, Encoding(encoding))
    except ValueError:
        raise NetError(f"{encoding!r} is no encoding of weights; choose from {', '.join(Encoding)}") from None
