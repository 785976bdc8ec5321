"""What a network is called and what it asks of a die. `100-76-10x3`: 100 inputs, 76 hidden units, ten classes on three columns each,
whose results are averaged. Any number of hidden layers. `196-16c5s2-10`: the first is a convolution, 16 channels of 5 x 5 patches every
2 pixels; its weights are on the die once and serve all positions. `100-60-10x3+4r2c`: four spare rows and two spare columns a layer,
for placements to choose from."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from math import isqrt

from hil.training.errors import NetError

_NAME = re.compile(r"(\d+(?:-\d+(?:c\d+(?:s\d+)?)?)+)(?:x(\d+))?(?:\+(\d+)r(\d+)c)?")
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
class Window:
    """How a convolution cuts a square image of some channels into square patches. side, size, stride: pixels."""

    channels: int
    side: int
    size: int
    stride: int = 1

    @property
    def across(self) -> int:
        return (self.side - self.size) // self.stride + 1

    @property
    def positions(self) -> int:
        return self.across**2

    @property
    def inputs(self) -> int:
        """Of one patch, channel by channel."""
        return self.channels * self.size**2


@dataclass(frozen=True)
class Spares:
    """Slots a layer has beyond its inputs and its columns, for placements to choose from."""

    rows: int = 0
    columns: int = 0


NO_SPARES = Spares()


@dataclass(frozen=True)
class Net:
    """sizes: inputs, hidden layers (of a convolution its channels), classes. replicas: columns per class, neighbours in the output layer
    (class-major). windows: of the convolutions, which come first. spares: of every layer."""

    sizes: tuple[int, ...]
    replicas: int = 1
    encoding: Encoding = Encoding.TIED
    windows: tuple[Window, ...] = ()
    # Not in repr: kept cells are told by it, and a net without spares is the net it always was. The name says them.
    spares: Spares = field(default=NO_SPARES, repr=False)

    @property
    def name(self) -> str:
        sizes = [str(size) for size in self.sizes]
        for index, window in enumerate(self.windows, start=1):
            sizes[index] += f"c{window.size}" + (f"s{window.stride}" if window.stride > 1 else "")
        spares = "" if self.spares == NO_SPARES else f"+{self.spares.rows}r{self.spares.columns}c"
        return "-".join(sizes) + (f"x{self.replicas}" if self.replicas > 1 else "") + spares

    def window(self, layer: int) -> Window | None:
        """None of a layer that takes its inputs whole."""
        return self.windows[layer] if 0 <= layer < len(self.windows) else None

    @property
    def classes(self) -> int:
        return self.sizes[-1]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, columns) of each layer; the inputs of a convolution are those of one patch."""
        columns = (*self.sizes[1:-1], self.classes * self.replicas)
        return tuple((self._inputs(layer), count) for layer, count in enumerate(columns))

    def _inputs(self, layer: int) -> int:
        window, before = self.window(layer), self.window(layer - 1)
        return window.inputs if window else self.sizes[layer] * (before.positions if before else 1)

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
    """`I-H-...-OxR`, or with convolutions `I-CcK-...` or `I-CcKsS-...`: C channels of K x K patches every S pixels;
    `...+RrCc` for R spare rows and C spare columns a layer. Raises NetError saying what a name looks like."""
    match = _NAME.fullmatch(name)
    if not match:
        raise NetError(f"{name!r} names no network; write inputs-hidden-classes, such as 100-90-10, 100-76-10x3 or 196-16c5s2-20c3-10")
    words, replicas = match[1].split("-"), int(match[2] or 1)
    sizes = tuple(int(word.partition("c")[0]) for word in words)
    if min(*sizes, replicas) < 1:
        raise NetError(f"{name!r} has a layer without units")
    windows = _windows(name, sizes, [word.partition("c")[2] for word in words[1:]])
    try:
        return Net(sizes, replicas, Encoding(encoding), windows, Spares(int(match[3] or 0), int(match[4] or 0)))
    except ValueError:
        raise NetError(f"{encoding!r} is no encoding of weights; choose from {', '.join(Encoding)}") from None


def _windows(name: str, sizes: tuple[int, ...], cuts: list[str]) -> tuple[Window, ...]:
    """cuts: of each layer, "5s2", or "" of a dense one."""
    count = sum(map(bool, cuts))
    if not all(cuts[:count]) or count == len(cuts):
        raise NetError(f"{name!r}: convolutions come first and the last layer is none")
    windows: list[Window] = []
    channels, side = 1, isqrt(sizes[0])
    for layer, cut in enumerate(cuts[:count]):
        size, _, stride = cut.partition("s")
        window = Window(channels, side, int(size), int(stride or 1))
        if side**2 * channels != sizes[0] and not layer:
            raise NetError(f"{name!r}: {sizes[0]} inputs are no square image")
        if not (1 <= window.size <= side and window.stride >= 1):
            raise NetError(f"{name!r}: patches of {size} x {size} pixels do not fit an image of {side} x {side}")
        windows.append(window)
        channels, side = sizes[layer + 1], window.across
    return tuple(windows)
