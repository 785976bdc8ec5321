"""SCPI words: exact numbers, strict answers, errors that stay with the group that caused them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolError, Refused
from drivers.links.visa import VisaLink
from drivers.scpi import Scpi, ScpiError, number, parse_error, parse_flag, parse_number
from tests.support.scripted_server import ScriptedServer


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_as_the_very_same_float(value: float):
    assert float(number(value)) == value


@pytest.mark.parametrize("value", [1e-9, 5e-9, 100e-9, 1.05e-4, 0.123456789])
def test_a_nanoampere_does_not_become_zero(value: float):
    assert float(number(value)) == value != 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_sent(value: float):
    with pytest.raises(ValueError, match="not a number an instrument can be set to"):
        number(value)


@pytest.mark.parametrize("text", ["", "abc", "1,2", "1e"])
def test_an_answer_that_is_no_number_is_refused_and_named(text: str):
    with pytest.raises(ProtocolError, match="the meter"):
        parse_number(text, "the meter")


@pytest.mark.parametrize("text", ["", "2", "ON", "1.0", "01"])
def test_a_flag_is_0_or_1_and_nothing_else(text: str):
    with pytest.raises(ProtocolError, match="the meter"):
        parse_flag(text, "the meter")


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ('0,"No error;0;0 0"', ScpiError(0, "No error")),
        ('-113,"Undefined header;1;2026/01/01 00:00:00.000"', ScpiError(-113, "Undefined header")),
        ('+0,"No error"', ScpiError(0, "No error")),
    ],
)
def test_entries_of_both_keithley_dialects_are_read(entry: str, error: ScpiError):
    assert parse_error(entry, "the meter") == error


def test_an_error_is_raised_for_the_group_that_caused_it_and_the_queue_is_empty_for_the_next():
    queue: list[bytes] = []

    def script(line: str) -> bytes | None:
        if line == "SYST:ERR?":
            return queue.pop(0) if queue else b'0,"No error;0;0 0"\n'
        if line == ":SOUR:VOLT 1e9":
            queue.extend([b'-222,"Parameter data out of range;1;x"\n', b'-113,"Undefined header;1;x"\n'])
        return None

    with ScriptedServer(script) as server:
        link = VisaLink(server.address, 5.0)
        scpi = Scpi(link, "SMU at there")
        with pytest.raises(Refused, match=r"SMU at there: too much was refused: -222 Parameter data out of range; -113 .*:SOUR:VOLT 1e9"):
            scpi.group("too much", [":SOUR:FUNC VOLT", ":SOUR:VOLT 1e9"])
        scpi.group("enough", [":SOUR:VOLT 0.1", ":OUTP ON"])
        link.close()
    assert server.lines.count("SYST:ERR?") == 3 + 1


def test_a_queue_that_never_ends_is_nonsense_and_not_a_hang():
    with ScriptedServer(lambda line: b'-1,"again"\n') as server:
        link = VisaLink(server.address, 5.0)
        with pytest.raises(ProtocolError, match="does not end"):
            Scpi(link, "SMU at there").drain_errors()
        link.close()
