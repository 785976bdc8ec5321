"""The analog core that all simulated source-measure units share: errors, noise, settling, limits and time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.agenda import Agenda
from simulator.instruments.smu.channel import Channel, Drive, Meter, OpenTerminals, Point
from simulator.instruments.smu.datasheet import KEITHLEY_2450, KEITHLEY_2602B, KEITHLEY_2636B, OVERFLOW, DataSheet, Function
from simulator.instruments.smu.own_time import OwnTime

SHEETS = (KEITHLEY_2450, KEITHLEY_2602B, KEITHLEY_2636B)
SECOND = 10**9


class Resistor:
    """Terminals of one resistor, without noise. biased: every (volts, aperture_s) it was measured at."""

    def __init__(self, ohms: float = 10e3) -> None:
        self.ohms, self.on, self.volts = ohms, False, 0.0
        self.biased: list[tuple[float, float]] = []

    def smu_amps(self, volts: float, aperture_s: float, limit_amps: float) -> Point:
        limited = abs(volts / self.ohms) > limit_amps
        at_volts = math.copysign(limit_amps * self.ohms, volts) if limited else volts
        self.biased.append((at_volts, aperture_s))
        return Point(at_volts / self.ohms, limited, at_volts)

    def smu_volts(self, amps: float, aperture_s: float, limit_volts: float) -> Point:
        limited = abs(amps * self.ohms) > limit_volts
        at_volts = math.copysign(limit_volts, amps) if limited else amps * self.ohms
        return Point(at_volts / self.ohms, limited, at_volts)

    def set_output(self, on: bool, volts: float) -> None:
        self.on, self.volts = on, volts


class Bench:
    """A channel on a resistor that sources volts and has settled; reads one after the other."""

    def __init__(self, sheet: DataSheet = KEITHLEY_2450, serial: str = "SIM1", ohms: float = 10e3) -> None:
        self.terminals = Resistor(ohms)
        self.channel = Channel(sheet, self.terminals, serial)
        self.now_ns = 0

    def on(self, volts: float, limit_amps: float = 1e-3, meter: Meter | None = None) -> "Bench":
        range_ = self.channel.sheet.source_range_for("VOLT", volts)
        self.channel.drive(Drive("VOLT", volts, range_, limit_amps), self.now_ns)
        self.channel.switch(True, self.now_ns)
        self.channel.measure_by(meter or Meter(), self.now_ns)
        self.now_ns += 10 * SECOND
        return self

    def read(self) -> tuple[float, float, bool]:
        end_ns = self.channel.begin(self.now_ns)
        sample = self.channel.finish(end_ns)
        self.now_ns = self.channel.free_ns
        return sample.volts, sample.amps, sample.limited


def ranges(function: Function, *, sourced: bool = False) -> list[tuple[DataSheet, float]]:
    return [
        (sheet, scale)
        for sheet in SHEETS
        for scale in (sheet.source_ranges(function) if sourced else sheet.measure_ranges(function))
    ]  # fmt: skip


@pytest.mark.parametrize(("sheet", "scale"), ranges("CURR", sourced=True))
def test_every_current_range_reads_within_its_data_sheet(sheet: DataSheet, scale: float) -> None:
    spec = sheet.by_scale["CURR"][scale].measure
    for serial in ("SIM1", "SIM2", "SIM3"):
        bench = Bench(sheet, serial, ohms=1.0 / scale)
        bench.channel.drive(Drive("CURR", scale / 2, scale, 5.0), 0)
        bench.channel.switch(True, 0)
        bench.channel.measure_by(Meter(amps=scale, volts=sheet.measure_range_for("VOLT", 0.5)), 0)
        bench.now_ns = 100 * SECOND
        read = np.mean([bench.read()[1] for _ in range(20)])
        true = bench.terminals.smu_volts(bench.channel._true_level, 0.0, 5.0).amps
        assert abs(read - true) <= abs(true) * spec.gain + spec.offset + 3 * sheet.by_scale["CURR"][scale].noise


@pytest.mark.parametrize(("sheet", "scale"), ranges("VOLT", sourced=True))
def test_every_voltage_range_sources_within_its_data_sheet(sheet: DataSheet, scale: float) -> None:
    spec = sheet.by_scale["VOLT"][scale].source
    assert spec is not None
    for serial in ("SIM1", "SIM2", "SIM3"):
        bench = Bench(sheet, serial).on(scale, limit_amps=1.0)
        bench.channel.begin(bench.now_ns)
        bench.channel.finish(bench.now_ns)
        sourced, _ = bench.terminals.biased[-1]
        assert sourced != scale
        assert abs(sourced - scale) <= scale * spec.gain + spec.offset


def test_an_instruments_errors_are_its_serial_numbers() -> None:
    def mean(serial: str) -> float:
        bench = Bench(serial=serial).on(0.1, meter=Meter(amps=1e-4, volts=2.0, nplc=10.0))
        return float(np.mean([bench.read()[1] for _ in range(50)]))

    assert mean("SIM1") == mean("SIM1") != pytest.approx(mean("SIM2"), rel=1e-6)


def test_noise_falls_with_the_square_root_of_the_cycles_and_grows_with_the_range() -> None:
    def spread(nplc: float, amps: float, averages: int = 1) -> float:
        bench = Bench().on(0.01, meter=Meter(amps=amps, volts=2.0, nplc=nplc, averages=averages))
        return float(np.std([bench.read()[1] for _ in range(2_000)]))

    assert spread(0.01, 1e-4) == pytest.approx(10 * spread(1.0, 1e-4), rel=0.1)
    assert spread(0.1, 1e-4, averages=10) == pytest.approx(spread(1.0, 1e-4), rel=0.1)
    assert spread(1.0, 1e-3) > 5 * spread(1.0, 1e-4)


def test_at_the_limit_the_voltage_is_reduced_until_the_current_is_the_limit() -> None:
    bench = Bench().on(1.0, limit_amps=1e-5)
    volts, amps, limited = bench.read()
    assert limited and bench.channel.limiting()
    assert amps == pytest.approx(1e-5, rel=1e-3) and volts == pytest.approx(0.1, rel=1e-2)


def test_a_fixed_range_that_is_too_small_overflows_with_the_readings_sign() -> None:
    bench = Bench().on(-0.1, meter=Meter(amps=1e-6, volts=2.0))
    assert bench.read()[1] == -OVERFLOW


@pytest.mark.parametrize(("amps", "long"), [(1e-8, 0.2), (1e-6, 5e-3), (1e-5, 1e-3)])
def test_a_reading_too_early_after_a_new_level_is_wrong_and_a_low_range_takes_longer(amps: float, long: float) -> None:
    ohms = 0.5 / amps
    bench = Bench(ohms=ohms).on(0.1, limit_amps=2 * amps, meter=Meter(amps=amps, volts=2.0, nplc=0.01, autozero=False))
    bench.channel.set_level(0.5, bench.now_ns)
    stepped_ns = bench.now_ns
    early = bench.channel.finish(bench.channel.begin(stepped_ns)).amps
    late = bench.channel.finish(bench.channel.begin(stepped_ns + round(long * SECOND))).amps
    assert abs(early - amps) > 0.1 * amps
    assert late == pytest.approx(amps, rel=2e-2)


def test_nothing_flows_while_the_output_is_off_and_the_terminals_know_it() -> None:
    bench = Bench().on(0.5)
    assert bench.terminals.on and bench.terminals.volts == 0.5
    bench.channel.switch(False, bench.now_ns)
    bench.now_ns += 10 * SECOND
    assert not bench.terminals.on and bench.terminals.volts == 0.0
    assert abs(bench.read()[1]) < 1e-9 and not bench.channel.limiting()


def test_a_current_source_tells_the_terminals_no_voltage() -> None:
    bench = Bench()
    bench.channel.drive(Drive("CURR", 1e-5, 1e-5, 1.0), 0)
    bench.channel.switch(True, 0)
    assert bench.terminals.on and bench.terminals.volts == 0.0


@pytest.mark.parametrize("sheet", SHEETS)
def test_readings_come_at_the_data_sheets_rate_and_never_faster(sheet: DataSheet) -> None:
    overhead_ns = sheet.overhead_ns(sheet.rates.memory)
    bench = Bench(sheet).on(
        0.1, meter=Meter(sheet.measure_ranges("VOLT")[-1], 1e-3, nplc=sheet.nplc[0], autozero=False, overhead_ns=overhead_ns)
    )
    started_ns = bench.now_ns
    for _ in range(1_000):
        bench.channel.finish(bench.channel.begin(started_ns))
    assert 1_000 * SECOND / (bench.channel.free_ns - started_ns) == pytest.approx(sheet.rates.memory, rel=1e-4)


def test_autozero_takes_three_apertures_and_an_average_as_many_as_it_has() -> None:
    bench = Bench().on(0.1)
    single_ns = round(SECOND / 60)
    for meter, apertures in ((Meter(), 3), (Meter(autozero=False), 1), (Meter(averages=4), 12), (Meter(autozero=False, conversions=2), 2)):
        bench.channel.measure_by(meter, bench.now_ns)
        assert bench.channel.reading_ns == pytest.approx(apertures * single_ns, abs=10)


def test_a_reading_that_noise_lifts_out_of_an_automatic_range_goes_to_the_next_one_and_is_no_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(ohms=10e3).on(0.1)
    bench.read()
    assert bench.channel.ranges["CURR"] == 1e-5
    look = bench.terminals.smu_amps
    monkeypatch.setattr(
        bench.terminals, "smu_amps", lambda volts, aperture_s, limit: look(volts * (1.1 if aperture_s else 1.0), aperture_s, limit)
    )
    before_ns = bench.now_ns
    _, amps, _ = bench.read()
    assert amps == pytest.approx(1.1e-5, rel=1e-2) and bench.channel.ranges["CURR"] == 1e-4
    assert bench.now_ns - before_ns > 2 * bench.channel.reading_ns


def test_an_automatic_range_fits_what_is_read_and_finding_it_takes_time() -> None:
    bench = Bench().on(0.05)
    first_ns = bench.channel.begin(bench.now_ns) - bench.now_ns
    second_ns = bench.channel.begin(bench.now_ns) - bench.now_ns
    assert bench.channel.ranges == {"VOLT": 0.2, "CURR": 1e-5}
    assert first_ns > second_ns == bench.channel.reading_ns
    bench.channel.measure_by(Meter(lowest_amps=1e-3), bench.now_ns)
    bench.channel.begin(bench.now_ns)
    assert bench.channel.ranges["CURR"] == 1e-3


def test_an_open_channel_carries_no_current_and_limits_any_it_is_told_to_source() -> None:
    channel = Channel(KEITHLEY_2636B, OpenTerminals(), "SIM1", "b")
    channel.switch(True, 0)
    channel.drive(Drive("VOLT", 1.0, 2.0, 1e-3), 0)
    assert not channel.limiting() and abs(channel.finish(channel.begin(10 * SECOND)).amps) < 1e-9
    channel.drive(Drive("CURR", 1e-6, 1e-6, 1.0), 0)
    assert channel.limiting()


@given(st.sampled_from(SHEETS), st.floats(1e-12, 300.0), st.sampled_from(["VOLT", "CURR"]))
def test_the_range_for_a_value_is_the_smallest_that_reaches_it(sheet: DataSheet, value: float, function: Function) -> None:
    chosen = sheet.source_range_for(function, value)
    scales = sheet.source_ranges(function)
    assert chosen in scales
    assert value <= chosen * sheet.overrange * 1.001 or chosen == scales[-1]
    assert all(value > scale * sheet.overrange * 0.999 for scale in scales if scale < chosen)
    assert sheet.source_range_for(function, sheet.largest_level(function)) == scales[-1]


def test_an_instruments_own_time_is_the_walls_on_a_real_clock_and_runs_ahead_of_a_fast_one() -> None:
    for wall_ns, ahead_ns in ((lambda ns: ns, 0), (lambda ns: 0, 5 * SECOND)):
        agenda = Agenda()
        time, told = OwnTime(agenda, wall_ns), []
        assert time.enter(100) == 100
        time.at(5 * SECOND + 100, told.append)
        agenda.run(100 if ahead_ns else 5 * SECOND + 100)
        assert told == [5 * SECOND + 100]
        assert time.now_ns == 5 * SECOND + 100 and time.enter(5 * SECOND + 100) == 5 * SECOND + 100 + ahead_ns
        time.spend(SECOND)
        assert time.wall_at(time.now_ns) == 5 * SECOND + 100


def test_a_fixed_range_limits_too_and_what_is_connected_never_sees_more_than_a_limit_allows() -> None:
    bench = Bench().on(1.0, limit_amps=1e-3, meter=Meter(amps=1e-6, volts=2.0))
    assert bench.read() == (pytest.approx(0.0106, rel=0.1), OVERFLOW, True)
    bench.channel.drive(Drive("VOLT", 0.5, 2.0, 1e-5), bench.now_ns)
    bench.channel.measure_by(Meter(), bench.now_ns)
    bench.channel.set_level(1.0, bench.now_ns)
    assert bench.terminals.volts == pytest.approx(0.1, rel=0.01)
