"""Exact line resistance: the matrices that 36 dies act as, seen from the ends of their lines. Aim: 10 s on two cores.

Twice: as the board reads, 1,152 kernels of 25 x 25; and each die as one array of 100 x 200, the harder problem. One thread; beside
wall time stands the processor time that it took, which others on the machine do not stretch.
The peer is badcrossbar, exact and made for one array at a time, on kernels of one die, where it is installed.

python -m benchmarks.line_resistance
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hil.training.lines import DieLines, Lines, effective_siemens

DIES, KERNELS = 36, 32
LIMIT_S = 10.0
LINE_OHMS, MUX_OHMS = 2.0, 30.0
PEER = Path(sys.prefix) / "witnesses" / "badcrossbar-1.1.0"
PEER_KERNELS = 8
PEER_CODE = """
import sys, time
import numpy as np
import badcrossbar
arrays, found = np.load(sys.argv[1]), []
began_s = time.process_time()
for ohms in arrays:
    found.append(badcrossbar.compute(np.eye(25), ohms, r_i=2.0, node_voltages=False, all_currents=False).currents.output)
print(time.process_time() - began_s)
np.save(sys.argv[2], found)
"""


def junctions(*shape: int) -> Tensor:
    """P, AP and half a percent of shorts, S."""
    return torch.from_numpy(np.random.default_rng(0).choice([335e-6, 186e-6, 950e-6], shape, p=[0.5, 0.495, 0.005]))


class Taken(NamedTuple):
    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s ({self.processor_s:.1f} s of one processor)"


def taken(solve: Callable[[Tensor], object], dies: Tensor) -> Taken:
    wall_s, processor_s = time.perf_counter(), time.process_time()
    for die in dies:
        solve(die)
    return Taken(time.perf_counter() - wall_s, time.process_time() - processor_s)


def kernel_by_kernel(die: Tensor) -> Tensor:
    kernels, lines = torch.arange(KERNELS), DieLines(LINE_OHMS, MUX_OHMS)
    return effective_siemens(lines.cells(die, kernels), lines.of(kernels))


def as_one_array(die: Tensor) -> Tensor:
    return effective_siemens(die, Lines(LINE_OHMS, LINE_OHMS, MUX_OHMS, MUX_OHMS))


def peer(kernels: Tensor) -> tuple[float, float] | None:
    """(seconds of 1,152 kernels, largest relative difference); None when it is not installed."""
    if not PEER.is_dir():
        return None
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "ohms.npy", Path(folder) / "amps.npy"
        np.save(given, 1 / kernels.numpy())
        command = [sys.executable, "-W", "ignore", "-c", PEER_CODE, str(given), str(found)]
        done = subprocess.run(command, env=environ | {"PYTHONPATH": str(PEER)}, capture_output=True, text=True, check=True)
        ours = effective_siemens(kernels, Lines(2.0, 2.0, 2.0, 2.0)).numpy()
        theirs = np.load(found)
    return float(done.stdout.split()[-1]) / len(kernels) * DIES * KERNELS, float(np.abs(ours / theirs - 1).max())


def main() -> int:
    torch.set_num_threads(1)
    kernels, dies = junctions(DIES, KERNELS, 25, 25), junctions(DIES, 100, 200)
    as_read, single, whole = (
        taken(kernel_by_kernel, kernels),
        taken(kernel_by_kernel, kernels.float()),
        taken(as_one_array, dies),
    )
    print(f"exact line resistance of {DIES} dies, aim {LIMIT_S:g} s: kernel by kernel {as_read}, in float32 {single}")
    print(f"the same, each die one array of 100 x 200: {whole}")
    beside = peer(kernels[0, :PEER_KERNELS])
    if beside is not None:
        print(f"badcrossbar 1.1.0, kernel by kernel: {beside[0]:.1f} s of one processor; it differs from ours by {beside[1]:.1e} at most")
    return 0 if max(as_read.processor_s, whole.processor_s) <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
