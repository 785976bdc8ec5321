"""Packing strips of weights into the columns of kernels. A strip is up to 25 row slots of a layer; each of its physical columns
takes so many free junctions of one column of one kernel, in any kernel.

Rule 1: block b of a layer goes to row group b modulo 4 of the die while there is room, so that the pieces of a column of weights
hang on one metal line and a broken line breaks one column.
Rule 2: whole columns first; lower strips stand side by side while they can, above one another only when they must, and are cut
into pieces only when nothing else fits, because every row range of a kernel in use is a pass of its own when it is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from hil.model.layout import GROUPS, kernel_place

KERNELS, ROWS, COLUMNS = 32, 25, 25
PER_KERNEL = ROWS * COLUMNS
PER_DIE = KERNELS * PER_KERNEL

Bools = NDArray[np.bool_]
Junctions = NDArray[np.int32]


@dataclass(frozen=True)
class Strip:
    """Row slots `first` to `first + height`, `width` physical columns wide. block: which of its layer's strips it is."""

    layer: int
    block: int
    first: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Packed:
    """junctions: (width, height) flat numbers. reference: of the reference junctions beside them; None where columns come in pairs."""

    strip: Strip
    junctions: Junctions
    reference: Junctions | None


Layers = list[list[Packed]]


def strips_of(slots: Sequence[tuple[int, int]], wires: int, *, even: bool) -> list[list[Strip]]:
    """Each layer (row slots, column slots) cut into blocks of rows, all alike or all but the last full. wires: columns a slot."""

    def heights(rows: int) -> Iterator[int]:
        blocks = -(-rows // ROWS)
        for block in range(blocks):
            yield (rows + blocks - 1 - block) // blocks if even else min(ROWS, rows - block * ROWS)

    layers: list[list[Strip]] = []
    for layer, (rows, columns) in enumerate(slots):
        ends = np.cumsum([0, *heights(rows)]).tolist()
        pairs = enumerate(pairwise(ends))
        layers.append([Strip(layer, block, first, end - first, columns * wires) for block, (first, end) in pairs])
    return layers


def pack_layers(cuts: list[list[list[Strip]]], dies: int, avoid: Bools | None, *, with_reference: bool) -> Layers | None:
    """Of all ways that fit, the one that uses the fewest junctions to avoid; of several, whole layers on a die and few passes.

    cuts: ways to cut the layers into strips. avoid: (dies or 1, kernels, rows, columns). None when no way fits.
    """
    bad = np.zeros((dies, KERNELS, ROWS, COLUMNS), np.bool_)
    if avoid is not None:
        bad[:] = avoid
    best: Layers | None = None
    least = PER_DIE * dies + 1
    # A layer on two dies has the prober move for every batch; a kernel read twice costs milliseconds.
    packers = (_whole_layers, _straddling) if dies > 1 else (_straddling,)
    for pack, tight, strips in product(packers, Tight, cuts):
        packed = pack(strips, bad, _Way(tight, with_reference))
        used_bad = least if packed is None else _used_bad(packed, bad)
        if used_bad < least:
            best, least = packed, used_bad
        if not least:
            break
    return best


class Tight(IntEnum):
    """How far one goes to make things fit."""

    BESIDE = 0
    ABOVE = 1
    IN_PIECES = 2


@dataclass(frozen=True)
class _Way:
    tight: Tight
    with_reference: bool


def _used_bad(layers: Layers, bad: Bools) -> int:
    """How many of them hold a weight, or serve as a reference of one."""
    parts = [part for layer in layers for packed in layer for part in (packed.junctions, packed.reference) if part is not None]
    return sum(int(bad.ravel()[part].sum()) for part in parts)


def _whole_layers(strips: list[list[Strip]], bad: Bools, way: _Way) -> Layers | None:
    """Each layer on one die, in order; None when that takes more dies than there are."""
    done: Layers = []
    for die in range(len(bad)):
        for stop in range(len(strips), len(done), -1):
            packed = Free(bad, range(die, die + 1), way.with_reference).pack(strips[len(done) : stop], way.tight)
            if packed is not None:
                done += packed
                break
    return done if len(done) == len(strips) else None


def _straddling(strips: list[list[Strip]], bad: Bools, way: _Way) -> Layers | None:
    return Free(bad, range(len(bad)), way.with_reference).pack(strips, way.tight)


class Free:
    """What is still free on some dies, all of them in the order of their kernels' numbers."""

    def __init__(self, bad: Bools, dies: range, with_reference: bool) -> None:
        self._bad = bad[dies.start : dies.stop].reshape(-1, ROWS, COLUMNS)
        self._free = np.ones_like(self._bad)
        self._first_kernel = dies.start * KERNELS
        group, across = np.array([kernel_place(kernel) for kernel in range(KERNELS)] * len(dies)).T
        self._group = np.repeat(group, COLUMNS)
        self._die = np.repeat(np.arange(len(dies)), KERNELS * COLUMNS)
        self._across = np.repeat(across * COLUMNS, COLUMNS) + np.tile(np.arange(COLUMNS), len(self._free))
        self._reference = None
        if with_reference:
            # The column with the fewest junctions to avoid, of several the last.
            self._reference = COLUMNS - 1 - self._bad.sum(axis=1)[:, ::-1].argmin(axis=1)
            self._free[np.arange(len(self._free)), :, self._reference] = False

    def pack(self, layers: list[list[Strip]], tight: Tight) -> Layers | None:
        """None when it does not fit. What was free is then used up."""
        strips = [strip for layer in layers for strip in layer]
        whole = [strip for strip in strips if strip.height == ROWS]
        lower = sorted((strip for strip in strips if strip.height < ROWS), key=lambda strip: -strip.height)
        taken = {strip: np.empty((strip.width, strip.height), np.int32) for strip in strips}
        left = dict(taken)
        # Nobody overflows into another row group before everybody has had his own.
        for good, home in ((True, True), (True, False), (False, True), (False, False)):
            for strip in whole:
                left[strip] = self._take(left[strip], self._columns(strip.height, strip.block, good=good, home=home, empty=True), good)
        for strip in lower:
            for good in (True, False):
                left[strip] = self._take_lower(strip, left[strip], good, tight)
        if tight is Tight.IN_PIECES and not all(self._take_pieces(left[strip], strip.block) for strip in strips):
            return None
        if tight is not Tight.IN_PIECES and any(map(len, left.values())):
            return None
        return [[self._packed(strip, taken[strip]) for strip in layer] for layer in layers]

    def _take_lower(self, strip: Strip, left: Junctions, good: bool, tight: Tight) -> Junctions:
        for home in (True, False) if tight is Tight.BESIDE else ():
            left = self._take(left, self._columns(strip.height, strip.block, good=good, home=home, empty=True), good)
        columns = self._columns(strip.height, strip.block, good=good)
        while columns.size and len(left):
            left = self._take(left, columns, good)
            columns = self._columns(strip.height, strip.block, good=good)
        return left

    def _take_pieces(self, left: Junctions, block: int) -> bool:
        """The rows that a strip still lacks, in the largest pieces there is room for. False when there is not."""
        lacking = [left]
        while lacking:
            left = lacking.pop()
            if not left.size:
                continue
            height = min(int(self._free.sum(axis=1).max()), left.shape[1])
            if not height:
                return False
            rest = self._take(left[:, :height], self._columns(height, block, good=False), good=False)
            placed = len(left) - len(rest)
            lacking += [left[:placed, height:], left[placed:]]
        return True

    def _columns(self, height: int, block: int, *, good: bool, home: bool = False, empty: bool = False) -> NDArray[np.intp]:
        """Physical columns (kernel * 25 + column) with so many rows free, best first."""
        used = ROWS - self._free.sum(axis=1).ravel()
        usable = self._free & ~self._bad if good else self._free
        fits = usable.sum(axis=1).ravel() >= height
        away = self._group != block % GROUPS
        if home:
            fits &= ~away
        if empty:
            fits &= used == 0
        order = np.lexsort((self._across, self._group, away, used, self._die))
        return order[fits[order]]

    def _take(self, left: Junctions, columns: NDArray[np.intp], good: bool) -> Junctions:
        """Fill the first of `left`, (physical columns, rows), from one column each, as far as they go; what is then left, a view."""
        count, height = min(len(left), len(columns)), left.shape[1]
        kernels, places = np.divmod(columns[:count], COLUMNS)
        usable = (self._free & ~self._bad if good else self._free)[kernels, :, places]
        worth = np.where(usable, self._bad[kernels, :, places], 2)
        rows = np.sort(np.argsort(worth, axis=1, kind="stable")[:, :height], axis=1)
        self._free[kernels[:, None], rows, places[:, None]] = False
        left[:count] = ((self._first_kernel + kernels)[:, None] * ROWS + rows) * COLUMNS + places[:, None]
        return left[count:]

    def _packed(self, strip: Strip, junctions: Junctions) -> Packed:
        if self._reference is None:
            return Packed(strip, junctions, None)
        column = self._reference[junctions // PER_KERNEL - self._first_kernel]
        return Packed(strip, junctions, (junctions - junctions % COLUMNS + column).astype(np.int32))
