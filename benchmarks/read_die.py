"""Reading a whole die (20,000 junctions) through driver, socket and simulated board, against what the line and the ADC allow.

python -m benchmarks.read_die
"""

import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import numpy as np

from drivers.crossbar import open_crossbar
from firmware_protocol.codes import Opcode
from firmware_protocol.framing import Frame, Kind
from firmware_protocol.messages import ReadBlockResponse
from tests.support.simulated_lab import CountedPulseIds
from tests.support.waiting import until

REPEATS = 7
BAUD = 921_600
BITS_PER_BYTE = 10
ADC_S = 10e-6


def wire_bytes() -> int:
    """Bytes of a kernel's answer on the wire."""
    codes = np.random.default_rng(0).integers(0, 65_000, 625).astype("<u2").tobytes()
    return len(Frame(Kind.RESPONSE, Opcode.READ_BLOCK, 1, 7, 7, payload=ReadBlockResponse(0, 0, 1, 100_000, codes).encode()).encode())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lab = Path(folder, "lab.toml")
        command = [sys.executable, "-m", "simulator", "--clock", "fast", "--port-base", "0", "--write-lab", str(lab)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as simulator:
            try:
                until(lab.exists, 60)
                board = open_crossbar(tomllib.loads(lab.read_text())["crossbar"]["address"], BAUD, CountedPulseIds())
                times = []
                for _ in range(REPEATS):
                    started = time.perf_counter()
                    for kernel in range(32):
                        board.read_kernel(kernel, 0.1)
                    times.append(time.perf_counter() - started)
                board.close()
            finally:
                simulator.terminate()
    die_s = statistics.median(times)
    line_s = 32 * wire_bytes() * BITS_PER_BYTE / BAUD
    adc_s = 20_000 * ADC_S
    print(
        f"whole die over a socket, no line limit: {die_s * 1e3:.1f} ms, {20_000 / die_s:,.0f} junctions/s; "
        f"a {BAUD:,} baud line needs {line_s * 1e3:.0f} ms ({line_s / die_s:.1f} x), the ADC {adc_s * 1e3:.0f} ms ({adc_s / die_s:.1f} x)"
    )


if __name__ == "__main__":
    main()
