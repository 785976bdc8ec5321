"""The simulated lab as a process of its own, needles on the home die, for benchmarks of the link."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from drivers.crossbar import Crossbar, open_crossbar
from hil.model.lab import load_lab
from hil.station.instruments import open_prober
from tests.support.simulated_lab import CountedPulseIds
from tests.support.waiting import until

BITS_PER_BYTE = 10
ADC_S, SETTLE_S, SWITCH_S = 10e-6, 20e-6, 5e-6


@contextmanager
def board_in_contact(*flags: str) -> Iterator[Crossbar]:
    """The driver, in session with the board of `hil sim --dies 1` and these flags, the needles on its die."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.toml")
        command = [sys.executable, "-m", "simulator", "--dies", "1", *flags, "--write-lab", str(file)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as simulator:
            try:
                until(file.exists, 60)
                lab = load_lab(file)
                with closing(open_prober(lab)) as prober:
                    prober.go_to_die(0, 0)
                    prober.contact()
                with closing(open_crossbar(lab.crossbar.address, lab.crossbar.baud, CountedPulseIds())) as board:
                    yield board
            finally:
                simulator.terminate()
