"""A checkpoint as `hil train` leaves it, of a network that was never trained."""

from pathlib import Path

import torch

from hil.client import LabClient
from hil.training.bench import Bench, Budget
from hil.training.checkpoint import SHARED, save_checkpoint
from hil.training.methods import METHODS, PLACED, Work
from hil.training.net import Net
from hil.training.network import calibrated, fresh_network, ideal_crossbars
from hil.training.pull import pull
from hil.training.site import site
from hil.training.trainer import Images
from hil.training.wafer import reference_of
from tests.support.service import Service


def keep_placed(service: Service, net: Net, budget: Budget, file: Path, method: str = PLACED) -> None:
    """Placed on every die of wafer W1, by its maps."""
    order = torch.Generator().manual_seed(1)
    images = Images(torch.rand(256, net.sizes[0], generator=order), torch.randint(0, net.classes, (256,), generator=order))
    with LabClient(service.url, service.token()) as lab:
        measured = pull(lab, "W1").measured
    fresh = calibrated(fresh_network(net, order), ideal_crossbars(net), images.voltages)
    outcome = METHODS[method].run(Work(Bench(net, images, images.first(40), budget, 1), fresh, site(net, measured, measured)))
    assert outcome.placement is not None and outcome.shared is not None
    facts = {"norm_siemens": reference_of(measured).norm_siemens}
    networks = {method: outcome.network, f"{method}{SHARED}": outcome.shared}
    save_checkpoint(file, networks, measured, facts, {method: outcome.placement})
