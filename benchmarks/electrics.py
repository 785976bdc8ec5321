"""What the electrics of the board cost a network: errors of the software network, placed on dies of the simulated wafer by their maps, with
each effect alone and with all of them; once with the digital side fitted to the plain maps, once fitted to what the board then shows.
Last, each die's network retrained through all of it, solver and converters included.

Line resistance is harsher than the simulator's default, which has none: 2 Ohm from cell to cell and 30 Ohm to each end of a line.

python -m benchmarks.electrics [--population default] [--dies 8] [--images 60000] [--seed 0] [--net 100-76-10x3]
"""

import argparse
import sys
import time
from dataclasses import replace

import torch

from benchmarks.generality import BUDGET, measured
from hil.training.adc import Converter
from hil.training.bench import Bench, software
from hil.training.data import load_mnist
from hil.training.draws import Fixed
from hil.training.electrics import Electrics, Noise, RollOff
from hil.training.emulation import emulated, places_of
from hil.training.evaluate import errors_of_dies
from hil.training.lines import DieLines
from hil.training.methods import Work
from hil.training.net import parse_net
from hil.training.network import Statistics, calibrated, ideal_crossbars
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from hil.training.recalibration import recalibrated
from hil.training.site import site
from hil.training.trainer import Recipe, train, train_and_test
from hil.training.wafer import reference_of

JUDGED_IMAGES, FITTED_IMAGES = 10_000, 1_000
RETRAINING_IMAGES = 30_720
RETRAINING = Recipe(epochs=1, batch=256, rate=1e-3, statistics=Statistics.POOLED)
ALL = Electrics(lines=DieLines(2.0, 30.0), roll_off=RollOff(), noise=Noise(), converter=Converter())
OPTIONS = {
    "none": Electrics(),
    "bias-dependent TMR": Electrics(roll_off=ALL.roll_off),
    "noise of reading": Electrics(noise=ALL.noise),
    "converter": Electrics(converter=ALL.converter),
    "line resistance": Electrics(lines=ALL.lines),
    "all": ALL,
}


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--population", default="default")
    asked.add_argument("--dies", type=int, default=8)
    asked.add_argument("--images", type=int, default=60_000)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--net", default="100-76-10x3")
    given = asked.parse_args()
    torch.set_num_threads(1)
    net, fab = parse_net(given.net, "independent"), population(given.population).fab
    others, dies = (measured(fab, seed, 0, given.dies) for seed in (OTHER_SEED, TEST_SEED))
    known, judged = train_and_test(load_mnist(), net.image_side)
    bench = Bench(net, known.first(given.images), judged.first(JUDGED_IMAGES), replace(BUDGET, images=given.images), given.seed)
    baseline = software(bench)
    work = Work(bench, baseline, site(net, others, dies))
    placement = work.placement(baseline)
    fitted = work.fitted(baseline, placement).network
    ideal = calibrated(baseline, ideal_crossbars(net), bench.many)
    error = 100 * float(errors_of_dies(baseline, ideal_crossbars(net), bench.judge).mean())
    print(f"{net.name}, {given.dies} dies of {given.population}, {JUDGED_IMAGES:,} test images; ideal devices: {error:.2f} %")
    unit_siemens = reference_of(others).norm_siemens
    for name, electrics in OPTIONS.items():
        began_s = time.process_time()
        places = places_of(work.site.read, unit_siemens, work.site.plan, electrics, placement)
        bars = emulated(replace(places, order=bench.order(name)), fitted)
        as_it_is = 100 * errors_of_dies(fitted, bars, bench.judge)
        there = 100 * errors_of_dies(recalibrated(fitted, bars, ideal, bench.unlabelled[:FITTED_IMAGES]), bars, bench.judge)
        print(
            f"  {name:20s} {as_it_is.mean():6.2f} %, worst {as_it_is.max():6.2f} %; fitted there {there.mean():5.2f} %, worst "
            f"{there.max():5.2f} % ({time.process_time() - began_s:.0f} s of one processor)",
            flush=True,
        )
    began_s = time.process_time()
    bars = emulated(replace(places_of(work.site.read, unit_siemens, work.site.plan, ALL, placement), order=bench.order("all")), fitted)
    start = recalibrated(fitted, bars, ideal, bench.unlabelled[:FITTED_IMAGES])
    trained = train(start, Fixed(bars), bench.train.first(RETRAINING_IMAGES), RETRAINING, bench.order("retraining"))
    errors = 100 * errors_of_dies(calibrated(trained, bars, bench.unlabelled[:FITTED_IMAGES]), bars, bench.judge)
    print(f"  all, retrained through it on {RETRAINING_IMAGES:,} images: {errors.mean():.2f} %, worst {errors.max():.2f} % ", end="")
    print(f"({time.process_time() - began_s:.0f} s of one processor)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
