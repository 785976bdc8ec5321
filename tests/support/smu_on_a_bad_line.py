"""A simulated source meter in this process, its answers late, lost, split, cut and garbled on their way, and beside it what it truly said.

Rule: the truth is taken from the analog part itself, before it becomes text.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from drivers.errors import DriverError, LinkError, ProtocolError
from drivers.protocols import SourceMeter
from drivers.smu.keithley2450 import open_keithley2450
from drivers.smu.keithley2600 import open_keithley2600
from drivers.smu.values import SourceSettings
from firmware_protocol.codes import Route
from simulator.clock import Clock
from simulator.faults import DirectionPlan, Fault, FaultName, LinePlan
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.keithley2600 import Keithley2600
from simulator.instruments.smu.channel import Channel, Sample
from simulator.line import LineSettings
from simulator.server import Host
from simulator.world import World
from tests.simulator.worlds import touching
from tests.support.scripted_server import visa_address
from tests.support.simulated_lab import running_loop

MODELS = ("2450", "2636B")
TIMEOUT_S = 0.1
LATE_NS = 150_000_000
"""Half as long again as anybody waits."""
SPLIT_NS = 2_000_000
LEVELS_VOLTS = (0.005, 0.02)
_DIGITS = 2e-6
"""What seven printed digits leave open."""
_SETTINGS = SourceSettings(limit_amps=1e-2, range_volts=0.2, nplc=0.01, measure_range_amps=1e-2, autozero=False)


def bad_answers(probability: float) -> LinePlan:
    """Each of: late, lost, split, cut in half, one bit flipped, two bytes exchanged."""
    held = {FaultName.DELAY: LATE_NS, FaultName.SPLIT: SPLIT_NS}
    names = (FaultName.FLIP, FaultName.SWAP, FaultName.CUT, FaultName.LOSE, FaultName.SPLIT, FaultName.DELAY)
    faults = [Fault(name, probability=probability, hold_ns=held.get(name, 0)) for name in names]
    return LinePlan(to_host=DirectionPlan(tuple(faults)))


@dataclass
class Truth:
    """samples: every reading the instrument took, in order."""

    samples: list[Sample] = field(default_factory=list)


@contextmanager
def recorded(truth: Truth) -> Iterator[None]:
    """Every channel tells its readings meanwhile."""
    finish = Channel.finish

    def telling(channel: Channel, end_ns: int) -> Sample:
        sample = finish(channel, end_ns)
        truth.samples.append(sample)
        return sample

    Channel.finish = telling  # type: ignore[method-assign]
    try:
        yield
    finally:
        Channel.finish = finish  # type: ignore[method-assign]


@contextmanager
def badly_connected(model: str, plan: LinePlan, seed: int) -> Iterator[tuple[str, Truth, World]]:
    """The address of a source meter on a resistor of a few ohms (the pad pair), what it measures, and its world."""
    world, truth, clock = touching("clean"), Truth(), Clock("fast")
    world.select(Route.CONTACT_PADS, None)
    meter = Keithley2450(world, clock.wall_ns) if model == "2450" else Keithley2600(world, clock.wall_ns)
    with recorded(truth), running_loop() as run:
        host = Host(clock)
        port = run(host.serve(meter, 0, LineSettings(plan=plan, seed=seed, delimiter=b"\n")))
        try:
            yield visa_address(port), truth, world
        finally:
            run(host.__aexit__(None, None, None))


@dataclass
class Tally:
    """wrong: values handed out that the instrument did not measure. longest_s: of any operation."""

    done: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    longest_s: float = 0.0
    stuck: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.done + other.done,
            self.refused + other.refused,
            self.wrong + other.wrong,
            max(self.longest_s, other.longest_s),
            self.stuck + other.stuck,
        )


Operation = Callable[[], str | None]
"""What is wrong with the value it was given, None when nothing is."""


def tallied(operations: Iterator[Operation], count: int) -> Tally:
    """Refused: the operation raised. Stuck: two in a row did so again and again."""
    tally, in_a_row = Tally(), 0
    for _, operation in zip(range(count), operations, strict=False):
        began = time.perf_counter()
        try:
            wrong = operation()
        except DriverError as error:
            tally.refused[_kind(error)] += 1
            in_a_row += 1
            tally.stuck += in_a_row == 10
        else:
            tally.done += 1
            in_a_row = 0
            if wrong is not None:
                tally.wrong.append(wrong)
        tally.longest_s = max(tally.longest_s, time.perf_counter() - began)
    return tally


def _kind(error: DriverError) -> str:
    return next(kind.__name__ for kind in (LinkError, ProtocolError, DriverError) if isinstance(error, kind))


def our_operations(model: str, address: str, truth: Truth, world: World, seed: int) -> Iterator[Operation]:
    """Readings at levels of which no two are alike, and questions about the output, each against the truth."""
    smu = (open_keithley2450 if model == "2450" else open_keithley2600)(address, TIMEOUT_S)
    rng = np.random.default_rng(seed)
    while not _ready(smu):
        pass
    while True:
        if rng.random() < 0.8:
            yield partial(_measured, smu, truth, float(rng.uniform(*LEVELS_VOLTS)))
        else:
            yield partial(_output, smu, world)


def _ready(smu: SourceMeter) -> bool:
    try:
        smu.identify()
        smu.configure(_SETTINGS)
        smu.output_on()
    except DriverError:
        return False
    return True


def _measured(smu: SourceMeter, truth: Truth, level: float) -> str | None:
    before = len(truth.samples)
    reading = smu.measure(level)
    taken = truth.samples[before:]
    alike = [each for each in taken if _same(each.amps, reading.amps) and _same(each.volts, reading.volts)]
    if alike and not reading.in_compliance and abs(reading.volts - level) < 1e-3:
        return None
    return f"{reading} at {level} V; the instrument measured {taken}"


def _same(true: float, said: float) -> bool:
    return abs(true - said) <= _DIGITS * abs(true)


def _output(smu: SourceMeter, world: World) -> str | None:
    said = smu.output_is_on()
    if said == world.output_on:
        if not said:
            smu.output_on()
        return None
    return f"the output is said to be {'on' if said else 'off'}"
