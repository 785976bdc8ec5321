"""What a bad line does to one frame: pure functions of the frame (delimiter included, possibly damaged before, possibly empty) and the
dice. Whatever they make of it may be longer, shorter, or nothing."""

import random
from collections.abc import Callable

Damage = Callable[[bytes, random.Random, int], bytes]
"""(frame, dice, number of bytes of noise) -> what is left of it."""


def _flip(frame: bytes, rng: random.Random, _: int) -> bytes:
    if not frame:
        return frame
    place = rng.randrange(len(frame))
    return frame[:place] + bytes([frame[place] ^ 1 << rng.randrange(8)]) + frame[place + 1 :]


def _drop(frame: bytes, rng: random.Random, _: int) -> bytes:
    place = rng.randrange(len(frame) or 1)
    return frame[:place] + frame[place + 1 :]


def _double(frame: bytes, rng: random.Random, _: int) -> bytes:
    place = rng.randrange(len(frame) or 1)
    return frame[: place + 1] + frame[place:]


def _swap(frame: bytes, rng: random.Random, _: int) -> bytes:
    if len(frame) < 2:
        return frame
    place = rng.randrange(len(frame) - 1)
    return frame[:place] + frame[place + 1 : place + 2] + frame[place : place + 1] + frame[place + 2 :]


def _cut(frame: bytes, rng: random.Random, _: int) -> bytes:
    """The beginning arrives, the rest and the delimiter never do."""
    return frame[: rng.randrange(1, len(frame))] if len(frame) > 1 else b""


def _repeat(frame: bytes, _: random.Random, __: int) -> bytes:
    return frame + frame


def _noise(frame: bytes, rng: random.Random, noise_bytes: int) -> bytes:
    return rng.randbytes(noise_bytes) + frame


def _lose(_: bytes, __: random.Random, ___: int) -> bytes:
    return b""


DAMAGE: dict[str, Damage] = {
    "flip": _flip,
    "drop": _drop,
    "double": _double,
    "swap": _swap,
    "cut": _cut,
    "repeat": _repeat,
    "noise": _noise,
    "lose": _lose,
}
