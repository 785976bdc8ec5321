"""What every source meter does for the lab, whatever its language: one body on both simulated instruments, over real sockets."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from drivers.errors import OverLimit, Refused
from drivers.protocols import SourceMeter
from drivers.smu.keithley2450 import open_keithley2450
from drivers.smu.keithley2600 import open_keithley2600
from drivers.smu.values import CurrentSourceSettings, ScanSettings, SourceSettings
from firmware_protocol.codes import Route
from simulator.clock import Clock
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.keithley2600 import Keithley2600
from simulator.instruments.smu.channel import Channel, Drive
from simulator.server import Host
from simulator.world import World
from tests.simulator.worlds import touching
from tests.support.scripted_server import visa_address
from tests.support.simulated_lab import running_loop

OPENERS = {"2450": open_keithley2450, "2636B": open_keithley2600}
DEVICE = 7
ACROSS_VOLTS = 0.1


@dataclass(frozen=True)
class Bench:
    """smu: the driver. world: the truth. drive: what the simulated channel sources now. model: as it is called here. port: where it
    listens."""

    model: str
    port: int
    smu: SourceMeter
    world: World
    channel: Channel

    @property
    def drive(self) -> Drive:
        return self.channel.drive_now

    def amps_at(self, volts: float) -> float:
        return self.world.smu_amps(volts, 0.0, 1.0).amps


@contextmanager
def _bench(model: str) -> Iterator[Bench]:
    world, clock = touching("clean"), Clock("fast")
    world.select(Route.JUNCTION, DEVICE)
    if model == "2450":
        meter = Keithley2450(world, clock.wall_ns)
        channel = meter.instrument.channel
    else:
        meter = Keithley2600(world, clock.wall_ns)
        channel = meter.tsp.instrument.smus[0].source.channel
    with running_loop() as run:
        host = Host(clock)
        port = run(host.serve(meter))
        try:
            with closing(OPENERS[model](visa_address(port), 2.0)) as smu:
                smu.identify()
                yield Bench(model, port, smu, world, channel)
        finally:
            run(host.__aexit__(None, None, None))


@pytest.fixture(params=["2450", "2636B"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with _bench(request.param) as made:
        yield made


def on(bench: Bench, **settings: float | bool) -> None:
    given = {"limit_amps": 1e-3, "range_volts": 1.0, "nplc": 0.01, "limit_volts": 1.0} | settings
    bench.smu.configure(SourceSettings(**given))  # pyright: ignore
    bench.smu.output_on()


@pytest.mark.parametrize("amps", [1e-9, 1.234567e-9, 100e-9, 123.4567e-9, 10e-3, 1.234567e-2])
def test_a_current_limit_arrives_with_all_its_digits(bench: Bench, amps: float) -> None:
    bench.smu.configure(SourceSettings(limit_amps=amps, range_volts=0.1))
    bench.smu.output_on()
    assert bench.drive.limit == pytest.approx(amps, rel=1e-7)


@pytest.mark.parametrize("amps", [1e-9, 1.234567e-9, 100e-9, 123.4567e-9, 10e-3, 1.234567e-2])
def test_a_current_level_arrives_with_all_its_digits(bench: Bench, amps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[float] = []
    drive = Channel.drive
    monkeypatch.setattr(Channel, "drive", lambda channel, asked, now_ns: levels.append(asked.level) or drive(channel, asked, now_ns))
    bench.smu.configure(CurrentSourceSettings(limit_volts=1.0, range_amps=2 * amps, nplc=0.01))
    bench.smu.output_on()
    bench.smu.measure(amps)
    assert max(levels) == pytest.approx(amps, rel=1e-7)
    assert bench.drive.level == 0.0


def test_configuring_switches_off_first_and_leaves_the_level_at_zero(bench: Bench) -> None:
    on(bench)
    assert bench.world.output_on
    bench.smu.configure(SourceSettings(1e-3, range_volts=1.0))
    assert not bench.world.output_on and bench.drive.level == 0.0


LEFT = {
    "2450": (
        ":SENS:CURR:UNIT OHM",
        ":SENS:CURR:UNIT WATT",
        ":SENS:CURR:REL 1e-3;REL:STAT ON",
        ":CALC:CURR:MATH:FORM MXB;:CALC:CURR:MATH:MMF 5;:CALC:CURR:MATH:STAT ON",
        ":SENS:CURR:AVER:TCON MOV;COUN 50;STAT ON",
        ":SENS:COUN 7",
        ":FORM REAL;BORD NORM;ASC:PREC 3",
        ':TRAC:POIN 10,"defbuffer1";:TRAC:FILL:MODE ONCE,"defbuffer1";:SENS:COUN 10;:OUTP ON;:READ?',
        "*ESE 255;*SRE 255;:NONSENSE",
    ),
    "2636B": (
        "localnode.prompts = 1",
        "localnode.prompts = 1 localnode.showerrors = 1 nonsense()",
        "format.data = format.REAL32 format.asciiprecision = 3",
        "smua.measure.filter.type = 0 smua.measure.filter.count = 50 smua.measure.filter.enable = 1",
        "smua.measure.rel.leveli = 1e-3 smua.measure.rel.enablei = 1",
        "smua.measure.count = 7 smua.nvbuffer1.collectsourcevalues = 0 smua.nvbuffer1.fillmode = 1",
        "smua.source.output = 1 smua.measure.i(smua.nvbuffer1)",
    ),
}
"""What somebody else's session may have ended with."""


