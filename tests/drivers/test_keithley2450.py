"""Keithley 2450: what is said, byte for byte; what is refused before it is said; and off, whatever happens."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LinkError, LinkTimeout, OutputMayBeOn, OverLimit, ProtocolError, Refused, WrongInstrument
from drivers.protocols import SourceMeter
from drivers.smu import keithley2450_messages as say
from drivers.smu.capabilities import KEITHLEY_2450
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.values import SmuReading, SourceSettings
from tests.support.scripted_server import HANG_UP, Answer, Script, ScriptedServer

IDENTITY = b"KEITHLEY INSTRUMENTS,MODEL 2450,04096331,1.7.12b\n"
SETTINGS = SourceSettings(limit_amps=1e-9, range_volts=2.0, nplc=0.01)


class Smu2450:
    """As much of a 2450 as its output needs. answers: what is said instead, line by line."""

    def __init__(self, **answers: Answer) -> None:
        self.output_on = False
        self.answers = answers

    def __call__(self, line: str) -> Answer:
        for part, answer in self.answers.items():
            if part in line.replace(":", "_").replace("*", "_").replace("?", "_"):
                return answer
        if line in (say.OUTPUT_ON, say.OUTPUT_OFF):
            self.output_on = line == say.OUTPUT_ON
            return None
        if ":READ?" in line:
            return f"+1.000000E-01,+1.000000E-05;0;{int(self.output_on)}\n".encode()
        return {
            "*IDN?": IDENTITY,
            "*LANG?": b"SCPI\n",
            "SYST:ERR?": b'0,"No error;0;0 0"\n',
            ":OUTP?": b"1\n" if self.output_on else b"0\n",
        }.get(line)


def opened(server: ScriptedServer, timeout_s: float = 5.0) -> Keithley2450:
    return open_keithley2450(server.address, timeout_s)


# --- what is said
def test_the_configuration_is_said_exactly_so_with_the_output_off_first_and_the_level_at_zero():
    assert say.configuration(SETTINGS, 2.0) == [
        ":OUTP OFF",
        ":SOUR:FUNC VOLT",
        ":SOUR:VOLT:LEV 0",
        ":SOUR:VOLT:RANG 2.0",
        ":SOUR:VOLT:ILIM 1e-09",
        ":SOUR:VOLT:READ:BACK ON",
        ':SENS:FUNC "CURR"',
        ":SENS:CURR:RSEN OFF",
        ":SENS:CURR:RANG:AUTO ON",
        ":SENS:CURR:NPLC 0.01",
        ":SENS:COUN 1",
    ]


def test_a_measurement_is_one_message_that_asks_for_reading_and_limit_and_returns_to_zero_before_its_last_answer():
    assert say.measurement(0.1) == ':SOUR:VOLT:LEV 0.1;:READ? "defbuffer1",SOUR,READ;:SOUR:VOLT:ILIM:TRIP?;:SOUR:VOLT:LEV 0;:OUTP?'


@given(st.floats(-2, 2))
def test_every_level_is_sent_exactly(volts: float):
    assert float(say.measurement(volts).split(";")[0].removeprefix(":SOUR:VOLT:LEV ")) == volts


# --- what is understood
def test_a_measurement_is_read_with_its_flags():
    assert say.parse_measurement("+1.000000E-01,+1.000000E-05;1;0", "smu") == (SmuReading(0.1, 1e-5, True), False)


def test_an_overflowed_reading_is_nan_and_not_to_be_trusted():
    reading, output_on = say.parse_measurement("+1.0E-01,+9.900000E+37;0;1", "smu")
    assert output_on
    assert math.isnan(reading.amps)
    assert reading.in_compliance


@pytest.mark.parametrize(
    "answer", ["", "0.1", "0.1,1e-5", "0.1,1e-5;0", "0.1;0;1", "0.1,x;0;1", "0.1,1e-5;2;1", "0.1,1e-5;0;1;0", "0.1,1e-5,3;0;1"]
)
def test_an_answer_of_another_shape_is_refused(answer: str):
    with pytest.raises(ProtocolError):
        say.parse_measurement(answer, "smu")


@given(st.text(max_size=60))
def test_no_answer_whatever_crashes_the_parser(answer: str):
    try:
        reading, _ = say.parse_measurement(answer, "smu")
    except ProtocolError as error:
        assert "smu" in str(error)
    else:
        assert reading.in_compliance or math.isfinite(reading.amps)


@pytest.mark.parametrize(
    ("serial", "simulated", "seed"), [("04096331", False, None), ("SIM20261122", True, 20261122), ("SIM", True, None), ("SIM7", True, 7)]
)
def test_the_serial_number_says_whether_it_is_simulated(serial: str, simulated: bool, seed: int | None):
    identity = say.parse_identity(f"KEITHLEY INSTRUMENTS,MODEL 2450,{serial},1.7.12b")
    assert identity is not None
    assert (identity.simulated, identity.seed) == (simulated, seed)


# --- who answers
def test_it_is_what_the_lab_needs_of_a_source_meter():
    with ScriptedServer(Smu2450()) as server:
        smu: SourceMeter = opened(server)
        identity = smu.identify()
        smu.close()
    assert (identity.vendor, identity.model, identity.serial, identity.firmware) == (
        "KEITHLEY INSTRUMENTS",
        "MODEL 2450",
        "04096331",
        "1.7.12b",
    )
    assert server.lines == ["*IDN?", "*LANG?"]


@pytest.mark.parametrize("answer", [b"KEITHLEY INSTRUMENTS,MODEL 2400,1,1\n", b"HTTP/1.1 400 Bad Request\n", b"\n", b"\xff\xfe\x00\n"])
def test_another_instrument_is_named_with_its_answer_and_what_to_do(answer: bytes):
    with ScriptedServer(lambda line: answer) as server:
        smu = opened(server)
        with pytest.raises(WrongInstrument, match=r"SMU at TCPIP0::127.*answered.*check \[smu\] in lab\.toml"):
            smu.identify()
        smu.close()


def test_another_command_language_is_refused_with_what_to_do():
    with ScriptedServer(Smu2450(_LANG=b"SCPI2400\n")) as server:
        smu = opened(server)
        with pytest.raises(WrongInstrument, match=r"SCPI2400.*menu and restart"):
            smu.identify()
        smu.close()


def test_an_instrument_that_says_nothing_is_named_and_not_waited_for():
    with ScriptedServer(lambda line: None) as server:
        smu = opened(server, timeout_s=0.05)
        with pytest.raises(LinkTimeout, match=r"TCPIP0::127.*\*IDN\?.*0\.05 s.*lab\.toml"):
            smu.identify()
        smu.close()


# --- what is refused before anything is said
@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(limit_amps=0.0),
        SourceSettings(limit_amps=1e-10),
        SourceSettings(limit_amps=1.1),
        SourceSettings(limit_amps=math.nan),
        SourceSettings(limit_amps=0.2, range_volts=200.0),
        SourceSettings(limit_amps=1e-3, range_volts=211.0),
        SourceSettings(limit_amps=1e-3, range_volts=0.0),
        SourceSettings(limit_amps=1e-3, range_volts=-1.0),
        SourceSettings(limit_amps=1e-3, limit_volts=0.0),
        SourceSettings(limit_amps=1e-3, limit_volts=math.nan),
        SourceSettings(limit_amps=1e-3, range_volts=0.1, limit_volts=math.nan),
        SourceSettings(limit_amps=1e-3, limit_volts=0.3, range_volts=0.31),
        SourceSettings(limit_amps=1e-3, range_volts=math.nan),
        SourceSettings(limit_amps=1e-3, nplc=0.001),
        SourceSettings(limit_amps=1e-3, nplc=11.0),
    ],
)
def test_a_setting_that_a_2450_does_not_have_is_refused_and_never_clipped(settings: SourceSettings):
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        with pytest.raises(OverLimit, match=r"2450: |beyond the limit of (0\.3|nan) V"):
            smu.configure(settings)
        smu.close()
    assert server.lines == []


@pytest.mark.parametrize("volts", [2.11, -2.11, math.nan, math.inf])
def test_a_level_beyond_the_range_is_refused_and_never_sent(volts: float):
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        smu.configure(SETTINGS)
        smu.output_on()
        sent = len(server.lines)
        with pytest.raises(OverLimit, match=r"beyond 2\.1 V of the 2 V range"):
            smu.measure(volts)
        assert len(server.lines) == sent
        smu.close()


@pytest.mark.parametrize("volts", [0.31, -0.300001])
def test_a_level_beyond_the_limit_is_refused_whatever_the_range_and_never_sent(volts: float):
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        smu.configure(SourceSettings(limit_amps=1e-3, limit_volts=0.3))
        smu.output_on()
        sent = len(server.lines)
        with pytest.raises(OverLimit, match=rf"{volts!r} V is beyond the limit of 0\.3 V"):
            smu.measure(volts)
        assert len(server.lines) == sent
        smu.measure(-0.3)
        smu.close()


@pytest.mark.parametrize(
    ("range_volts", "limit_volts", "chosen"),
    [
        (None, None, "2.0"),
        (None, 0.02, "0.02"),
        (0.1, 0.3, "0.2"),
        (0.21, 0.3, "0.2"),
        (0.22, 0.3, "2.0"),
        (None, 0.3, "2.0"),
    ],
)
def test_the_smallest_range_that_reaches_is_taken(range_volts: float | None, limit_volts: float | None, chosen: str):
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        smu.configure(SourceSettings(limit_amps=1e-3, range_volts=range_volts, limit_volts=limit_volts))
        smu.close()
    assert f":SOUR:VOLT:RANG {chosen}" in server.lines


def test_nothing_is_measured_or_switched_on_before_the_configuration():
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        for action in (smu.output_on, lambda: smu.measure(0.1)):
            with pytest.raises(Refused, match="configure it before"):
                action()
        smu.close()
    assert server.lines == []


def test_the_capabilities_are_the_data_sheets():
    assert KEITHLEY_2450.volts.source_ranges == (0.02, 0.2, 2.0, 20.0, 200.0)
    assert (KEITHLEY_2450.list_per_message, KEITHLEY_2450.list_points) == (100, 2_500)


# --- measuring
def test_a_point_is_one_message_and_one_answer():
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        smu.configure(SETTINGS)
        smu.output_on()
        before = smu.counts()
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)
        after = smu.counts()
        smu.close()
    assert (after.sent - before.sent, after.received - before.received) == (1, 1)


def test_a_reading_with_the_output_off_is_discarded():
    device = Smu2450()
    with ScriptedServer(device) as server:
        smu = opened(server)
        smu.configure(SETTINGS)
        smu.output_on()
        device.output_on = False
        with pytest.raises(Refused, match=r"output was off.*discarded"):
            smu.measure(0.1)
        smu.close()


def test_an_old_error_of_somebody_else_is_not_blamed_on_the_configuration():
    queue = [b'-113,"Undefined header;1;2026/01/01 00:00:00.000"\n']
    device = Smu2450()

    def script(line: str) -> Answer:
        return queue.pop(0) if line == "SYST:ERR?" and queue else device(line)

    with ScriptedServer(script) as server:
        smu = opened(server)
        smu.configure(SETTINGS)
        smu.close()


def test_an_output_that_stays_off_is_told_with_the_interlock_in_mind():
    with ScriptedServer(Smu2450(_OUTP_=b"0\n")) as server:
        smu = opened(server)
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="interlock"):
            smu.output_on()
        smu.close()


# --- off
def test_off_is_the_first_thing_sent_and_then_read_back():
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server)
        smu.output_off()
        smu.close()
    assert server.lines == [":OUTP OFF", ":OUTP?"]


def stuck_on_first(device: Script, behaviour: Answer) -> Script:
    """The first connection never gets an answer to its reading; every later one is served."""
    seen: list[str] = []

    def script(line: str) -> Answer:
        if ":READ?" in line and not seen:
            seen.append(line)
            return behaviour
        return device(line)

    return script


@pytest.mark.parametrize("behaviour", [None, b"+1.0E-01,", HANG_UP], ids=["silence", "half an answer", "hang-up"])
def test_off_goes_over_a_second_connection_when_the_first_is_stuck(behaviour: Answer):
    device = Smu2450()
    with ScriptedServer(stuck_on_first(device, behaviour)) as server:
        smu = opened(server, timeout_s=0.2)
        smu.configure(SETTINGS)
        smu.output_on()
        with pytest.raises(LinkError):
            smu.measure(0.1)
        smu.output_off()
        assert not device.output_on
        second = server.connections[1]
        assert second[:2] == [":OUTP OFF", ":OUTP?"]
        assert not smu.output_is_on(), "the repaired link serves on"
        smu.close()


@pytest.mark.parametrize("answer", [b"1\n", b"?\n", None], ids=["still on", "nonsense", "silence"])
def test_an_output_that_cannot_be_verified_off_is_told_loudly(answer: Answer):
    with ScriptedServer(Smu2450(_OUTP_=answer)) as server:
        smu = opened(server, timeout_s=0.1)
        with pytest.raises(OutputMayBeOn, match="treat the needles as live and switch off at the front panel"):
            smu.output_off()
        smu.close()
    assert server.lines.count(":OUTP OFF") >= 2


def test_an_instrument_that_vanished_may_still_be_on():
    with ScriptedServer(Smu2450()) as server:
        smu = opened(server, timeout_s=0.2)
        smu.identify()
    with pytest.raises(OutputMayBeOn):
        smu.output_off()
    smu.close()
