"""A network as the board runs it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.adc import Converter
from hil.training.devices import Dies, crossbars, wiring
from hil.training.electrics import Electrics, RollOff
from hil.training.emulation import emulated, place_of
from hil.training.errors import NetError
from hil.training.floorplan import floorplan
from hil.training.lines import DieLines
from hil.training.net import parse_net
from hil.training.network import DEFAULT_BOUNDS, Bounds, Hidden, Network, calibrated, fresh_network, logits
from hil.training.packing import PER_DIE
from hil.training.placed import placed_at
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
@pytest.mark.parametrize("hidden", list(Hidden))
def test_without_electrics_it_is_the_plain_crossbar(name: str, encoding: str, hidden: Hidden) -> None:
    network, dies = made(name, encoding, Bounds(hidden))
    plan = floorplan(network.net)
    images = torch.rand(1, 1, 20, network.net.sizes[0], generator=torch.Generator().manual_seed(6))
    bars = emulated(place_of(dies, 0, UNIT_SIEMENS, plan, network.bits(0), Electrics()), network.bounds)
    plain = logits(images, network, crossbars(dies, wiring(plan), network.net.encoding))
    torch.testing.assert_close(logits(images, network, bars), plain, atol=2e-4, rtol=1e-4)


def test_electrics_change_the_scores_a_little_and_recalibration_takes_most_of_it_back() -> None:
    network, dies = made("100-76-10x3", "independent")
    plan = floorplan(network.net)
    images = torch.rand(400, 100, generator=torch.Generator().manual_seed(7))
    electrics = Electrics(lines=DieLines(1.0, 10.0), roll_off=RollOff(), converter=Converter())
    bars = emulated(place_of(dies, 0, UNIT_SIEMENS, plan, network.bits(0), electrics), network.bounds)
    plain = logits(images[None, None], network, crossbars(dies, wiring(plan), network.net.encoding))
    as_run = logits(images[None, None], network, bars)
    fitted = logits(images[None, None], calibrated(network, bars, images), bars)
    assert 0.02 < (as_run - plain).std() < plain.std()
    assert (fitted - plain).std() < (as_run - plain).std()


def test_it_trains_through_the_electrics() -> None:
    network, dies = made("30-12-4", "tied")
    electrics = Electrics(lines=DieLines(1.0, 10.0), roll_off=RollOff(), converter=Converter())
    bars = emulated(place_of(dies, 0, UNIT_SIEMENS, floorplan(network.net), network.bits(0), electrics), network.bounds)
    network = network.map(lambda tensor: tensor.requires_grad_())
    logits(torch.rand(1, 1, 50, 30), network, bars).square().sum().backward()
    for layer in network.layers:
        assert layer.latent.grad is not None
        assert (layer.latent.grad != 0).float().mean() > 0.5


def test_several_copies_are_refused() -> None:
    network, dies = made("30-12-4", "tied")
    bars = emulated(place_of(dies, 0, UNIT_SIEMENS, floorplan(network.net), network.bits(0), Electrics()), network.bounds)
    with pytest.raises(NetError, match="split them"):
        logits(torch.rand(1, 1, 5, 30), network.repeated(2), bars)


def test_the_converter_alone_costs_little() -> None:
    network, dies = made("60-30-10", "tied")
    place = place_of(dies, 0, UNIT_SIEMENS, floorplan(network.net), network.bits(0), Electrics())
    images = torch.rand(1, 1, 100, 60, generator=torch.Generator().manual_seed(8))
    plain, digitised = (
        logits(images, network, emulated(each, network.bounds))
        for each in (place, replace(place, electrics=Electrics(converter=Converter())))
    )
    assert 0 < (plain - digitised).std() < 0.2 * plain.std()


def test_a_placed_network_runs_where_it_was_placed() -> None:
    network, dies = made("60-30-10x3", "independent")
    plan = floorplan(network.net)
    slots = crossbars(dies, wiring(plan), network.net.encoding)
    placement = place(network, slots, [torch.ones(shape) for shape in network.net.shapes])
    here = placed_at(plan, placement, 0)
    images = torch.rand(1, 1, 20, 60, generator=torch.Generator().manual_seed(9))
    plain = logits(images, network, crossbars(dies, placed_wiring(wiring(plan), placement), network.net.encoding))
    bars = emulated(place_of(dies, 0, UNIT_SIEMENS, here, network.bits(0), Electrics()), network.bounds)
    torch.testing.assert_close(logits(images, network, bars), plain, atol=2e-4, rtol=1e-4)
    assert any(layer.exchanged.any() for layer in placement)