@pytest.mark.parametrize(("model", "left"), [(model, left) for model, lefts in LEFT.items() for left in lefts])
def test_whatever_another_client_left_a_reading_is_the_junctions(model: str, left: str) -> None:
    with _bench(model) as bench:
        with socket.create_connection(("127.0.0.1", bench.port), 2.0) as other:
            other.sendall(f"{left}\n*IDN?\n".encode())
            assert other.recv(64)
        with closing(OPENERS[model](visa_address(bench.port), 2.0)) as smu:
            smu.identify()
            smu.configure(SourceSettings(1e-3, range_volts=1.0, nplc=0.01, measure_range_amps=1e-3))
            smu.output_on()
            reading, trace = smu.measure(ACROSS_VOLTS), smu.sweep(np.array([ACROSS_VOLTS, 0.0, ACROSS_VOLTS]))
        for volts, amps in ((reading.volts, reading.amps), (trace.volts[0], trace.amps[0]), (trace.volts[2], trace.amps[2])):
            assert (volts, amps) == (pytest.approx(ACROSS_VOLTS, rel=0.01), pytest.approx(bench.amps_at(ACROSS_VOLTS), rel=0.02))


@pytest.mark.parametrize("left", ["localnode.prompts = 1", "localnode.prompts = 1 localnode.showerrors = 1 nonsense()"])
def test_prompts_that_another_client_left_do_not_keep_off_from_being_verified(left: str) -> None:
    with _bench("2636B") as bench:
        on(bench)
        with socket.create_connection(("127.0.0.1", bench.port), 2.0) as other:
            other.sendall(f"{left}\n*IDN?\n".encode())
            assert other.recv(64)
        with closing(open_keithley2600(visa_address(bench.port), 2.0)) as hurried:
            hurried.output_off()
        assert not bench.world.output_on


def test_a_reading_is_the_junctions_and_leaves_zero_behind(bench: Bench) -> None:
    on(bench)
    reading = bench.smu.measure(ACROSS_VOLTS)
    assert reading.volts == pytest.approx(ACROSS_VOLTS, rel=0.01) and not reading.in_compliance
    assert reading.amps == pytest.approx(bench.amps_at(ACROSS_VOLTS), rel=0.02)
    assert bench.drive.level == 0.0 and bench.world.output_on


def test_nothing_is_measured_with_the_output_off(bench: Bench) -> None:
    bench.smu.configure(SourceSettings(1e-3, range_volts=1.0))
    with pytest.raises(Refused):
        bench.smu.measure(ACROSS_VOLTS)


@pytest.mark.parametrize("levels", [np.linspace(-0.2, 0.2, 41), np.array([0.0, 0.1, 0.05, -0.1, 0.02])], ids=["linear", "list"])
def test_a_sweep_has_a_reading_for_every_level_in_order(bench: Bench, levels: np.ndarray) -> None:
    on(bench)
    trace = bench.smu.sweep(levels)
    assert trace.ended == "done" and not trace.limited.any()
    assert trace.level == pytest.approx(levels, abs=1e-12)
    assert trace.volts == pytest.approx(levels, abs=2e-3)
    assert trace.amps == pytest.approx([bench.amps_at(float(each)) for each in levels], rel=0.03, abs=3e-7)
    assert (np.diff(trace.at_s) >= 0).all()
    assert bench.drive.level == 0.0 and bench.smu.output_is_on()


