"""Keithley 2600B: what is refused before it is said, answers that are not believed, and off, whatever happens."""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from drivers.errors import Busy, DriverError, LinkError, LinkTimeout, OutputMayBeOn, OverLimit, ProtocolError, Refused, WrongInstrument
from drivers.protocols import SourceMeter
from drivers.smu.capabilities import KEITHLEY_2602B, KEITHLEY_2636B
from drivers.smu.keithley2600 import Keithley2600, open_keithley2600
from drivers.smu.values import ScanSettings, SmuProvenance, SmuReading, SourceSettings
from tests.support.scripted_2600 import Scripted2600
from tests.support.scripted_server import HANG_UP, Answer, Late, Pieces, Script, ScriptedServer
from tests.support.waiting import until

SETTINGS = SourceSettings(limit_amps=1e-9, range_volts=2.0, nplc=0.01)
HURRY_S = 0.1
"""Time-out of tests that run into it."""


@contextlib.contextmanager
def opened(server: ScriptedServer, timeout_s: float = 5.0) -> Iterator[Keithley2600]:
    smu = open_keithley2600(server.address, timeout_s)
    try:
        yield smu
    finally:
        smu.close()


@contextlib.contextmanager
def smu_on(device: Scripted2600, script: Script | None = None, timeout_s: float = 5.0) -> Iterator[tuple[Keithley2600, ScriptedServer]]:
    """Configured and switched on."""
    with ScriptedServer(script or device) as server, opened(server, timeout_s) as smu:
        smu.configure(SETTINGS)
        smu.output_on()
        yield smu, server


# --- who answers
def test_it_is_what_the_lab_needs_of_a_source_meter():
    with ScriptedServer(Scripted2600()) as server, opened(server) as driver:
        smu: SourceMeter = driver
        identity = smu.identify()
    assert (identity.vendor, identity.model, identity.serial, identity.firmware) == (
        "Keithley Instruments Inc.",
        "Model 2636B",
        "4098633",
        "3.4.0",
    )
    assert server.lines == ["*IDN?", "*IDN?"], "opening and identifying change nothing"


def test_the_model_that_answers_decides_what_it_can_do():
    device = Scripted2600({"*IDN?": b"Keithley Instruments Inc., Model 2602B, 4098633, 3.4.0\n"})
    with ScriptedServer(device) as server, opened(server) as smu:
        assert smu.capabilities is KEITHLEY_2636B
        with pytest.raises(OverLimit, match="2602B"):
            smu.configure(SETTINGS)
        assert smu.capabilities is KEITHLEY_2602B


@pytest.mark.parametrize("answer", [b"KEITHLEY INSTRUMENTS,MODEL 2450,1,1\n", b"HTTP/1.1 400 Bad Request\n", b"\n", b"\xff\xfe\x00\n"])
def test_another_instrument_is_named_with_its_answer_and_what_to_do(answer: bytes):
    with (
        ScriptedServer(lambda line: answer) as server,
        opened(server) as smu,
        pytest.raises(WrongInstrument, match=r"SMU at TCPIP0::127.*answered.*2636B; check \[smu\] in lab\.toml"),
    ):
        smu.identify()


def test_an_instrument_that_says_nothing_is_named_and_not_waited_for():
    with (
        ScriptedServer(lambda line: None) as server,
        opened(server, 0.05) as smu,
        pytest.raises(LinkTimeout, match=r"TCPIP0::127.*\*IDN\?.*0\.05 s.*lab\.toml"),
    ):
        smu.identify()


def test_two_different_identities_are_none():
    answers = itertools.cycle(
        [b"Keithley Instruments Inc., Model 2636B, 4098633, 3.4.0\n", b"Keithley Instruments Inc., Model 2636B, 4098533, 3.4.0\n"]
    )
    device = Scripted2600()
    with ScriptedServer(lambda line: next(answers) if line == "*IDN?" else device(line)) as server, opened(server) as smu:
        with pytest.raises(ProtocolError, match="4098533"):
            smu.identify()
        assert not smu.output_is_on(), "what it is asked next is answered"


def test_provenance_is_what_it_says_of_its_firmware_its_calibration_and_the_mains():
    with ScriptedServer(Scripted2600()) as server, opened(server) as smu:
        assert smu.provenance() == SmuProvenance("3.4.0", "2023-11-14", 50.0)


# --- configuring and switching on
def test_the_output_goes_off_before_anything_changes():
    device = Scripted2600()
    with ScriptedServer(device) as server, opened(server) as smu:
        smu.configure(SETTINGS)
    said = [each for each in device.statements if not each.startswith("print")]
    assert said[:3] == ["errorqueue.clear()", "smua.source.output = 0", "smua.abort()"]
    assert not device.output_on


