"""What every junction of a die does at a voltage that comes again and again: computed once for the whole die, then looked up.

Rule: nothing here depends on the present states, so that nothing goes stale but by a breakdown, which says so (`forget`).
"""

from collections import Counter

import numpy as np

from simulator.physics.mtj import Bools, Floats, Junctions, Law, breaks_down, cell_siemens, reversal_probability

NEGLIGIBLE = 1e-12
"""A probability below which no draw is made: a kernel read every second for ten thousand years would not notice."""
_OFTEN, _AMONG = 64, 256
"""From so many of so many uses on a voltage is worth the milliseconds that a whole die takes: a scan's is, one of a sweep's is not."""
_MOST_KEPT = 16


class KnownBias:
    """One voltage across the cell, both states of every junction, by flat device number."""

    def __init__(self, junctions: Junctions, law: Law, cell_volts: float, temperature_c: float) -> None:
        self._junctions, self._law, self._temperature_c = junctions, law, temperature_c
        shape = junctions.ohms_p.shape
        both = [cell_siemens(junctions, np.full(shape, state_p), cell_volts, law, temperature_c) for state_p in (False, True)]
        self._siemens: tuple[Floats, ...] = tuple(siemens.ravel() for siemens, _ in both)
        self._junction_volts = tuple(volts for _, volts in both)
        self._harmless: dict[float, tuple[Bools, ...]] = {}

    def siemens(self, state_p: bool, device: int) -> float:
        """Cell conductance, S."""
        return self._siemens[state_p].item(device)

    def harmless(self, state_p: bool, device: int, width_s: float) -> bool:
        """Whether this voltage for so long neither reverses nor breaks it."""
        known = self._harmless.get(width_s)
        if known is None:
            if len(self._harmless) >= _MOST_KEPT:
                self._harmless.clear()
            known = self._harmless[width_s] = tuple(self._harmless_for(state, width_s) for state in (False, True))
        return known[state_p].item(device)

    def _harmless_for(self, state_p: bool, width_s: float) -> Bools:
        volts = self._junction_volts[state_p]
        chance = reversal_probability(self._junctions, np.full(volts.shape, state_p), volts, width_s, self._law, self._temperature_c)
        return ((chance <= NEGLIGIBLE) & ~breaks_down(self._junctions, volts, width_s, self._law)).ravel()


class KnownBiases:
    """junctions: of the die, the very arrays."""

    def __init__(self, junctions: Junctions, law: Law) -> None:
        self._junctions, self._law = junctions, law
        self._uses: Counter[tuple[float, float]] = Counter()
        self._counted = 0
        self._known: dict[tuple[float, float], KnownBias] = {}

    def at(self, cell_volts: float, temperature_c: float) -> KnownBias | None:
        """None for a voltage that was not used often enough."""
        key = (cell_volts, temperature_c)
        known = self._known.get(key)
        if known is None:
            if self._counted == _AMONG:
                self._uses.clear()
                self._counted = 0
            self._counted += 1
            self._uses[key] += 1
            if self._uses[key] < _OFTEN:
                return None
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[key] = KnownBias(self._junctions, self._law, cell_volts, temperature_c)
        return known

    def forget(self) -> None:
        """A junction is no longer what it was."""
        self._known.clear()
