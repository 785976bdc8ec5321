"""The differentiable crossbar against plain arithmetic on the physical die."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.devices import Dies, Wires, crossbars, dies_of, own, wiring
from hil.training.evaluate import errors_of_dies
from hil.training.floorplan import floorplan
from hil.training.net import Encoding, Net, parse_net
from hil.training.network import (
    Bounds,
    Crossbars,
    Hidden,
    Layer,
    Network,
    Statistics,
    calibrated,
    centred,
    column_sums,
    dealt,
    fresh_network,
    hidden_values,
    ideal_crossbars,
    logits,
    sign,
)
from hil.training.placed import targets
from hil.training.trainer import Images, generator
from hil.training.wafer import MeasuredWafer, reference_of

IMAGES = torch.rand(1, 1, 7, 100, generator=torch.Generator().manual_seed(5))
NETS = [parse_net("100-90-10", "tied"), parse_net("100-76-10x3", "independent"), parse_net("100-60-40-10", "tied")]


def network(net: Net = NETS[0], seed: int = 0) -> Network:
    return fresh_network(net, generator(seed, "test"))


def bars_of(measured: MeasuredWafer, net: Net) -> Crossbars:
    return crossbars(dies_of(measured, reference_of(measured)), wiring(floorplan(net)), net.encoding)


def one_weight(states: list[tuple[float, float]], encoding: Encoding) -> tuple[Crossbars, int]:
    """A crossbar of single weights, each given by (P, AP) of its plus and minus junction in turn."""
    both = torch.tensor(states)
    dies = Dies((both[:, 0] - both[:, 1])[None] / 2, both.sum(dim=1)[None] / 2)
    count = len(states) // 2
    plus, minus = torch.arange(0, 2 * count, 2)[:, None], torch.arange(1, 2 * count, 2)[:, None]
    return crossbars(dies, [Wires(plus, minus)], encoding), count


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_perfect_devices_multiply_by_what_is_programmed(net: Net) -> None:
    layer = network(net).layers[0]
    bits = torch.where(layer.latent[0] >= 0, 1.0, -1.0)
    expected = bits[0] if net.encoding is Encoding.TIED else (bits[0] - bits[1]) / 2
    assert torch.allclose(ideal_crossbars(net)[0].weights(layer.latent)[0, 0].expand(expected.shape), expected)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_column_currents_are_those_of_the_die_programmed_with_the_target(measured: MeasuredWafer, net: Net) -> None:
    """Write the target bits, pick each junction's measured conductance, add up currents column by column, subtract pairs."""
    plan, made, norm = floorplan(net), network(net), reference_of(measured).norm_siemens
    target = targets(plan, made.bits(0))[0]
    for die in range(len(measured.dies)):
        siemens = np.where(target == 1, measured.siemens_p[die], measured.siemens_ap[die]).astype(np.float64).ravel()
        for layer, wires, bar in zip(made.layers, plan.layers, bars_of(measured, net), strict=True):
            weights = siemens[wires.plus] - siemens[wires.minus]
            found = bar.weights(layer.latent)[0, die].numpy() * norm
            assert np.allclose(found, weights, rtol=0, atol=1e-4 * np.abs(weights).max())


def test_a_weight_on_two_stuck_junctions_gets_no_gradient_and_on_one_half() -> None:
    latent = torch.full((1, 1, 3, 1), 0.5, requires_grad=True)
    good, stuck_p, stuck_ap = (2.0, 1.0), (2.0, 2.0), (1.0, 1.0)
    bars, _ = one_weight([good, good, stuck_p, good, stuck_ap, stuck_ap], Encoding.TIED)
    bars[0].weights(latent).sum().backward()
    assert latent.grad is not None
    assert latent.grad.flatten().tolist() == [1.0, 0.5, 0.0]


def test_the_junctions_of_an_independent_pair_learn_apart() -> None:
    latent = torch.full((1, 2, 2, 1), 0.5, requires_grad=True)
    bars, _ = one_weight([(2.0, 1.0), (2.0, 1.0), (20.0, 20.0), (2.0, 1.0)], Encoding.INDEPENDENT)
    weights = bars[0].weights(latent)
    assert weights.flatten().tolist() == [0.0, 18.0]
    weights.sum().backward()
    assert latent.grad is not None
    assert latent.grad[0, :, :, 0].tolist() == [[0.5, 0.0], [-0.5, -0.5]]


