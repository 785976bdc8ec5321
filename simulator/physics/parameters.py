"""How the pretended foundry makes wafers, as one checked value. Every number is an ASSUMPTION; docs/fab-files.md says what each is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

MODELS = ("pillars", "levels")
DieIndex = tuple[int, int]


class FabError(ValueError):
    """A fab file or preset that cannot be used; the text names the key, the value and what would be right."""


@dataclass(frozen=True)
class Fab:
    """Means, spreads (relative standard deviations) and rates (probability per junction unless said otherwise).

    model: "pillars" (resistance from area and barrier, behind an access device) or "levels" (conductances as given, no roll-off).
    resistance_area_ohm_um2, diameter_nm, tmr, access_ohms: nominal pillar, middle of the published 55 to 130 nm.
    ra_sigma, diameter_sigma, tmr_sigma, access_sigma: junction to junction. die_sigma, gradient: RA from die to die, across the wafer.
    ra_factor, tmr_factor: of the die, in place of the draw and of the gradient; None: drawn.
    siemens_p, ap_over_p: medians of the levels. level_sigma, level_sigma_ap: of their logarithms (AP: None for the same).
    level_correlation: between both. quantiles_p, quantiles_ap: S at evenly spaced probabilities 0 to 1, in place of median and spread.
    half_volts: V_h of the TMR's roll-off. stability, stability_sigma, critical_volts, critical_sigma: Delta and V_c0 (4.4 %: IBM
    4-kbit arrays, IEDM 2010). switching_exponent: b. write_asymmetry: V_c0(P to AP) / V_c0(AP to P). attempt_s, damping_s: tau0, tau_D.
    breakdown_volts, breakdown_shape: Weibull scale (1 s stress, across the junction) and shape. breakdown_exponent: of voltage in time.
    short_rate: mean over dies; the rate of one die is Gamma distributed with short_rate_shape, 0 for the rate itself.
    short_ohms_low, short_ohms_high: junction resistance of a pillar's short, 2.5 % and 97.5 % points of a log-normal.
    short_times, short_times_sigma: conductance of a short of the levels over its G_P, and sigma of its logarithm.
    row_opens, column_opens, shorted_segments: mean number per die (Poisson).
    pinhole_rate: metallic path that leaves 20 to 80 % of the TMR. weak_rate: barrier with 10 to 45 % of the TMR.
    unstable_rate: a state holds unstable_s_low to unstable_s_high at 25 C. telegraph_rate: two-level noise of 2 to 5 %.
    bad_rate: shared among shorts, opens, stuck P and stuck AP by the shares bad_short ... bad_stuck_ap; with bad_rate_high above 0
    each die's is drawn log-uniform between bad_rate_low and bad_rate_high.
    short_devices ... open_column_lines: numbers of what is bad besides what is drawn.
    read_noise_p, read_noise_ap: relative noise of one read. flicker_p, flicker_ap: of the slow noise that re-reading does not average.
    line_ohms, mux_ohms: of a line from cell to cell, and of the path to its end; 0: lines are ideal.
    dies: of dies that differ, all their parameters.
    """

    model: str = "pillars"
    resistance_area_ohm_um2: float = 10.0
    diameter_nm: float = 80.0
    tmr: float = 1.2
    access_ohms: float = 1_000.0
    ra_sigma: float = 0.04
    diameter_sigma: float = 0.015
    tmr_sigma: float = 0.04
    access_sigma: float = 0.05
    die_sigma: float = 0.03
    gradient: float = 0.03
    ra_factor: float | None = None
    tmr_factor: float | None = None
    siemens_p: float = 335e-6
    ap_over_p: float = 0.5
    level_sigma: float = 0.05
    level_sigma_ap: float | None = None
    level_correlation: float = 0.0
    quantiles_p: tuple[float, ...] = ()
    quantiles_ap: tuple[float, ...] = ()
    half_volts: float = 0.5
    stability: float = 60.0
    stability_sigma: float = 0.08
    critical_volts: float = 0.40
    critical_sigma: float = 0.044
    switching_exponent: float = 1.0
    write_asymmetry: float = 1.15
    attempt_s: float = 1e-9
    damping_s: float = 1.5e-9
    breakdown_volts: float = 1.35
    breakdown_shape: float = 25.0
    breakdown_exponent: float = 50.0
    short_rate: float = 0.002
    short_rate_shape: float = 1.5
    short_ohms_low: float = 30.0
    short_ohms_high: float = 300.0
    short_times: float = 10.0
    short_times_sigma: float = 0.3
    open_rate: float = 0.0002
    row_opens: float = 0.3
    column_opens: float = 0.2
    shorted_segments: float = 0.1
    stuck_p_rate: float = 0.002
    stuck_ap_rate: float = 0.002
    pinhole_rate: float = 0.002
    weak_rate: float = 0.0005
    unstable_rate: float = 0.00005
    unstable_s_low: float = 1e-3
    unstable_s_high: float = 10.0
    telegraph_rate: float = 0.001
    bad_rate: float = 0.0
    bad_rate_low: float = 0.0
    bad_rate_high: float = 0.0
    bad_short: float = 0.5
    bad_open: float = 0.1
    bad_stuck_p: float = 0.2
    bad_stuck_ap: float = 0.2
    short_devices: tuple[int, ...] = ()
    open_devices: tuple[int, ...] = ()
    stuck_p_devices: tuple[int, ...] = ()
    stuck_ap_devices: tuple[int, ...] = ()
    open_row_lines: tuple[int, ...] = ()
    open_column_lines: tuple[int, ...] = ()
    read_noise_p: float = 0.001
    read_noise_ap: float = 0.003
    flicker_p: float = 0.0003
    flicker_ap: float = 0.001
    line_ohms: float = 0.0
    mux_ohms: float = 0.0
    dies: Mapping[DieIndex, "Fab"] = field(default_factory=dict[DieIndex, "Fab"], hash=False)

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise FabError(f"model is {self.model!r}; it must be {' or '.join(MODELS)}")
        for name in NUMBERS:
            if (value := getattr(self, name)) is not None:
                _check_number(name, value)
        for name in LISTS:
            for value in getattr(self, name):
                _check_number(name, value)
        _check_pairs(self)

    def of_die(self, index: DieIndex) -> "Fab":
        return self.dies.get(index, self)


_OTHERS = {"model", "dies"}
LISTS = frozenset(
    ("quantiles_p", "quantiles_ap", "short_devices", "open_devices", "stuck_p_devices", "stuck_ap_devices", "open_row_lines",
     "open_column_lines"),
)  # fmt: skip
NUMBERS = tuple(each.name for each in fields(Fab) if each.name not in LISTS | _OTHERS)
PILLARS_ONLY = frozenset(
    ("resistance_area_ohm_um2", "diameter_nm", "tmr", "access_ohms", "ra_sigma", "diameter_sigma", "tmr_sigma", "access_sigma",
     "half_volts", "short_ohms_low", "short_ohms_high"),
)  # fmt: skip
LEVELS_ONLY = frozenset(
    ("siemens_p", "ap_over_p", "level_sigma", "level_sigma_ap", "level_correlation", "quantiles_p", "quantiles_ap", "short_times",
     "short_times_sigma"),
)  # fmt: skip
"""What the other model has no use for: a file that names it there is refused."""

_POSITIVE = frozenset(
    ("resistance_area_ohm_um2", "diameter_nm", "tmr", "access_ohms", "ra_factor", "tmr_factor", "siemens_p", "ap_over_p", "quantiles_p",
     "quantiles_ap", "half_volts", "stability", "critical_volts", "switching_exponent", "write_asymmetry", "attempt_s", "damping_s",
     "breakdown_volts", "breakdown_shape", "breakdown_exponent", "short_ohms_low", "short_ohms_high", "short_times", "unstable_s_low",
     "unstable_s_high"),
)  # fmt: skip
_RATES = frozenset(name for name in NUMBERS if name.endswith("_rate"))
_AT_MOST_ONE = _RATES | {"bad_rate_low", "bad_rate_high", "level_correlation", "ap_over_p"}
_IN_ORDER = (("short_ohms_low", "short_ohms_high"), ("unstable_s_low", "unstable_s_high"), ("bad_rate_low", "bad_rate_high"))
_SHARES = ("bad_short", "bad_open", "bad_stuck_p", "bad_stuck_ap")


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise FabError(f"{name} is {value}; it must be a finite number, 0 or more")
    if name in _AT_MOST_ONE and value > 1:
        raise FabError(f"{name} is {value:g}; {'a probability' if name in _RATES else 'it'} is at most 1")
    if name in _POSITIVE and value <= 0:
        raise FabError(f"{name} is {value:g}; it must be above 0")


def _check_pairs(fab: Fab) -> None:
    for low, high in _IN_ORDER:
        if getattr(fab, low) > getattr(fab, high):
            raise FabError(f"{low} {getattr(fab, low):g} is above {high} {getattr(fab, high):g}")
    if fab.bad_rate_high and not fab.bad_rate_low:
        raise FabError("bad_rate_low is 0; a log-uniform range needs both ends above 0")
    if fab.mux_ohms and not fab.line_ohms:
        raise FabError(f"mux_ohms is {fab.mux_ohms:g} and line_ohms 0; lines with a resistance of their own are needed, say line_ohms 1")
    shares = {name: getattr(fab, name) for name in _SHARES}
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise FabError(f"{', '.join(f'{name} {share:g}' for name, share in shares.items())}: shares must add up to 1")
    for name in ("quantiles_p", "quantiles_ap"):
        values = getattr(fab, name)
        if values and (len(values) < 2 or list(values) != sorted(values)):
            raise FabError(f"{name} has {len(values)} values; it must have 2 or more, none below the one before")
