"""Which junctions hold a network: any number of layers, tiled over kernels and dies.

Rule 1: a kernel is read with its own 25 row voltages and its columns are digitised one by one; what lies beyond a kernel is
added up digitally. A column of weights may therefore lie in any kernels, and two of them may share a physical column in different
rows: they are then read one after the other (see tiles.py).
Rule 2: a floorplan has slots. Which input takes which row slot and which output which column slot is a placement's business."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.training.errors import NetError
from hil.training.net import NO_SPARES, Encoding, Net, Spares
from hil.training.packing import PER_DIE, Bools, Junctions, Packed, pack_layers, strips_of

Shapes = Sequence[tuple[int, int]]
"""(inputs, columns) of each layer; a convolution is the layer of its kernel: (inputs of a patch, channels)."""


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """plus, minus: (row slots, column slots) int32, read-only, flat numbers die slot * 20,000 + kernel * 625 + row * 25 + column.

    As many slots as the layer has inputs and columns, and more where spares were asked for. Without a placement input i takes
    row slot i; copy c of output j, of n copies, takes column slot j n + c. With a reference encoding minus names the reference's
    junction of the same row: one for all columns of a kernel.
    """

    plus: Junctions
    minus: Junctions

    @property
    def slots(self) -> tuple[int, int]:
        """(row slots, column slots)."""
        return self.plus.shape[0], self.plus.shape[1]


@dataclass(frozen=True, eq=False)
class Floorplan:
    """dies: how many a network needs; die slots count from 0."""

    layers: tuple[LayerPlan, ...]
    dies: int
    encoding: Encoding

    @property
    def used(self) -> NDArray[np.int64]:
        """Flat numbers of all junctions that hold a weight or a reference, ascending, each once."""
        return np.unique(np.concatenate([part.ravel() for layer in self.layers for part in (layer.plus, layer.minus)])).astype(np.int64)


def floorplan(net: Net, spares: Spares = NO_SPARES, avoid: Bools | None = None) -> Floorplan:
    """The floorplan of a network, without its spares unless they are given; see `tiled`."""
    return tiled(net.shapes, net.encoding, spares, avoid)


def roomy_floorplan(net: Net) -> Floorplan:
    """With the spares of the net, on the same dies. Raises NetError when they do not fit there."""
    plain = floorplan(net)
    if net.spares == NO_SPARES:
        return plain
    roomy = floorplan(net, net.spares)
    if roomy.dies > plain.dies:
        dies = "die" if plain.dies == 1 else f"{plain.dies} dies"
        raise NetError(f"{net.name}: {net.spares.rows} spare rows and {net.spares.columns} spare columns a layer do not fit on its {dies}")
    return roomy


def tiled(shapes: Shapes, encoding: Encoding, spares: Spares = NO_SPARES, avoid: Bools | None = None) -> Floorplan:
    """Layers on as few dies as they fit on, whole layers on one die unless that takes more dies.

    avoid: (dies or 1, 32, 25, 25), True where a junction should hold nothing, because it lies on a broken line say. Such junctions
    are used only where nothing else is left; slots stay the same in number, so that floorplans of different dies exchange.
    Deterministic. The network 100-90-10 in pairs takes all rows of columns 0 to 179 of the die, and rows 0 to 89 of the rest.
    """
    slots = [(inputs + spares.rows, columns + spares.columns) for inputs, columns in shapes]
    wires = 1 if encoding is Encoding.REFERENCE else 2
    dies = max(1, -(-sum(rows * columns * wires for rows, columns in slots) // PER_DIE))
    while True:
        # Even blocks leave a spare row in more kernels; full ones leave more kernels.
        blocks = [strips_of(slots, wires, even=even) for even in ((True, False) if avoid is not None else (False,))]
        packed = pack_layers(blocks, dies, avoid, with_reference=encoding is Encoding.REFERENCE)
        if packed is not None:
            return Floorplan(tuple(_plan(shape, strips) for shape, strips in zip(slots, packed, strict=True)), dies, encoding)
        dies += 1


def _plan(slots: tuple[int, int], strips: list[Packed]) -> LayerPlan:
    plus, minus = np.empty(slots, np.int32), np.empty(slots, np.int32)
    for packed in strips:
        rows = slice(packed.strip.first, packed.strip.first + packed.strip.height)
        if packed.reference is None:
            plus[rows], minus[rows] = packed.junctions[::2].T, packed.junctions[1::2].T
        else:
            plus[rows], minus[rows] = packed.junctions.T, packed.reference.T
    plus.flags.writeable = minus.flags.writeable = False
    return LayerPlan(plus, minus)
