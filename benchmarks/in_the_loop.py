"""A network on dies over the wire: `python -m benchmarks.in_the_loop [--seeds 11 21] [--dies 3] [--images 1000] [--method placed]
[--map-averages 4] [--averages 4] [--tune 300] [--out FOLDER]`.

The simulated lab and the service as processes of their own; on each wafer the board is calibrated, the wafer characterised, the network
trained on other dies' maps (a wafer of another seed), placed, written, run on test images by the board's products, and run by the maps.
Bars: error within 0.5 points a die, the same class for 99 % of the images. After that the same with the digital side fitted on the die with
unlabelled images. Beside each die what an oracle would reach: exact maps and a board without errors, nothing left but the noise of reading
and the converter's steps.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import torch

from hil.cli.demo_lab import running_lab
from hil.cli.evaluation import ideal_of
from hil.client import LabClient
from hil.training.bench import FULL, FULL_QUICK, Bench
from hil.training.data import load_mnist
from hil.training.deployment import Deployment, Origin, deployments
from hil.training.devices import dies_of
from hil.training.electrics import Electrics, Noise
from hil.training.emulation import emulated, places_of
from hil.training.in_the_loop import Comparison, Reading, Written, compare, fine_tuned, program
from hil.training.methods import METHODS, Work
from hil.training.net import parse_net
from hil.training.network import Network, logits
from hil.training.pull import pull
from hil.training.reproduce import software_network
from hil.training.site import site
from hil.training.trainer import Images, generator, threads, train_and_test
from hil.training.wafer import MeasuredWafer, reference_of

OTHER_SEED, SEEDS, WAFER = 12, (11, 21), "W1"
USUAL_AVERAGES = 4
DRAWS = 5
"""Of the oracle."""
STEP_AMPS = 5.0 / 4096 / 2_000.0


def maps_of(lab: LabClient, averages: int) -> MeasuredWafer:
    lab.start({"kind": "calibrate", "wafer": WAFER, "dies": [[0, 0]]}).wait()
    lab.start({"kind": "characterise", "wafer": WAFER, "dies": "all", "averages": averages}).wait()
    return pull(lab, WAFER).measured


@dataclass(frozen=True)
class Trained:
    """What is the same on every wafer. seen: maps of other dies, which shared weights learn from."""

    bench: Bench
    software: Network
    seen: MeasuredWafer
    method: str
    map_averages: int
    reading: Reading
    tune: int


@dataclass(frozen=True)
class Judged:
    found: Comparison
    tuned: Comparison
    oracle: tuple[float, float]
    """Share of the images with the same class, worst and mean of its draws."""
    written: Written
    seconds: tuple[float, float]
    """Of writing and of running."""


def on_wafer(lab: LabClient, asked: Trained) -> Iterator[Judged]:
    """Die by die."""
    read = maps_of(lab, asked.map_averages)
    where = site(asked.bench.net, asked.seen, read)
    outcome = METHODS[asked.method].run(Work(asked.bench, asked.software, where))
    for place in deployments(outcome, Origin(asked.method, WAFER, where, read, reference_of(asked.seen))):
        yield judged(lab, asked, place, read)


def judged(lab: LabClient, asked: Trained, place: Deployment, read: MeasuredWafer) -> Judged:
    bench, started = asked.bench, time.perf_counter()
    written = program(lab, place)
    wrote = time.perf_counter()
    found = compare(lab, place, read, bench.judge, asked.reading)
    ran = time.perf_counter()
    tuned = fine_tuned(lab, place, ideal_of(place.network, bench.train), bench.train.voltages[: asked.tune], asked.reading)
    again = compare(lab, tuned, read, bench.judge, asked.reading)
    shares = oracle(place, place.maps_of(read), bench.judge, asked.reading.averages)
    return Judged(found, again, (min(shares), sum(shares) / len(shares)), written, (wrote - started, ran - wrote))


@torch.no_grad()
def oracle(place: Deployment, maps: MeasuredWafer, images: Images, averages: int) -> list[float]:
    """The maps taken for the truth, run with noise and without. A converter's step counts as noise, which the stage's own makes it."""
    reference = replace(reference_of(maps), norm_siemens=place.norm_siemens)
    places = places_of(dies_of(maps, reference, place.plan.dies), place.norm_siemens, place.plan, Electrics())
    one, shrink = Noise(), sqrt(averages)
    amps = sqrt(one.amps**2 + STEP_AMPS**2 / 12) / shrink
    noise = Electrics(noise=Noise(one.relative_p / shrink, one.relative_ap / shrink, amps))
    noisy = replace(places, electrics=noise, order=generator(1, "noise of reading"))
    voltages = images.voltages[None, None]
    exact = logits(voltages, place.network, emulated(places, place.network)).argmax(-1)
    bars = emulated(noisy, place.network)
    return [float((logits(voltages, place.network, bars).argmax(-1) == exact).float().mean()) for _ in range(DRAWS)]


def line(seed: int, asked: Trained, each: Judged) -> str:
    found = each.found
    corrected = f"calibration {found.calibration[:8]}" if found.calibration else f"currents as read ({found.why_not})"
    return (
        f"wafer {seed}, die {found.dies[0]}: {asked.method}, {len(found.labels)} images, maps of {asked.map_averages} averages, products "
        f"of {found.reading.averages}, {corrected}: {compared(found)} (bars 0.5, 99 %), oracle {100 * each.oracle[1]:.2f} % "
        f"(worst {100 * each.oracle[0]:.2f} %); tuned with {asked.tune} images: {compared(each.tuned)}; "
        f"{sum(each.written.missed.values())} of {each.written.wanted} junctions not as wanted; {found.saturated} saturated sums; "
        f"written in {each.seconds[0]:.1f} s, run in {each.seconds[1]:.1f} s"
    )


def compared(found: Comparison) -> str:
    apart = 100 * (found.measured_error - found.predicted_error)
    return (
        f"predicted {100 * found.predicted_error:.2f} %, measured {100 * found.measured_error:.2f} % ({apart:+.2f} points), "
        f"same class {100 * found.same_class:.2f} %"
    )


def verdict(all_of_them: list[Judged]) -> str:
    told = list[str]()
    for name, of_dies in (("as placed", [each.found for each in all_of_them]), ("tuned", [each.tuned for each in all_of_them])):
        apart = max(abs(100 * (each.measured_error - each.predicted_error)) for each in of_dies)
        same = 100 * min(each.same_class for each in of_dies)
        told.append(f"{name}: at most {apart:.2f} points apart (bar 0.5), same class at least {same:.2f} % (bar 99)")
    return f"{len(all_of_them)} dies, {'; '.join(told)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the wafers")
    parser.add_argument("--dies", type=int, default=3, help="of each wafer")
    parser.add_argument("--other-dies", type=int, default=8)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--map-averages", type=int, default=USUAL_AVERAGES, help="readings of each junction in the maps of the judged dies")
    parser.add_argument("--averages", type=int, default=4, help="of each product")
    parser.add_argument("--tune", type=int, default=300)
    parser.add_argument("--method", default="placed")
    parser.add_argument("--fab", default="default")
    parser.add_argument("--net", default="100-76-10x3")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=None, help="keeps the software network for the next time")
    asked = parser.parse_args()
    net = parse_net(asked.net, "independent")
    with tempfile.TemporaryDirectory() as folder, threads(1):
        with running_lab(Path(folder) / "other", OTHER_SEED, asked.fab, asked.other_dies) as lab, lab.client() as client:
            seen = maps_of(client, USUAL_AVERAGES)
        train, test = train_and_test(load_mnist(), net.image_side)
        budget = FULL_QUICK if asked.quick else FULL
        bench = Bench(net, train.first(budget.images), test.first(asked.images), budget, 0)
        network, _ = software_network(bench, asked.out or Path(folder))
        trained = Trained(bench, network, seen, asked.method, asked.map_averages, Reading(averages=asked.averages), asked.tune)
        every: list[Judged] = []
        for seed in asked.seeds:
            with running_lab(Path(folder) / f"wafer{seed}", seed, asked.fab, asked.dies) as lab, lab.client() as client:
                for each in on_wafer(client, trained):
                    every.append(each)
                    print(line(seed, trained, each), flush=True)
    print(verdict(every))


if __name__ == "__main__":
    main()