def test_what_the_instrument_rejects_is_named_with_its_own_words():
    device = Scripted2600()

    def script(line: str) -> Answer:
        answer = device(line)
        if "limiti" in line:
            device.errors += [(1102, "Parameter too small"), (5007, "Power limit exceeded")]
        return answer

    with ScriptedServer(script) as server, opened(server) as smu:
        with pytest.raises(Refused, match=r"configure was refused: 1102 Parameter too small; 5007 Power limit exceeded; sent smua\.source"):
            smu.configure(SETTINGS)
        with pytest.raises(Refused, match="configure it before"):
            smu.output_on()


def test_an_old_error_of_somebody_else_is_not_blamed_on_the_configuration():
    device = Scripted2600()
    device.errors.append((-285, "TSP Syntax error at line 1: unexpected symbol near `*'"))
    with ScriptedServer(device) as server, opened(server) as smu:
        smu.configure(SETTINGS)


def test_nothing_is_measured_or_switched_on_before_the_configuration():
    with ScriptedServer(Scripted2600()) as server, opened(server) as smu:
        for action in (
            smu.output_on,
            lambda: smu.measure(0.1),
            lambda: smu.sweep(np.array([0.1])),
            lambda: smu.pulsed_sweep(np.array([0.1]), 1e-3, 1e-2),
            lambda: smu.scan(ScanSettings(1, 0.1)).__enter__(),
        ):
            with pytest.raises(Refused, match="configure it before"):
                action()
    assert server.lines == []


def test_an_output_that_stays_off_is_told_with_the_interlock_in_mind():
    with ScriptedServer(Scripted2600(interlock=True)) as server, opened(server) as smu:
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="interlock"):
            smu.output_on()


def test_an_instrument_that_was_reset_since_is_not_switched_on():
    device = Scripted2600()
    with ScriptedServer(device) as server, opened(server) as smu:
        smu.configure(SETTINGS)
        device.values["smua.source.limiti"] = "0.1"
        with pytest.raises(Refused, match=r"reset.*configure it again"):
            smu.output_on()
    assert "smua.source.output = 1" not in device.statements


@pytest.mark.parametrize("volts", [2.03, -2.5, float("nan")])
def test_a_level_beyond_the_range_is_refused_and_never_sent(volts: float):
    device = Scripted2600()
    with smu_on(device) as (smu, server):
        sent = len(server.lines)
        for action in (
            lambda: smu.measure(volts),
            lambda: smu.sweep(np.array([0.1, volts])),
            lambda: smu.pulsed_sweep(np.array([volts]), 1e-2, 1e-1),
        ):
            with pytest.raises(OverLimit):
                action()
        with pytest.raises(OverLimit), smu.scan(ScanSettings(10, volts)):
            pass
        assert len(server.lines) == sent


# --- measuring
def test_a_point_is_one_message_and_one_answer():
    with smu_on(Scripted2600()) as (smu, _):
        before = smu.counts()
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)
        after = smu.counts()
    assert (after.sent - before.sent, after.received - before.received) == (1, 1)


def test_the_level_is_at_zero_when_a_measurement_is_answered():
    device = Scripted2600()
    with smu_on(device) as (smu, _):
        smu.measure(0.1)
    levels = [each for each in device.statements if each.startswith("smua.source.levelv")]
    assert levels[-2:] == ["smua.source.levelv = 0.1", "smua.source.levelv = 0.0"]


def test_a_limited_reading_is_flagged_by_the_status_that_was_stored_with_it():
    with smu_on(Scripted2600(**{"smua.nvbuffer1.statuses[1]": "70"})) as (smu, _):
        assert smu.measure(0.1).in_compliance


def test_a_reading_with_the_output_off_is_discarded():
    device = Scripted2600()
    with smu_on(device) as (smu, _):
        device.values["smua.source.output"] = "0"
        with pytest.raises(Refused, match=r"output was off.*discarded"):
            smu.measure(0.1)


def test_an_error_while_measuring_is_no_reading():
    device = Scripted2600()
    with smu_on(device) as (smu, _):
        device.errors.append((1103, "Parameter too big"))
        with pytest.raises(Refused, match="measurement was refused: 1103 Parameter too big"):
            smu.measure(0.1)
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)


class Spoilt:
    """The device, its answer to the first measurement spoilt."""

    def __init__(self, device: Scripted2600, spoil: "Spoiler") -> None:
        self._device, self._spoil, self._spoilt = device, spoil, False

    def __call__(self, line: str) -> Answer:
        answer = self._device(line)
        if "smua.measure.iv(" not in line or self._spoilt:
            return answer
        self._spoilt = True
        assert isinstance(answer, bytes)
        return self._spoil(answer)


