"""Writing a target into one kernel. A junction's state is only known against what the kernel's two states look like, so each
junction to be written first gets the opposite: then every one of them was seen in both, and nothing is assumed of the die.

A kernel that may have been pulsed before its run was stopped is read first. Where that one reading tells the two states apart,
what already reads as it should is left alone; otherwise the kernel is written like any other."""

import numpy as np
from numpy.typing import NDArray

from hil.model.plans import ProgramPlan
from hil.runs.context import Measured
from hil.runs.levels import NOT_KNOWN, Levels, Mask, Siemens, levels, two_states, wrong_state
from hil.runs.write_verify import KernelWriter

OK, NOT_REACHED, LEFT, UNKNOWN = range(4)
"""Result codes of `program`, per junction: verified in its target state; verified or broken, and not in it; not to be written;
pulsed, but not verified or the outcome of a pulse was lost."""
_ENOUGH = 10
"""So many junctions show what a state looks like; fewer may all be broken."""


def program_kernel(writer: KernelWriter, target: NDArray[np.uint8]) -> Measured:
    """target: (rows, columns), 1 = P, 0 = AP, 255 = leave. arrays: siemens after, codes, pulses, unknown."""
    to_p, to_ap = target == 1, target == 0
    if not (to_p | to_ap).any():
        return writer.measured({"siemens": writer.read(), "codes": np.full(target.shape, LEFT, np.uint8)})
    seen = writer.read() if writer.begun else None
    known = NOT_KNOWN if seen is None else two_states(seen)
    if isinstance(writer.plan, ProgramPlan) and not writer.plan.verify:
        return _unverified(writer, to_p & _needs_pulse(seen, known, to_p=True), to_ap & _needs_pulse(seen, known, to_p=False), target)
    begun = None if seen is None else _as_seen(writer, seen, to_p, to_ap, known)
    return begun or _verified(writer, to_p, to_ap)


def _needs_pulse(seen: Siemens | None, known: Levels, *, to_p: bool) -> Mask | bool:
    """Without verification everything gets its one pulse, but for what is seen to be there already."""
    return wrong_state(seen, known, to_p) if seen is not None and known.valid else True


def _unverified(writer: KernelWriter, to_p: Mask, to_ap: Mask, target: NDArray[np.uint8]) -> Measured:
    codes = np.where(target <= 1, UNKNOWN, LEFT).astype(np.uint8)
    return writer.measured({"siemens": _write(writer, to_p, to_ap), "codes": codes})


def _as_seen(writer: KernelWriter, seen: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Measured | None:
    """Only what `seen` shows in the wrong state is pulsed; None when the states are not known, or are not what was written."""
    if not known.valid:
        return None
    after = _bring(writer, seen, to_p, to_ap, known)
    return _result(writer, after, to_p, to_ap, known) if known.near(_shown_by(after, to_p, to_ap)) else None


def _verified(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Measured:
    """Every junction first in the opposite of its target, then in it."""
    opposite = _write(writer, to_ap, to_p)
    guess = _shown_by(opposite, to_ap, to_p)
    if writer.board_writes and guess.valid:
        wrong_p, wrong_ap = _wrong(opposite, to_p, to_ap, guess)
        # What looks as if it were there already was driven away a moment ago: it gets its pulse all the same.
        writer.write(to_p & ~wrong_p, to_p=True)
        writer.write(to_ap & ~wrong_ap, to_p=False)
        after = writer.by_the_board(wrong_p, wrong_ap, guess)
    else:
        after = _write(writer, to_p, to_ap)
    known = levels(np.where(to_p, after, _only(opposite, to_ap)), np.where(to_ap, after, _only(opposite, to_p)))
    return _result(writer, _insist(writer, after, to_p, to_ap, known), to_p, to_ap, known)


def _bring(writer: KernelWriter, seen: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens:
    """Pulses what is in the wrong state, until it is in the right one or its pulses are used up. What the kernel reads then."""
    wrong_p, wrong_ap = _wrong(seen, to_p, to_ap, known)
    if not (wrong_p | wrong_ap).any():
        return seen
    after = writer.by_the_board(wrong_p, wrong_ap, known) if writer.board_writes else _write(writer, wrong_p, wrong_ap)
    return _insist(writer, after, to_p, to_ap, known)


def _wrong(seen: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> tuple[Mask, Mask]:
    return to_p & wrong_state(seen, known, to_p=True), to_ap & wrong_state(seen, known, to_p=False)


def _insist(writer: KernelWriter, last: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens:
    given = int(writer.pulses.sum())
    last = writer.insist(last, to_p, known, to_p=True)
    writer.insist(last, to_ap, known, to_p=False)
    return writer.read() if int(writer.pulses.sum()) > given else last


def _write(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Siemens:
    """One pulse each, then what the kernel reads."""
    writer.write(to_p, to_p=True)
    writer.write(to_ap, to_p=False)
    return writer.read()


def _shown_by(siemens: Siemens, in_p: Mask, in_ap: Mask) -> Levels:
    """Typical conductance of a state by those that were written into it, NaN where they are too few."""
    few = np.float32("nan")
    return levels(*(np.where(mask & (mask.sum() >= _ENOUGH), siemens, few) for mask in (in_p, in_ap)))


def _result(writer: KernelWriter, after: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Measured:
    return writer.measured({"siemens": after, "codes": _codes(after, to_p, to_ap, known)})


def _only(siemens: Siemens, mask: Mask) -> Siemens:
    return np.where(mask, siemens, np.float32("nan"))


def _codes(after: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> NDArray[np.uint8]:
    reached = known.valid & known.could_switch(after) & ((to_p & (after > known.midpoint)) | (to_ap & (after < known.midpoint)))
    codes = np.full(after.shape, LEFT, np.uint8)
    codes[to_p | to_ap] = NOT_REACHED
    codes[reached] = OK
    # Read back settles a lost outcome; only where the reading itself failed does nobody know.
    codes[(to_p | to_ap) & np.isnan(after)] = UNKNOWN
    return codes
