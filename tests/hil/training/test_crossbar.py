"""The differentiable crossbar against plain arithmetic on the physical die."""

import numpy as np
import torch

from hil.model.layout import to_die
from hil.training.crossbar import (
    Network,
    Pairs,
    activated,
    calibrated,
    column_sums,
    crossbars,
    fresh_network,
    ideal_crossbars,
    logits,
    sign,
)
from hil.training.mapping import halves
from hil.training.trainer import generator
from hil.training.wafer import MeasuredWafer, junctions, reference_of

IMAGES = torch.rand(1, 1, 7, 100, generator=torch.Generator().manual_seed(5))


def network(seed: int = 0) -> Network:
    return fresh_network(generator(seed, "test"))


def test_perfect_devices_multiply_by_the_binary_weights() -> None:
    layer = network().layers[0]
    sums = column_sums(IMAGES, layer, ideal_crossbars()[0])
    assert torch.allclose(sums[0, 0], IMAGES[0, 0] @ torch.where(layer.latent[0] >= 0, 1.0, -1.0))


def test_column_currents_are_those_of_the_die_programmed_with_the_target(measured: MeasuredWafer) -> None:
    """Write the target bits, pick each junction's measured conductance, add up currents column by column, subtract pairs."""
    net = network()
    reference = reference_of(measured)
    bars = crossbars(torch.from_numpy(junctions(measured, reference))[None])
    on_die = to_die(net.target(0))
    for die in range(len(measured.dies)):
        siemens = np.where(on_die == 1, to_die(measured.siemens_p[die]), to_die(measured.siemens_ap[die]))
        for layer, inputs in ((0, 100), (1, 90)):
            voltages = IMAGES[..., :inputs]
            plus, minus = halves(siemens.astype(np.float64), layer)
            amps_per_volt = voltages[0, 0].numpy() @ (plus - minus)
            sums = column_sums(voltages, net.layers[layer], bars[layer])[0, die].numpy() * reference.norm_siemens
            assert np.allclose(sums, amps_per_volt, rtol=0, atol=1e-4 * np.abs(amps_per_volt).max())


def test_a_weight_on_two_stuck_junctions_gets_no_gradient_and_on_one_half() -> None:
    latent = torch.full((1, 3, 1), 0.5, requires_grad=True)
    states = torch.zeros(1, 1, 100, 200, 2)
    states[..., 0], states[..., 1] = 2.0, 1.0
    states[0, 0, 1, 0] = 2.0  # left junction stuck at P
    states[0, 0, 2, :2] = 1.0  # both stuck at AP
    pairs = crossbars(states)[0]
    top = Pairs(pairs.slope[:, :, :3, :1], pairs.offset[:, :, :3, :1])
    (torch.ones(1, 1, 1, 3) @ (top.slope * sign(latent).unsqueeze(1) + top.offset)).sum().backward()
    assert latent.grad is not None
    assert latent.grad.flatten().tolist() == [1.0, 0.5, 0.0]


def test_a_short_adds_the_same_current_whatever_the_weight() -> None:
    states = torch.zeros(1, 1, 100, 200, 2)
    states[..., 0], states[..., 1] = 2.25, 1.25
    states[0, 0, 0, 0] = 6.25
    pairs = crossbars(states)[0]
    weights = [float(pairs.slope[0, 0, 0, 0] * w + pairs.offset[0, 0, 0, 0]) for w in (1.0, -1.0)]
    assert weights == [5.0, 4.0]


def test_the_sign_lets_gradients_through_only_within_reach() -> None:
    latent = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5], requires_grad=True)
    weights = sign(latent)
    assert weights.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    weights.sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_calibrating_centres_every_column_on_the_die_it_was_done_on(measured: MeasuredWafer) -> None:
    bars = crossbars(torch.from_numpy(junctions(measured, reference_of(measured)))[:, None])
    images = torch.rand(400, 100, generator=torch.Generator().manual_seed(6))
    nets = calibrated(network().repeated(len(measured.dies)), bars, images)
    normalised = logits(images[None, None], nets, bars)
    assert normalised.mean(dim=2).abs().max() < 1e-4
    assert torch.allclose(normalised.std(dim=2), torch.ones(len(measured.dies), 1, 10), atol=0.02)


def test_batch_statistics_and_calibration_on_the_same_images_agree() -> None:
    images = torch.rand(300, 100, generator=torch.Generator().manual_seed(6))
    net, bars = network(), ideal_crossbars()
    carried = logits(images[None, None], calibrated(net, bars, images), bars)
    assert torch.allclose(carried, logits(images[None, None], net, bars, batch_statistics=True), atol=1e-5)


def test_hidden_units_stay_within_what_a_row_can_be_driven_with() -> None:
    values = activated(torch.tensor([-80.0, 0.0, 0.4, 80.0]))
    assert values.abs().max() <= 1.0
    assert values[1] == 0.0
    assert 0.3 < float(values[2]) < 0.4


def test_copies_do_not_share_memory() -> None:
    first = network()
    many = first.repeated(3)
    many.layers[0].latent[1] += 1.0
    assert torch.equal(many.layers[0].latent[0], first.layers[0].latent[0])
    assert not torch.equal(many.only(1).layers[0].latent, first.layers[0].latent)
