"""STDF V4 records as bytes, little-endian: those that a wafer of parametric results needs. Values in, bytes out.

Source: Standard Test Data Format specification, version 4 (2007): record header REC_LEN U*2, REC_TYP U*1, REC_SUB U*1; the field order of
each record; C*n is a length and so many characters.
"""

import struct

import numpy as np
from numpy.typing import NDArray

LITTLE_ENDIAN, VERSION = 2, 4
LONGEST_RECORD, LONGEST_TEXT = 65_535, 255
HEAD, SITE = 1, 1
NO_VERDICT = 0x40
"""TEST_FLG bit 6: completed, without an indication of pass or fail."""
PART_NO_VERDICT = 0x10
"""PART_FLG bit 4: likewise."""
_NO_LIMITS = 0xCE
"""OPT_FLAG: no limits, no scaling of limits; RES_SCAL counts (bit 0 clear)."""


def record(kind: tuple[int, int], body: bytes) -> bytes:
    """Raises ValueError for a body that no record holds."""
    if len(body) > LONGEST_RECORD:
        raise ValueError(f"a record of {len(body)} bytes; STDF holds {LONGEST_RECORD}")
    return struct.pack("<HBB", len(body), *kind) + body


def text(value: str) -> bytes:
    """C*n, cut to 255 characters of Latin-1."""
    data = value.encode("latin-1", "replace")[:LONGEST_TEXT]
    return bytes([len(data)]) + data


def far() -> bytes:
    return record((0, 10), bytes([LITTLE_ENDIAN, VERSION]))


def mir(at: int, lot: str, job: tuple[str, str]) -> bytes:
    """at: UNIX time. job: name and version of the program that measured."""
    name, version = job
    head = struct.pack("<IIB", at, at, 1) + b"P" + b" " + b" " + struct.pack("<H", 65_535) + b" "
    texts = (lot, "MTJ crossbar", "", "mtj-hil", name, version)
    return record((1, 10), head + b"".join(text(each) for each in texts))


def mrr(at: int) -> bytes:
    return record((1, 20), struct.pack("<I", at))


def wcr(notch: str, positive: tuple[str, str], centre: tuple[int, int]) -> bytes:
    """notch: D, U, L or R. positive: directions of x (R or L) and y (U or D). centre: coordinates of the middle die. Sizes: not told."""
    body = struct.pack("<fffB", 0.0, 0.0, 0.0, 0) + notch.encode() + struct.pack("<hh", *centre)
    return record((2, 30), body + "".join(positive).encode())


def wir(at: int, wafer: str) -> bytes:
    return record((2, 10), struct.pack("<BBI", HEAD, 255, at) + text(wafer))


def wrr(at: int, parts: int, wafer: str) -> bytes:
    missing = 4_294_967_295
    return record((2, 20), struct.pack("<BBIIIIII", HEAD, 255, at, parts, missing, missing, missing, missing) + text(wafer))


def pir() -> bytes:
    return record((5, 10), bytes([HEAD, SITE]))


def prr(tests: int, bin_code: int, place: tuple[int, int], part: tuple[str, str]) -> bytes:
    """place: x, y. part: its id, and a text of it."""
    name, told = part
    body = struct.pack("<BBBHHHhhI", HEAD, SITE, PART_NO_VERDICT, tests, bin_code, bin_code, *place, 0)
    return record((5, 20), body + text(name) + text(told) + b"\0")


def ptr(number: int, value: float, name: str, units: str) -> bytes:
    body = struct.pack("<IBBBBf", number, HEAD, SITE, NO_VERDICT, 0, value) + text(name) + text("")
    return record((15, 10), body + struct.pack("<Bbbbff", _NO_LIMITS, 0, 0, 0, 0.0, 0.0) + text(units))


def mpr(number: int, values: NDArray[np.float32], name: str, units: str) -> bytes:
    """values: (results,); NaN where not measured. No states of pins are told."""
    count = int(values.size)
    body = struct.pack("<IBBBBHH", number, HEAD, SITE, NO_VERDICT, 0, 0, count) + values.astype("<f4").tobytes() + text(name) + text("")
    limits = struct.pack("<Bbbbffff", _NO_LIMITS, 0, 0, 0, 0.0, 0.0, 0.0, 0.0)
    return record((15, 15), body + limits + text(units) + text(""))


def sbr(bin_code: int, count: int, name: str) -> bytes:
    return record((1, 50), struct.pack("<BBHI", 255, 255, bin_code, count) + b" " + text(name))


def dtr(told: str) -> bytes:
    return record((50, 30), text(told))


def fits(results: int) -> bool:
    """Whether a record holds so many results."""
    return 4 * results + 2 * LONGEST_TEXT < LONGEST_RECORD
