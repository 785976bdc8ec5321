"""Reading a whole die (20,000 junctions) through driver, line and simulated board, against what the line and the ADC allow.

Aims: 0.46 s at an emulated 921,600 baud with the board's own times, 50 ms over an unthrottled pseudo-terminal, 5 ms of them the host's.

python -m benchmarks.read_die
"""

import statistics
import sys
import time

import numpy as np

from benchmarks.pretended import ADC_S, BITS_PER_BYTE, board_in_contact
from firmware_protocol.codes import EventCode
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.messages import Block

REPEATS = 9
BAUD = 921_600
LINES = {
    "921,600 baud, real board times": ("--clock", "real", "--baud", str(BAUD)),
    "pseudo-terminal, no line limit": ("--clock", "fast", "--crossbar-pty"),
    "socket, no line limit": ("--clock", "fast"),
}
AIMS_S = (0.46, 0.05, 0.05)
HOST_AIMS_S = (None, 0.005, 0.005)
"""Computing in the host; none on the slow line, where it is mostly waking up for bytes that trickle in."""


def wire_bytes() -> int:
    """Bytes of a kernel's block on the wire."""
    codes = np.random.default_rng(0).integers(0, 65_000, 625).astype("<u2").tobytes()
    return len(Frame(Kind.EVENT, EventCode.BLOCK, 1, 7, 7, payload=Block(0, 0, 1, 100_000, codes).encode()).encode())


def main() -> int:
    line_s, adc_s = 32 * wire_bytes() * BITS_PER_BYTE / BAUD, 20_000 * ADC_S
    print(f"a die's 32 blocks need {line_s * 1e3:.0f} ms on a line of {BAUD:,} baud, {adc_s * 1e3:.0f} ms of the ADC")
    reached = True
    for (name, flags), aim_s, host_aim_s in zip(LINES.items(), AIMS_S, HOST_AIMS_S, strict=True):
        with board_in_contact(*flags) as board:
            times, host = [], []
            for _ in range(REPEATS):
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
                reading = board.read_die(0.1)
                times.append(time.perf_counter() - began_s)
                host.append(time.process_time() - began_cpu_s)
                assert np.isfinite(reading.amps).mean() > 0.9
        die_s, host_s = statistics.median(times), statistics.median(host)
        host_aim = "" if host_aim_s is None else f" (aim {host_aim_s * 1e3:.0f})"
        print(
            f"{name}: {die_s * 1e3:.1f} ms (aim {aim_s * 1e3:.0f}; longest {max(times) * 1e3:.1f}), "
            f"{20_000 / die_s:,.0f} junctions/s, {host_s * 1e3:.1f} ms of them computing in the host{host_aim}"
        )
        reached &= die_s <= aim_s and (host_aim_s is None or host_s <= host_aim_s)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
