"""Critical voltage and thermal stability from the counts of a `switching` plan, each polarity by itself, with the exponent of the law
chosen by likelihood.

Rule 1: both exponents are fitted to the same trials with as many parameters; the ratio of their likelihoods is the odds, and is told.
Rule 2: what was left out is counted and told with the reason: pulses too short for the thermal law, junctions without a trial.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.analysis.switching_fit import Fit, fit_population
from hil.analysis.switching_law import Assumptions, Cells, Exponent, Floats, junction_volts
from hil.analysis.switching_nodes import Trials

EXPONENTS: tuple[Exponent, ...] = (1, 2)
POLARITIES = {"ap_to_p": 1.0, "p_to_ap": -1.0}
"""Sign of the pulses that drive it."""
Place = tuple[int, int, int, int, int]
"""x, y, kernel, row, column."""
ENOUGH = 3
"""Junctions that switched in some trials and not in others, at the least."""
_TOO_FEW = f"fewer than {ENOUGH} junctions switched in some trials and not in others; choose pulse_volts from never to always"
_MORE_OHMS = 1.1


@dataclass(frozen=True)
class SwitchingTable:
    """What one die of a switching run stored, see docs/results.md. places: (junctions, 3), kernel, row, column.

    pulse_volts, pulse_s: the conditions, V and s. switched, trials: (junctions, volts, widths). siemens_p, siemens_ap: (junctions,) S,
    as read at read_volts.
    """

    die: tuple[int, int]
    places: NDArray[np.integer[Any]]
    pulse_volts: Floats
    pulse_s: Floats
    switched: NDArray[np.integer[Any]]
    trials: NDArray[np.integer[Any]]
    siemens_p: NDArray[np.floating[Any]]
    siemens_ap: NDArray[np.floating[Any]]
    read_volts: float


@dataclass(frozen=True)
class Polarity:
    """trials: how many were fitted. places: of the junctions fitted. left_out: how many were not, by reason. access_shift: relative
    change of every V_c0 were access_ohms a tenth larger. fits: by exponent; none where the trials say too little, and why."""

    trials: int
    left_out: dict[str, int]
    access_shift: float | None = None
    fits: dict[Exponent, Fit] = field(default_factory=dict[Exponent, Fit])
    places: tuple[Place, ...] = ()
    why: str | None = None

    @property
    def advantage(self) -> float:
        """ln of the likelihood ratio of exponent 1 to 2; 0 where nothing was fitted."""
        return self.fits[1].log_likelihood - self.fits[2].log_likelihood if self.fits else 0.0

    def as_json(self, *, junctions: bool) -> dict[str, Any]:
        told = {
            "junctions": len(self.places),
            "trials": self.trials,
            "left_out": self.left_out,
            "access_shift": _rounded(self.access_shift),
        }
        fits = {str(exponent): _fit_told(fit) for exponent, fit in self.fits.items()}
        if junctions:
            for exponent, fit in self.fits.items():
                fits[str(exponent)]["junctions"] = _junctions_told(self.places, fit)
        return {**told, **_odds(self.advantage), "fits": fits, "why_no_fit": self.why}


@dataclass(frozen=True)
class SwitchingAnalysis:
    """polarities: those that the plan has pulses of, by name."""

    assumed: Assumptions
    polarities: dict[str, Polarity]

    @property
    def advantage(self) -> float:
        """ln of the likelihood ratio of exponent 1 to 2, both polarities together."""
        return sum(each.advantage for each in self.polarities.values())

    @property
    def exponent(self) -> Exponent:
        """The likelier one."""
        return 1 if self.advantage >= 0 else 2

    def as_json(self, *, junctions: bool = False) -> dict[str, Any]:
        """junctions: also V_c0 and Delta of each junction by itself."""
        told = {name: each.as_json(junctions=junctions) for name, each in self.polarities.items()}
        return {"kind": "switching", "assumptions": asdict(self.assumed), **_odds(self.advantage), "polarities": told}


def analyse_switching(tables: Sequence[SwitchingTable], assumed: Assumptions | None = None) -> SwitchingAnalysis:
    """Of all dies of one run together. Raises ValueError without a die, or for dies of different conditions."""
    if not tables:
        raise ValueError("no die has switching results yet")
    if any(not np.array_equal(getattr(each, name), getattr(tables[0], name)) for each in tables for name in ("pulse_volts", "pulse_s")):
        raise ValueError("the dies were pulsed under different conditions; analyse each run by itself")
    given = assumed or Assumptions()
    pulsed = {name: sign for name, sign in POLARITIES.items() if (sign * tables[0].pulse_volts > 0).any()}
    return SwitchingAnalysis(given, {name: _polarity(tables, sign, given) for name, sign in pulsed.items()})


def _polarity(tables: Sequence[SwitchingTable], sign: float, assumed: Assumptions) -> Polarity:
    counts = _counts(tables, sign, assumed)
    long_enough = counts.width_s >= assumed.shortest_s
    tried = (counts.switched + counts.kept)[:, long_enough].sum(axis=1) > 0
    known = np.isfinite(counts.across).all(axis=1)
    used = np.flatnonzero(tried & known)
    left_out = {
        "trials of pulses shorter than shortest_s": int((counts.switched + counts.kept)[:, ~long_enough].sum()),
        "junctions without a trial": int((~tried).sum()),
        "junctions that conduct more than access_ohms would let them": int((tried & ~known).sum()),
    }
    fitted = Trials(
        counts.across[used][:, long_enough],
        counts.width_s[long_enough],
        counts.switched[used][:, long_enough],
        counts.kept[used][:, long_enough],
    )
    mixed = (fitted.switched.sum(axis=1) > 0) & (fitted.kept.sum(axis=1) > 0)
    if mixed.sum() < ENOUGH:
        return Polarity(int((fitted.switched + fitted.kept).sum()), left_out, why=_TOO_FEW)
    more = _counts(tables, sign, replace(assumed, access_ohms=_MORE_OHMS * assumed.access_ohms)).across[used][:, long_enough]
    return Polarity(
        trials=int((fitted.switched + fitted.kept).sum()),
        left_out=left_out,
        access_shift=float(np.nanmean(more / fitted.across) - 1.0),
        fits={exponent: fit_population(fitted, exponent, assumed) for exponent in EXPONENTS},
        places=tuple(place for number, place in enumerate(_places(tables)) if number in set(used.tolist())),
    )


def _counts(tables: Sequence[SwitchingTable], sign: float, assumed: Assumptions) -> Trials:
    """Every junction of every die under every condition of one polarity, (junctions, volts x widths)."""
    volts, widths = tables[0].pulse_volts, tables[0].pulse_s
    ours = sign * volts > 0
    cell_volts = np.repeat(volts[ours], len(widths))
    shape = (-1, len(cell_volts))
    switched = np.concatenate([table.switched[:, ours].reshape(shape) for table in tables]).astype(np.float64)
    trials = np.concatenate([table.trials[:, ours].reshape(shape) for table in tables]).astype(np.float64)
    across = [junction_volts(_cells(table), cell_volts, assumed, from_p=sign < 0) for table in tables]
    return Trials(np.concatenate(across), np.tile(widths, int(ours.sum())), switched, trials - switched)


def _cells(table: SwitchingTable) -> Cells:
    return Cells(table.siemens_p.astype(np.float64), table.siemens_ap.astype(np.float64), table.read_volts)


def _places(tables: Sequence[SwitchingTable]) -> list[Place]:
    return [(*table.die, int(kernel), int(row), int(column)) for table in tables for kernel, row, column in table.places]


def _odds(advantage: float) -> dict[str, Any]:
    """exponent: the likelier one. log10_odds: in its favour. akaike_weight: its share when the two are all there is."""
    return {
        "exponent": 1 if advantage >= 0 else 2,
        "log10_odds": round(abs(advantage) / math.log(10.0), 3),
        "akaike_weight": 1.0 / (1.0 + math.exp(-abs(advantage))),
    }


def _fit_told(fit: Fit) -> dict[str, Any]:
    return {
        "log_likelihood": round(fit.log_likelihood, 3),
        "critical_volts": {name: _rounded(value) for name, value in asdict(fit.critical_volts).items()},
        "critical_spread": _rounded(fit.critical_spread),
        "stability": {name: _rounded(value) for name, value in asdict(fit.stability).items()},
        "stability_spread": _rounded(fit.stability_spread),
        "correlation": _rounded(fit.correlation),
        "spread_assumed": fit.spread_assumed,
    }


def _junctions_told(places: Sequence[Place], fit: Fit) -> list[dict[str, Any]]:
    each = fit.of_each()
    names = ("x", "y", "kernel", "row", "column")
    return [
        {**dict(zip(names, place, strict=True)), **{name: _rounded(float(values[number])) for name, values in each.items()}}
        for number, place in enumerate(places)
    ]


def _rounded(value: float | None) -> float | None:
    """To six digits; JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
