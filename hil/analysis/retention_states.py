"""Which state each junction was in at each reading of a retention run.

Rule: a junction's states are told by its own two conductances, where both were read before; else by the jump it makes, so that of one
that never jumps nothing is said but that it did not."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_ONE_STATE = 0.1
"""Two readings closer than this share of the lower one are one state."""
_JUMP = 1.25
"""Ratio of two readings of a junction that is no noise: good cells behind a transistor change by 1.5 to 1.8."""


@dataclass(frozen=True)
class History:
    """One die. siemens: (rounds, kernels, rows, columns) S, NaN where not read. elapsed_s: (rounds, kernels) since the kernel was written,
    or first read. p, ap: (kernels, rows, columns) S, both states as read before; None where nothing was written. codes: newest defect
    map, or None. temperature_c: of the chuck."""

    siemens: Floats
    elapsed_s: Floats
    p: Floats | None = None
    ap: Floats | None = None
    codes: NDArray[np.uint8] | None = None
    temperature_c: float | None = None
    in_p: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_p", self._by_levels() if self.p is not None and self.ap is not None else self._by_jumps())

    @property
    def rounds(self) -> int:
        return len(self.siemens)

    @property
    def kernels(self) -> int:
        return self.siemens.shape[1]

    @property
    def seconds(self) -> float:
        """From the first reading to the last."""
        told = self.elapsed_s[np.isfinite(self.elapsed_s)]
        return float(told.max() - told.min()) if told.size else 0.0

    @property
    def intervals_s(self) -> Floats:
        """(kernels, rounds - 1)."""
        return np.diff(self.elapsed_s, axis=0).T

    @property
    def counted(self) -> Mask:
        """(kernels, rows, columns): told at every reading, in kernels whose every reading has its time, and not known to be bad."""
        timed = np.isfinite(self.elapsed_s).all(axis=0).reshape(-1, 1, 1)
        told: Mask = np.isfinite(self.in_p).all(axis=0) & timed & ~self._bad
        return told

    @property
    def _bad(self) -> Mask:
        if self.codes is None:
            return np.zeros(self.siemens.shape[1:], np.bool_)
        return ~np.isin(self.codes, (Defect.GOOD, Defect.LOW_TMR, Defect.NOT_MEASURED))

    def changed(self, kernel: int) -> Mask:
        """(junctions counted, rounds - 1): whether a reading shows another state than the one before."""
        states = self.in_p[:, kernel][:, self.counted[kernel]] > 0.5
        return (states[1:] != states[:-1]).T

    def changes(self) -> dict[str, int]:
        """By direction; of a history told by jumps, both together count as they look: down is P to AP."""
        steps = np.diff(self.in_p[:, self.counted], axis=0)
        return {"p_to_ap": int((steps < 0).sum()), "ap_to_p": int((steps > 0).sum())}

    def left_out(self) -> dict[str, int]:
        read = np.isfinite(self.siemens).all(axis=0)
        unclear = read & ~np.isfinite(self.in_p).all(axis=0)
        return {
            "not read every time": int((~read).sum()),
            "states not told apart": int((unclear & ~self._bad).sum()),
            "known to be bad": int((read & self._bad).sum()),
        }

    def _by_levels(self) -> Floats:
        """(rounds, kernels, rows, columns): 1 in P, 0 in AP, NaN where nobody can tell."""
        assert self.p is not None and self.ap is not None
        gap = self.p - self.ap
        apart = gap > _ONE_STATE * np.abs(self.ap)
        above = (self.siemens > (self.p + self.ap) / 2.0).astype(np.float64)
        return np.where(apart & np.isfinite(self.siemens), above, np.nan)

    def _by_jumps(self) -> Floats:
        """As above; a junction that never jumps is written down as in P all the time, which says no more than that it did not change."""
        with np.errstate(invalid="ignore", divide="ignore"):
            high, low = self.siemens.max(axis=0), self.siemens.min(axis=0)
            jumps = high > _JUMP * low
            above = np.where(jumps, self.siemens > np.sqrt(high * low), True).astype(np.float64)
        return np.where(np.isfinite(high) & (low > 0), above, np.nan)
