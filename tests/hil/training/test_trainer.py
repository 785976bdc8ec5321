"""One trainer: reproducible, and fair to every copy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hil.training.data import Mnist
from hil.training.devices import Dies, crossbars, own, wiring
from hil.training.draws import Fixed
from hil.training.floorplan import floorplan
from hil.training.net import parse_net
from hil.training.network import Statistics, fresh_network, ideal_crossbars
from hil.training.trainer import Recipe, generator, images_of, threads, train

NET = parse_net("100-76-10x3", "independent")
IDEAL = Fixed(ideal_crossbars(NET))
RECIPE = Recipe(epochs=2, batch=64, rate=5e-3, statistics=Statistics.POOLED)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)

    def trained(seed: int) -> torch.Tensor:
        order = generator(seed, "test")
        return train(fresh_network(NET, order), IDEAL, images, RECIPE, order).layers[0].latent

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_a_copy_learns_the_same_alone_and_beside_others(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)
    start = fresh_network(NET, generator(0, "start"))
    spread = torch.Generator().manual_seed(3)
    dies = Dies(0.5 + 0.1 * torch.randn(3, 20_000, generator=spread), 1.5 + 0.2 * torch.randn(3, 20_000, generator=spread))
    bars = own(crossbars(dies, wiring(floorplan(NET)), NET.encoding))
    second = own(crossbars(dies.take(torch.tensor([1])), wiring(floorplan(NET)), NET.encoding))
    together = train(start.repeated(3), Fixed(bars), images, RECIPE, generator(0, "order"))
    alone = train(start, Fixed(second), images, RECIPE, generator(0, "order"))
    assert torch.allclose(together.only(1).layers[0].latent, alone.layers[0].latent, atol=2e-3)
    assert not torch.allclose(together.only(0).layers[0].latent, alone.layers[0].latent, atol=2e-3)


def test_training_lowers_the_loss_and_leaves_the_first_network_alone(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)
    start = fresh_network(NET, generator(0, "start"))
    before = start.layers[0].latent.clone()
    losses: list[float] = []
    recipe = Recipe(epochs=6, batch=64, rate=1e-2, statistics=Statistics.POOLED)
    train(start, IDEAL, images, recipe, generator(0, "order"), lambda _epoch, loss: losses.append(loss))
    assert len(losses) == 6
    assert losses[-1] < 0.9 * losses[0]
    assert torch.equal(start.layers[0].latent, before)


def test_a_batch_that_does_not_split_over_its_dies_is_refused() -> None:
    with pytest.raises(ValueError, match="100 images does not split evenly over 8 dies"):
        Recipe(epochs=1, batch=100, rate=1e-3, maps=8)


def test_fewer_images_than_a_batch_are_refused() -> None:
    images = images_of(np.zeros((10, 28, 28), np.uint8), np.zeros(10, np.uint8))
    with pytest.raises(ValueError, match="10 images do not fill one batch of 64"):
        train(fresh_network(NET, generator(0, "x")), IDEAL, images, RECIPE, generator(0, "x"))


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_training_the_digital_side_leaves_every_junction_as_it_is(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)
    start = fresh_network(NET, generator(0, "start"))
    after = train(start, IDEAL, images, replace(RECIPE, digital_only=True), generator(0, "order"))
    assert torch.equal(after.layers[0].latent, start.layers[0].latent)
    assert not torch.equal(after.layers[0].gain, start.layers[0].gain)
