"""On which devices the next minibatch runs: the one thing in which the methods differ."""

from collections.abc import Callable

import torch
from torch import Tensor

from hil.training.crossbar import Crossbars, crossbars
from hil.training.mapping import DIE_COLUMNS, DIE_ROWS

Draw = Callable[[], Crossbars]

SUBARRAYS = 4
SPREAD = 0.05
IDEAL_P, IDEAL_AP = 2.0, 1.0
"""Conductances of the ideal device in units of their difference: TMR 100 %. An assumption; no die is known here."""


def ideal_with_spread(maps: int, generator: torch.Generator) -> Draw:
    """Fresh defect-free dies, both states of a junction 5 % off together, as its area is: what a designer knows before any die
    exists."""

    def draw() -> Crossbars:
        spread = 1 + SPREAD * torch.randn(1, maps, DIE_ROWS, DIE_COLUMNS, 1, generator=generator)
        return crossbars(torch.tensor([IDEAL_P, IDEAL_AP]) * spread)

    return draw


def own_die(junctions: Tensor) -> Draw:
    """Copy i on die i, always. junctions: (dies, 100, 200, 2)."""
    bars = crossbars(junctions[:, None])
    return lambda: bars


def shuffled_dies(pools: list[Tensor], maps: int, generator: torch.Generator) -> Draw:
    """Fresh dies that never existed, for one copy a pool: each a measured die of its pool, drawn anew for every minibatch, with
    its rows, its sub-arrays and the columns within each shuffled. Keeps the measured rate of each die, hence the spread between
    dies, the conductances and whole-line faults; forgets where anything was.

    pools: each (dies, 100, 200, 2).
    """
    sizes = [len(pool) for pool in pools]
    starts = torch.tensor([sum(sizes[:index]) for index in range(len(sizes))])
    flat = torch.cat(pools).reshape(-1, 2)
    columns = DIE_COLUMNS // SUBARRAYS

    def shuffle(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).argsort(dim=-1)

    def draw() -> Crossbars:
        picked = torch.stack([torch.randint(size, (maps,), generator=generator) for size in sizes]) + starts[:, None]
        count = picked.numel()
        row = picked.reshape(count, 1) * DIE_ROWS + shuffle(count, DIE_ROWS)
        column = shuffle(count, SUBARRAYS)[:, :, None] * columns + shuffle(count, SUBARRAYS, columns)
        where = row[:, :, None] * DIE_COLUMNS + column.reshape(count, 1, DIE_COLUMNS)
        return crossbars(flat[where.reshape(-1)].reshape(len(pools), maps, DIE_ROWS, DIE_COLUMNS, 2))

    return draw
