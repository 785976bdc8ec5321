"""TSP words: questions that name themselves, answered twice; whatever else comes is nobody's answer."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import tsp
from drivers.errors import ProtocolError

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def printed(tag: int, values: list[str]) -> str:
    """What an instrument prints for `tsp.question`."""
    return "\t".join([f"{tag:.15e}", *values, *values])


# --- what is asked
def test_a_question_prints_its_tag_and_every_expression_twice():
    assert tsp.question(17, ["hil_i", "hil_v"]) == "print(17, hil_i, hil_v, hil_i, hil_v)"


def test_tags_change_with_every_question_and_six_digits_tell_them_apart():
    tags = tsp.Tags()
    given_out = [tags.next() for _ in range(100_002)]
    assert given_out[:3] == [1, 2, 3]
    assert all(first != second for first, second in itertools.pairwise(given_out))
    assert max(given_out) == 99_999
    assert given_out[99_999] == 1


@given(NUMBERS)
def test_every_number_goes_out_so_that_it_reads_back_exactly(value: float):
    assert float(tsp.number(value)) == value
    assert "%" not in tsp.number(value)


@pytest.mark.parametrize(
    ("value", "text"), [(1e-9, "1e-09"), (1e-7, "1e-07"), (10e-3, "0.01"), (1.2345678e-9, "1.2345678e-09"), (0, "0.0")]
)
def test_small_numbers_keep_their_digits(value: float, text: str):
    assert tsp.number(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_sent(value: float):
    with pytest.raises(ValueError, match="not a number"):
        tsp.number(value)


def test_a_table_is_written_out():
    assert tsp.table([0.1, -2e-09]) == "{0.1, -2e-09}"


@given(st.lists(st.text("ab=", min_size=1, max_size=30), max_size=40), st.integers(31, 90))
def test_statements_keep_their_order_and_no_line_is_longer_than_it_may_be(statements: list[str], limit: int):
    lines = tsp.lines_of(statements, limit)
    assert " ".join(lines) == " ".join(statements)
    assert all(len(line) + 1 <= limit for line in lines)


def test_as_few_lines_as_the_statements_fit_on():
    assert tsp.lines_of(["aaaa", "bbbb", "cccc"], 10) == ["aaaa bbbb", "cccc"]


# --- what is understood
@given(st.integers(1, 99_999), st.lists(NUMBERS.map("{:.15e}".format), min_size=1, max_size=5))
def test_an_answer_gives_its_values_once(tag: int, values: list[str]):
    assert tsp.parse_answer(printed(tag, values), tag, len(values), "smu") == values


def test_the_default_of_six_digits_still_tells_the_tag():
    assert tsp.parse_answer("9.99990e+04\ttrue\ttrue", 99_999, 1, "smu") == ["true"]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "7",
        "7.0\t1.0",
        "7.0\t1.0\t1.1",
        "8.0\t1.0\t1.0",
        "x\t1.0\t1.0",
        "\t1.0\t1.0",
        "7.0\t1.0\t1.0\t1.0",
        "7.0\t1.0\t1.0\t2.0\t2.0",
        "nan\t1.0\t1.0",
    ],
)
def test_an_answer_with_another_tag_or_with_copies_that_differ_is_refused(answer: str):
    with pytest.raises(ProtocolError, match=r"smu.*tag 7"):
        tsp.parse_answer(answer, 7, 1, "smu")


@given(st.integers(1, 99_999), NUMBERS, st.data())
def test_no_garbled_byte_of_an_answer_becomes_another_value(tag: int, value: float, data: st.DataObject):
    answer = printed(tag, [f"{value:.15e}"])
    at = data.draw(st.integers(0, len(answer) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    garbled = answer[:at] + other + answer[at + 1 :]
    try:
        assert tsp.parse_answer(garbled, tag, 1, "smu") == [f"{value:.15e}"]
    except ProtocolError as error:
        assert "smu" in str(error)


@pytest.mark.parametrize(("text", "flag"), [("0", False), ("1.000000000000000e+00", True), ("0.00000e+00", False)])
def test_flags_are_read_however_many_digits_they_have(text: str, flag: bool):
    assert tsp.parse_flag(text, "smu") is flag


@pytest.mark.parametrize("text", ["", "2", "-1", "0.5", "nil", "true", "nan", "inf", "1e999"])
def test_what_is_no_flag_is_refused(text: str):
    with pytest.raises(ProtocolError, match="smu"):
        tsp.parse_flag(text, "smu")


@pytest.mark.parametrize("text", ["-1", "1.5", "nil", "inf"])
def test_what_is_no_count_is_refused(text: str):
    with pytest.raises(ProtocolError, match="smu"):
        tsp.parse_count(text, "smu")
