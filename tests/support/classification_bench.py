"""Characterising simulated dies in process: procedure, correction and rule are the service's own, the wire between is left out.

Every junction that can be written is taken as written, because a class is a matter of conductance; with `by_pulses` the plan's own pulses
write, and what they cannot bring over stays where it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import Bench, Smu, references
from firmware_protocol.geometry import Geometry
from hil.analysis.calibration import Calibration, fit
from hil.model.lab import ChipSection, DieIndex
from hil.model.maps import DefectMap
from hil.model.plans import PLAN, CharacterisePlan, plan_hash
from hil.model.runs import MapMeasured
from hil.runs.characterising import characterise
from hil.runs.context import Arrays, RunContext
from hil.runs.metadata import DieResults
from hil.runs.results import characterised
from hil.runs.write_verify import KernelWriter
from hil.station.reading import Conductance
from simulator.instruments import adc
from simulator.physics.die import Die
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

WHOLE = Geometry()
PULSE_S, READ_S, SETTLE_S, SMU_S = 5e-6, 10e-6, 25e-6, 10e-3
"""Of one junction: switched to and pulsed; one conversion; the DAC before it; the SMU, command and aperture."""


@dataclass
class Clock:
    """Of the lab, as long as things take. tick_s: between two readings of a calibration, and nothing afterwards."""

    now_ns: int = 0
    tick_s: float = 1.0

    def passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def tick(self) -> None:
        self.passes(self.tick_s)


@dataclass
class _Lab:
    chip: ChipSection


class StationInProcess:
    """What a `KernelWriter` asks of a station, answered by the world: board and SMU on the die in contact."""

    board_writes = False
    board_reads_lists = True

    def __init__(self, bench: Bench, clock: Clock, by_pulses: bool) -> None:
        geometry = bench.world.geometry
        self.lab = _Lab(ChipSection(kernels=geometry.kernels, rows=geometry.rows, columns=geometry.columns))
        self._bench, self._clock, self._by_pulses = bench, clock, by_pulses
        self.smu_readings = 0

    def read_kernel(self, kernel: int, read_volts: float, averages: int, *_: Any) -> Conductance:
        self._clock.passes(self.lab.chip.rows * self.lab.chip.columns * (SETTLE_S + averages * READ_S))
        siemens = self._bench.board(kernel, read_volts, averages)
        return Conductance(siemens.astype(np.float32), int(np.isnan(siemens).sum()))

    def read_junctions(self, junctions: Sequence[Any], read_volts: float, averages: int, path: str, *_: Any) -> Conductance:
        devices = np.ravel_multi_index(tuple(np.array(junctions).T), self.lab.chip.shape)
        if path == "board":
            self._clock.passes(len(junctions) * (SETTLE_S + averages * READ_S))
            amps = self._bench.world.read_devices_amps(devices, read_volts, averages)
            siemens = (adc.convert(amps, averages).astype(np.float64) - adc.ZERO_CODE) * adc.CODE_PA * 1e-12 / read_volts
            return Conductance(siemens.astype(np.float32), 0)
        found = np.empty(len(junctions))
        for place, device in enumerate(devices):
            self._clock.passes(SMU_S)
            found[place] = self._bench.smu.siemens(np.array([device]), read_volts)[0]
        self.smu_readings += len(junctions)
        return Conductance(found.astype(np.float32), int(np.isnan(found).sum()))

    def pulse(self, kernel: int, mask: NDArray[np.bool_], volts: float, seconds: float) -> NDArray[np.bool_]:
        self._clock.passes(np.count_nonzero(mask) * PULSE_S)
        if self._by_pulses:
            self._bench.world.pulse(np.flatnonzero(mask) + kernel * mask.size, volts, seconds)
        else:
            die = self._bench.world._die()
            assert die is not None
            die.state_p[kernel] = np.where(mask, written(die, volts > 0)[kernel], die.state_p[kernel])
        return mask.copy()


def written(die: Die, to_p: bool) -> NDArray[np.bool_]:
    """State of every junction after writing, (kernels, rows, columns): what is stuck stays."""
    return die._held(np.full(die.geometry.shape, to_p))


@dataclass(frozen=True)
class Classified:
    """One die. truth: codes, (kernels, rows, columns). smu_readings: made of it."""

    truth: NDArray[np.uint8]
    found: DefectMap
    smu_readings: int


@dataclass
class Lab:
    """A wafer, a board with its own errors, calibrated against its own SMU on a kernel of the first die, or not."""

    seed: int
    fab: str = "default"
    geometry: Geometry = WHOLE
    calibrated: bool = True
    by_pulses: bool = False
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.wafer = Wafer(self.seed, PRESETS[self.fab], geometry=self.geometry)
        self.world = World(self.wafer, now_ns=lambda: self.clock.now_ns)
        self._smu = Smu(self.world, f"SIM{self.seed}")
        self.calibration = self._calibrated() if self.calibrated else None
        self.clock.tick_s = 0.0

    def _calibrated(self) -> Calibration:
        self.world.touch(self.wafer.dies[0])
        return fit(references(self._bench()), self.geometry.rows, self.geometry.columns)[0]

    def _bench(self) -> Bench:
        clock: Any = self.clock
        return Bench(self.world, self._smu, self.world.needles.contact_ohms(), clock)

    def classified(self, path: str, dies: int | None = None, **fields: Any) -> Iterator[Classified]:
        """The first `dies` of the wafer, each as a plan with this path measures it."""
        plan = PLAN.validate_python({"kind": "characterise", "wafer": "W1", "path": path, **fields})
        assert isinstance(plan, CharacterisePlan)
        for index in self.wafer.dies[:dies]:
            yield self._classified(index, plan)

    def _classified(self, index: DieIndex, plan: CharacterisePlan) -> Classified:
        self.world.touch(index)
        station: Any = StationInProcess(self._bench(), self.clock, self.by_pulses)
        kernels: dict[int, Arrays] = {}
        for kernel in range(self.geometry.kernels):
            kernels[kernel] = characterise(KernelWriter(station, plan, kernel), kernels).arrays
        events = list(characterised(self._die_results(index, plan), kernels))
        (found,) = [event.map for event in events if isinstance(event, MapMeasured) and isinstance(event.map, DefectMap)]
        return Classified(self.wafer.die(index).true_classes(), found, station.smu_readings)

    def _die_results(self, index: DieIndex, plan: CharacterisePlan) -> DieResults:
        context = RunContext(
            run="r1",
            plan_hash=plan_hash(plan),
            code_version="",
            kernels=self.geometry.kernels,
            steps=(),
            stored={},
            load=lambda _: np.empty(0),
            now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
            calibration=lambda _: self.calibration,
        )
        ohms = dict.fromkeys(range(self.geometry.kernels), self.world.needles.contact_ohms())
        instruments = {"smu": {"model": "MODEL 2450"}, "crossbar": {"serial": "SIM"}}
        return DieResults(index, plan, context, context.monotonic(), {"instruments": instruments}, ohms)
