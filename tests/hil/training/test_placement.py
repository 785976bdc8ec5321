"""Bad junctions go where the network does not feel them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.devices import Dies, crossbars, own, wiring
from hil.training.errors import NetError
from hil.training.floorplan import Spares, floorplan
from hil.training.importance import importance
from hil.training.net import parse_net
from hil.training.network import Network, calibrated, fresh_network, ideal_crossbars
from hil.training.placement import Placement, place, placed_wiring
from hil.training.recalibration import recalibrated
from hil.training.trainer import generator

NETS = [parse_net("100-90-10", "tied"), parse_net("100-76-10x3", "independent"), parse_net("100-97-10", "reference")]
IMAGES = torch.rand(200, 100, generator=torch.Generator().manual_seed(2)) * (torch.arange(100) % 5 > 0)
LABELS = torch.arange(200) % 10


def made(index: int) -> Network:
    net = NETS[index]
    return calibrated(fresh_network(net, generator(0, "p")), ideal_crossbars(net), IMAGES)


def dies_with_shorts(places: int, rate: float = 0.01) -> Dies:
    spread = torch.Generator().manual_seed(4)
    short = torch.rand(places, 20_000, generator=spread) < rate
    return Dies(torch.where(short, 0.0, 0.5), torch.where(short, 20.0, 1.5))


def deviation(network: Network, dies: Dies, placement: Placement | None) -> torch.Tensor:
    """(places,): squared deviations of all weights, each times its importance."""
    net = network.net
    slots = wiring(floorplan(net))
    matter = importance(network, ideal_crossbars(net), IMAGES, LABELS)
    bars = crossbars(dies, slots if placement is None else placed_wiring(slots, placement), net.encoding)
    ideals = ideal_crossbars(net)
    return sum(
        (weight * (bar.weights(layer.latent) - ideal.weights(layer.latent)).square()[0]).sum(dim=(1, 2))
        for bar, ideal, layer, weight in zip(bars, ideals, network.layers, matter, strict=True)
    )


def placed_on(network: Network, dies: Dies) -> Placement:
    slots = crossbars(dies, wiring(floorplan(network.net)), network.net.encoding)
    return place(network, slots, importance(network, ideal_crossbars(network.net), IMAGES, LABELS))


@pytest.mark.parametrize("index", range(3))
def test_placing_lessens_what_the_loss_feels_on_every_die(index: int) -> None:
    network, dies = made(index), dies_with_shorts(3)
    before, after = deviation(network, dies, None), deviation(network, dies, placed_on(network, dies))
    assert (after < 0.7 * before).all()


@pytest.mark.parametrize("index", range(3))
def test_every_slot_is_used_once_and_a_reference_is_never_exchanged(index: int) -> None:
    placement = placed_on(made(index), dies_with_shorts(2))
    for layer, (inputs, columns) in zip(placement, NETS[index].shapes, strict=True):
        for chosen, count in ((layer.rows, inputs), (layer.columns, columns)):
            assert all(sorted(of_place.tolist()) == list(range(count)) for of_place in chosen)
    assert any(layer.exchanged.any() for layer in placement) == (index < 2)


def test_a_dark_input_drives_the_row_of_the_shorts() -> None:
    """One row slot is full of shorts: an input that is always dark gets it."""
    network, dies = made(1), dies_with_shorts(1, rate=0.0)
    row = torch.from_numpy(floorplan(NETS[1]).layers[0].plus[37].astype(np.int64))
    dies.slope[0, row], dies.offset[0, row] = 0.0, 20.0
    (dark,) = torch.nonzero(placed_on(network, dies)[0].rows[0] == 37)
    assert int(dark) % 5 == 0


def test_spare_slots_are_taken_where_they_are_better() -> None:
    net = parse_net("100-60-10", "tied")
    network = calibrated(fresh_network(net, generator(0, "p")), ideal_crossbars(net), IMAGES)
    plan = floorplan(net, Spares(columns=1))
    dies = dies_with_shorts(1, rate=0.0)
    column = torch.from_numpy(plan.layers[0].plus[:, 5].astype(np.int64))
    dies.slope[0, column], dies.offset[0, column] = 0.0, 20.0
    slots = crossbars(dies, wiring(plan), net.encoding)
    placement = place(network, slots, importance(network, ideal_crossbars(net), IMAGES, LABELS))
    assert 5 not in placement[0].columns[0].tolist()
    assert placement[0].columns.shape == (1, 60)


def test_recalibrating_turns_a_drowned_column_down_and_a_clean_die_is_left_alone() -> None:
    network = made(1)
    dies = dies_with_shorts(2, rate=0.0)
    column = torch.from_numpy(floorplan(NETS[1]).layers[0].plus[:, 3].astype(np.int64))
    dies.slope[1, column[11]], dies.offset[1, column[11]] = 0.0, 60.0
    bars = own(crossbars(dies, wiring(floorplan(NETS[1])), NETS[1].encoding))
    fitted = recalibrated(network.repeated(2), bars, network, IMAGES)
    assert torch.allclose(fitted.layers[0].sd[0], network.layers[0].sd[0], rtol=0.02)
    assert fitted.layers[0].sd[1, 3] > 4 * network.layers[0].sd[0, 3]
    others = [index for index in range(76) if index != 3]
    assert torch.allclose(fitted.layers[0].sd[1, others], network.layers[0].sd[0, others], rtol=0.02)


def test_recalibrating_weighs_the_columns_of_a_class_by_what_they_are_worth() -> None:
    network = made(1)
    dies = dies_with_shorts(1, rate=0.0)
    column = torch.from_numpy(floorplan(NETS[1]).layers[1].plus[:, 4].astype(np.int64))
    dies.slope[0, column[::9]], dies.offset[0, column[::9]] = 0.0, 40.0
    bars = own(crossbars(dies, wiring(floorplan(NETS[1])), NETS[1].encoding))
    gain = recalibrated(network, bars, network, IMAGES).layers[1].gain[0]
    assert gain[4].abs() < 0.3 * torch.minimum(gain[3], gain[5])


def test_a_network_bounded_block_by_block_is_not_placed() -> None:
    network = made(1)
    bounded = replace(network, bounds=replace(network.bounds, block_limit=2.0))
    matter = importance(bounded, ideal_crossbars(network.net), IMAGES, LABELS)
    with pytest.raises(NetError, match="bounded at 2 block by block"):
        place(bounded, crossbars(dies_with_shorts(1), wiring(floorplan(network.net)), network.net.encoding), matter)
