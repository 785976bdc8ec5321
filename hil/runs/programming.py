"""Writing a target into one kernel. A junction's state is only known against what the kernel's two states look like, so each
junction to be written first gets the opposite: then every one of them was seen in both, and nothing is assumed of the die.

Where the two states are known already, from maps of the die or from a reading of a kernel that was begun before, only what is
in the wrong one is pulsed; should what was written then not read as it should, the kernel is learnt anew."""

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


def program_kernel(writer: KernelWriter, target: NDArray[np.uint8], measured: tuple[Siemens, Siemens] | None = None) -> Measured:
    """target: (rows, columns), 1 = P, 0 = AP, 255 = leave. measured: the kernel in P and in AP, where there are maps of them.

    arrays: siemens after, codes, pulses, unknown.
    """
    to_p, to_ap = target == 1, target == 0
    if not (to_p | to_ap).any():
        return writer.measured({"siemens": writer.read(), "codes": np.full(target.shape, LEFT, np.uint8)})
    if isinstance(writer.plan, ProgramPlan) and not writer.plan.verify:
        return _unverified(writer, to_p, to_ap)
    return _as_known(writer, to_p, to_ap, measured) or _learnt(writer, to_p, to_ap)


def _unverified(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Measured:
    writer.write(to_p, to_p=True)
    writer.write(to_ap, to_p=False)
    codes = np.where(to_p | to_ap, UNKNOWN, LEFT).astype(np.uint8)
    return writer.measured({"siemens": writer.read(), "codes": codes})


def _as_known(writer: KernelWriter, to_p: Mask, to_ap: Mask, measured: tuple[Siemens, Siemens] | None) -> Measured | None:
    """By what is known of the kernel before anything is pulsed; None when that is too little or turned out to be wrong."""
    if measured is None and not writer.begun:
        return None
    seen = writer.read()
    known = two_states(seen) if measured is None else levels(*measured)
    if not known.valid:
        return None
    if measured is not None:
        # A junction whose states lie on one side of the middle shows neither: it gets its pulse whatever it reads.
        p, ap = measured
        unclear = ~((p > known.midpoint) & (ap < known.midpoint))
        writer.write(to_p & unclear, to_p=True)
        writer.write(to_ap & unclear, to_p=False)
    after = _drive(writer, seen, to_p, to_ap, known)
    return _result(writer, after, to_p, to_ap, known) if known.near(levels(after[to_p], after[to_ap])) else None


def _learnt(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Measured:
    """Every junction first in the opposite of its target, then in it."""
    opposite = _write(writer, to_ap, to_p)
    guess = levels(opposite[to_ap], opposite[to_p]) if min(to_p.sum(), to_ap.sum()) >= _ENOUGH else NOT_KNOWN
    if guess.valid:
        # What looks as if it were there already was driven away a moment ago: it gets its pulse all the same.
        writer.write(to_p & ~wrong_state(opposite, guess, to_p=True), to_p=True)
        writer.write(to_ap & ~wrong_state(opposite, guess, to_p=False), to_p=False)
    after = _drive(writer, opposite, to_p, to_ap, guess) if guess.valid else _write(writer, to_p, to_ap)
    known = levels(np.where(to_p, after, _only(opposite, to_ap)), np.where(to_ap, after, _only(opposite, to_p)))
    if not guess.valid:
        after = _insist(writer, after, to_p, to_ap, known)
    return _result(writer, after, to_p, to_ap, known)


def _drive(writer: KernelWriter, seen: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens:
    """Pulses what is in the wrong state, until it is in the right one or its pulses are used up. What the kernel reads then."""
    after = writer.write_by_the_board(seen, to_p, to_ap, known) if writer.board_writes else None
    if after is not None:
        return after
    # Also where the board's answer was lost: only a new reading tells what is left to do.
    seen = writer.read() if writer.board_writes else seen
    last = _write(writer, to_p & wrong_state(seen, known, to_p=True), to_ap & wrong_state(seen, known, to_p=False))
    return _insist(writer, last, to_p, to_ap, known)


def _insist(writer: KernelWriter, last: Siemens, to_p: Mask, to_ap: Mask, known: Levels) -> Siemens:
    last = writer.insist(last, to_p, known, to_p=True)
    writer.insist(last, to_ap, known, to_p=False)
    return writer.read()


def _write(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Siemens:
    """One pulse each, then what the kernel reads."""
    writer.write(to_p, to_p=True)
    writer.write(to_ap, to_p=False)
    return writer.read()


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
