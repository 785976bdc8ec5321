"""A network as the board runs it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.adc import Converter
from hil.training.devices import Dies, crossbars, own, wiring
from hil.training.electrics import Electrics, RollOff
from hil.training.emulation import emulated, places_of
from hil.training.errors import NetError
from hil.training.floorplan import Spares, floorplan
from hil.training.lines import DieLines
from hil.training.net import parse_net
from hil.training.network import DEFAULT_BOUNDS, Bounds, Hidden, Network, calibrated, fresh_network, logits, side_by_side
from hil.training.packing import PER_DIE
from hil.training.placement import place, placed_wiring

UNIT_SIEMENS = 150e-6


def some_dies(places: int, dies: int) -> Dies:
    """Spread and a few shorts, in units of the difference of a good junction."""
    rng = np.random.default_rng(3)
    slope = 0.5 * rng.normal(1.0, 0.05, (places, dies * PER_DIE))
    offset = 1.75 * rng.normal(1.0, 0.05, slope.shape)
    offset[rng.random(slope.shape) < 0.002] = 6.0
    return Dies(torch.from_numpy(slope).float(), torch.from_numpy(offset).float())


def made(name: str, encoding: str, bounds: Bounds = DEFAULT_BOUNDS) -> tuple[Network, Dies]:
    net = parse_net(name, encoding)
    network = fresh_network(net, torch.Generator().manual_seed(4), bounds)
    dies = some_dies(1, floorplan(net).dies)
    bars = crossbars(dies, wiring(floorplan(net)), net.encoding)
    return calibrated(network, bars, torch.rand(200, net.sizes[0], generator=torch.Generator().manual_seed(5))), dies


@pytest.mark.parametrize("encoding", ["tied", "independent", "reference"])
@pytest.mark.parametrize("name", ["60-30-10x3", "36-4c3-12-10", "100-80-90-60-10"])
@pytest.mark.parametrize("bounds", [*map(Bounds, Hidden), Bounds(block_limit=1.5)], ids=["clip", "tanh", "blocks"])
def test_without_electrics_it_is_the_plain_crossbar(name: str, encoding: str, bounds: Bounds) -> None:
    network, dies = made(name, encoding, bounds)
    plan = floorplan(network.net)
    images = torch.rand(1, 1, 20, network.net.sizes[0], generator=torch.Generator().manual_seed(6))
    bars = emulated(places_of(dies, UNIT_SIEMENS, plan, Electrics()), network)
    plain = logits(images, network, crossbars(dies, wiring(plan), network.net.encoding))
    torch.testing.assert_close(logits(images, network, bars), plain, atol=2e-4, rtol=1e-4)


def test_electrics_change_the_scores_a_little_and_recalibration_takes_most_of_it_back() -> None:
    network, dies = made("100-76-10x3", "independent")
    plan = floorplan(network.net)
    images = torch.rand(400, 100, generator=torch.Generator().manual_seed(7))
    electrics = Electrics(lines=DieLines(1.0, 10.0), roll_off=RollOff(), converter=Converter())
    bars = emulated(places_of(dies, UNIT_SIEMENS, plan, electrics), network)
    plain = logits(images[None, None], network, crossbars(dies, wiring(plan), network.net.encoding))
    as_run = logits(images[None, None], network, bars)
    fitted = logits(images[None, None], calibrated(network, bars, images), bars)
    assert 0.02 < (as_run - plain).std() < plain.std()
    assert (fitted - plain).std() < (as_run - plain).std()


def test_it_trains_through_the_electrics() -> None:
    network, dies = made("30-12-4", "tied")
    electrics = Electrics(lines=DieLines(1.0, 10.0), roll_off=RollOff(), converter=Converter())
    bars = emulated(places_of(dies, UNIT_SIEMENS, floorplan(network.net), electrics), network)
    network = network.map(lambda tensor: tensor.requires_grad_())
    logits(torch.rand(1, 1, 50, 30), network, bars).square().sum().backward()
    for layer in network.layers:
        assert layer.latent.grad is not None
        assert (layer.latent.grad != 0).float().mean() > 0.5


def test_another_number_of_copies_than_places_is_refused() -> None:
    network, _ = made("30-12-4", "tied")
    bars = emulated(places_of(some_dies(3, 1), UNIT_SIEMENS, floorplan(network.net), Electrics()), network)
    with pytest.raises(NetError, match="one copy, or one a place"):
        logits(torch.rand(1, 1, 5, 30), network.repeated(2), bars)


def test_the_converter_alone_costs_little() -> None:
    network, dies = made("60-30-10", "tied")
    places = places_of(dies, UNIT_SIEMENS, floorplan(network.net), Electrics())
    images = torch.rand(1, 1, 100, 60, generator=torch.Generator().manual_seed(8))
    each = (places, replace(places, electrics=Electrics(converter=Converter())))
    plain, digitised = (logits(images, network, emulated(option, network)) for option in each)
    assert 0 < (plain - digitised).std() < 0.2 * plain.std()


@pytest.mark.parametrize("encoding", ["tied", "independent", "reference"])
def test_many_places_each_with_its_own_placement_and_weights(encoding: str) -> None:
    network, _ = made("60-30-10x3", encoding)
    plan, dies = floorplan(network.net, Spares(2, 1)), some_dies(3, 1)
    slots = crossbars(dies, wiring(plan), network.net.encoding)
    placement = place(network, slots, [torch.ones(shape) for shape in network.net.shapes])
    bars = crossbars(dies, placed_wiring(wiring(plan), placement), network.net.encoding)
    places = places_of(dies, UNIT_SIEMENS, plan, Electrics(), placement)
    images = torch.rand(1, 1, 20, 60, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(logits(images, network, emulated(places, network)), logits(images, network, bars), atol=2e-3, rtol=1e-3)
    with pytest.raises(NetError, match="cannot be bounded block by block"):
        logits(images, replace(network, bounds=Bounds(block_limit=1.0)), emulated(places, network))
    assert encoding == "reference" or any(layer.exchanged.any() for layer in placement)
    copies = side_by_side([network, fresh_network(network.net, torch.Generator().manual_seed(10)), network])
    shown = logits(images, copies, emulated(places, copies))
    assert shown.shape == (3, 1, 20, 10)
    torch.testing.assert_close(shown, logits(images, copies, own(bars)), atol=2e-3, rtol=1e-3)
