"""Random numbers one by one at the price of many at once. Everything follows from the generator that is given."""

import numpy as np

_BLOCK = 1024


class Dice:
    """Standard normals, drawn a thousand at a time: numpy takes as long for one as for fifty."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def normal(self) -> float:
        if not self._block:
            self._block = self._rng.standard_normal(_BLOCK).tolist()
        return self._block.pop()
