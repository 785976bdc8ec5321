"""One die: 20,000 junctions with their states, drawn once from (seed, die), changed by voltage and by time.

Truth for tests stands here too (`cell_siemens`, `true_classes`); no instrument shows it.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.geometry import Geometry
from simulator.physics.crossbar import effective_siemens
from simulator.physics.defects import draw_defects, short_ohms
from simulator.physics.drift import RESOLUTION_S, Flicker, Relaxation
from simulator.physics.foundry import OPEN_OHMS, Spread, draw_junctions, law_of
from simulator.physics.known_bias import NEGLIGIBLE, KnownBiases
from simulator.physics.mtj import Bools, Floats, Junctions, breaks_down, cell_siemens, hold_s, reversal_probability
from simulator.physics.parameters import Fab
from simulator.physics.wiring import kernel_lines, path_ohms

__all__ = ["OPEN_OHMS", "Die", "Spread", "classes"]

GOOD, SHORT, OPEN, STUCK_P, STUCK_AP, LOW_TMR, UNSTABLE = range(7)
"""Codes of a defect map, as the lab's contract numbers them."""

CLASS_VOLTS = 0.1
_MOST_ROUNDS = 10
UNSTABLE_S = 10.0
"""A junction is unstable whose state holds no longer than that at 25 C."""
Where = tuple[int | slice | NDArray[np.intp], ...]
"""Index of junctions in an array of the geometry's shape."""


