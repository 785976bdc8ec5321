"""Networks other than the usual one, trained by the same methods: four layers over two dies, and a convolutional network on one.

Dies of a population as the simulated board reads them, those of another wafer for what is shared; errors on the judged dies' second
reading, all 10,000 test images. One seed, and per-die steps shorter than in the table of `hil reproduce`: this proves generality, not a
record.

python -m benchmarks.generality [--population 10x-0.3] [--dies 24] [--images 60000] [--seed 0] [--net NAME ...]
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.measured_wafer import measured_wafer
from hil.training.adc import Converter
from hil.training.bench import FULL, Bench, software
from hil.training.data import load_mnist
from hil.training.electrics import Electrics
from hil.training.emulation import emulated, places_of
from hil.training.evaluate import errors_of_dies, wrong
from hil.training.floorplan import floorplan
from hil.training.methods import METHODS, PLACED, Outcome, Work
from hil.training.net import Net, parse_net
from hil.training.network import ideal_crossbars
from hil.training.populations import OTHER_SEED, TEST_SEED, population
from hil.training.site import site
from hil.training.trainer import train_and_test
from hil.training.wafer import MeasuredWafer, reference_of
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer

NETS = ("144-80-60-40-10x3", "196-16c5s2-20c3-10x3")
EMULATED_IMAGES = 1_000
BUDGET = replace(
    FULL,
    hardware_aware=replace(FULL.hardware_aware, epochs=3, rate=3e-3),
    statistics_aware=replace(FULL.statistics_aware, epochs=12),
    placed=replace(FULL.placed, epochs=12),
    trimmed=replace(FULL.trimmed, epochs=2),
    retrained=replace(FULL.retrained, epochs=2),
    recalibration_images=1_000,
    importance_images=1_000,
    pool=64,
    placed_pool=32,
)


def measured(fab: str, seed: int, reading: int, dies: int) -> MeasuredWafer:
    found = measured_wafer(Wafer(seed, load_fab(fab)), reading)[:dies]
    return MeasuredWafer(
        tuple(die.die for die in found if die.die is not None),
        np.stack([die.p.siemens for die in found]),
        np.stack([die.ap.siemens for die in found]),
        np.stack([die.defects.codes for die in found]),
    )


def on_the_board(outcome: Outcome, bench: Bench, unit_siemens: float) -> str:
    """Error in per cent without electrics, and as the board runs them: a converter behind every kernel's column."""
    images, shares = bench.judge.first(EMULATED_IMAGES), []
    for electrics in (Electrics(), Electrics(converter=Converter())):
        places = places_of(outcome.site.truth, unit_siemens, outcome.site.plan, electrics, outcome.placement)
        shares.append(100 * wrong(outcome.network, emulated(places, outcome.network), images).mean())
    return f"{PLACED}, first {EMULATED_IMAGES} images: {shares[0]:.2f} %, digitised kernel by kernel {shares[1]:.2f} %"


def table(net: Net, wafers: tuple[MeasuredWafer, ...], bench: Bench) -> None:
    plan = floorplan(net)
    began_s = time.perf_counter()
    baseline = software(bench)
    ideal = 100 * float(errors_of_dies(baseline, ideal_crossbars(net), bench.judge).mean())
    here = site(net, *wafers)
    print(f"\n{net.name}, {net.encoding}: {len(plan.used):,} junctions on {plan.dies} die{'s'[: plan.dies - 1]}, {len(here)} places")
    print(f"  {'software, ideal devices':34s} {ideal:6.2f} % {time.perf_counter() - began_s:27.0f} s", flush=True)
    work = Work(bench, baseline, here)
    for name, method in METHODS.items():
        began_s, busy_s = time.perf_counter(), time.process_time()
        outcome = method.run(work)
        errors = 100 * errors_of_dies(outcome.network, outcome.bars(outcome.site.truth), bench.judge)
        taken = f"{time.perf_counter() - began_s:5.0f} s ({time.process_time() - busy_s:.0f} s of one processor)"
        print(f"  {name:34s} {errors.mean():6.2f} % ({errors.mean() - ideal:+6.2f}), worst {errors.max():6.2f} % {taken}", flush=True)
        if name == PLACED:
            print(f"    {on_the_board(outcome, bench, reference_of(wafers[0]).norm_siemens)}", flush=True)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--population", default="10x-0.3")
    asked.add_argument("--dies", type=int, default=24)
    asked.add_argument("--images", type=int, default=60_000)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--net", action="append")
    given = asked.parse_args()
    torch.set_num_threads(1)
    fab = population(given.population).fab
    readings = ((OTHER_SEED, 0), (TEST_SEED, 0), (TEST_SEED, 1))
    wafers = tuple(measured(fab, seed, reading, given.dies) for seed, reading in readings)
    print(f"population {given.population}, {given.dies} dies judged, {given.dies} others to learn from, {given.images:,} training images")
    mnist = load_mnist()
    for name in given.net or NETS:
        net = parse_net(name, "independent")
        train, test = train_and_test(mnist, net.image_side)
        table(net, wafers, Bench(net, train.first(given.images), test, replace(BUDGET, images=given.images), given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