def test_a_sweep_that_reaches_its_limit_ends_there_and_flags_that_point_alone(bench: Bench) -> None:
    limit_amps = abs(bench.amps_at(0.1))
    on(bench, limit_amps=limit_amps, measure_range_amps=limit_amps)
    levels = np.linspace(0.01, 0.3, 30)
    trace = bench.smu.sweep(levels)
    reached = int(np.argmax([abs(bench.amps_at(float(each))) > limit_amps for each in levels]))
    assert trace.ended == "limited"
    assert abs(len(trace) - 1 - reached) <= 1
    assert trace.limited.tolist() == [False] * (len(trace) - 1) + [True]
    assert np.isnan(trace.amps[-1]) and np.isfinite(trace.amps[:-1]).all()


def test_a_sweep_told_to_go_on_flags_exactly_the_limited_points_and_calls_none_of_them_measured(bench: Bench) -> None:
    limit_amps = abs(bench.amps_at(0.1))
    on(bench, limit_amps=limit_amps, measure_range_amps=limit_amps)
    levels = np.concatenate([np.linspace(0.01, 0.2, 20), np.linspace(0.19, 0.01, 19)])
    trace = bench.smu.sweep(levels, stop_when_limited=False)
    beyond = np.array([abs(bench.amps_at(float(each))) for each in levels])
    sure = np.abs(beyond - limit_amps) > 0.02 * limit_amps
    assert len(trace) == len(levels)
    assert (trace.limited == (beyond > limit_amps))[sure].all() and trace.limited.any()
    assert np.isnan(trace.amps[trace.limited]).all() and np.isfinite(trace.amps[~trace.limited]).all()


def test_pulses_return_to_zero_between_their_levels(bench: Bench) -> None:
    on(bench, measure_range_amps=1e-3, autozero=False)
    trace = bench.smu.pulsed_sweep(np.array([0.05, 0.1, 0.15]), 5e-3, 20e-3)
    assert trace.level.tolist() == [0.05, 0.1, 0.15]
    assert trace.amps == pytest.approx([bench.amps_at(each) for each in (0.05, 0.1, 0.15)], rel=0.03)
    assert bench.drive.level == 0.0 and bench.smu.output_is_on()


def test_a_scan_takes_a_reading_for_every_edge_and_answers_each(bench: Bench) -> None:
    on(bench, measure_range_amps=1e-3, autozero=False)
    answered: list[int] = []
    bench.world.trigger.measured.listen(answered.append)
    with bench.smu.scan(ScanSettings(5, ACROSS_VOLTS)) as scan:
        for number in range(5):
            bench.world.trigger.ready.edge(Clock("fast").now_ns())
            while len(answered) <= number:
                scan.taken()
        trace = scan.read()
        assert scan.missed_edges() == 0
    assert len(trace) == 5 and trace.amps == pytest.approx([bench.amps_at(ACROSS_VOLTS)] * 5, rel=0.05)
    assert bench.drive.level == 0.0 and bench.smu.output_is_on()


def test_what_the_model_or_the_lab_does_not_have_is_refused_and_never_clipped(bench: Bench) -> None:
    for wrong in (
        SourceSettings(limit_amps=5.0, range_volts=0.1),
        SourceSettings(limit_amps=1e-13, range_volts=0.1),
        SourceSettings(limit_amps=1e-3, range_volts=1e4),
        SourceSettings(limit_amps=1e-3, range_volts=0.1, nplc=100.0),
        SourceSettings(limit_amps=float("nan"), range_volts=0.1),
    ):
        with pytest.raises(OverLimit):
            bench.smu.configure(wrong)
    on(bench)
    for levels in ([0.1, 1.5], [0.1, float("nan")]):
        with pytest.raises(OverLimit):
            bench.smu.sweep(np.array(levels))
    assert bench.drive.level == 0.0


def test_off_is_off_and_stays_off(bench: Bench) -> None:
    on(bench)
    bench.smu.output_off()
    assert not bench.world.output_on and not bench.smu.output_is_on()
    bench.smu.output_off()


def test_where_it_comes_from_is_said(bench: Bench) -> None:
    told = bench.smu.provenance()
    assert told.firmware and told.line_hertz == 60.0
    assert bench.smu.identify().simulated
