"""A network on a simulated die, over the wire: written, read back, run by the board's own products, as its maps predict."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hil.cli.demo_lab import running_lab
from hil.training.bench import Bench, Budget
from hil.training.deployment import Origin, deployments
from hil.training.in_the_loop import on_board, program, scores
from hil.training.methods import METHODS, RECALIBRATED, Work
from hil.training.net import parse_net
from hil.training.network import calibrated, fresh_network, ideal_crossbars
from hil.training.run import pull
from hil.training.site import site
from hil.training.trainer import Images, threads
from hil.training.wafer import reference_of
from tests.hil.training.conftest import tiny

__all__ = ["tiny"]
NET = parse_net("50-12-4x2", "independent")
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def bench(tiny: Budget) -> Bench:
    order = torch.Generator().manual_seed(1)
    images = Images(torch.rand(300, NET.sizes[0], generator=order), torch.randint(0, NET.classes, (300,), generator=order))
    return Bench(NET, images, images.first(40), tiny, 1)


def test_the_die_answers_as_its_maps_predict(bench: Bench, tmp_path: Path) -> None:
    fresh = calibrated(fresh_network(NET, bench.order("x")), ideal_crossbars(NET), bench.many)
    with threads(1), running_lab(tmp_path, 5, "default", 1) as lab, lab.client() as client:
        client.start({"kind": "characterise", "wafer": "W1", "dies": "all", "path": "board"}).wait()
        measured = pull(client, "W1").measured
        where = site(NET, measured, measured)
        outcome = METHODS[RECALIBRATED].run(Work(bench, fresh, where))
        (place,) = deployments(outcome, Origin(RECALIBRATED, "W1", where, measured, reference_of(measured)))
        written = program(client, place)
        assert written.wanted == 2 * NET.weights
        assert written.missed[0, 0] < 0.02 * written.wanted
        with on_board(client, place) as board:
            found = scores(place.network, board.sums, bench.judge.voltages)
            first = board.sums(0, bench.judge.voltages[None, None])
        by_maps = place.bars(measured)[0].sums(bench.judge.voltages[None, None], place.network.layers[0].latent)
        # The board is not calibrated: each of its lines has a gain of its own, which the maps went through in another way.
        assert np.corrcoef(first.numpy().ravel(), by_maps.detach().numpy().ravel())[0, 1] > 0.97
        assert found.shape == (40, NET.classes)
        assert torch.isfinite(found).all()
        # One touchdown to characterise, one to write, one for all products.
        assert sum(die["touchdowns"] for die in client.wafer("W1")["dies"]) <= 3