class Spoiler:
    def __call__(self, answer: bytes) -> Answer: ...


def late(answer: bytes) -> Answer:
    return Late(answer.replace(b"1.0000", b"9.9999"))


def lost(_: bytes) -> Answer:
    return None


def half(answer: bytes) -> Answer:
    return answer[: len(answer) // 2]


def garbled(answer: bytes) -> Answer:
    at = answer.index(b"e-05") - 1
    return answer[:at] + b"7" + answer[at + 1 :]


def renumbered(answer: bytes) -> Answer:
    return b"8" + answer[1:]


def doubled(answer: bytes) -> Answer:
    return answer + answer


def hung_up(_: bytes) -> Answer:
    return HANG_UP


@pytest.mark.parametrize("spoil", [late, lost, half, garbled, renumbered, hung_up])
def test_an_answer_that_is_not_whole_in_time_and_its_own_twice_is_no_reading_and_the_next_is_served(spoil: Spoiler):
    device = Scripted2600()
    with smu_on(device, Spoilt(device, spoil), HURRY_S) as (smu, _):
        with pytest.raises((LinkError, ProtocolError), match=r"127\.0\.0\.1"):
            smu.measure(0.1)
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)
        until(lambda: float(str(device.values["smua.source.levelv"])) == 0)


def test_an_answer_that_comes_twice_spoils_nothing():
    device = Scripted2600()
    with smu_on(device, Spoilt(device, doubled), HURRY_S) as (smu, _):
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)


def test_an_answer_in_pieces_is_an_answer():
    device = Scripted2600()
    with smu_on(device, Spoilt(device, lambda answer: Pieces((answer[:3], answer[3:40], answer[40:])))) as (smu, _):
        assert smu.measure(0.1) == SmuReading(0.1, 1e-5, False)


# --- off
def test_off_is_the_first_thing_sent_and_then_read_back():
    with ScriptedServer(Scripted2600()) as server, opened(server) as smu:
        smu.output_off()
    assert server.lines[:3] == ["smua.source.output = 0", "smua.abort()", "smua.source.output = 0"]
    assert server.lines[3] == "print(1, smua.source.output, smua.source.output)"
    assert len(server.lines) == 4


def test_off_goes_over_a_second_connection_when_the_first_is_in_doubt():
    device = Scripted2600()
    with smu_on(device, Spoilt(device, lost), HURRY_S) as (smu, server):
        with pytest.raises(LinkTimeout):
            smu.measure(0.1)
        smu.output_off()
        assert not device.output_on
        assert server.connections[1][0] == "smua.source.output = 0"
        assert not smu.output_is_on(), "the repaired link serves on"


def test_off_does_not_wait_for_a_read_in_progress():
    device = Scripted2600()
    endless = Late(b"")
    with smu_on(device, Spoilt(device, lambda _: endless), 20.0) as (smu, server):
        measuring = threading.Thread(target=in_vain, args=(smu,))
        measuring.start()
        until(lambda: any("smua.measure.iv(" in line for line in server.lines))
        smu.output_off()
        assert not device.output_on
        assert measuring.is_alive(), "nobody waited for it"
        endless.gate.set()
        smu.close()
        measuring.join(5)


def in_vain(smu: Keithley2600) -> None:
    with contextlib.suppress(DriverError):
        smu.measure(0.1)


@pytest.mark.parametrize("answer", [b"x\n", None], ids=["nonsense", "silence"])
def test_an_output_that_cannot_be_verified_off_is_told_loudly(answer: Answer):
    with (
        ScriptedServer(Scripted2600({"print(": answer})) as server,
        opened(server, HURRY_S) as smu,
        pytest.raises(OutputMayBeOn, match="treat the needles as live and switch off at the front panel"),
    ):
        smu.output_off()
    assert server.lines.count("smua.source.output = 0") >= 4


def test_an_output_that_reads_on_after_off_is_told_loudly():
    with (
        ScriptedServer(Scripted2600({"smua.source.output = 0": None}, **{"smua.source.output": "1"})) as server,
        opened(server, HURRY_S) as smu,
        pytest.raises(OutputMayBeOn, match="reads on"),
    ):
        smu.output_off()


def test_an_instrument_that_vanished_may_still_be_on():
    with ScriptedServer(Scripted2600()) as server, opened(server, HURRY_S) as smu:
        smu.identify()
        server.__exit__()
        with pytest.raises(OutputMayBeOn) as failure:
            smu.output_off()
        assert isinstance(failure.value.__cause__, LinkError), "a lost line, not a fault of the plan"


