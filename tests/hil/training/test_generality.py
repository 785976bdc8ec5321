"""The same methods on networks other than the usual one."""

from dataclasses import replace

import numpy as np
import pytest

from hil.training.bench import Bench, Budget, software
from hil.training.data import Mnist
from hil.training.evaluate import errors_of_dies
from hil.training.methods import CONVENTIONAL, METHODS, PLACED, Work
from hil.training.net import parse_net
from hil.training.network import DEFAULT_BOUNDS
from hil.training.site import site
from hil.training.trainer import train_and_test
from hil.training.wafer import MeasuredWafer


@pytest.mark.parametrize(("name", "dies"), [("100-80-70-60-10", 2), ("100-8c3s2-12c2-10x3", 1)])
def test_every_method_runs_on_layers_over_two_dies_and_on_convolutions(
    name: str, dies: int, measured: MeasuredWafer, noise_images: Mnist, tiny: Budget
) -> None:
    net = parse_net(name, "independent")
    train, judge = train_and_test(noise_images, net.image_side)
    bench = Bench(net, train, judge, tiny, 0)
    work = Work(bench, software(bench), site(net, measured.take(range(2)), measured.take(range(2, 6))))
    assert len(work.site) == 4 // dies
    for method in METHODS.values():
        outcome = method.run(work)
        errors = errors_of_dies(outcome.network, outcome.bars(outcome.site.truth), judge)
        assert errors.shape == (4 // dies,)
        assert np.isfinite(errors).all()


@pytest.mark.parametrize("name", ["100-80-70-60-10", "100-8c3s2-12c2-10x3"])
def test_they_learn_digits_and_placing_helps_them_too(name: str, measured: MeasuredWafer, mnist: Mnist, tiny: Budget) -> None:
    net = parse_net(name, "independent")
    train, judge = train_and_test(mnist, net.image_side)
    budget = replace(tiny, images=3_072, clean=replace(tiny.clean, epochs=4), bounds=DEFAULT_BOUNDS)
    bench = Bench(net, train.first(3_072), judge.first(1_000), budget, 0)
    work = Work(bench, software(bench), site(net, measured.take(range(2)), measured.take(range(2, 4))))
    errors = {}
    for method in (CONVENTIONAL, PLACED):
        outcome = METHODS[method].run(work)
        errors[method] = errors_of_dies(outcome.network, outcome.bars(outcome.site.truth), bench.judge).mean()
    assert errors[PLACED] < 0.3
    assert errors[PLACED] < 0.9 * errors[CONVENTIONAL]
