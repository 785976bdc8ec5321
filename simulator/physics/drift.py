"""What a die does by itself while time passes: states relax, conductances flicker. Time is an argument, s.

Rule: nothing here draws from a generator that anything else draws from, so that waiting changes no other draw.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.physics.mtj import Floats, Junctions, Law, hold_s, relaxed_probability

RESOLUTION_S = 1e-3
"""Time between two looks at what relaxed: nothing that is measured here is faster."""
_MANY = 2_000
FLICKER_HZ = 1e-3 * np.exp(2.0 * np.arange(5))
"""1 mHz to 3 Hz in equal steps of the logarithm; no two are commensurate."""
_STILL_S = 0.01
"""Flicker stands still that long."""


class Relaxation:
    """Reversals without bias: each junction's are a Poisson process in time, and an odd number of them is a change.

    junctions: of the die, the very arrays. now_s: up to when all is done.
    """

    def __init__(self, junctions: Junctions, law: Law, rng: np.random.Generator) -> None:
        self._junctions, self._law, self._rng = junctions, law, rng
        self._temperature_c: float | None = None
        self._chances: Floats = np.zeros(0)
        self._per_s = 0.0
        self.now_s = 0.0

    def until(self, now_s: float, temperature_c: float) -> NDArray[np.intp]:
        """Flat numbers of the junctions that are in the other state now, none of them twice."""
        elapsed_s = now_s - self.now_s
        if elapsed_s < RESOLUTION_S:
            return np.zeros(0, dtype=np.intp)
        self.now_s = now_s
        if temperature_c != self._temperature_c:
            self._set_temperature(temperature_c)
        if self._per_s * elapsed_s < _MANY:
            return self._few(elapsed_s)
        hold = hold_s(self._junctions.stability.ravel(), self._law, temperature_c)
        return np.flatnonzero(self._rng.random(hold.size) < relaxed_probability(hold, elapsed_s))

    def _few(self, elapsed_s: float) -> NDArray[np.intp]:
        """The same, event by event: where nearly all junctions hold for ages this is the shorter way."""
        events = self._rng.poisson(self._per_s * elapsed_s)
        if not events:
            return np.zeros(0, dtype=np.intp)
        which, times = np.unique(np.searchsorted(self._chances, self._rng.random(events), side="right"), return_counts=True)
        return which[times % 2 == 1]

    def _set_temperature(self, temperature_c: float) -> None:
        rates = np.cumsum(1.0 / hold_s(self._junctions.stability.ravel(), self._law, temperature_c))
        self._temperature_c, self._per_s = temperature_c, float(rates[-1])
        self._chances = rates / rates[-1]


class Flicker:
    """Gaussian noise of variance 1 for every junction, of equal power in each decade of frequency: 1/f between 1 mHz and 3 Hz.

    A sum of sines with normal amplitudes, so that any time can be asked for, in any order, without a draw.
    Source: S. O. Rice, Bell Syst. Tech. J. 23, 282 (1944); 1/f of tunnel junctions: arXiv:1301.2161.
    """

    def __init__(self, devices: int, rng: np.random.Generator) -> None:
        self._devices, self._rng = devices, rng
        self._waves: NDArray[np.float32] | None = None
        self._now = np.zeros(0, dtype=np.float32)
        self._tick: int | None = None

    def at(self, now_s: float) -> NDArray[np.float32]:
        """Of every junction, by flat number. Drawn when first asked for: most dies are never read."""
        if (tick := int(now_s / _STILL_S)) != self._tick:
            if self._waves is None:
                self._waves = self._rng.standard_normal((self._devices, 2 * FLICKER_HZ.size), dtype=np.float32)
            phases = 2.0 * np.pi * FLICKER_HZ * (tick * _STILL_S)
            weights = np.concatenate((np.cos(phases), np.sin(phases))) / np.sqrt(FLICKER_HZ.size)
            self._now, self._tick = self._waves @ weights.astype(np.float32), tick
        return self._now
