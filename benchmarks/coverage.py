"""Do 95 % intervals of conductance cover the truth, and are they as narrow as they could be?

Twenty boards and SMUs are drawn; each board is calibrated against its SMU on one kernel of its die, then reads the die, and so does the
SMU. Every interval is held against the true, noise-free conductance, and against the interval of an oracle that is told every standard
deviation that the simulator draws with, and has the same readings. Opens and shorts are told apart from the rest.

Aims: covered at least 94 % of the time on average, on both paths, at most 1.3 times as wide as the oracle's.

python -m benchmarks.coverage [boards]
"""

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.oracle import Oracle
from drivers.smu.accuracy import accuracy_of
from drivers.smu.capabilities import KEITHLEY_2450 as MODEL
from firmware_protocol.geometry import Geometry
from hil.analysis.calibration import TRIANGLE, References, SmuErrors, fit
from hil.analysis.uncertainty import Taken, by_the_board, by_the_smu
from hil.runs.calibrating import errors_of
from simulator.instruments import adc
from simulator.instruments.smu.channel import Channel, Drive, Meter
from simulator.instruments.smu.datasheet import KEITHLEY_2450 as SHEET
from simulator.physics.die import OPEN, SHORT
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

Floats = NDArray[np.float64]
BOARDS, CHIP = 20, Geometry(8, 25, 25)
LEVELS, AVERAGES, REPEATS, NPLC = (0.05, 0.1, 0.2), 16, 3, 0.1
READ_VOLTS, READ_AVERAGES = 0.1, 4
K95 = 1.96
SMU_PART = 0.3
"""Of what its data sheet allows, one standard deviation of the simulated SMU's errors."""
COVERED, WIDTH = 0.94, 1.3


class Smu:
    """A 2450 of its own serial number on the world's terminals, as the scan uses it: fixed ranges, no autozero."""

    def __init__(self, world: World, serial: str) -> None:
        self._world, self._channel, self._now_ns = world, Channel(SHEET, world, serial), 0

    def siemens(self, devices: NDArray[np.integer], volts: float) -> Floats:
        """Current over the level asked for, S."""
        channel, scale = self._channel, SHEET.source_range_for("VOLT", volts)
        amps_range = SHEET.measure_range_for("CURR", volts * 1e-3)
        channel.drive(Drive("VOLT", volts, scale, 2e-3), self._now_ns)
        channel.measure_by(Meter(volts=scale, amps=amps_range, nplc=NPLC, autozero=False), self._now_ns)
        channel.switch(True, self._now_ns)
        self._now_ns += 10**9
        amps = [self._one(device) for device in devices.tolist()]
        channel.switch(False, self._now_ns)
        return np.array(amps) / volts

    def _one(self, device: int) -> float:
        self._world._route, self._world._device = 1, device  # as SELECT does, without the stress of switching under bias
        self._now_ns = self._channel.begin(self._now_ns + 10**7)
        amps = self._channel.finish(self._now_ns).amps
        return amps if abs(amps) < 1.0 else np.nan


class Clock:
    """Of the lab: reading a kernel takes a second."""

    now_ns = 0

    def tick(self) -> None:
        self.now_ns += 10**9


