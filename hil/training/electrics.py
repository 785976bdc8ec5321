"""What separates a die's currents from a matrix product, each by choice: resistance of the lines, junctions whose resistance falls
with their own voltage, noise of reading, and a converter behind every kernel's column.

Rule: everything is computed reading by reading, as the board does it (tiles.py), and every step but the noise is differentiable.
Axes: any leading ones, then kernels or readings, images, rows, columns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hil.training.adc import Converter
from hil.training.lines import DieLines, effective_siemens
from hil.training.packing import COLUMNS, KERNELS, ROWS
from hil.training.tiles import UNDRIVEN, LayerTiles

LEAST_SIEMENS = 1e-9
LEAST_OHMS = 1.0
ROUNDS = 4
"""The junction carries most of the cell's voltage, so that each round of the divider gains two digits."""


@dataclass(frozen=True)
class RollOff:
    """TMR(V) = TMR0 / (1 + (V / half_volts)^2), V across the junction itself, which stands in series with series_ohms.

    map_volts: across the cell when the maps were measured. Source: SPINLIB compact model, RES.m.
    """

    half_volts: float = 0.5
    series_ohms: float = 1_000.0
    map_volts: float = 0.1

    def antiparallel_siemens(self, siemens_p: Tensor, siemens_ap: Tensor, cell_volts: float) -> Tensor:
        """Cell conductance in AP at another voltage than that of the maps; of a junction that does not switch, unchanged."""
        ohms_p = (1 / siemens_p.clamp_min(LEAST_SIEMENS) - self.series_ohms).clamp_min(LEAST_OHMS)
        ohms_ap = torch.maximum((1 / siemens_ap.clamp_min(LEAST_SIEMENS) - self.series_ohms).clamp_min(LEAST_OHMS), ohms_p)
        tmr = (ohms_ap / ohms_p - 1) * (1 + self._bias(ohms_ap, self.map_volts))
        ohms = ohms_ap
        for _ in range(ROUNDS):
            ohms = ohms_p * (1 + tmr / (1 + self._bias(ohms, cell_volts)))
        # As a change, so that what the clamps did to shorts and opens cancels.
        return siemens_ap * (ohms_ap + self.series_ohms) / (ohms + self.series_ohms)

    def _bias(self, ohms: Tensor, cell_volts: float) -> Tensor:
        return (cell_volts * ohms / (ohms + self.series_ohms) / self.half_volts).square()


@dataclass(frozen=True)
class Noise:
    """relative_p, relative_ap: of a junction's current in one reading. amps: of the sense stage. Standard deviations."""

    relative_p: float = 0.001
    relative_ap: float = 0.003
    amps: float = 0.5 * 5.0 / 4096 / 2_000.0


@dataclass(frozen=True)
class Electrics:
    """read_volts: what an input of 1 is driven with. None: not modelled."""

    read_volts: float = 0.1
    lines: DieLines | None = None
    roll_off: RollOff | None = None
    noise: Noise | None = None
    converter: Converter | None = None


@dataclass(frozen=True)
class Written:
    """Junctions as measured and as written, all (..., kernels, 25, 25). siemens_p, siemens_ap: S. bits: 1 in P, -1 in AP; may carry a
    gradient."""

    siemens_p: Tensor
    siemens_ap: Tensor
    bits: Tensor

    def siemens(self, electrics: Electrics) -> Tensor:
        """At the full read voltage."""
        antiparallel = self.siemens_ap
        if electrics.roll_off is not None and electrics.roll_off.map_volts != electrics.read_volts:
            antiparallel = electrics.roll_off.antiparallel_siemens(self.siemens_p, self.siemens_ap, electrics.read_volts)
        return (self.siemens_p + antiparallel) / 2 + (self.siemens_p - antiparallel) / 2 * self.bits.to(antiparallel.dtype)

    def of(self, kernels: Tensor) -> "Written":
        return Written(*(part.index_select(-3, kernels) for part in (self.siemens_p, self.siemens_ap, self.bits)))


def reading_amps(values: Tensor, written: Written, tiles: LayerTiles, electrics: Electrics, order: torch.Generator | None = None) -> Tensor:
    """Currents of every reading of a layer, (..., readings, images, 25) A.

    values: (..., images, row slots) in units of the read voltage, -1 to 1. written: of all kernels of all die slots. order: for the
    noise, which needs it.
    """
    driven = _driven(values, tiles)
    kernels, which = torch.unique(torch.from_numpy(tiles.die.astype("int64") * KERNELS + tiles.kernel), return_inverse=True)
    here = written.of(kernels)
    amps = driven @ _seen_from_the_ends(here.siemens(electrics), kernels, electrics.lines).index_select(-3, which)
    if electrics.roll_off is not None:
        amps = amps + _bent(driven, here, electrics, electrics.roll_off, which)
    amps = amps * electrics.read_volts
    if electrics.noise is not None:
        if order is None:
            raise ValueError("noise of reading needs a generator; give one, or leave the noise out")
        amps = _noisy(amps, driven * electrics.read_volts, here, electrics, which, order)
    return amps if electrics.converter is None else electrics.converter.converted(amps)


