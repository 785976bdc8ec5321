"""Keithley 2450: what is refused before it is said, doubt settled before the next operation, and off, whatever happens."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drivers.errors import (
    Busy,
    ConnectFailed,
    LinkError,
    LinkTimeout,
    OutputMayBeOn,
    OverLimit,
    ProtocolError,
    Refused,
    WrongInstrument,
)
from drivers.links.visa import VisaLink
from drivers.protocols import SourceMeter
from drivers.smu.capabilities import KEITHLEY_2450, KEITHLEY_2461
from drivers.smu.energising import Energising
from drivers.smu.keithley2450 import Keithley2450, open_keithley2450
from drivers.smu.values import CurrentSourceSettings, Settings, SmuProvenance, SmuReading, SourceSettings
from tests.support.scripted_2450 import IDENTITY, Scripted2450
from tests.support.scripted_server import HANG_UP, Answer, Script, ScriptedServer, closed_port, visa_address
from tests.support.waiting import until

SETTINGS = SourceSettings(limit_amps=1e-3, range_volts=2.0, nplc=0.01)
READ = ":READ?"


@contextlib.contextmanager
def opened(server: ScriptedServer, timeout_s: float = 5.0, **options) -> Iterator[Keithley2450]:
    smu = open_keithley2450(server.address, timeout_s, **options)
    try:
        yield smu
    finally:
        smu.close()


@contextlib.contextmanager
def smu_on(device: Scripted2450, script: Script | None = None, timeout_s: float = 5.0) -> Iterator[tuple[Keithley2450, ScriptedServer]]:
    """Configured and switched on."""
    with ScriptedServer(script or device) as server, opened(server, timeout_s) as smu:
        smu.configure(SETTINGS)
        smu.output_on()
        yield smu, server


# --- who answers
def test_it_is_what_the_lab_needs_of_a_source_meter():
    with ScriptedServer(Scripted2450()) as server, opened(server) as driver:
        smu: SourceMeter = driver
        identity = smu.identify()
    assert (identity.vendor, identity.model, identity.serial, identity.firmware) == tuple(IDENTITY.split(","))
    assert server.lines == ["*ESE 2;*ESE?;*IDN?;*IDN?;*LANG?;*LANG?"], "opening and identifying change nothing"


def test_the_model_that_answers_decides_what_it_can_do():
    device = Scripted2450({"*IDN?": IDENTITY.replace("2450", "2461")})
    with ScriptedServer(device) as server, opened(server) as smu:
        assert smu.capabilities is KEITHLEY_2450
        smu.identify()
        assert smu.capabilities is KEITHLEY_2461
        with pytest.raises(OverLimit, match="2461: "):
            smu.configure(SourceSettings(limit_amps=1e-7))


@pytest.mark.parametrize("answer", [b"KEITHLEY INSTRUMENTS,MODEL 2400,1,1\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"\n", b"\xff\xfe\x00\n"])
def test_another_instrument_is_named_with_its_answer_and_what_to_do(answer: bytes):
    with (
        ScriptedServer(lambda line: answer) as server,
        opened(server) as smu,
        pytest.raises(WrongInstrument, match=r"SMU at TCPIP0::127.*answered.*check \[smu\] in lab\.toml"),
    ):
        smu.identify()


def test_another_command_language_is_refused_with_what_to_do():
    with (
        ScriptedServer(Scripted2450({"*LANG?": "SCPI2400"})) as server,
        opened(server) as smu,
        pytest.raises(WrongInstrument, match=r"SCPI2400.*menu and restart"),
    ):
        smu.identify()


def test_an_instrument_that_says_nothing_is_named_and_not_waited_for():
    with (
        ScriptedServer(lambda line: None) as server,
        opened(server, timeout_s=0.05) as smu,
        pytest.raises(LinkTimeout, match=r"TCPIP0::127.*\*IDN\?.*0\.05 s.*lab\.toml"),
    ):
        smu.identify()


def test_a_garbled_answer_of_the_right_instrument_is_a_fault_of_the_line_and_the_next_one_is_believed():
    garbled = iter([f"2;{IDENTITY};{IDENTITY.replace('1', '7', 1)};SCPI;SCPI\n".encode()])
    device = Scripted2450()

    def script(line: str) -> Answer:
        return next(garbled, None) or device(line) if "*IDN?;*IDN?" in line else device(line)

    with ScriptedServer(script) as server, opened(server) as smu:
        with pytest.raises(ProtocolError, match="differently"):
            smu.identify()
        assert smu.identify().serial == "04096331"


def test_provenance_is_asked_once():
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu:
        assert smu.provenance() == SmuProvenance("1.7.12b", "2025,11,18", 50.0)
        asked = len(server.lines)
        smu.provenance()
        assert len(server.lines) == asked


def test_an_instrument_that_knows_no_calibration_date_has_none():
    device = Scripted2450()

    def script(line: str) -> Answer:
        if ":CAL:" in line:
            device.errors.append('-113,"Undefined header;1;x"')
            return None
        return device(line)

    with ScriptedServer(script) as server, opened(server, timeout_s=0.1) as smu:
        assert smu.provenance().calibration_date is None
        assert not smu.output_is_on(), "the link is settled"


def test_a_date_that_does_not_come_is_no_date_that_does_not_exist():
    with (
        ScriptedServer(Scripted2450(whole={":CAL:": None})) as server,
        opened(server, timeout_s=0.1) as smu,
        pytest.raises(LinkTimeout),
    ):
        smu.provenance()


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
        SourceSettings(limit_amps=1e-3, limit_volts=0.3, range_volts=0.31),
        SourceSettings(limit_amps=1e-3, range_volts=math.nan),
        SourceSettings(limit_amps=1e-3, nplc=0.001),
        SourceSettings(limit_amps=1e-3, nplc=11.0),
        SourceSettings(limit_amps=1e-3, settle_s=-1.0),
        SourceSettings(limit_amps=1e-3, measure_range_amps=1e-6),
        SourceSettings(limit_amps=1e-5, measure_range_amps=0.1),
        SourceSettings(limit_amps=1e-3, measure_range_amps=2.0),
        CurrentSourceSettings(limit_volts=0.01, range_amps=1e-3),
        CurrentSourceSettings(limit_volts=22.0, range_amps=1.0),
        CurrentSourceSettings(limit_volts=1.0, range_amps=1.1),
    ],
)
def test_a_setting_that_a_2450_does_not_have_is_refused_and_never_clipped(settings: Settings):
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu, pytest.raises(OverLimit, match="2450: "):
        smu.configure(settings)
    assert server.lines == []


@pytest.mark.parametrize("volts", [2.11, -2.11, math.nan, math.inf])
def test_a_level_beyond_the_range_is_refused_and_never_said(volts: float):
    with smu_on(Scripted2450()) as (smu, server):
        said = len(server.lines)
        with pytest.raises(OverLimit, match="2450: "):
            smu.measure(volts)
        assert len(server.lines) == said


def test_a_level_beyond_the_limit_is_refused_whatever_the_range():
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu:
        smu.configure(SourceSettings(limit_amps=1e-3, limit_volts=0.3))
        smu.output_on()
        with pytest.raises(OverLimit, match=r"-0\.300001 V is beyond the limit of 0\.3 V"):
            smu.measure(-0.300001)
        smu.measure(-0.3)


def test_nothing_is_measured_or_switched_on_before_the_configuration():
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu:
        for action in (smu.output_on, lambda: smu.measure(0.1)):
            with pytest.raises(Refused, match="configure it before"):
                action()
    assert server.lines == []


@pytest.mark.parametrize("lines", [(1, 1), (0, 2), (1, 7)])
def test_trigger_lines_are_two_of_the_six(lines: tuple[int, int]):
    with pytest.raises(Refused, match="digital lines 1 to 6"):
        open_keithley2450(visa_address(1), trigger_in=lines[0], trigger_out=lines[1])


# --- measuring
@pytest.mark.parametrize(("range_amps", "readings"), [(1e-3, 1), (None, 9)])
def test_a_reading_has_the_time_that_both_quantities_take_at_fifty_hertz(
    monkeypatch: pytest.MonkeyPatch, range_amps: float | None, readings: int
):
    granted: list[float | None] = []
    query = VisaLink.query

    def noted(link: VisaLink, line: str, timeout_s: float | None = None) -> str:
        granted.append(timeout_s)
        return query(link, line, timeout_s)

    with ScriptedServer(Scripted2450()) as server, opened(server, 1.0) as smu:
        smu.configure(SourceSettings(1e-3, range_volts=0.2, nplc=10.0, measure_range_amps=range_amps, settle_s=0.5))
        smu.output_on()
        monkeypatch.setattr(VisaLink, "query", noted)
        smu.measure(0.1)
    one_s = 2 * 3 * 10 / 50 + 0.5
    assert 1.0 + readings * one_s <= max(each or 0.0 for each in granted) < 1.0 + readings * (one_s + 0.01)


def test_a_point_is_one_message_and_one_answer():
    with smu_on(Scripted2450()) as (smu, _):
        before = smu.counts()
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)
        after = smu.counts()
    assert (after.sent - before.sent, after.received - before.received) == (1, 1)


def test_a_current_source_measures_volts():
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu:
        smu.configure(CurrentSourceSettings(limit_volts=0.5, range_amps=1e-4))
        smu.output_on()
        assert smu.measure(1e-5) == SmuReading(0.1, 1e-5, False)
        assert smu.measure(1e-4).in_compliance


def test_a_reading_with_the_output_off_is_discarded():
    device = Scripted2450()
    with smu_on(device) as (smu, _):
        device.output_on = False
        with pytest.raises(Refused, match=r"output was off.*discarded"):
            smu.measure(0.1)


def test_a_level_that_was_not_taken_makes_no_measurement():
    with smu_on(Scripted2450()) as (smu, server):
        server.lines.clear()
        device = server._script
        device.answers = {":SOUR:VOLT:LEV?": "0.000000E+00"}
        with pytest.raises(Refused, match=r"the level reads 0\.0 after it was set to 0\.1"):
            smu.measure(0.1)


def test_an_old_error_of_somebody_else_is_not_blamed_on_the_configuration():
    device = Scripted2450()
    device.errors.append('-113,"Undefined header;1;2026/01/01 00:00:00.000"')
    with smu_on(device) as (smu, _):
        assert smu.output_is_on()


def test_a_setting_the_instrument_changed_by_itself_is_refused():
    with ScriptedServer(Scripted2450({":SOUR:VOLT:ILIM?": "1.050000E-04"})) as server, opened(server) as smu:
        with pytest.raises(Refused, match="the limit reads"):
            smu.configure(SETTINGS)
        with pytest.raises(Refused, match="configure it before"):
            smu.output_on()


def test_an_output_that_stays_off_is_told_with_the_interlock_in_mind():
    with ScriptedServer(Scripted2450({":OUTP?": "0"})) as server, opened(server) as smu:
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="interlock"):
            smu.output_on()


# --- doubt
@pytest.mark.parametrize("behaviour", [None, b"9;1.0", HANG_UP, b"1;2;3\n"], ids=["silence", "half an answer", "hang-up", "nonsense"])
def test_a_call_that_meets_a_fault_raises_and_the_next_one_goes_back_to_zero_first(behaviour: Answer):
    device = Scripted2450()
    with ScriptedServer(device) as server, opened(server, timeout_s=0.1) as smu:
        smu.configure(SETTINGS)
        smu.output_on()
        device.whole = {READ: behaviour}
        with pytest.raises((LinkError, ProtocolError)):
            smu.measure(0.1)
        device.whole = {}
        device.values["SOUR:VOLT:LEV"] = "0.1"
        before = len(device.said)
        assert smu.measure(0.2) == SmuReading(0.2, 2e-5, False)
        said = device.said[before:]
    assert said.index(":ABOR") < said.index(":SOUR:VOLT:LEV 0.0") < said.index(":SOUR:VOLT:LEV 0.2")
    assert said.count(":SOUR:VOLT:LEV 0.1") == 0, "nothing that biases is repeated"


def test_a_level_that_does_not_go_back_to_zero_is_told_and_tried_again():
    device = Scripted2450()
    with smu_on(device, timeout_s=0.1) as (smu, _):
        device.whole = {READ: None}
        with pytest.raises(LinkTimeout):
            smu.measure(0.1)
        device.whole, device.answers = {}, {":SOUR:VOLT:LEV?": "1.0E-01"}
        with pytest.raises(Refused, match=r"the level reads 0\.1 after it was set to 0\.0"):
            smu.measure(0.2)
        device.answers = {}
        smu.measure(0.2)


def test_who_may_not_operate_is_told_that_somebody_else_does():
    with smu_on(Scripted2450(), timeout_s=0.1) as (smu, _), smu._session.operating():
        with pytest.raises(Busy, match="under way"):
            smu.measure(0.1)
        assert smu.output_is_on(), "what changes nothing may be asked all the same"


# --- off
OFF = [":OUTP OFF", ":ABOR"]


def test_off_is_the_first_thing_said_and_then_read_back():
    with ScriptedServer(Scripted2450()) as server, opened(server) as smu:
        smu.output_off()
    assert server.lines == [*OFF, "*ESE 2;*ESE?;:OUTP OFF;:OUTP?;:OUTP?"]


@pytest.mark.parametrize("behaviour", [None, b"1;+1.0E-01,", HANG_UP], ids=["silence", "half an answer", "hang-up"])
def test_off_goes_over_a_second_connection_when_the_first_is_in_doubt(behaviour: Answer):
    device = Scripted2450()
    with smu_on(device, timeout_s=0.2) as (smu, server):
        device.whole = {READ: behaviour}
        with pytest.raises(LinkError):
            smu.measure(0.1)
        smu.output_off()
        assert not device.output_on
        assert server.connections[1][:2] == OFF
        assert not smu.output_is_on(), "the link serves on"


def reading_in_another_thread(smu: Keithley2450, server: ScriptedServer) -> tuple[threading.Thread, list[LinkError]]:
    """A reading that is never answered; returns once it was asked for."""
    ended: list[LinkError] = []

    def read() -> None:
        try:
            smu.measure(0.1)
        except LinkError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: any(READ in line for line in server.lines))
    return reader, ended


def test_off_does_not_wait_for_a_reading_of_another_thread_and_is_verified_beside_it():
    device = Scripted2450(whole={READ: None})
    with smu_on(device, timeout_s=30.0) as (smu, server):
        reader, ended = reading_in_another_thread(smu, server)
        started_s = time.monotonic()
        smu.output_off()
        assert time.monotonic() - started_s < 5.0, "the reading has 30 s"
        assert not device.output_on
        assert server.connections[0][-2:] == OFF, "said at once on the connection that is there"
        smu.close()
        reader.join(timeout=10)
        assert len(ended) == 1


class OneClient:
    """An instrument that admits a single client; who comes after is turned away as told. A connection to the dead socket ends them all."""

    def __init__(self, device: Scripted2450, turned_away: str) -> None:
        self._device, self._turned_away = device, turned_away
        self._server: ScriptedServer | None = None
        self.dead_socket = socket.create_server(("127.0.0.1", 0))
        self.cut_off = 0
        self._thread = threading.Thread(target=self._end_them, daemon=True)

    def serve(self, server: ScriptedServer) -> None:
        self._server = server
        self._thread.start()

    @property
    def address(self) -> str:
        return visa_address(self.dead_socket.getsockname()[1])

    def __call__(self, line: str) -> Answer:
        assert self._server is not None
        admitted = len(self._server.connections) == 1 or self.cut_off
        if admitted:
            return self._device(line)
        return HANG_UP if self._turned_away == "closed" else None

    def _end_them(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self.dead_socket.accept()
            assert self._server is not None
            self._server.hang_up()
            self.cut_off += 1
            peer.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.dead_socket.shutdown(socket.SHUT_RDWR)
        self.dead_socket.close()
        self._thread.join(timeout=5)


@pytest.mark.parametrize("turned_away", ["closed", "silent"])
def test_where_one_client_is_admitted_the_others_are_cut_off_over_the_dead_socket(turned_away: str):
    device = Scripted2450()
    one = OneClient(device, turned_away)
    with contextlib.closing(one), ScriptedServer(one) as server:
        one.serve(server)
        with opened(server, timeout_s=30.0) as hung:
            hung.configure(SETTINGS)
            hung.output_on()
            # Another process, whose own connection is the second one.
            with opened(server, timeout_s=0.8, dead_socket=one.address) as watchdog:
                watchdog.output_off()
            assert not device.output_on
            assert one.cut_off == 1


def test_an_instrument_that_refuses_the_connection_is_no_error_while_there_is_a_dead_socket():
    address = visa_address(closed_port())
    with pytest.raises(ConnectFailed):
        open_keithley2450(address, 0.2)
    smu = open_keithley2450(address, 0.2, dead_socket=visa_address(closed_port()))
    with pytest.raises(ConnectFailed):
        smu.identify()
    with pytest.raises(OutputMayBeOn, match="nothing answers"):
        smu.output_off()
    smu.close()


@pytest.mark.parametrize("answer", ["1", "?"], ids=["still on", "nonsense"])
def test_an_output_that_cannot_be_verified_off_is_told_loudly(answer: str):
    with (
        ScriptedServer(Scripted2450({":OUTP?": answer})) as server,
        opened(server, timeout_s=0.1) as smu,
        pytest.raises(OutputMayBeOn, match="treat the needles as live and switch off at the front panel"),
    ):
        smu.output_off()
    assert server.lines.count(":OUTP OFF") >= 2


def test_silence_is_not_off():
    with ScriptedServer(lambda line: None) as server, opened(server, timeout_s=0.1) as smu:
        started_s = time.monotonic()
        with pytest.raises(OutputMayBeOn):
            smu.output_off()
        assert time.monotonic() - started_s < 5.0
    assert server.lines[0] == ":OUTP OFF"


def test_an_instrument_that_vanished_may_still_be_on():
    with ScriptedServer(Scripted2450()) as server:
        smu = open_keithley2450(server.address, 0.2)
        smu.identify()
    with pytest.raises(OutputMayBeOn):
        smu.output_off()
    smu.close()


# --- off wins
def test_what_was_begun_before_an_off_energises_nothing_after_it():
    sent: list[str] = []
    gate = Energising("the meter")
    begun = gate.begun()
    gate.say(begun, lambda: sent.append("on"))
    gate.off(lambda: sent.append("off"))
    with pytest.raises(Refused, match="the meter: the output was switched off meanwhile"):
        gate.say(begun, lambda: sent.append("on again"))
    gate.say(gate.begun(), lambda: sent.append("on anew"))
    assert sent == ["on", "on anew"]


def test_off_is_said_beside_a_line_that_is_just_leaving_and_waits_until_it_has_left():
    gate, leaving, let_go, order = Energising("the meter"), threading.Event(), threading.Event(), list[str]()

    def leave() -> None:
        leaving.set()
        assert let_go.wait(5)
        order.append("on")

    sender = threading.Thread(target=lambda: gate.say(gate.begun(), leave))
    sender.start()
    assert leaving.wait(5)

    def say_off() -> None:
        order.append("off")
        let_go.set()

    gate.off(say_off)
    order.append("verified")
    sender.join(5)
    assert order[0] == "off"
    assert sorted(order) == ["off", "on", "verified"]


def test_an_output_switched_off_while_it_is_being_switched_on_stays_off():
    device = Scripted2450()
    switch: list[Callable[[], None]] = []

    def script(line: str) -> Answer:
        answer = device(line)
        if line == ":OUTP ON" and switch:
            switch.pop()()
        return answer

    with ScriptedServer(script) as server, opened(server) as smu, opened(server) as other:
        smu.configure(SETTINGS)
        switch.append(lambda: device.unit(":OUTP OFF"))
        with pytest.raises(Refused, match="stays off"):
            smu.output_on()
        other.output_off()
        assert not device.output_on