@dataclass(frozen=True)
class Bench:
    """One board, its SMU, the die in contact. contact_ohms: of the needles."""

    world: World
    smu: Smu
    contact_ohms: float
    clock: "Clock"

    @classmethod
    def of(cls, seed: int, chip: Geometry = CHIP, fab: str = "default") -> "Bench":
        clock = Clock()
        world = World(Wafer(seed, PRESETS[fab], ((0, 0),), chip), now_ns=lambda: clock.now_ns)
        world.touch((0, 0))
        return cls(world, Smu(world, f"SIM{seed}"), world.needles.contact_ohms(), clock)

    def board(self, kernel: int, volts: float, averages: int) -> Floats:
        """What the host makes of the codes, (rows, columns) S; NaN where saturated."""
        self.clock.tick()
        codes = adc.convert(self.world.read_kernel_amps(kernel, volts, averages), averages).astype(np.float64)
        codes[codes > 0xFF00] = np.nan
        return (codes - adc.ZERO_CODE) * adc.CODE_PA * 1e-12 / volts

    def by_smu(self, kernel: int, volts: float) -> Floats:
        self.clock.tick()
        shape = self.world.geometry.shape[1:]
        size = shape[0] * shape[1]
        return self.smu.siemens(np.arange(kernel * size, (kernel + 1) * size), volts).reshape(shape)

    def write(self, p: bool | NDArray[np.bool_]) -> None:
        """All of the die to P or AP; what does not follow stays as it is."""
        wanted = np.broadcast_to(p, self.world.geometry.shape).ravel()
        for _ in range(3):
            self.world.pulse(np.arange(wanted.size), np.where(wanted, 0.8, -0.8), 1e-7)


def smu_errors(volts: float, part: float = TRIANGLE) -> SmuErrors:
    promised = accuracy_of(MODEL, volts, volts * 1e-3)
    assert promised is not None
    return errors_of(promised, NPLC, part)


def references(bench: Bench) -> References:
    """Both paths over kernel 0, all in P, then all in AP, round after round."""
    board, smu = [], []
    for p in (True, False):
        bench.write(p)
        rounds = [[(bench.board(0, volts, AVERAGES), bench.by_smu(0, volts)) for volts in LEVELS] for _ in range(REPEATS)]
        board.append([[each[0].ravel() for each in levels] for levels in rounds])
        smu.append([[each[1].ravel() for each in levels] for levels in rounds])
    # (states, repeats, levels, junctions) -> (junctions, states, levels, repeats)
    board_siemens, smu_siemens = (np.array(each).transpose(3, 0, 2, 1) for each in (board, smu))
    rows, columns = (each.ravel() for each in np.indices(bench.world.geometry.shape[1:]))
    return References(rows, columns, board_siemens, smu_siemens, LEVELS, AVERAGES, tuple(smu_errors(volts) for volts in LEVELS))


class Path(NamedTuple):
    """siemens, uncertainty: what the service says. oracle: standard uncertainty of the oracle. All (kernels, rows, columns) S."""

    siemens: Floats
    uncertainty: Floats
    oracle: Floats


@dataclass(frozen=True)
class Found:
    """One trial. truth: (kernels, rows, columns) S. ordinary, opens, shorts: which junctions are such."""

    truth: Floats
    ordinary: NDArray[np.bool_]
    opens: NDArray[np.bool_]
    shorts: NDArray[np.bool_]
    paths: dict[str, Path]

    def covered(self, path: str, which: NDArray[np.bool_]) -> float:
        """Share of intervals that hold the truth; NaN where there is none."""
        said = self.paths[path]
        seen = which & np.isfinite(said.siemens)
        return float(np.mean(np.abs(said.siemens - self.truth)[seen] <= K95 * said.uncertainty[seen])) if seen.any() else float("nan")

    def width(self, path: str) -> float:
        """Mean width of the service's intervals of ordinary junctions over that of the oracle's."""
        said = self.paths[path]
        seen = self.ordinary & np.isfinite(said.siemens)
        return float(said.uncertainty[seen].mean() / said.oracle[seen].mean())

    def agree(self) -> float:
        """Share of ordinary junctions on which both paths agree within their uncertainties, at 95 %."""
        board, smu = self.paths["board"], self.paths["smu"]
        apart = np.abs(board.siemens - smu.siemens)[self.ordinary]
        return float(np.nanmean(apart <= K95 * np.hypot(board.uncertainty, smu.uncertainty)[self.ordinary]))