def column_amps(values: Tensor, written: Written, tiles: LayerTiles, electrics: Electrics, order: torch.Generator | None = None) -> Tensor:
    """(..., images, column slots) A: the digital sums of what the converters gave, plus minus minus."""
    return summed_amps(reading_amps(values, written, tiles, electrics, order), tiles)


def summed_amps(amps: Tensor, tiles: LayerTiles) -> Tensor:
    """(..., images, column slots) A of all readings' currents (..., readings, images, 25) A."""
    flat = amps.transpose(-3, -2).flatten(-2)
    return flat @ _incidence(tiles, flat.dtype)


def block_amps(amps: Tensor, tiles: LayerTiles, block: int) -> Tensor:
    """(..., blocks, images, column slots) A of all readings' currents (..., readings, images, 25) A: summed_amps, for `block` consecutive
    row slots at a time."""
    flat = amps.transpose(-3, -2).flatten(-2)
    adds = _incidence(tiles, flat.dtype)
    of_reading = torch.from_numpy(tiles.blocks(block)).repeat_interleave(COLUMNS)
    return torch.stack([flat @ (adds * (of_reading == each)[:, None]) for each in range(-(-tiles.slots[0] // block))], dim=-3)


def largest_read_volts(written: Written, tiles: LayerTiles, converter: Converter, *, is_signed: bool) -> float:
    """The read voltage up to which no reading of the layer can leave the converter's range, whatever the inputs in 0 to 1, or -1 to 1.

    written: of one place, in any state; the worst is assumed. Resistance of the lines only helps.
    """
    most = torch.maximum(written.siemens_p, written.siemens_ap)
    kernels = torch.from_numpy(tiles.die.astype("int64") * KERNELS + tiles.kernel)
    driven = torch.from_numpy(tiles.rows != UNDRIVEN).to(most.dtype)
    columns = (driven[:, None, :] @ most.index_select(-3, kernels))[:, 0]
    counting = columns[torch.from_numpy(tiles.terms.reading), torch.from_numpy(tiles.terms.column)]
    range_amps = min(converter.most_amps, -converter.least_amps) if is_signed else converter.most_amps
    return range_amps / float(counting.max())


def _seen_from_the_ends(siemens: Tensor, kernels: Tensor, lines: DieLines | None) -> Tensor:
    """What takes the place of conductances when all rows of a kernel are driven at once."""
    return siemens if lines is None else effective_siemens(lines.cells(siemens, kernels), lines.of(kernels))


def _incidence(tiles: LayerTiles, dtype: torch.dtype) -> Tensor:
    """(readings * 25, column slots): with which sign a current counts."""
    terms = tiles.terms
    adds = torch.zeros(len(tiles.kernel) * COLUMNS, tiles.slots[1], dtype=dtype)
    where = (torch.from_numpy(terms.reading * COLUMNS + terms.column), torch.from_numpy(terms.slot))
    return adds.index_put(where, torch.from_numpy(terms.sign).to(dtype), accumulate=True)


def _driven(values: Tensor, tiles: LayerTiles) -> Tensor:
    """(..., readings, images, 25), 0 where nothing drives a row."""
    rows = torch.from_numpy(tiles.rows.astype("int64"))
    driven = values[..., rows.clamp_min(0).flatten()].unflatten(-1, (len(rows), ROWS)) * (rows != UNDRIVEN)
    return driven.transpose(-3, -2)


def _bent(driven: Tensor, here: Written, electrics: Electrics, roll_off: RollOff, which: Tensor) -> Tensor:
    """What junctions in AP conduct less at less than the full voltage: I(x) = x G(x), with G(x) even in x, through its values at 0,
    at x^2 = 1/2 and at 1."""
    full, half, none = (
        roll_off.antiparallel_siemens(here.siemens_p, here.siemens_ap, part * electrics.read_volts) for part in (1.0, 0.5**0.5, 0.0)
    )
    share = (1 - here.bits) / 2
    first, second = (4 * half - none - 3 * full) * share, (2 * none + 2 * full - 4 * half) * share
    rest = 1 - driven.square()
    return (driven * rest) @ first.index_select(-3, which) + (driven * rest.square()) @ second.index_select(-3, which)


def _noisy(amps: Tensor, volts: Tensor, here: Written, electrics: Electrics, which: Tensor, order: torch.Generator) -> Tensor:
    assert electrics.noise is not None
    noise = electrics.noise
    relative = torch.where(here.bits > 0, noise.relative_p, noise.relative_ap)
    variance = volts.square() @ (here.siemens(electrics) * relative).square().index_select(-3, which)
    deviation = (variance + noise.amps**2).sqrt()
    return amps + deviation * torch.randn(amps.shape, generator=order, dtype=amps.dtype)