def test_off_wins_over_an_on_that_was_begun_before_it():
    device = Scripted2600()
    offs: list[threading.Thread] = []

    def script(line: str) -> Answer:
        if "smua.source.func" in line and "print" in line:
            offs.append(threading.Thread(target=smu.output_off))
            offs[0].start()
            offs[0].join(5)
        return device(line)

    with ScriptedServer(script) as server, opened(server) as smu:
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="switched off meanwhile"):
            smu.output_on()
        assert not device.output_on
    assert "smua.source.output = 1" not in device.statements


# --- one after the other
def test_while_a_scan_runs_nothing_else_measures_and_off_still_gets_through():
    device = Scripted2600()
    with smu_on(device) as (smu, _), smu.scan(ScanSettings(10, 0.1)):
        for action in (lambda: smu.measure(0.1), lambda: smu.sweep(np.array([0.1])), smu.output_on, lambda: smu.configure(SETTINGS)):
            with pytest.raises(Busy, match="under way"):
                action()
        assert smu.output_is_on()
        smu.output_off()
        assert not device.output_on


def test_the_level_that_a_failed_operation_left_goes_back_to_zero_before_the_next_one():
    device = Scripted2600()
    with smu_on(device, timeout_s=HURRY_S) as (smu, _):
        with pytest.raises(ZeroDivisionError), smu.scan(ScanSettings(10, 0.1)):
            1 / 0  # noqa: B018
        assert not device.output_on
        device.values["smua.source.levelv"] = "0.1"
        smu.output_on()
    switching_on = device.statements.index("smua.source.output = 1", device.statements.index("smua.trigger.initiate()"))
    assert "smua.source.levelv = 0.0" in device.statements[:switching_on]
    assert device.statements[:switching_on].count("smua.abort()") >= 3


@pytest.mark.parametrize("lines", [(0, 1), (1, 1), (1, 15)])
def test_trigger_lines_that_it_does_not_have_are_refused_at_once(lines: tuple[int, int]):
    with pytest.raises(Refused, match="two of the lines 1 to 14"):
        open_keithley2600("TCPIP0::127.0.0.1::1::SOCKET", trigger_in=lines[0], trigger_out=lines[1])


def test_a_model_without_digital_lines_hears_nothing_of_them():
    device = Scripted2600({"*IDN?": b"Keithley Instruments Inc., Model 2634B, 4098633, 3.4.0\n"})
    with smu_on(device) as (smu, _):
        with pytest.raises(OverLimit, match="no digital lines"), smu.scan(ScanSettings(10, 0.1)):
            pass
        device.values["smua.source.output"] = "0"
        with pytest.raises(Refused):
            smu.sweep(np.array([0.1]))
        device.values["smua.source.output"] = "1"
        smu.measure(0.1)
    assert not any("digio" in each for each in device.statements)


# --- sweeps that go wrong
def test_a_sweep_with_the_output_off_is_refused():
    with ScriptedServer(Scripted2600()) as server, opened(server) as smu:
        smu.configure(SETTINGS)
        with pytest.raises(Refused, match="switch it on before sweeping"):
            smu.sweep(np.array([0.1]))


@pytest.mark.parametrize("answer", [None, HANG_UP], ids=["silence", "hang-up"])
def test_a_sweep_whose_line_is_lost_ends_with_the_output_off(answer: Answer):
    device = Scripted2600()
    with smu_on(device, timeout_s=HURRY_S) as (smu, _):
        device.answers["hil_n = "] = answer
        with pytest.raises(LinkError):
            smu.sweep(np.array([0.1, 0.2]))
        assert not device.output_on


def test_a_sweep_that_never_begins_is_not_waited_for_forever():
    device = Scripted2600(**{"smua.nvbuffer1.n": "0", "smua.nvbuffer2.n": "0"})
    with smu_on(device, timeout_s=HURRY_S) as (smu, _):
        with pytest.raises(LinkTimeout, match="stands at 0 of 2 readings"):
            smu.sweep(np.array([0.1, 0.2]))
        assert not device.output_on


def test_what_the_checkpoint_raises_ends_the_sweep_with_the_output_off():
    device = Scripted2600(**{"smua.nvbuffer1.n": "0", "smua.nvbuffer2.n": "0"})

    def give_up() -> None:
        raise KeyboardInterrupt

    with smu_on(device) as (smu, _):
        with pytest.raises(KeyboardInterrupt):
            smu.sweep(np.array([0.1, 0.2]), checkpoint=give_up)
        assert not device.output_on


def test_a_scan_that_cannot_be_ended_well_ends_with_the_output_off():
    device = Scripted2600()
    with smu_on(device, timeout_s=HURRY_S) as (smu, _):
        with pytest.raises(LinkError), smu.scan(ScanSettings(10, 0.1)) as scan:
            assert scan.taken() == 0
            device.answers["hil_e = errorqueue.count"] = None
        assert not device.output_on
