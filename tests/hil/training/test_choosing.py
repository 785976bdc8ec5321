"""Settings are chosen where no test image and no test die is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.choosing import Choice, compared, split
from hil.training.bench import Budget
from hil.training.data import Mnist
from hil.training.reproduce import halves
from hil.training.trainer import Images
from hil.training.wafer import MeasuredWafer


def test_the_images_judged_by_are_the_last_ones_and_none_is_learned_from() -> None:
    known = Images(torch.arange(30.0)[:, None], torch.arange(30))
    learned, judged = split(known, 10)
    assert learned.labels.tolist() == list(range(20))
    assert judged.labels.tolist() == list(range(20, 30))


def test_test_images_change_nothing(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget, tmp_path: Path) -> None:
    other = replace(noise_images, test_images=noise_images.test_images[::-1].copy(), test_labels=np.zeros_like(noise_images.test_labels))
    groups = halves(measured.take(range(4)))
    errors = []
    for mnist, folder in ((noise_images, "a"), (other, "b")):
        choice = Choice(("16-8-10", "25-6-10x2"), ("conventional", "placed"), "P1", 1, tiny, groups, tmp_path / folder)
        found = list(compared(choice, mnist, held_back=128))
        assert [(row.net, row.method) for row in found] == [(net, method) for net in choice.nets for method in choice.methods]
        errors.append([row.mean_error_percent for row in found])
    assert errors[0] == errors[1]
    assert all(error * 128 * 4 / 100 == pytest.approx(round(error * 128 * 4 / 100)) for error in errors[0])  # Of 128 images on 4 dies.
