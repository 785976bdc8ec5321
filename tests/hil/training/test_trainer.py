"""One trainer: reproducible, and fair to every copy."""

import numpy as np
import pytest
import torch

from hil.training.crossbar import fresh_network, ideal_crossbars
from hil.training.data import Mnist
from hil.training.draws import own_die
from hil.training.trainer import Recipe, generator, images_of, threads, train

RECIPE = Recipe(epochs=2, batch=64, rate=5e-3, batch_statistics=True)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)

    def trained(seed: int) -> torch.Tensor:
        order = generator(seed, "test")
        return train(fresh_network(order), ideal_crossbars, images, RECIPE, order).layers[0].latent

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_a_copy_learns_the_same_alone_and_beside_others(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)
    start = fresh_network(generator(0, "start"))
    dies = 1.5 + 0.2 * torch.randn(3, 100, 200, 2, generator=torch.Generator().manual_seed(3)) + torch.tensor([1.0, 0.0])
    together = train(start.repeated(3), own_die(dies), images, RECIPE, generator(0, "order"))
    alone = train(start, own_die(dies[1:2]), images, RECIPE, generator(0, "order"))
    assert torch.allclose(together.only(1).layers[0].latent, alone.layers[0].latent, atol=2e-3)
    assert not torch.allclose(together.only(0).layers[0].latent, alone.layers[0].latent, atol=2e-3)


def test_training_lowers_the_loss_and_leaves_the_first_network_alone(noise_images: Mnist) -> None:
    images = images_of(noise_images.train_images, noise_images.train_labels)
    start = fresh_network(generator(0, "start"))
    before = start.layers[0].latent.clone()
    losses: list[float] = []
    recipe = Recipe(epochs=6, batch=64, rate=1e-2, batch_statistics=True)
    train(start, ideal_crossbars, images, recipe, generator(0, "order"), lambda _epoch, loss: losses.append(loss))
    assert len(losses) == 6
    assert losses[-1] < 0.9 * losses[0]
    assert torch.equal(start.layers[0].latent, before)


def test_a_batch_that_does_not_split_over_its_dies_is_refused() -> None:
    with pytest.raises(ValueError, match="100 images does not split evenly over 8 dies"):
        Recipe(epochs=1, batch=100, rate=1e-3, maps=8)


def test_fewer_images_than_a_batch_are_refused() -> None:
    images = images_of(np.zeros((10, 28, 28), np.uint8), np.zeros(10, np.uint8))
    with pytest.raises(ValueError, match="10 images do not fill one batch of 64"):
        train(fresh_network(generator(0, "x")), ideal_crossbars, images, RECIPE, generator(0, "x"))


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
