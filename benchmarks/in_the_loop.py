"""A network on dies over the wire: `python -m benchmarks.in_the_loop [--dies 3] [--images 1000] [--method placed] [--out FOLDER]`.

The simulated lab and the service as processes of their own; the wafer characterised, the network trained on other dies' maps (a wafer
of another seed), placed, written, run on test images by the board's products, and run by the maps. Bars: error within 0.5 points a die,
the same class for 99 % of the images. After that the same with the digital side fitted on the die with 200 unlabelled images.
"""

import argparse
import tempfile
import time
from pathlib import Path

from hil.cli.demo_lab import running_lab
from hil.cli.evaluation import ideal_of
from hil.client import LabClient
from hil.training.bench import FULL, FULL_QUICK, Bench
from hil.training.data import load_mnist
from hil.training.deployment import Origin, deployments
from hil.training.in_the_loop import Comparison, Written, compare, fine_tuned, program
from hil.training.methods import METHODS, Work
from hil.training.net import parse_net
from hil.training.reproduce import software_network
from hil.training.run import pull
from hil.training.site import site
from hil.training.trainer import threads, train_and_test
from hil.training.wafer import MeasuredWafer, reference_of

OTHER_SEED, SEED, WAFER = 12, 11, "W1"


def maps_of(lab: LabClient) -> MeasuredWafer:
    lab.start({"kind": "characterise", "wafer": WAFER, "dies": "all"}).wait()
    return pull(lab, WAFER).measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dies", type=int, default=3)
    parser.add_argument("--other-dies", type=int, default=8)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=200)
    parser.add_argument("--method", default="placed")
    parser.add_argument("--fab", default="default")
    parser.add_argument("--net", default="100-76-10x3")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=None, help="keeps the software network for the next time")
    asked = parser.parse_args()
    net = parse_net(asked.net, "independent")
    with tempfile.TemporaryDirectory() as folder, threads(1):
        with running_lab(Path(folder) / "other", OTHER_SEED, asked.fab, asked.other_dies) as lab, lab.client() as client:
            seen = maps_of(client)
        train, test = train_and_test(load_mnist(), net.image_side)
        budget = FULL_QUICK if asked.quick else FULL
        bench = Bench(net, train.first(budget.images), test.first(asked.images), budget, 0)
        network, _ = software_network(bench, asked.out or Path(folder))
        with running_lab(Path(folder) / "own", SEED, asked.fab, asked.dies) as lab, lab.client() as client:
            read = maps_of(client)
            where = site(net, seen, read)
            outcome = METHODS[asked.method].run(Work(bench, network, where))
            for place in deployments(outcome, Origin(asked.method, WAFER, where, read, reference_of(seen))):
                started = time.perf_counter()
                written = program(client, place)
                programmed_s = time.perf_counter() - started
                found = compare(client, place, read, bench.judge)
                run_s = time.perf_counter() - started - programmed_s
                tuned = fine_tuned(client, place, ideal_of(place.network, bench.train), bench.train.voltages[: asked.tune])
                again = compare(client, tuned, read, bench.judge)
                print(
                    _line(asked.method, written, found, again),
                    f"; written in {programmed_s:.1f} s, run in {run_s:.1f} s",
                    sep="",
                    flush=True,
                )


def _line(method: str, written: Written, found: Comparison, tuned: Comparison) -> str:
    apart = 100 * (found.measured_error - found.predicted_error)
    return (
        f"die {found.dies[0]}: {method}, {len(found.labels)} images: predicted {100 * found.predicted_error:.2f} %, "
        f"measured {100 * found.measured_error:.2f} % ({apart:+.2f} points, bar 0.5), same class {100 * found.same_class:.2f} % (bar 99); "
        f"tuned in the loop: measured {100 * tuned.measured_error:.2f} %, predicted {100 * tuned.predicted_error:.2f} %, "
        f"same class {100 * tuned.same_class:.2f} %; {sum(written.missed.values())} of {written.wanted} junctions not as wanted; "
        f"{found.saturated} saturated sums"
    )


if __name__ == "__main__":
    main()
