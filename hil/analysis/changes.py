"""What changed on a die between two sessions beyond noise: the die as a whole, the board's lines, and single junctions.

Rule 1: what good junctions share is no change of theirs: their median ratio is the shift of the die (temperature, contact), what
rows and columns of the kernels share beyond it is the board's lines. Rule 2: a junction changed when it departs from that by more
than noise; the noise model is scaled to what most junctions show, and of all junctions called changed at most one in twenty is
expected to be none (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 289 (1995)). Rule 3: a class that changed while the
conductances did not is no change; it lay at a threshold."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hil.analysis.intervals import UNKNOWN, Estimate
from hil.analysis.measured import KINDS, MeasuredDie
from hil.analysis.noise import reading_noise
from hil.model.defects import Defect
from hil.model.maps import ConductanceMap

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]
State = Literal["P", "AP"]
_Expected = tuple[Estimate, Floats, float | None]
"""(ratio of the die, its logarithm with that of the lines (rows, columns), spread of the lines)."""

FALSE_SHARE = 0.05
_LEAST_GOOD = 30
_CONDUCTS = 0.1
"""Of the median conductance; below, a ratio of two readings is a ratio of noise."""
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Shift:
    """Of the whole die in one state. ratio: conductance after over before, median of good junctions. lines_sigma: spread of the
    board's lines beyond it, relative. noise_factor: scatter that most junctions show over that of the noise model."""

    ratio: Estimate
    lines_sigma: float | None
    noise_factor: float


@dataclass(frozen=True)
class Change:
    """One junction, (kernel, row, column). sigmas: how far each state lies from where the die's shift alone would have it; None where
    it was not read twice. q_value: share of false ones among all that are called changed down to this one."""

    junction: tuple[int, int, int]
    from_class: str
    to_class: str
    from_siemens: tuple[float | None, float | None]
    to_siemens: tuple[float | None, float | None]
    sigmas: tuple[float | None, float | None]
    q_value: float


@dataclass(frozen=True)
class DieChanges:
    """tested: junctions read in both sessions in at least one state. shift: by state. changed: surest first. class_changes: of those, by
    "good to short" and the like. within_noise: junctions of which only the class differs. expected_false: at most so many of `changed`."""

    tested: int
    shift: dict[str, Shift]
    changed: tuple[Change, ...]
    class_changes: dict[str, int]
    within_noise: int
    expected_false: float


def die_changes(before: MeasuredDie, after: MeasuredDie, false_share: float = FALSE_SHARE) -> DieChanges:
    """Raises ValueError when the maps are not of one die's shape."""
    if before.p.siemens.shape != after.p.siemens.shape:
        raise ValueError(f"maps of one die have one shape; before is {before.p.siemens.shape}, after is {after.p.siemens.shape}")
    good = before.good & after.good
    states: tuple[tuple[State, ConductanceMap, ConductanceMap], ...] = (("P", before.p, after.p), ("AP", before.ap, after.ap))
    expected: dict[State, _Expected] = {state: _expected_log_ratio(first, second, good) for state, first, second in states}
    codes = np.where(before.defects.codes == after.defects.codes, before.defects.codes, np.uint8(Defect.GOOD))
    sigmas, shifts = dict[str, Floats](), dict[str, Shift]()
    for state, first, second in states:
        shift = _own_shift(state, expected, (first, second), codes)
        found = _sigmas(first, second, shift)
        factor = _noise_factor(found[good])
        sigmas[state] = found / factor
        shifts[state] = Shift(expected[state][0], expected[state][2], factor)
    both = np.stack([sigmas["P"], sigmas["AP"]], axis=-1)
    q = _false_shares(both)
    return _collected(before, after, (both, q, shifts), false_share)


def _expected_log_ratio(first: ConductanceMap, second: ConductanceMap, good: Bools) -> _Expected:
    rows, columns = good.shape[1:]
    if np.count_nonzero(good) < _LEAST_GOOD:
        return UNKNOWN, np.zeros((rows, columns)), None
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where(good, np.log(second.siemens.astype(np.float64) / first.siemens), np.nan)
    middle = float(np.nanmedian(logs))
    error = 1.253 * _sigma(logs[good] - middle) / np.sqrt(np.count_nonzero(good))
    by_row = _line_medians(logs - middle, (0, 2))
    by_column = _line_medians(logs - middle - by_row[:, None], (0, 1))
    lines = by_row[:, None] + by_column[None, :]
    ratio = Estimate(*(float(np.exp(middle + sign * 1.96 * error)) for sign in (0.0, -1.0, 1.0)))
    return ratio, middle + lines, float(np.std(lines))


def _line_medians(logs: Floats, axes: tuple[int, int]) -> Floats:
    """Median along one axis of the kernel; 0 where too few junctions are good to tell."""
    moved = np.moveaxis(logs, 3 - sum(axes), 0).reshape(logs.shape[3 - sum(axes)], -1)
    enough = np.isfinite(moved).sum(axis=1) >= _LEAST_GOOD
    found = np.zeros(len(moved))
    found[enough] = np.nanmedian(moved[enough], axis=1)
    return found


