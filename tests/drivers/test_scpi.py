"""SCPI words: exact numbers, answers that cannot be another question's, errors that stay with the group that caused them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LinkError, LinkTimeout, ProtocolError, Refused
from drivers.links.visa import VisaLink
from drivers.scpi import Question, Scpi, ScpiError, Step, answers, message, number, parse_count, parse_error, parse_flag, parse_number
from tests.support.scripted_2450 import NO_ERROR, Scripted2450
from tests.support.scripted_server import Answer, ScriptedServer


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


@pytest.mark.parametrize("text", ["", "abc", "1,2", "1e", "1_0", "nan", "inf", "0x1"])
def test_an_answer_that_is_no_number_is_refused_and_named(text: str):
    with pytest.raises(ProtocolError, match="the meter"):
        parse_number(text, "the meter")


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e400", "x"])
def test_a_count_is_a_whole_number_and_nothing_else(text: str):
    with pytest.raises(ProtocolError, match="the meter"):
        parse_count(text, "the meter")


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


@pytest.mark.parametrize("entry", ["0", '1,"No error;0;0 0"', '0,"Undefined header;1;x"', "0,No error", 'x,"No error"'])
def test_an_entry_whose_code_and_text_disagree_is_garbled(entry: str):
    with pytest.raises(ProtocolError, match="the meter"):
        parse_error(entry, "the meter")


# --- one message
STEPS: list[Step] = [":SOUR:VOLT:LEV 0.1", Question(":READ? a", again=":FETC? a"), ":SOUR:VOLT:LEV 0", Question(":OUTP?")]
REPLY = "17;1.0E-01,2.0E-05;1.0E-01,2.0E-05;1;1"


def test_a_message_begins_with_its_number_and_asks_every_question_twice():
    assert message(17, STEPS) == "*ESE 17;*ESE?;:SOUR:VOLT:LEV 0.1;:READ? a;:FETC? a;:SOUR:VOLT:LEV 0;:OUTP?;:OUTP?"


def test_what_is_asked_once_stands_once():
    steps = [Question("SYST:ERR?", once=True), Question(":TRIG:STAT?", once=True, fields=3)]
    assert message(3, steps) == "*ESE 3;*ESE?;SYST:ERR?;:TRIG:STAT?"
    assert answers(3, steps, f"3;{NO_ERROR};IDLE;IDLE;9") == [NO_ERROR, "IDLE;IDLE;9"]


def test_answers_are_told_apart_and_semicolons_in_quotes_divide_nothing():
    assert answers(17, STEPS, REPLY) == ["1.0E-01,2.0E-05", "1"]


@given(st.integers(0, len(REPLY) - 1), st.integers(0, 255))
def test_no_garbled_byte_makes_another_answer(at: int, byte: int):
    data = bytearray(REPLY.encode())
    data[at] = byte
    garbled = data.decode("utf-8", "replace")
    try:
        said = answers(17, STEPS, garbled)
    except ProtocolError:
        assert garbled != REPLY
    else:
        assert said == ["1.0E-01,2.0E-05", "1"]


@given(st.text(alphabet='0123456789;,.E+-"x', max_size=40))
def test_no_reply_whatever_is_taken_for_another_messages(reply: str):
    try:
        answers(17, STEPS, reply)
    except ProtocolError as error:
        assert "message 17" in str(error) or "answered twice" in str(error)
    else:
        assert reply.startswith("17;")


# --- over a link
@contextmanager
def scpi_with(script) -> Iterator[tuple[Scpi, VisaLink, ScriptedServer]]:
    with ScriptedServer(script) as server:
        link = VisaLink(server.address, 0.2)
        yield Scpi(link, "SMU at there"), link, server
        link.close()


def test_numbers_of_messages_change_from_one_to_the_next():
    with scpi_with(Scripted2450()) as (scpi, _, server):
        for _ in range(3):
            assert scpi.ask(Question(":OUTP?")) == ["0"]
    assert server.lines == [f"*ESE {tag};*ESE?;:OUTP?;:OUTP?" for tag in (2, 3, 4)]


def test_a_late_answer_of_the_same_question_is_not_believed_even_behind_the_next_question():
    device = Scripted2450()

    def script(line: str) -> Answer:
        # The first answer comes just before the second one, as if the wire had held it back until then.
        answer = device(line)
        assert isinstance(answer, bytes)
        return {"*ESE 2;*ESE?;:OUTP?;:OUTP?": None, "*ESE 3;*ESE?;:OUTP?;:OUTP?": b"2;0;0\n" + answer}.get(line, answer)

    with scpi_with(script) as (scpi, link, _):
        with pytest.raises(LinkTimeout):
            scpi.ask(Question(":OUTP?"))
        device.output_on = True
        link.resynchronise()
        with pytest.raises(ProtocolError, match=r"'2;0;0' is not the answer .* to message 3; nothing of it is believed"):
            scpi.ask(Question(":OUTP?"))
        assert not link.trusted
        scpi.settle()
        assert scpi.ask(Question(":OUTP?")) == ["1"]


def test_a_flag_of_which_one_copy_is_garbled_is_no_flag():
    with scpi_with(lambda line: b"2;0;1\n") as (scpi, link, _):
        with pytest.raises(ProtocolError, match=r":OUTP\? was answered twice in one message, differently"):
            scpi.ask(Question(":OUTP?"))
        with pytest.raises(LinkError, match="not trusted"):
            scpi.ask(Question(":OUTP?"))
        assert not link.trusted


def test_a_block_is_read_twice_and_believed_when_both_are_the_same():
    with scpi_with(lambda line: line.split(";")[0].removeprefix("*ESE ").encode() + b";#0ab\n;\n") as (scpi, _, server):
        assert scpi.ask_block(":FORM REAL", "data?", size=4) == b"ab\n;"
    assert server.lines == [f"*ESE {tag};*ESE?;:FORM REAL;data?" for tag in (2, 3)]


@pytest.mark.parametrize("second", [b"3;#0abcx\n", b"2;#0abcd\n"], ids=["another byte", "another message"])
def test_a_block_that_differs_the_second_time_is_not_believed(second: bytes):
    with scpi_with(lambda line: b"2;#0abcd\n" if "*ESE 2;" in line else second) as (scpi, link, _):
        with pytest.raises(ProtocolError, match="nothing of it is believed"):
            scpi.ask_block("data?", size=4)
        assert not link.trusted


# --- groups
def test_an_error_is_raised_for_the_group_that_caused_it_and_the_queue_is_empty_for_the_next():
    device = Scripted2450()

    def script(line: str) -> Answer:
        if line == ":SOUR:VOLT 1e9":
            device.errors = ['-222,"Parameter data out of range;1;x"', '-113,"Undefined header;1;x"']
        return device(line)

    with scpi_with(script) as (scpi, _, server):
        with pytest.raises(Refused, match=r"SMU at there: too much was refused: -222 Parameter data out of range; -113 .*:SOUR:VOLT 1e9"):
            scpi.group("too much", [":SOUR:FUNC VOLT", ":SOUR:VOLT 1e9"])
        scpi.group("enough", [":SOUR:VOLT 0.1", ":OUTP ON"])
    assert sum("SYST:ERR?" in line for line in server.lines) == 3 + 1


def test_a_garbled_entry_is_no_entry():
    with scpi_with(Scripted2450({"SYST:ERR?": '1,"No error;0;0 0"'})) as (scpi, link, _):
        with pytest.raises(ProtocolError, match="not an entry of an error queue"):
            scpi.drain_errors()
        assert not link.trusted


def test_a_queue_that_never_ends_is_nonsense_and_not_a_hang():
    with scpi_with(Scripted2450({"SYST:ERR?": '-1,"again"'})) as (scpi, _, __), pytest.raises(ProtocolError, match="does not end"):
        scpi.drain_errors()
