"""Measured dies as the trainer sees them: two conductance maps and a defect map a die, nothing of the simulator's truth.
A junction without a reading never becomes 0 by itself: its defect code says what stands in for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.model.defects import Defect
from hil.model.lab import DieIndex
from hil.training.errors import MapsError

KERNELS, ROWS, COLUMNS = 32, 25, 25
UNMEASURED_LIMIT = 0.1
"""A die with more than this share of its junctions unread is left out, and named."""

UNKNOWN = (Defect.UNSTABLE, Defect.NO_CONTACT, Defect.NOT_MEASURED)
"""Classes that say nothing about the conductance of an unread junction: most likely it is as good as most."""


@dataclass(frozen=True)
class MeasuredWafer:
    """Maps of n dies, in the order of `dies`.

    siemens_p, siemens_ap: (n, 32, 25, 25) float32, after writing all P and all AP; NaN where not measured.
    codes: same shape, uint8, see Defect.
    """

    dies: tuple[DieIndex, ...]
    siemens_p: NDArray[np.float32]
    siemens_ap: NDArray[np.float32]
    codes: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = (len(self.dies), KERNELS, ROWS, COLUMNS)
        for name in ("siemens_p", "siemens_ap", "codes"):
            if getattr(self, name).shape != shape:
                raise MapsError(f"{name} is {getattr(self, name).shape}; {len(self.dies)} dies need {shape}")

    def take(self, indices: Sequence[int]) -> "MeasuredWafer":
        chosen = list(indices)
        return MeasuredWafer(
            tuple(self.dies[index] for index in chosen), self.siemens_p[chosen], self.siemens_ap[chosen], self.codes[chosen]
        )

    @property
    def unread(self) -> NDArray[np.bool_]:
        """(n, 32, 25, 25): no reading in at least one state."""
        return ~(np.isfinite(self.siemens_p) & np.isfinite(self.siemens_ap))


@dataclass(frozen=True)
class Reference:
    """What a set of dies says about junctions in general.

    norm_siemens: mean G_P - G_AP of good junctions, S: what one binary weight is worth in either direction.
    stand_in: defect code -> (G_P, G_AP) S, for a junction of that class without a reading.
    """

    norm_siemens: float
    stand_in: Mapping[int, tuple[float, float]]


def reference_of(measured: MeasuredWafer) -> Reference:
    """Statistics over all given dies. Raises MapsError when no good junction was read."""
    read = ~measured.unread
    good = read & (measured.codes == Defect.GOOD)
    if not good.any():
        raise MapsError(f"none of {len(measured.dies)} dies has a good junction read in both states; characterise the wafer first")
    norm = float(np.mean(measured.siemens_p[good], dtype=np.float64) - np.mean(measured.siemens_ap[good], dtype=np.float64))
    if norm <= 0:
        raise MapsError(f"good junctions have G_P - G_AP = {norm * 1e6:.3g} uS on average, not above 0: the P and AP maps look swapped")
    typical = (float(np.median(measured.siemens_p[good])), float(np.median(measured.siemens_ap[good])))
    stand_in = {int(defect): typical for defect in (Defect.GOOD, *UNKNOWN)}
    stand_in[int(Defect.OPEN)] = (0.0, 0.0)  # An open conducts nothing by definition, also where the reading failed.
    for defect in (Defect.SHORT, Defect.STUCK_P, Defect.STUCK_AP, Defect.LOW_TMR):
        here = read & (measured.codes == defect)
        if here.any():
            stand_in[int(defect)] = (float(np.median(measured.siemens_p[here])), float(np.median(measured.siemens_ap[here])))
    return Reference(norm, stand_in)


def junctions(measured: MeasuredWafer, reference: Reference) -> NDArray[np.float32]:
    """(n, 20000, 2): G_P and G_AP of every junction, kernel by kernel, in units of the reference's norm.

    Raises MapsError for an unread junction of a class of which no junction was read.
    """
    both = np.stack([measured.siemens_p, measured.siemens_ap], axis=-1).astype(np.float32)
    unread = measured.unread
    for code in np.unique(measured.codes[unread]):
        if int(code) not in reference.stand_in:
            raise MapsError(f"{Defect(int(code)).name.lower()} junctions exist, but none has a reading to stand in for the unread ones")
        both[unread & (measured.codes == code)] = reference.stand_in[int(code)]
    both /= np.float32(reference.norm_siemens)
    return both.reshape(len(measured.dies), -1, 2)


def usable(measured: MeasuredWafer) -> tuple[tuple[int, ...], dict[DieIndex, str]]:
    """(indices of dies to train on, reason per die left out)."""
    share = measured.unread.mean(axis=(1, 2, 3))
    left_out = {
        die: f"{100 * part:.1f} % of the junctions have no reading, limit {100 * UNMEASURED_LIMIT:g} %; measure the die again"
        for die, part in zip(measured.dies, share, strict=True)
        if part > UNMEASURED_LIMIT
    }
    return tuple(index for index, die in enumerate(measured.dies) if die not in left_out), left_out
