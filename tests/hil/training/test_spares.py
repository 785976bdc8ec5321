"""Broken lines and spare slots: what a placement, or a floorplan of the die's own, leaves unused."""

import numpy as np
import torch

from hil.training.devices import Dies, crossbars, wiring
from hil.training.floorplan import Spares, floorplan
from hil.training.net import parse_net
from hil.training.network import calibrated, fresh_network, ideal_crossbars
from hil.training.packing import KERNELS, PER_DIE
from hil.training.placement import place, placed_wiring

NET = parse_net("90-40-10x3", "independent")


def die_with_broken_lines() -> tuple[Dies, np.ndarray]:
    """Spread, an open row line over both halves of the first sub-array, an open column line; and which junctions they are."""
    rng = np.random.default_rng(1)
    broken = np.zeros((KERNELS, 25, 25), np.bool_)
    broken[[1, 5], 11], broken[4:8, :, 3] = True, True
    slope = np.where(broken.ravel(), 0.0, 0.5 * rng.normal(1.0, 0.05, PER_DIE))
    offset = np.where(broken.ravel(), 0.0, 1.5 * rng.normal(1.0, 0.02, PER_DIE))
    return Dies(torch.from_numpy(slope[None]).float(), torch.from_numpy(offset[None]).float()), broken


def test_a_placement_leaves_broken_lines_to_the_spare_slots() -> None:
    dies, broken = die_with_broken_lines()
    network = calibrated(fresh_network(NET, torch.Generator().manual_seed(1)), ideal_crossbars(NET), torch.rand(50, 90))
    dead = {}
    for spares in (Spares(), Spares(2, 2)):
        slots = wiring(floorplan(NET, spares))
        placement = place(network, crossbars(dies, slots, NET.encoding), [torch.ones(shape) for shape in NET.shapes])
        wires = placed_wiring(slots, placement)
        used = torch.cat([part.flatten() for layer in wires for part in (layer.plus, layer.minus)])
        dead[spares] = int(broken.ravel()[used.numpy()].sum())
    assert dead[Spares()] > 100
    assert dead[Spares(2, 2)] == 0


def test_a_floorplan_of_the_die_s_own_needs_no_spare_slots_for_that() -> None:
    _, broken = die_with_broken_lines()
    plan = floorplan(NET, avoid=broken[None])
    assert plan.dies == 1
    assert not broken.ravel()[plan.used].any()
    assert [layer.slots for layer in plan.layers] == [layer.slots for layer in floorplan(NET).layers]
