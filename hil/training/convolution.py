"""Convolutions on a crossbar: a patch of the image is an input vector of the one array that holds the kernel's weights, and positions
stand beside images as further vectors. What a row of values is therefore depends on the layer before and the layer after.

Rule: an image of channels is channel-major, and so is a patch."""

from torch import Tensor

from hil.training.net import Net, Window


def rows_of(values: Tensor, net: Net, layer: int) -> Tensor:
    """What drives the rows of a layer: (..., vectors, inputs), vectors being images, or images * positions.

    values: what the layer before gave, one row a vector of it; (..., images, pixels) for the first.
    """
    before, window = net.window(layer - 1), net.window(layer)
    if before is not None:
        values = joined(values, before.positions)
    return values if window is None else patches(values, window)


def patches(images: Tensor, window: Window) -> Tensor:
    """(..., images, channels * side * side) to (..., images * positions, channels * size * size), position by position."""
    square = images.unflatten(-1, (window.channels, window.side, window.side))
    cut = square.unfold(-2, window.size, window.stride).unfold(-2, window.size, window.stride)
    # (..., images, channels, down, across, size, size): positions to the front of what makes a patch.
    return cut.movedim(-5, -3).flatten(-3).flatten(-4, -2)


def joined(vectors: Tensor, positions: int) -> Tensor:
    """(..., images * positions, channels) to the images they make, (..., images, channels * positions)."""
    return vectors.unflatten(-2, (-1, positions)).transpose(-1, -2).flatten(-2)