def test_a_short_adds_the_same_current_whatever_the_weight() -> None:
    bars, _ = one_weight([(6.25, 6.25), (2.25, 1.25)], Encoding.TIED)
    weights = [float(bars[0].weights(torch.full((1, 1, 1, 1), w))) for w in (1.0, -1.0)]
    assert weights == [5.0, 4.0]


def test_the_sign_passes_the_gradient_straight_through() -> None:
    latent = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0], requires_grad=True)
    weights = sign(latent)
    assert weights.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    (2 * weights).sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == [2.0] * 5


def test_batch_statistics_and_calibration_on_the_same_images_agree() -> None:
    images = torch.rand(300, 100, generator=torch.Generator().manual_seed(6))
    net, bars = network(), ideal_crossbars(NETS[0])
    carried = logits(images[None, None], calibrated(net, bars, images), bars)
    assert torch.allclose(carried, logits(images[None, None], net, bars, Statistics.POOLED), atol=1e-5)


def test_statistics_of_each_map_centre_the_columns_of_each_die(measured: MeasuredWafer) -> None:
    images = torch.rand(1, 1, 400, 100, generator=torch.Generator().manual_seed(6))
    unbounded = replace(network(), bounds=Bounds(Hidden.TANH, output_limit=float("inf")))
    scores = logits(images, unbounded, bars_of(measured, NETS[0]), Statistics.EACH_MAP)
    assert scores.mean(dim=2).abs().max() < 1e-4
    pooled = logits(images, unbounded, bars_of(measured, NETS[0]), Statistics.POOLED)
    assert pooled.mean(dim=2).abs().max() > 1e-2


def test_hidden_units_stay_within_what_a_row_can_be_driven_with() -> None:
    one = torch.ones(1, 4)
    layer = Layer(torch.zeros(1, 1, 1, 4), one, one * 0, one * 0, one)
    values = hidden_values(torch.tensor([-80.0, 0.0, 0.4, 80.0])[None, None, None], layer, network().bounds).flatten()
    assert values.tolist() == [0.0, 0.0, pytest.approx(0.4), 3.0]


def test_the_columns_of_a_class_are_averaged(measured: MeasuredWafer) -> None:
    net = NETS[1]
    bars = bars_of(measured, net)
    made = calibrated(network(net), ideal_crossbars(net), IMAGES[0, 0])
    scores = logits(IMAGES, made, bars)
    assert scores.shape == (1, len(measured.dies), 7, 10)
    shifted = made.map(torch.clone)
    shifted.layers[-1].shift[:, 5] += 3.0  # the last of the three columns of class 1
    moved = logits(IMAGES, shifted, bars) - scores
    assert torch.allclose(moved[..., 1], torch.tensor(1.0), atol=1e-5)
    assert moved[..., [0, *range(2, 10)]].abs().max() == 0.0


def test_one_network_on_many_dies_and_a_copy_on_each_err_alike(measured: MeasuredWafer) -> None:
    images = Images(torch.rand(60, 100, generator=torch.Generator().manual_seed(1)), torch.arange(60) % 10)
    made = calibrated(network(NETS[1]), ideal_crossbars(NETS[1]), images.voltages)
    bars = bars_of(measured, NETS[1])
    assert np.array_equal(errors_of_dies(made, bars, images), errors_of_dies(made.repeated(len(measured.dies)), own(bars), images))


def test_copies_do_not_share_memory() -> None:
    first = network()
    many = first.repeated(3)
    many.layers[0].latent[1] += 1.0
    assert torch.equal(many.layers[0].latent[0], first.layers[0].latent[0])
    assert not torch.equal(many.only(1).layers[0].latent, first.layers[0].latent)


