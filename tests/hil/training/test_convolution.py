"""Convolutions: one array of weights that serves all positions."""

import pytest
import torch

from hil.training.convolution import joined, patches, rows_of
from hil.training.errors import NetError
from hil.training.net import Window, parse_net
from hil.training.network import calibrated, fresh_network, ideal_crossbars, logits, sign


@pytest.mark.parametrize("window", [Window(1, 14, 5, 2), Window(3, 7, 3), Window(2, 6, 6), Window(4, 5, 1)])
def test_patches_times_weights_are_a_convolution(window: Window) -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 1, 6, window.channels * window.side**2, generator=generator)
    weights = torch.rand(window.inputs, 5, generator=generator)
    found = joined(patches(images, window) @ weights, window.positions)
    kernels = weights.T.reshape(5, window.channels, window.size, window.size)
    square = images.reshape(12, window.channels, window.side, window.side)
    expected = torch.nn.functional.conv2d(square, kernels, stride=window.stride).reshape(2, 1, 6, -1)
    torch.testing.assert_close(found, expected)


def test_a_network_s_name_says_its_convolutions() -> None:
    net = parse_net("196-16c5s2-20c3-10x3", "independent")
    assert net.name == "196-16c5s2-20c3-10x3"
    assert net.shapes == ((25, 16), (144, 20), (180, 30))
    assert net.windows == (Window(1, 14, 5, 2), Window(16, 5, 3))
    assert parse_net("100-76-10x3").windows == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("100-16c11-10", "do not fit"),
        ("100-30-16c3-10", "come first"),
        ("100-16c3-10c2", "names no network|come first"),
        ("90-16c3-10", "no square"),
        ("100-16c3s0-10", "do not fit"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(name: str, why: str) -> None:
    with pytest.raises(NetError, match=why):
        parse_net(name)


def test_a_whole_network_is_what_torch_makes_of_it() -> None:
    generator = torch.Generator().manual_seed(2)
    net = parse_net("36-4c3-6c2s2-10")
    images = torch.rand(7, 36, generator=generator)
    network = calibrated(fresh_network(net, generator), ideal_crossbars(net), images)

    def digital(sums: torch.Tensor, layer: int) -> torch.Tensor:
        (mean,), (sd,) = network.layers[layer].mean, network.layers[layer].sd
        return ((sums.movedim(1, -1) - mean) / sd).movedim(-1, 1)

    values = images.reshape(7, 1, 6, 6)
    for layer, stride in ((0, 1), (1, 2)):
        weights = sign(network.layers[layer].latent)[0, 0].T.reshape(-1, *((1, 3, 3), (4, 2, 2))[layer])
        values = digital(torch.nn.functional.conv2d(values, weights, stride=stride), layer).clamp(0.0, 3.0)
    expected = digital(values.flatten(1) @ sign(network.layers[2].latent)[0, 0], 2).clamp(-4.0, 4.0)
    torch.testing.assert_close(logits(images[None, None], network, ideal_crossbars(net))[0, 0], expected)


def test_values_of_a_dense_layer_are_its_rows() -> None:
    values = torch.rand(1, 1, 3, 100)
    assert rows_of(values, parse_net("100-76-10x3"), 0) is values
