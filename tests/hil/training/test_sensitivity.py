"""What shorts do to a network: one by one exactly, many at random places."""

from dataclasses import replace

import numpy as np
import torch

from hil.training.devices import Dies, crossbars, wiring
from hil.training.floorplan import floorplan
from hil.training.net import parse_net
from hil.training.network import Network, calibrated, centred, fresh_network, ideal_crossbars, logits
from hil.training.sensitivity import junction_losses, on_the_die, suffering
from hil.training.trainer import Images

NET = parse_net("9-6-3x2", "independent")


def images(count: int = 64) -> Images:
    order = torch.Generator().manual_seed(2)
    return Images(torch.rand(count, 9, generator=order), torch.randint(0, 3, (count,), generator=order))


def network(encoding: str = "independent") -> Network:
    net = parse_net("9-6-3x2", encoding)
    return calibrated(fresh_network(net, torch.Generator().manual_seed(1)), ideal_crossbars(net), images().voltages)


def wide_network() -> Network:
    """Of two blocks a column."""
    net = parse_net("9-30-3x2", "independent")
    return calibrated(fresh_network(net, torch.Generator().manual_seed(1)), ideal_crossbars(net), images().voltages)


def bounded(made: Network) -> Network:
    return centred(replace(made, bounds=replace(made.bounds, block_limit=1.0)), images().voltages)


def loss_on(made: Network, dies: Dies) -> float:
    with torch.no_grad():
        scores = logits(images().voltages[None, None], made, crossbars(dies, wiring(floorplan(made.net)), made.net.encoding))[0, 0]
    return float(torch.nn.functional.cross_entropy(scores, images().labels))


def test_each_junctions_loss_is_that_of_a_die_with_that_one_short() -> None:
    for made in (network("independent"), network("tied"), bounded(wide_network())):
        plan = floorplan(made.net)
        found = junction_losses(made, 20.0, images())
        perfect = Dies(torch.full((1, 20_000), 0.5), torch.full((1, 20_000), 1.5))
        before = loss_on(made, perfect)
        for layer, part, row, column in ((0, 0, 3, 2), (0, 1, 8, 5), (1, 0, 0, 4), (1, 1, 5, 1), (1, 0, made.net.sizes[1] - 1, 2)):
            junction = (plan.layers[layer].plus, plan.layers[layer].minus)[part][row, column]
            slope, offset = perfect.slope.clone(), perfect.offset.clone()
            slope[0, junction], offset[0, junction] = 0.0, 20.0
            expected = loss_on(made, Dies(slope, offset)) - before
            assert abs(float(found[layer][part, row, column]) - expected) < 1e-4


def test_more_shorts_hurt_more_and_none_is_the_perfect_die() -> None:
    made = network()
    found = suffering(made, (0, 4, 40), torch.tensor([20.0]), 6, images(), torch.Generator().manual_seed(3))
    assert np.ptp(found.loss[0]) == 0
    assert found.loss.mean(axis=1)[2] > found.loss.mean(axis=1)[0]
    assert found.loss_per_short > 0
    again = suffering(made, (0, 4, 40), torch.tensor([20.0]), 6, images(), torch.Generator().manual_seed(3))
    assert np.array_equal(found.loss, again.loss)


def test_on_the_die_every_weight_has_its_two_junctions_and_nothing_else() -> None:
    made = network()
    shown = on_the_die(made, junction_losses(made, 20.0, images()))
    assert shown.shape == (1, 32, 25, 25)
    assert np.isfinite(shown).sum() == 2 * made.net.weights
