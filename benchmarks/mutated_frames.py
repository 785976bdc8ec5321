"""Frames that a line has spoilt, and how many of them the two readers take for others: none may be.

python -m benchmarks.mutated_frames [C_FRAMES] [PYTHON_FRAMES] [PAIRED_FRAMES]
"""

import random
import subprocess
import sys
import time

from firmware_protocol.framing import DELIMITER, Deframer, Frame
from tests.support.c_end import build_fuzz
from tests.support.codec_pair import compare_codecs, random_frame

C_FRAMES = 20_000_000
PYTHON_FRAMES = 2_000_000
PAIRED_FRAMES = 200_000
FRESH_EVERY = 32
"""Spoilt frames made from one valid one."""


def spoil(rng: random.Random, wire: bytes) -> bytes:
    """Bits flipped, a byte dropped, doubled or swapped with the next, the rest cut off, or a burst of 5 to 20 bytes."""
    at, way = rng.randrange(len(wire)), rng.randrange(6)
    if way == 0:
        return wire[:at] + bytes([wire[at] ^ rng.randrange(1, 256)]) + wire[at + 1 :]
    if way == 1:
        return wire[:at] + wire[at + 1 :]
    if way == 2:
        return wire[:at] + wire[at : at + 1] + wire[at:]
    if way == 3:
        return wire[:at] + wire[at + 1 : at + 2] + wire[at : at + 1] + wire[at + 2 :]
    if way == 4:
        return wire[:at]
    burst = rng.randbytes(rng.randint(5, 20))[: len(wire) - at]
    return wire[:at] + burst + wire[at + len(burst) :]


def accepted_by_python(count: int, seed: int) -> int:
    """How many of `count` spoilt frames give a frame that was not sent."""
    rng, accepted, spoilt = random.Random(seed), 0, 0
    frame, wire = Frame(random_frame(rng).kind, 0, 0, 0, 0), b""
    while spoilt < count:
        if spoilt % FRESH_EVERY == 0:
            frame = random_frame(rng)
            wire = frame.encode()
        garbled = spoil(rng, wire)
        if garbled == wire:
            continue
        spoilt += 1
        accepted += any(isinstance(found, Frame) and found != frame for found in Deframer().feed(garbled + DELIMITER))
    return accepted


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    c_frames, python_frames, paired = [*given, *(C_FRAMES, PYTHON_FRAMES, PAIRED_FRAMES)[len(given) :]]
    fuzz = build_fuzz()
    started_s = time.perf_counter()
    said = subprocess.run([str(fuzz), str(c_frames), "1"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"C: {int(said.split()[0]):,} spoilt frames, {said.split()[3]} accepted as another; {time.perf_counter() - started_s:.1f} s")
    started_s = time.perf_counter()
    accepted = accepted_by_python(python_frames, seed=1)
    print(f"Python: {python_frames:,} spoilt frames, {accepted} accepted as another; {time.perf_counter() - started_s:.1f} s")
    started_s = time.perf_counter()
    different = compare_codecs(paired, seed=2)
    print(f"both: {paired:,} frames written and read, {different} differently; {time.perf_counter() - started_s:.1f} s")


if __name__ == "__main__":
    main()
