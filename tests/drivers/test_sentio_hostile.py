"""Replies that no prober should give: a typed error each time, never a crash, never a hang, and never a value made of nonsense."""

import random
import string
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import (
    DriverError,
    LinkError,
    LinkTimeout,
    ProberBug,
    ProberError,
    ProberFatal,
    ProberNeedsOperator,
    ProberRetryable,
    ProtocolError,
)
from drivers.prober import sentio_commands as say
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import Sentio
from drivers.prober.sentio_codes import CODES, END_OF_ROUTE
from drivers.prober.sentio_deadlines import Deadlines, Kind
from drivers.prober.sentio_replies import Reply, StatusBits, parse_reply
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_state import Heights
from drivers.prober.sentio_words import LoadPosition, ThermoState, ThetaReference, XyReference
from drivers.prober.soft_limits import SoftLimits
from tests.support.probing import prober_on
from tests.support.scripted_sentio import CONTACT_UM, ScriptedSentio
from tests.support.scripted_server import Answer
from tests.support.spoken_link import SpokenLink


# --- what is understood
@pytest.mark.parametrize(
    ("line", "status", "fields"),
    [
        ("0,0,16020.0", StatusBits.NONE, ("16020.0",)),
        ("1024,0,0,1,0", StatusBits.END_OF_ROUTE, ("0", "1", "0")),
        ("2048,0,OK", StatusBits.LAST_SITE, ("OK",)),
        ("3072,0,OK", StatusBits.END_OF_ROUTE | StatusBits.LAST_SITE, ("OK",)),
        ("1035,0,End of route reached!", StatusBits.END_OF_ROUTE, ("End of route reached!",)),
        ("11,0,End of route reached!", StatusBits.END_OF_ROUTE, ("End of route reached!",)),
        ("0,7,Version: 26.2.0\r", StatusBits.NONE, ("Version: 26.2.0",)),
        ("  0,0,1, 2 ,3  \t", StatusBits.NONE, ("1", "2", "3")),
        ("0,0,", StatusBits.NONE, ("",)),
    ],
)
def test_status_bits_and_fields_are_read(line: str, status: StatusBits, fields: tuple[str, ...]):
    reply = parse_reply(line, "x", "prober")
    assert (reply.status, reply.fields) == (status, fields)


def test_an_asynchronous_command_is_known_by_its_number():
    assert parse_reply("0,17,OK", "start_initialization", "prober").command_id == 17


@pytest.mark.parametrize(
    "line", ["", "ERR busy", "0,0", "-1,0,OK", "a,0,OK", "0;0;OK", "0,,OK", "0,-1,OK", "\u0660,0,OK", "9" * 5000 + ",0,OK"]
)
def test_what_is_no_reply_is_refused(line: str):
    with pytest.raises(ProtocolError, match=r"'x' was answered .*lab\.toml"):
        parse_reply(line, "x", "prober")


@pytest.mark.parametrize(
    "message", ["nan", "inf", "-inf", "16000,5", "", "OK", "1,2,3", "1e999", "0x10", "1_000", "١٢", "1 2", "--1", "1e", "9" * 400]
)
def test_a_height_is_one_finite_number_with_a_point(message: str):
    with pytest.raises(ProtocolError, match=r"expected 1 finite number$"):
        parse_reply(f"0,0,{message}", "get_chuck_z Z", "prober").floats(1)


@pytest.mark.parametrize(
    ("message", "value"), [("15750.0", 15_750.0), ("-3", -3.0), ("+.5", 0.5), ("1.", 1.0), ("1.5e3", 1_500.0), (" 7 ", 7.0)]
)
def test_a_number_may_be_written_any_usual_way(message: str, value: float):
    assert parse_reply(f"0,0,{message}", "x", "prober").floats(1) == (value,)


@pytest.mark.parametrize("message", ["1,1,0", "1,1,0,2", "1,1,0,True", "1,1,0,1,1", "", "1,1,0,01"])
def test_flags_are_four_times_0_or_1(message: str):
    with pytest.raises(ProtocolError, match="expected 4 flags"):
        parse_reply(f"0,0,{message}", "x", "prober").flags(4)


@pytest.mark.parametrize("message", ["0,1.5,0", "0,1", "0,x,0", "0,1,0,0", "0,1,1e3", "0,1,²", "0,1," + "9" * 20])
def test_an_index_is_three_integers(message: str):
    with pytest.raises(ProtocolError, match="expected 3 integers"):
        parse_reply(f"0,0,{message}", "x", "prober").ints(3)


@pytest.mark.parametrize("message", ["15750.0", "15750.0,Contact", "15750.0,", "Zero", "1,2,Zero", "nan,Zero"])
def test_a_position_that_names_another_reference_answers_another_question(message: str):
    with pytest.raises(ProtocolError):
        parse_reply(f"0,0,{message}", "chuck:get_z Zero", "prober").floats_from(1, "Zero")