def _own_shift(state: State, expected: dict[State, _Expected], pair: tuple[ConductanceMap, ConductanceMap], codes: Codes) -> Floats:
    """Logarithm of the ratio that each junction is due: what its class shares, where that has enough junctions to tell; else a stuck one
    is due what the state it is stuck in is due, and shorts and opens, which owe nothing to the barrier, what the board's lines are.

    codes: of the first session where the second agrees, else good.
    """
    of_state = {name: np.broadcast_to(each[1], codes.shape) for name, each in expected.items()}
    due = of_state[state].copy()
    for code in (Defect.STUCK_P, Defect.STUCK_AP, Defect.SHORT, Defect.OPEN):
        here = codes == code
        fallback = {Defect.STUCK_P: of_state["P"], Defect.STUCK_AP: of_state["AP"]}.get(code, of_state[state] - _middle(expected[state]))
        due[here] = _shared_by_class(pair, of_state[state], here, fallback)[here]
    return due


def _shared_by_class(pair: tuple[ConductanceMap, ConductanceMap], due: Floats, here: Bools, fallback: Floats) -> Floats:
    first, second = (each.siemens.astype(np.float64) for each in pair)
    read = here & (first > 0) & (second > 0)
    if np.count_nonzero(read) < _LEAST_GOOD or np.median(first[read]) < _CONDUCTS * np.nanmedian(first):
        return fallback
    return due + float(np.median(np.log(second[read] / first[read]) - due[read]))


def _middle(expected: _Expected) -> float:
    ratio = expected[0].value
    return 0.0 if ratio is None else float(np.log(ratio))


def _sigmas(first: ConductanceMap, second: ConductanceMap, shift: Floats) -> Floats:
    """How far the second reading lies from the shifted first, in standard deviations of their noise; NaN where one is missing."""
    due = first.siemens.astype(np.float64) * np.exp(shift)
    noise = np.hypot(
        reading_noise(first.siemens, first.read_volts, first.meta) * np.exp(shift),
        reading_noise(second.siemens, second.read_volts, second.meta),
    )
    return (second.siemens.astype(np.float64) - due) / noise


def _noise_factor(sigmas: Floats) -> float:
    return max(_sigma(sigmas), 1e-3) if sigmas.size >= _LEAST_GOOD else 1.0


def _sigma(values: Floats) -> float:
    return _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def _false_shares(sigmas: Floats) -> Floats:
    """q value of each junction, (kernels, rows, columns): its smaller p value of the states it was read in, doubled where it is two.
    NaN where none. sigmas: states on the last axis."""
    p_values = 2.0 * stats.norm.sf(np.abs(sigmas))
    read = np.isfinite(p_values)
    smallest = np.where(read, p_values, 1.0).min(axis=-1) * read.sum(axis=-1)
    known = read.any(axis=-1)
    q = np.full(known.shape, np.nan)
    q[known] = _benjamini_hochberg(np.minimum(smallest[known], 1.0))
    return q


def _benjamini_hochberg(p_values: Floats) -> Floats:
    """q value of each: the smallest share of false ones at which it would be called."""
    order = np.argsort(p_values)
    scaled = p_values[order] * p_values.size / np.arange(1, p_values.size + 1)
    q = np.empty(p_values.size)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1.0)


def _collected(before: MeasuredDie, after: MeasuredDie, found: tuple[Floats, Floats, dict[str, Shift]], false_share: float) -> DieChanges:
    sigmas, q, shifts = found
    known = np.isfinite(q)
    changed = known & (np.where(known, q, 1.0) <= false_share)
    classes = before.defects.codes, after.defects.codes
    classed = [np.isin(codes, (Defect.GOOD, *KINDS)) for codes in classes]
    differ = classed[0] & classed[1] & (classes[0] != classes[1])
    where = np.argwhere(changed)
    order = np.argsort(q[changed], kind="stable")
    listed = tuple(_change(before, after, tuple(int(i) for i in place), sigmas, q) for place in where[order])
    kinds: dict[str, int] = {}
    for each in listed:
        if each.from_class != each.to_class:
            name = f"{each.from_class} to {each.to_class}"
            kinds[name] = kinds.get(name, 0) + 1
    return DieChanges(
        tested=int(np.count_nonzero(known)),
        shift=shifts,
        changed=listed,
        class_changes=kinds,
        within_noise=int(np.count_nonzero(differ & ~changed)),
        expected_false=false_share * len(listed),
    )


def _change(before: MeasuredDie, after: MeasuredDie, place: tuple[int, ...], sigmas: Floats, q: Floats) -> Change:
    kernel, row, column = place
    return Change(
        junction=(kernel, row, column),
        from_class=Defect(int(before.defects.codes[place])).name.lower(),
        to_class=Defect(int(after.defects.codes[place])).name.lower(),
        from_siemens=(_number(before.p.siemens[place]), _number(before.ap.siemens[place])),
        to_siemens=(_number(after.p.siemens[place]), _number(after.ap.siemens[place])),
        sigmas=(_number(sigmas[place][0]), _number(sigmas[place][1])),
        q_value=float(q[place]),
    )


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