def trial(seed: int, chip: Geometry = CHIP) -> Found:
    """Calibrate on kernel 0, then read the die in mixed states by both paths."""
    bench = Bench.of(seed, chip)
    die, found = bench.world.wafer.die((0, 0)), references(bench)
    calibration, _, _ = fit(found, chip.rows, chip.columns)
    oracle = told(bench, found)
    bench.write(np.random.default_rng(seed).random(chip.shape) < 0.5)
    state = die.state_p.copy()
    truth = np.where(state, die.cell_siemens(True, READ_VOLTS), die.cell_siemens(False, READ_VOLTS))
    noise = np.where(state, die.fab.read_noise_p, die.fab.read_noise_ap)
    slow = np.where(state, die.fab.flicker_p, die.fab.flicker_ap)
    taken = Taken(READ_VOLTS, READ_AVERAGES, bench.contact_ohms)
    board = by_the_board(np.stack([bench.board(kernel, READ_VOLTS, READ_AVERAGES) for kernel in range(chip.kernels)]), taken, calibration)
    smu = by_the_smu(
        np.stack([bench.by_smu(kernel, READ_VOLTS) for kernel in range(chip.kernels)]), taken, smu_errors(READ_VOLTS), calibration.noise
    )
    own = smu_errors(READ_VOLTS, SMU_PART)
    paths = {
        "board": Path(board.siemens, board.uncertainty, np.hypot(oracle.board(truth, noise, READ_VOLTS, READ_AVERAGES), slow * truth)),
        "smu": Path(smu.siemens, smu.uncertainty, np.hypot(oracle.smu(truth, noise, READ_VOLTS, own), slow * truth)),
    }
    classes = die.true_classes()
    opens, shorts = classes == OPEN, classes == SHORT
    # Of a junction that changed its state meanwhile there is no one truth.
    stayed = die.state_p == state
    return Found(truth, ~(opens | shorts) & stayed, opens, shorts & stayed, paths)


def told(bench: "Bench", found: References) -> Oracle:
    """An oracle of the calibration's readings."""
    die = bench.world.wafer.die((0, 0))
    states = [np.stack([die.cell_siemens(p, volts)[0].ravel() for volts in LEVELS], axis=-1) for p in (True, False)]
    # What is stuck has the noise of the state it is stuck in; here all that were written are taken to be there.
    noise = np.broadcast_to([die.fab.read_noise_p, die.fab.read_noise_ap], (states[0].shape[0], 2))
    oracle = Oracle(found, tuple(smu_errors(volts, SMU_PART) for volts in LEVELS))
    oracle.learn(np.stack(states, axis=1), noise)
    return oracle


def pooled(found: list[Found], path: str, name: str) -> float:
    """Share of intervals that hold the truth among all opens, or shorts, of all boards."""
    counts = [int(getattr(each, name).sum()) for each in found]
    held = sum(count * each.covered(path, getattr(each, name)) for count, each in zip(counts, found, strict=True) if count)
    return held / sum(counts) if sum(counts) else float("nan")


def main(boards: int = BOARDS) -> int:
    found = [trial(seed) for seed in range(1, boards + 1)]
    reached = True
    for path in ("board", "smu"):
        covered = float(np.mean([each.covered(path, each.ordinary) for each in found]))
        width = float(np.mean([each.width(path) for each in found]))
        apart = ", ".join(
            f"{name} {100 * pooled(found, path, name):.1f} % of {sum(int(getattr(each, name).sum()) for each in found)}"
            for name in ("opens", "shorts")
        )
        saturated = sum(int(np.isnan(each.paths[path].siemens).sum()) for each in found)
        print(
            f"{path}: 95 % intervals cover the truth {100 * covered:.1f} % of the time (aim {100 * COVERED:.0f}), {width:.2f} times "
            f"as wide as the oracle's (at most {WIDTH}), over {boards} boards; apart: {apart}; {saturated} saturated and without a number"
        )
        reached &= covered >= COVERED and width <= WIDTH
    agree = float(np.mean([each.agree() for each in found]))
    print(f"the two paths agree within their uncertainties (95 %) on {100 * agree:.1f} % of the junctions")
    return 0 if reached and agree >= COVERED else 1


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:2])))