@pytest.mark.parametrize("word", ["Controlling", "CONTROLLING", " controlling "])
def test_a_thermo_state_is_one_of_seven_words_in_any_case(word: str):
    assert parse_reply(f"0,0,{word}", "x", "prober").one_of(ThermoState) is ThermoState.CONTROLLING
    with pytest.raises(ProtocolError, match="expected one of soaking, cooling"):
        parse_reply("0,0,At temperature", "x", "prober").one_of(ThermoState)


# --- error codes
WHOSE_MOVE = {
    ProberRetryable: (19, 21, 30),
    ProberNeedsOperator: (18, 20, 23, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 85, 86, 160, 200),
    ProberFatal: (1, 2, 100, 120, 999),
    ProberBug: (3, 6, 7, 8, 13),
}


@pytest.mark.parametrize(("code", "kind"), [(code, kind) for kind, codes in WHOSE_MOVE.items() for code in codes])
def test_an_error_code_becomes_whose_move_it_is(code: int, kind: type[ProberError]):
    with pytest.raises(kind, match=f"'x' failed with {code} .*: told you so; {kind.what_to_do}") as failure:
        parse_reply(f"{code},0,told you so", "x", "prober")
    assert type(failure.value) is kind
    assert failure.value.code == code


def test_a_command_the_prober_does_not_have_is_ours_to_mend():
    with pytest.raises(ProberBug, match="2 ExecutionError: Unsupported remote command: frobnicate"):
        parse_reply("2,0,Unsupported remote command: frobnicate 1", "frobnicate 1", "prober")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_typed_with_status_bits_above_it_or_without(code: int):
    name, kind = CODES[code]
    for head in (code, code + 1024, code + 3072):
        with pytest.raises(kind, match=name) as failure:
            parse_reply(f"{head},0,text", "x", "prober")
        assert (failure.value.code, failure.value.name) == (code, name)


def test_codes_carry_the_vendors_names_all_of_them():
    from sentio_prober_control.Sentio.Enumerations import RemoteCommandError

    vendor = {value: name for name, value in vars(RemoteCommandError).items() if isinstance(value, int)}
    assert {code: name for code, (name, _) in CODES.items()} | {0: "NoError", END_OF_ROUTE: "EndOfRoute"} == vendor


# --- ten thousand of them
READERS: dict[str, tuple[Callable[[Reply], object], str]] = {
    "height": (lambda reply: reply.floats(1), "16000.0"),
    "heights": (lambda reply: reply.floats(4), "16000.0,250.0,20.0,50.0"),
    "place": (lambda reply: reply.floats_from(2, "Home"), "1.0,2.0,Home"),
    "index": (lambda reply: reply.ints(3), "0,1,-2"),
    "flags": (lambda reply: reply.flags(4), "1,1,0,1"),
    "thermo": (lambda reply: reply.one_of(ThermoState), "Heating"),
}
"""Replies of which nothing but the whole is right."""
_TEXTS = (
    "",
    "OK",
    "nan",
    "NaN,NaN",
    "inf",
    "ERR busy",
    "16000,5",
    "Version",
    "Winkel 90°",
    "\x00",
    "\ufffd\ufffd",
    "{}",
    "HTTP/1.1 200 OK",
    "-",
    ",,,,",
)