@pytest.mark.parametrize("net", [*NETS, parse_net("196-16c5s2-20c3-10", "independent")], ids=lambda net: net.name)
def test_a_centred_network_is_the_same_on_ideal_devices(net: Net) -> None:
    images = torch.rand(50, net.sizes[0], generator=torch.Generator().manual_seed(6))
    plain, bars = calibrated(network(net), ideal_crossbars(net), images), ideal_crossbars(net)
    rested = centred(plain, images)
    assert len(rested.rest) == len(net.shapes)
    assert torch.allclose(logits(images[None, None], rested, bars), logits(images[None, None], plain, bars), atol=2e-4)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_short_shifts_no_column_of_a_centred_network(layer: int) -> None:
    net = NETS[1]
    images = torch.rand(200, net.sizes[0], generator=torch.Generator().manual_seed(6))
    plain = calibrated(network(net), ideal_crossbars(net), images)
    values = (
        images[None, None]
        if layer == 0
        else hidden_values(column_sums(images[None, None], plain, 0, ideal_crossbars(net)), plain.layers[0], plain.bounds)
    )
    good = ideal_crossbars(net)
    offset = torch.zeros(1, 1, *net.shapes[layer])
    offset[0, 0, 3, 2] = 18.0
    shorted = [replace(bar, offset=offset) if index == layer else bar for index, bar in enumerate(good)]

    def shift(made: Network) -> float:
        off = column_sums(values, made, layer, shorted) - column_sums(values, made, layer, good)
        return float(off[0, 0, :, 2].mean().abs())

    assert shift(plain) > 0.1
    assert shift(centred(plain, images)) < 1e-4


def test_the_parts_of_a_sum_add_up_to_it(measured: MeasuredWafer) -> None:
    made, bars = network(NETS[1]), bars_of(measured, NETS[1])
    parts = bars[0].block_sums(IMAGES, made.layers[0].latent)
    assert parts.shape == (1, len(measured.dies), 4, 7, 76)
    assert torch.allclose(parts.sum(dim=-3), bars[0].sums(IMAGES, made.layers[0].latent), atol=1e-3)
    first = IMAGES.clone()
    first[..., 25:] = 0
    assert torch.allclose(parts[:, :, 0], bars[0].sums(first, made.layers[0].latent), atol=1e-3)


def test_a_short_shifts_a_bounded_sum_by_no_more_than_its_block_may_show() -> None:
    made, good = network(NETS[1]), ideal_crossbars(NETS[1])[0]
    offset = torch.zeros(1, 1, 100, 76)
    offset[0, 0, 30, 5] = 500.0
    off = replace(good, offset=offset).sums(IMAGES, made.layers[0].latent, 8.0) - good.sums(IMAGES, made.layers[0].latent, 8.0)
    assert 0 < float(off[..., 5].abs().max()) <= 16.0
    assert float(off[..., :5].abs().max()) == 0.0


def test_bounds_are_told_apart_by_what_they_say() -> None:
    assert repr(Bounds()) == "Bounds(hidden=<Hidden.CLIP: 'clip'>, hidden_limit=3.0, output_limit=4.0, joined=<Joined.MEAN: 'mean'>)"
    assert repr(Bounds(block_limit=2.0)) == repr(Bounds())[:-1] + ", block_limit=2.0)"


def test_bounds_wide_enough_change_nothing(measured: MeasuredWafer) -> None:
    made, bars = network(NETS[1]), bars_of(measured, NETS[1])
    wide = replace(made, bounds=replace(made.bounds, block_limit=1e6))
    assert torch.allclose(logits(IMAGES, wide, bars), logits(IMAGES, made, bars), atol=1e-4)


@pytest.mark.parametrize("net", [*NETS, parse_net("196-16c5s2-20c3-10", "independent")], ids=lambda net: net.name)
def test_inputs_dealt_out_to_blocks_make_the_same_network(net: Net) -> None:
    images = torch.rand(1, 1, 20, net.sizes[0], generator=torch.Generator().manual_seed(6))
    plain, bars = network(net), ideal_crossbars(net)
    assert torch.allclose(logits(images, dealt(plain), bars), logits(images, plain, bars), atol=1e-4)


def test_neighbouring_inputs_come_to_different_blocks() -> None:
    blocks = torch.empty(100, dtype=torch.int64)
    blocks[dealt(network(NETS[1])).order[0]] = torch.arange(100) // 25
    assert (blocks[1:] != blocks[:-1]).all()
