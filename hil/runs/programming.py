"""Writing a target into one kernel. A junction's state is only known against what the kernel's two states look like, so each
junction to be written first gets the opposite: then every one of them was seen in both, and nothing is assumed of the die."""

import numpy as np
from numpy.typing import NDArray

from hil.model.plans import ProgramPlan
from hil.runs.context import Measured
from hil.runs.write_verify import KernelWriter, Levels, Mask, Siemens, levels

OK, NOT_REACHED, LEFT, UNKNOWN = range(4)
"""Result codes of `program`, per junction: verified in its target state; verified or broken, and not in it; not to be written;
pulsed, but not verified or the outcome of a pulse was lost."""


def program_kernel(writer: KernelWriter, target: NDArray[np.uint8]) -> Measured:
    """target: (rows, columns), 1 = P, 0 = AP, 255 = leave. arrays: siemens after, codes, pulses, unknown."""
    to_p, to_ap = target == 1, target == 0
    if not (to_p | to_ap).any():
        return writer.measured({"siemens": writer.read(), "codes": np.full(target.shape, LEFT, np.uint8)})
    if isinstance(writer.plan, ProgramPlan) and not writer.plan.verify:
        return _unverified(writer, to_p, to_ap)
    return _verified(writer, to_p, to_ap)


def _unverified(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Measured:
    writer.write(to_p, to_p=True)
    writer.write(to_ap, to_p=False)
    codes = np.where(to_p | to_ap, UNKNOWN, LEFT).astype(np.uint8)
    return writer.measured({"siemens": writer.read(), "codes": codes})


def _verified(writer: KernelWriter, to_p: Mask, to_ap: Mask) -> Measured:
    writer.write(to_p, to_p=False)
    writer.write(to_ap, to_p=True)
    opposite = writer.read()
    writer.write(to_p, to_p=True)
    writer.write(to_ap, to_p=False)
    last = writer.read()
    known = levels(np.where(to_p, last, _only(opposite, to_ap)), np.where(to_ap, last, _only(opposite, to_p)))
    last = writer.insist(last, to_p, known, to_p=True)
    writer.insist(last, to_ap, known, to_p=False)
    after = writer.read()
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
