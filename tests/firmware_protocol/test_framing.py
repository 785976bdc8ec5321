"""Frames arrive whole and checked, however the stream is cut, and reading starts afresh after anything that is none."""

import tracemalloc
from itertools import pairwise

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.codes import MAX_PAYLOAD
from firmware_protocol.framing import (
    BUFFER_LIMIT,
    STOP_ZEROS,
    Deframer,
    Frame,
    Kind,
    Rejected,
    RejectReason,
    StopMarker,
)

U16 = st.integers(0, 0xFFFF)
U8 = st.integers(0, 0xFF)
RESPONSES = st.builds(Frame, st.just(Kind.RESPONSE), U8, U16, U16, U16, U8, U8, st.binary(max_size=300))
REQUESTS = st.builds(Frame, st.just(Kind.REQUEST), U8, U16, U16, U16, st.just(0), st.just(0), st.binary(max_size=300))
FRAMES = st.one_of(RESPONSES, REQUESTS)
FEW = settings(max_examples=60, deadline=None, derandomize=True)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@FEW
@given(st.lists(FRAMES, min_size=1, max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_however_the_stream_is_cut_the_same_frames_come_out(frames: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(frame.encode() for frame in frames)
    deframer = Deframer()
    assert [found for piece in pieces(wire, cuts) for found in deframer.feed(piece)] == frames


@FEW
@given(FRAMES)
def test_a_frame_fed_byte_by_byte_appears_with_its_last_byte(frame: Frame) -> None:
    deframer, wire = Deframer(), frame.encode()
    for index in range(len(wire) - 1):
        assert deframer.feed(wire[index : index + 1]) == []
    assert deframer.feed(wire[-1:]) == [frame]


@FEW
@given(FRAMES, st.data())
def test_a_changed_byte_never_yields_a_frame_that_was_not_sent(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(frame.encode())
    place = data.draw(st.integers(0, len(wire) - 1))
    wire[place] ^= data.draw(st.integers(1, 255))
    assert not any(isinstance(found, Frame) for found in Deframer().feed(bytes(wire)))


@FEW
@given(st.binary(min_size=1, max_size=400), FRAMES)
def test_after_noise_and_a_delimiter_the_next_frame_is_read(noise: bytes, frame: Frame) -> None:
    assert Deframer().feed(noise.replace(b"\0", b"\1") + b"\0" + frame.encode())[-1] == frame


def test_a_peer_that_never_ends_a_frame_is_discarded_in_bounded_memory() -> None:
    deframer, frame = Deframer(), Frame(Kind.EVENT, 1, 2, 3, 4)
    tracemalloc.start()
    found = [each for _ in range(1000) for each in deframer.feed(b"\x55" * 1000)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.reason for each in found if isinstance(each, Rejected)] == [RejectReason.BABBLE]
    assert peak < 50_000
    assert deframer.feed(b"\0" + frame.encode()) == [frame]


def test_the_longest_frame_fits_the_buffer() -> None:
    frame = Frame(Kind.RESPONSE, 1, 2, 3, 4, 5, 6, b"\xff" * MAX_PAYLOAD)
    assert len(frame.encode()) <= BUFFER_LIMIT
    assert Deframer().feed(frame.encode()) == [frame]


@pytest.mark.parametrize("step", [1, 3, 5, 16, 64])
def test_sixteen_zeros_mean_stop_however_they_are_split(step: int) -> None:
    deframer = Deframer()
    wire = b"\x03\x41\x42" + b"\0" * STOP_ZEROS
    found = [each for start in range(0, len(wire), step) for each in deframer.feed(wire[start : start + step])]
    assert [type(each) for each in found] == [Rejected, StopMarker]


def test_fifteen_zeros_and_the_zeros_between_frames_do_not_mean_stop() -> None:
    frame = Frame(Kind.REQUEST, 2, 1, 9, 9)
    wire = b"\0" * (STOP_ZEROS - 1) + (frame.encode() + b"\0") * 20
    assert Deframer().feed(wire) == [frame] * 20


def test_a_long_run_of_zeros_is_one_stop() -> None:
    assert Deframer().feed(b"\0" * 1000) == [StopMarker()]


def test_both_cobs_forms_of_a_full_run_are_read_and_the_short_one_is_sent() -> None:
    frame = next(
        frame for fill in range(1, 256) if 0 not in (frame := Frame(Kind.RESPONSE, 1, 257, 257, 257, 1, 1, bytes([fill]) * 492)).raw()
    )
    assert len(frame.raw()) == 508
    assert frame.encode() == cobs.encode(frame.raw()) + b"\0"
    assert Deframer().feed(frame.encode()[:-1] + b"\x01\0") == [frame]


@pytest.mark.parametrize("field", [{"seq": 65_536}, {"opcode": 256}, {"session": -1}, {"payload": bytes(MAX_PAYLOAD + 1)}])
def test_a_frame_that_does_not_fit_is_not_encoded(field: dict[str, object]) -> None:
    values: dict[str, object] = {"kind": Kind.REQUEST, "opcode": 1, "seq": 1, "session": 1, "boot_id": 1, **field}
    with pytest.raises(ValueError, match=r"fit|over the link"):
        Frame(**values).encode()  # type: ignore[arg-type]


def test_the_codec_is_the_compiled_one() -> None:
    assert cobs.encode.__module__.endswith("_ext"), "the pure Python COBS codec is 60 times slower; reinstall `cobs` with its extension"
