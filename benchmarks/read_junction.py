"""Reading one junction through driver, a 921,600 baud line and the simulated board in real time. Aim: a median of 2 ms.

python -m benchmarks.read_junction
"""

import sys
import time

from benchmarks.pretended import ADC_S, BITS_PER_BYTE, SETTLE_S, SWITCH_S, board_in_contact
from firmware_protocol.codes import Opcode
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.messages import ReadList, ReadListResponse

REPEATS = 500
BAUD = 921_600
AIM_S = 2e-3


def line_s() -> float:
    """There and back on the line, s."""
    asked = Frame(Kind.REQUEST, Opcode.READ_LIST, 1, 7, 7, payload=ReadList(1, 100_000, bytes(2)).encode())
    answered = Frame(Kind.RESPONSE, Opcode.READ_LIST, 1, 7, 7, payload=ReadListResponse(1, 100_000, bytes(4)).encode())
    return (len(asked.encode()) + len(answered.encode())) * BITS_PER_BYTE / BAUD


def main() -> int:
    with board_in_contact("--clock", "real", "--baud", str(BAUD)) as board:
        times = []
        for count in range(REPEATS):
            began_s = time.perf_counter()
            board.read_junctions([(count % 32, count % 25, count % 23)], 0.1)
            times.append(time.perf_counter() - began_s)
    times.sort()
    median_s, board_s = times[REPEATS // 2], SWITCH_S + SETTLE_S + ADC_S
    print(
        f"one junction at {BAUD:,} baud: median {median_s * 1e3:.2f} ms (aim {AIM_S * 1e3:.0f}), 99 in 100 within "
        f"{times[REPEATS * 99 // 100] * 1e3:.2f} ms; the line alone {line_s() * 1e3:.2f} ms, the board {board_s * 1e3:.3f} ms"
    )
    return 0 if median_s <= AIM_S else 1


if __name__ == "__main__":
    sys.exit(main())