def _hostile(dice: random.Random, right: str) -> str:
    """A line that does not answer a question whose right message is known: cut, doubled, misheaded, mistyped or nonsense."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: dice.choice(_TEXTS),
        lambda: "0,0," + dice.choice(_TEXTS),
        lambda: f"0,0,{right}"[: dice.randrange(4)],
        lambda: f"0,0,{right},{right},{right}",
        lambda: "".join(dice.choice(string.printable) for _ in range(dice.randrange(40))).replace(right, ""),
        lambda: f"{dice.choice(('-1', 'x', '', '1e3', '99999999', '0.0'))},0,{right}",
        lambda: f"0,{dice.choice(('', 'x', '-1', '1.0'))},{right}",
        lambda: "0,0," + "".join("?" if each.isalnum() else each for each in right),
        lambda: f"{dice.choice([code for code in range(1, 1024) if code != END_OF_ROUTE])},0,{right}",
        lambda: "0,0," + "9" * dice.randrange(500, 4000),
        lambda: chr(dice.randrange(0x80, 0x2FFF)) * dice.randrange(1, 30),
    )
    return dice.choice(kinds)()


def test_ten_thousand_hostile_replies_are_ten_thousand_typed_errors():
    dice = random.Random(20_261_122)
    for _ in range(10_000):
        read, right = READERS[dice.choice(list(READERS))]
        line = _hostile(dice, right)
        try:
            value = read(parse_reply(line, "x", "prober"))
        except DriverError as error:
            assert isinstance(error, ProtocolError | ProberError)
            assert len(str(error)) < 500
        else:
            raise AssertionError(f"{line!r} was read as {value!r}")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("utf-8", "replace")), st.sampled_from(sorted(READERS)))
def test_no_reply_whatever_crashes_a_reader(line: str, reader: str):
    try:
        reply = parse_reply(line, "x", "prober")
        READERS[reader][0](reply)
        reply.matched(say.VERSION_SAID, "a version")
    except DriverError as error:
        assert str(error)


MESSAGES = st.lists(st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,3})?|nan|inf|OK|Zero|Home|", fullmatch=True), max_size=6).map(",".join)


@given(st.integers(-2, 4_200), st.integers(-1, 3), MESSAGES, st.sampled_from(sorted(READERS)))
def test_nothing_that_looks_like_a_reply_crashes_a_reader_either(head: int, command_id: int, message: str, reader: str):
    try:
        READERS[reader][0](parse_reply(f"{head},{command_id},{message}", "x", "prober"))
    except DriverError as error:
        assert str(error)


# --- the driver itself, with one answer in a conversation replaced
OPERATIONS: tuple[Callable[[Sentio], object], ...] = (
    Sentio.identify,
    Sentio.state,
    Sentio.placement,
    lambda prober: prober.go_to_die(2, 0),
    Sentio.contact,
    Sentio.hover,
    Sentio.separate,
    lambda prober: prober.set_overtravel(True),
    lambda prober: prober.clean(3),
    Sentio.stop,
    lambda prober: prober.heights.set(Heights(CONTACT_UM + 5, 250.0, 10.0, 50.0)),
    lambda prober: prober.heights.set_overtravel_gap(15.0),
    lambda prober: prober.sideways.home(),
    lambda prober: prober.sideways.to(XyReference.RELATIVE, 10.0, 20.0),
    lambda prober: prober.sideways.by_pitches(1, 1),
    lambda prober: prober.sideways.turn(ThetaReference.RELATIVE, 0.1),
    lambda prober: prober.stepping.first(),
    lambda prober: prober.stepping.next(),
    lambda prober: prober.stepping.bin_and_next(1),
    lambda prober: prober.stepping.route(),
    lambda prober: prober.map.read(),
    lambda prober: prober.map.set_bin((1, 0), 2),
    lambda prober: prober.map.bin_of((1, 0)),
    lambda prober: prober.map.bin_info(0),
    lambda prober: prober.wafer.initialise(),
    lambda prober: prober.wafer.align(),
    lambda prober: prober.wafer.hold(),
    lambda prober: prober.wafer.doors(),
    lambda prober: prober.wafer.to_load_position(LoadPosition.FRONT),
    lambda prober: prober.thermal.set(40.0),
    lambda prober: prober.thermal.state(),
    lambda prober: prober.thermal.soaking_s(60.0),
    lambda prober: prober.upkeep.contacts(),
)


class _OneHostileAnswer:
    """left: lines until it is given; negative: never again."""

    def __init__(self, device: ScriptedSentio, left: int, hostile: bytes | None) -> None:
        self._device, self.left, self._hostile = device, left, hostile

    def __call__(self, line: str) -> bytes | None:
        answer = self._device(line)
        self.left -= 1
        return self._hostile if self.left == -1 else answer  # type: ignore[return-value]


def test_two_thousand_conversations_with_one_hostile_answer_end_in_a_value_or_a_typed_error_and_go_on():
    dice = random.Random(7)
    typed = 0
    for count in range(2_000):
        device = ScriptedSentio(ready=count % 7 != 0)
        at = dice.randrange(12)
        hostile = dice.choice((None, b"half", _hostile(dice, "16000.0").encode() + b"\n", b"\xff\xfe\n", b"0,0,OK\r\n"))
        speaker = _OneHostileAnswer(device, at, hostile)
        session = SentioSession(SpokenLink(speaker), lambda speaker=speaker: SpokenLink(speaker), Deadlines())
        prober = Sentio(session, DieGrid(), SoftLimits())
        try:
            dice.choice(OPERATIONS)(prober)
        except DriverError:
            typed += 1
        speaker.left = -1
        assert not prober.separate().in_contact, "whatever was said, it comes down"
        assert device.separated()
    assert typed > 500


WIRE_NOISE: tuple[bytes, ...] = (
    b"\n", b"0,0\n", b"garbage", b"x" * 5_000 + b"\n", b"x" * 200_000, b"\x00\n", b"\xff\xfe\xfd\n", b"0,0,nan\n", b"0,0,1\n0,0,2\n",
    b"-1,0,OK\n", b"1e999,0,OK\n", b"0,0,16000,5\n", "0,0,Winkel 90°\n".encode("latin-1"), b"\r\r\r\n", b"0,0,\n", b"7\n" * 50,
)  # fmt: skip


@pytest.mark.parametrize("noise", WIRE_NOISE, ids=lambda noise: repr(noise[:12]))
def test_noise_on_the_wire_is_a_typed_error_in_time_and_the_next_answer_is_right(noise: bytes):
    device = ScriptedSentio()
    pending = [noise]

    def script(line: str) -> Answer:
        return pending.pop() if line == "status:get_chuck_temp" and pending else device(line)

    with prober_on(script, Deadlines({Kind.QUESTION: 0.2})) as (prober, _):
        began_s = time.monotonic()
        with pytest.raises((ProtocolError, LinkTimeout, LinkError)):
            prober.chuck_temperature_c()
            prober.contact_count()  # where a whole answer came, what came behind it is found by the next question
        assert prober.chuck_temperature_c() == 25.0
        assert time.monotonic() - began_s < 10.0, "nothing hangs"
