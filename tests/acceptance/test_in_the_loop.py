"""A network on a simulated die, over the wire: written, read back, run by the board's own products, as its maps predict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hil.cli.demo_lab import running_lab
from hil.training.bench import Bench, Budget
from hil.training.board import as_read
from hil.training.deployment import Origin, deployments
from hil.training.in_the_loop import OnBoard, Reading, compare, on_board, program
from hil.training.methods import METHODS, RECALIBRATED, Work
from hil.training.net import parse_net
from hil.training.network import calibrated, fresh_network, ideal_crossbars
from hil.training.pull import pull
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
        client.start({"kind": "calibrate", "wafer": "W1", "dies": [[0, 0]]}).wait()
        client.start({"kind": "characterise", "wafer": "W1", "dies": "all", "path": "board"}).wait()
        measured = pull(client, "W1").measured
        where = site(NET, measured, measured)
        outcome = METHODS[RECALIBRATED].run(Work(bench, fresh, where))
        (place,) = deployments(outcome, Origin(RECALIBRATED, "W1", where, measured, reference_of(measured)))
        written = program(client, place)
        assert written.wanted == 2 * NET.weights
        assert written.missed[0, 0] < 0.02 * written.wanted
        found = compare(client, place, measured, bench.judge, Reading(averages=2))
        assert found.calibration == client.calibrations()[0]["id"]
        assert found.saturated == 0
        with on_board(client, place) as run:
            first = run.sums(0, bench.judge.voltages[None, None]).numpy()
            negative = run.sums(0, -bench.judge.voltages[None, None]).numpy()
        bounds = replace(place.network.bounds, block_limit=0.5)
        with on_board(client, replace(place, network=replace(place.network, bounds=bounds))) as run:
            bounded = run.sums(0, bench.judge.voltages[None, None]).numpy()
        with OnBoard(client, place, as_read("to see what the calibration is good for")) as run:
            uncorrected = run.sums(0, bench.judge.voltages[None, None]).numpy()
        bar, latent = place.bars(measured)[0], place.network.layers[0].latent
        by_maps = bar.sums(bench.judge.voltages[None, None], latent).detach().numpy()
        bounded_by_maps = bar.sums(bench.judge.voltages[None, None], latent, 0.5).detach().numpy()
        # What is left is noise and the converter's step, in every kernel that adds to a sum, and what a junction differs by from its map.
        assert np.std(first - by_maps) < 0.1
        assert np.std(negative + by_maps) < 0.1, "rows may be driven with either sign"
        assert np.abs((first - by_maps).mean(axis=2)).max() < 0.2
        assert np.std(bounded - bounded_by_maps) < 0.1, "each block of 25 rows is bounded by itself"
        assert np.std(bounded_by_maps - by_maps) > 0.3
        assert np.std(uncorrected - by_maps) > 2 * np.std(first - by_maps)
        # One touchdown to calibrate, one to characterise, one to write, one for each time in contact.
        assert sum(die["touchdowns"] for die in client.wafer("W1")["dies"]) <= 7
