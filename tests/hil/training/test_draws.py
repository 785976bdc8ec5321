"""Fresh dies that look like measured ones and are none of them."""

import torch

from hil.training.crossbar import crossbars
from hil.training.draws import ideal_with_spread, own_die, shuffled_dies
from hil.training.trainer import generator


def marked_dies(count: int, mark: float) -> torch.Tensor:
    """Dies of distinct conductances around a mark; P and AP differ by 1 where switching works."""
    values = mark + torch.arange(count * 20_000, dtype=torch.float32).view(count, 100, 200) / (count * 20_000)
    return torch.stack([values + 1.0, values], dim=-1)


def test_a_fresh_die_differs_every_time_and_repeats_with_its_seed() -> None:
    pool = marked_dies(2, 5.0)
    draw, again = (shuffled_dies([pool], 3, generator(0, "x")) for _ in range(2))
    first = draw()[0].offset
    assert torch.equal(first, again()[0].offset)
    assert not torch.equal(first, draw()[0].offset)


def test_an_open_row_stays_a_whole_row_and_a_short_stays_one_junction() -> None:
    die = torch.full((1, 100, 200, 2), 1.0)
    die[..., 0] = 2.0
    die[0, 31] = 0.0
    die[0, 60, 17] = 8.0
    for layer_one in (shuffled_dies([die], 4, generator(seed, "x"))()[0] for seed in range(5)):
        dead = (layer_one.slope == 0.0).all(dim=-1).sum(dim=-1)
        assert dead.flatten().tolist() == [1] * 4
        assert int((layer_one.offset.abs() > 5.0).sum()) <= 4


def test_every_drawn_junction_keeps_its_own_two_states_and_comes_from_one_die() -> None:
    pool = torch.cat([marked_dies(1, 10.0), marked_dies(1, 20.0)])
    drawn = shuffled_dies([pool], 6, generator(0, "x"))()
    assert torch.allclose(drawn[0].slope, torch.tensor(1.0), atol=1e-4)
    assert drawn[0].offset.abs().max() < 2.0  # a pair of junctions of two dies would be off by 10


def test_each_copy_draws_from_its_own_pool_only() -> None:
    pools = [marked_dies(3, 10.0), marked_dies(3, 10.0)]
    pools[1][..., 0] += 2.0
    slopes = shuffled_dies(pools, 4, generator(0, "x"))()[1].slope
    assert torch.allclose(slopes[0], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(slopes[1], torch.tensor(3.0), atol=1e-4)


def test_ideal_devices_spread_but_have_no_defect() -> None:
    pairs = ideal_with_spread(2, generator(0, "x"))()[0]
    assert torch.allclose(pairs.slope.mean(), torch.tensor(1.0), atol=0.01)
    assert 0.0 < float(pairs.slope.std()) < 0.1
    assert pairs.offset.abs().max() < 1.0


def test_a_copy_always_sees_its_own_die() -> None:
    dies = marked_dies(3, 4.0)
    draw = own_die(dies)
    assert torch.equal(draw()[0].slope[1], crossbars(dies[None])[0].slope[0, 1:2])