class Die:
    """Junctions of one die and their present states.

    junctions: parameters, (kernels, rows, columns). state_p: True where parallel. temperature_c: of the chuck.
    now_s: of the lab's clock; see `pass_time`.
    """

    def __init__(self, fab: Fab, geometry: Geometry, spread: Spread, rng: np.random.Generator) -> None:
        self.fab, self.geometry, self.law = fab, geometry, law_of(fab)
        self.temperature_c, self.now_s = 25.0, 0.0
        defects = draw_defects(fab, geometry, rng)
        self.junctions = draw_junctions(fab, geometry, spread, defects, rng)
        self._stuck_p, self._stuck_ap, self._telegraph = defects.stuck_p, defects.stuck_ap, defects.telegraph
        self.state_p: Bools = self._held(rng.random(geometry.shape) < 0.5)
        self._known = KnownBiases(self.junctions, self.law)
        relaxing, flickering = rng.spawn(2)
        self._relaxation = Relaxation(self.junctions, self.law, relaxing)
        self._flicker = Flicker(geometry.devices, flickering)

    def _held(self, state_p: Bools) -> Bools:
        return (state_p | self._stuck_p) & ~self._stuck_ap

    # --- truth
    def cell_siemens(self, state_p: bool, volts: float) -> Floats:
        """Noise-free cell conductance after writing a state, (kernels, rows, columns) S at `volts` across the cell, 25 C.

        Junctions that cannot be written keep the state they are stuck in.
        """
        states = self._held(np.full(self.geometry.shape, state_p))
        return cell_siemens(self.junctions, states, volts, self.law)[0]

    def true_classes(self) -> NDArray[np.uint8]:
        """(kernels, rows, columns) uint8 by noise-free conductance at 0.1 V: what a perfect measurement would find.

        UNSTABLE only where conductance alone says GOOD.
        """
        codes = classes(self.cell_siemens(True, CLASS_VOLTS), self.cell_siemens(False, CLASS_VOLTS))
        codes[(codes == GOOD) & (hold_s(self.junctions.stability, self.law) <= UNSTABLE_S)] = UNSTABLE
        return codes

    # --- what happens to it
    def pass_time(self, now_s: float) -> None:
        """Let it be so late, on a clock that starts at 0 and never goes back: states relax, to a millisecond."""
        self.now_s = now_s
        if now_s - self._relaxation.now_s < RESOLUTION_S:
            return
        changed = self._relaxation.until(now_s, self.temperature_c)
        if changed.size:
            fixed = (self._stuck_p | self._stuck_ap).flat[changed]
            self.state_p.flat[changed] ^= ~fixed

    def read(self, kernel: int, cell_volts: Floats | float, averages: int, exposure_s: float, rng: np.random.Generator) -> Floats:
        """Noisy cell conductance of a kernel, (rows, columns) S, mean of `averages` reads; disturbs what it may.

        cell_volts: a number or (rows, columns). exposure_s: how long each junction is biased in all.
        """
        return self._read((kernel,), cell_volts, averages, exposure_s, rng)

    def read_all(self, cell_volts: Floats | float, averages: int, exposure_s: float, rng: np.random.Generator) -> Floats:
        """Like `read`, of the whole die: (kernels, rows, columns) S."""
        return self._read((slice(None),), cell_volts, averages, exposure_s, rng)

    def read_devices(
        self, devices: NDArray[np.integer], cell_volts: Floats | float, averages: int, exposure_s: float, rng: np.random.Generator
    ) -> Floats:
        """Like `read`, of flat device numbers: (devices,) S. One named twice is read twice, and disturbed as if once."""
        return self._read(np.unravel_index(devices, self.geometry.shape), cell_volts, averages, exposure_s, rng)

    def _read(self, where: Where, cell_volts: Floats | float, averages: int, exposure_s: float, rng: np.random.Generator) -> Floats:
        junctions, state_p = self.junctions[where], self.state_p[where]
        siemens, junction_volts = cell_siemens(junctions, state_p, cell_volts, self.law, self.temperature_c)
        noise = self._noise(where, state_p, siemens.shape, averages, rng)
        self._stress(where, junctions, junction_volts, exposure_s, rng)
        return siemens * noise

    def multiply(self, kernel: int, cell_volts: Floats, exposure_s: float, rng: np.random.Generator) -> Floats:
        """Noisy cell conductance of a kernel at many bias patterns at once, (vectors, rows, columns) V -> S: what the ends of the
        lines show, so that volts times it, summed along a line, is that line's current.

        Disturbs as if each junction's largest bias of either sign had stood for the whole batch. exposure_s: of one vector.
        """
        junctions = self.junctions[kernel]
        siemens, junction_volts = cell_siemens(junctions, self.state_p[kernel], cell_volts, self.law, self.temperature_c)
        noisy = siemens * self._noise((kernel,), self.state_p[kernel], siemens.shape, 1, rng)
        for extreme in (junction_volts.max(axis=0), junction_volts.min(axis=0)):
            self._stress((kernel,), junctions, extreme, exposure_s * len(cell_volts), rng)
        return noisy + self._line_loss(kernel)

    def _line_loss(self, kernel: int) -> Floats | float:
        """What the lines take from a kernel that is selected whole, against its cells selected one by one, (rows, columns) S.

        Exact for the conductances at a read's voltage; the little that more or less bias changes in the loss is left out.
        """
        lines = kernel_lines(self.fab, self.geometry, kernel)
        if lines is None:
            return 0.0
        alone = cell_siemens(self.junctions[kernel], self.state_p[kernel], CLASS_VOLTS, self.law, self.temperature_c)[0]
        return effective_siemens(alone / (1.0 - alone * path_ohms(self.fab, self.geometry)[kernel]), lines) - alone

    def read_as(self, state_p: bool, cell_volts: Floats | float, averages: int, rng: np.random.Generator) -> Floats:
        """Noisy cell conductance of the whole die as if just written, (kernels, rows, columns) S; disturbs nothing."""
        states = self._held(np.full(self.geometry.shape, state_p))
        siemens = cell_siemens(self.junctions, states, cell_volts, self.law, self.temperature_c)[0]
        return siemens * self._noise((slice(None),), states, siemens.shape, averages, rng)

    def _noise(self, where: Where, state_p: Bools, shape: tuple[int, ...], averages: int, rng: np.random.Generator) -> Floats:
        """Factor of `shape`, whose last axes are those of `where`. What is slow does not average: only the white part does."""
        fab = self.fab
        white = np.where(state_p, fab.read_noise_p, fab.read_noise_ap) / np.sqrt(averages)
        slow = np.where(state_p, fab.flicker_p, fab.flicker_ap) * self._flicker.at(self.now_s).reshape(self.geometry.shape)[where]
        factor = 1.0 + slow + white * rng.standard_normal(shape, dtype=np.float32)
        telegraph = self._telegraph[where]
        if (few := np.nonzero(telegraph))[0].size:
            high = rng.binomial(averages, 0.5, (*shape[: len(shape) - telegraph.ndim], few[0].size))
            factor[..., *few] += telegraph[few] * (high / averages - 0.5)
        return factor

    def pulse(self, devices: NDArray[np.integer], cell_volts: Floats | float, width_s: float, rng: np.random.Generator) -> None:
        """One rectangular pulse on each of the flat device numbers, in order; a device named twice is pulsed twice.

        cell_volts: of all, or (devices,) one each.
        """
        rest = np.asarray(devices, dtype=np.int64)
        volts = np.broadcast_to(np.asarray(cell_volts, dtype=np.float64), rest.shape)
        while rest.size:
            _, first = np.unique(rest, return_index=True)
            where = np.unravel_index(rest[first], self.geometry.shape)
            junctions = self.junctions[where]
            junction_volts = cell_siemens(junctions, self.state_p[where], volts[first], self.law, self.temperature_c)[1]
            self._stress(where, junctions, junction_volts, width_s, rng)
            rest, volts = np.delete(rest, first), np.delete(volts, first)

    def _stress(self, where: Where, junctions: Junctions, junction_volts: Floats, width_s: float, rng: np.random.Generator) -> None:
        """Reverse and break what this voltage and time reverse and break. `junctions` is what `where` selects."""
        # One worst junction decides whether 625 probabilities and draws are worth the time: most reads disturb nothing.
        state_p = self.state_p[where]
        chance = reversal_probability(junctions, state_p, junction_volts, width_s, self.law, self.temperature_c)
        if chance.max(initial=0.0) > NEGLIGIBLE:
            flipped = rng.random(state_p.shape) < chance
            fixed = self._stuck_p[where] | self._stuck_ap[where]
            self.state_p[where] = state_p ^ (flipped & ~fixed)
        broken = breaks_down(junctions, junction_volts, width_s, self.law)
        if broken.any():
            path = 1.0 / short_ohms(self.fab, broken.shape, rng)
            self.junctions.shunt_siemens[where] = np.where(broken, np.maximum(junctions.shunt_siemens, path), junctions.shunt_siemens)
            self._known.forget()

    # --- one junction, as an SMU has it: numbers and no arrays, because a scan comes by 11,200 times a second
    def siemens_of(self, device: int, cell_volts: float) -> float:
        """Noise-free cell conductance of one flat device number in its present state, S."""
        known = self._known.at(cell_volts, self.temperature_c)
        if known is not None:
            return known.siemens(self.state_p.item(device), device)
        return float(cell_siemens(*self.at(device), cell_volts, self.law, self.temperature_c)[0])

    def read_noise_of(self, device: int) -> float:
        """Relative standard deviation of one reading of it."""
        return self.fab.read_noise_p if self.state_p.item(device) else self.fab.read_noise_ap

    def slow_noise_of(self, device: int) -> float:
        """Its relative departure from the mean at this time: what reading again at once does not average."""
        amplitude = self.fab.flicker_p if self.state_p.item(device) else self.fab.flicker_ap
        return amplitude * self._flicker.at(self.now_s).item(device) if amplitude else 0.0

    def telegraph_of(self, device: int) -> float:
        """Relative distance of its two levels, 0 for nearly all."""
        return self._telegraph.item(device)

    def stress_one(self, device: int, cell_volts: float, width_s: float, rng: np.random.Generator) -> bool:
        """As `pulse` of one junction. False where it is known that this changes nothing."""
        known = self._known.at(cell_volts, self.temperature_c)
        if known is not None and known.harmless(self.state_p.item(device), device, width_s):
            return False
        self.pulse(np.array([device]), cell_volts, width_s, rng)
        return True

    def at(self, device: int) -> tuple[Junctions, Bools]:
        """Parameters and state of one flat device number, as 0-d arrays."""
        where = np.unravel_index(device, self.geometry.shape)
        return self.junctions[where], np.asarray(self.state_p[where])


