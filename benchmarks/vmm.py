"""Products of 25 inputs with a kernel of 25 x 25, in batches, through driver, a 3 Mbaud line and the simulated board in real time.
Aim: 3,000 a second. Each takes the board 20 us of settling and 25 conversions of 10 us.

python -m benchmarks.vmm
"""

import statistics
import sys
import time

import numpy as np

from benchmarks.pretended import ADC_S, BITS_PER_BYTE, SETTLE_S, board_in_contact

VECTORS = 4000
REPEATS = 3
BAUD = 3_000_000
AIM_PER_S = 3000
BYTES_PER_VECTOR = 2 * 25


def main() -> int:
    inputs = np.random.default_rng(0).uniform(-0.1, 0.1, (VECTORS, 25))
    with board_in_contact("--clock", "real", "--baud", str(BAUD)) as board:
        rates = []
        for _ in range(REPEATS):
            began_s = time.perf_counter()
            amps = board.vmm(3, inputs)
            rates.append(VECTORS / (time.perf_counter() - began_s))
            assert np.isfinite(amps).mean() > 0.9
    rate = statistics.median(rates)
    board_rate, line_rate = 1 / (SETTLE_S + 25 * ADC_S), BAUD / BITS_PER_BYTE / BYTES_PER_VECTOR
    print(
        f"25 x 25 products at {BAUD:,} baud: {rate:,.0f} a second (aim {AIM_PER_S:,}); "
        f"the board's ADC allows {board_rate:,.0f} ({rate / board_rate:.0%} reached), the line {line_rate:,.0f} each way"
    )
    return 0 if rate >= AIM_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
