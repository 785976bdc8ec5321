"""A whole die through the triggered scan, on the simulator's real clock and over its sockets, against the instrument's own rate; beside
it PyMeasure, point by point on the same simulated instrument.

python -m benchmarks.scan_die [--models 2450,2636B] [--repeats 3] [--points 300]

The scan is the service's own (`hil.station.scanning`): set-up, 20,000 junctions with the sentinels between them, read-out of
everything, off and isolated. PyMeasure sets a level and takes a reading a point, nothing is switched between its points, which is to
its favour; once with the acknowledgements of an ordinary TCP stack, once acknowledged at once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2450 as PyMeasure2450
from pymeasure.instruments.keithley import Keithley2600 as PyMeasure2600

from hil.model.lab import LabConfig, load_lab
from hil.station.instruments import Instruments, open_crossbar, open_prober, open_smu
from hil.station.scanning import scan
from hil.station.smu_path import SmuRead
from tests.support.simulated_lab import CountedPulseIds
from tests.support.waiting import until

READ_VOLTS = 0.1
BOUND = 1.05


@dataclass(frozen=True)
class Model:
    """rate: triggered readings a second, from the data sheet. nplc: the shortest aperture, at which it holds."""

    driver: str
    rate: float
    nplc: float
    per_point: Callable[[str, int], float]


def pymeasure_2450(address: str, points: int) -> float:
    """Seconds a point."""
    with closing(_adapter(address)) as adapter:
        smu = PyMeasure2450(adapter)
        smu.reset()
        smu.apply_voltage(voltage_range=2, compliance_current=1e-3)
        smu.measure_current(nplc=0.01, current=1e-4, auto_range=False)
        smu.enable_source()

        def point() -> float:
            smu.source_voltage = READ_VOLTS
            return smu.current

        took_s = _timed(point, points)
        smu.shutdown()
        return took_s


def pymeasure_2600(address: str, points: int) -> float:
    with closing(_adapter(address)) as adapter:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyMeasure's own, about itself
            smu = PyMeasure2600(adapter)
        channel = smu.ChA
        channel.apply_voltage(voltage_range=2, compliance_current=1e-3)
        channel.measure_current(nplc=0.001, current=1e-4, auto_range=False)
        channel.source_output = "ON"

        def point() -> float:
            channel.source_voltage = READ_VOLTS
            return channel.current

        took_s = _timed(point, points)
        channel.source_output = "OFF"
        return took_s


MODELS = {
    "2450": Model("keithley2450", 3_000.0, 0.01, pymeasure_2450),
    "2636B": Model("keithley2600", 11_200.0, 0.001, pymeasure_2600),
}


def _adapter(address: str) -> VISAAdapter:
    return VISAAdapter(address, visa_library="@py", read_termination="\n", write_termination="\n", timeout=5000)


def _timed(point: Callable[[], float], points: int) -> float:
    point()
    began = time.perf_counter()
    for _ in range(points):
        point()
    return (time.perf_counter() - began) / points


@contextmanager
def lab_of(model: Model, *flags: str) -> Iterator[LabConfig]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.toml")
        flags = ("--dies", "1", "--clock", "real", "--baud", "0", "--smu", model.driver, *flags, "--write-lab", str(file))
        with subprocess.Popen([sys.executable, "-m", "simulator", *flags], stdout=subprocess.DEVNULL) as simulator:
            try:
                until(file.exists, 60)
                yield load_lab(file)
            finally:
                simulator.terminate()


def scan_s(lab: LabConfig, model: Model, repeats: int) -> list[float]:
    """Seconds of each whole scan, the needles on the die."""
    with closing(open_prober(lab)) as prober, closing(open_crossbar(lab, CountedPulseIds())) as crossbar, closing(open_smu(lab)) as smu:
        smu.identify()
        prober.go_to_die(0, 0)
        prober.contact()
        instruments = Instruments(smu, crossbar, prober)
        taken: list[float] = []
        for _ in range(repeats):
            began = time.perf_counter()
            found = scan(instruments, lab, 0, int(np.prod(lab.chip.shape)), SmuRead(READ_VOLTS, model.nplc), lambda: None)
            taken.append(time.perf_counter() - began)
            measured = int(np.isfinite(found.amps).sum())
            assert len(found.amps) == 20_000 and measured + int(found.limited.sum()) == 20_000
        prober.separate()
        return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=300)
    given = parser.parse_args()
    late = 0
    for name in given.models.split(","):
        model = MODELS[name]
        own_s = 20_000 / model.rate
        with lab_of(model) as lab:
            taken = scan_s(lab, model, given.repeats)
            quick_s = model.per_point(lab.smu.address, given.points)
        with lab_of(model, "--plain-tcp") as lab:
            plain_s = model.per_point(lab.smu.address, max(given.points // 5, 10))
        ours_s = float(np.median(taken))
        late += ours_s > BOUND * own_s
        print(
            f"{name}: 20,000 junctions in {ours_s:.3f} s (median of {len(taken)}, {min(taken):.3f} to {max(taken):.3f}); its own rate of "
            f"{model.rate:,.0f}/s allows {own_s:.3f} s: {ours_s / own_s:.3f} times that (bound {BOUND}). PyMeasure per point: "
            f"{plain_s * 1e3:.1f} ms with ordinary acknowledgement, {plain_s * 20_000 / ours_s:.0f} times as long; "
            f"{quick_s * 1e3:.2f} ms with quick, {quick_s * 20_000 / ours_s:.1f} times"
        )
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