def classes(siemens_p: Floats, siemens_ap: Floats) -> NDArray[np.uint8]:
    """Class of every junction of one die from its two states, by the contract's definition; means over its good junctions.

    Means and classes define each other, so the classes are found from medians first and then from the means until they agree.
    """
    change = siemens_p - siemens_ap
    means = (np.median(siemens_p), np.median(siemens_ap), 0.1 * np.median(siemens_p), np.median(change))
    codes = _classified(siemens_p, siemens_ap, means)
    for _ in range(_MOST_ROUNDS):
        good = codes == GOOD
        if not good.any():
            break
        means = (siemens_p[good].mean(), siemens_ap[good].mean(), siemens_p[good].std(), change[good].mean())
        before, codes = codes, _classified(siemens_p, siemens_ap, means)
        if np.array_equal(before, codes):
            break
    return codes


def _classified(siemens_p: Floats, siemens_ap: Floats, means: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    mean_p, mean_ap, sigma_p, mean_change = means
    change = siemens_p - siemens_ap
    stuck = np.abs(change) < 0.25 * mean_change
    near_p = (siemens_p + siemens_ap) / 2.0 > (mean_p + mean_ap) / 2.0
    rules = [
        siemens_ap > mean_p + 6.0 * sigma_p,
        siemens_p < 0.5 * mean_ap,
        stuck & near_p,
        stuck,
        change < 0.5 * mean_change,
    ]
    return np.select(rules, [SHORT, OPEN, STUCK_P, STUCK_AP, LOW_TMR], GOOD).astype(np.uint8)
