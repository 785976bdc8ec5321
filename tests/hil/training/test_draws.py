"""Fresh dies that look like measured ones and are none of them."""

import torch

from hil.model.layout import to_kernels
from hil.training.devices import Dies, crossbars, own, wiring
from hil.training.draws import Fixed, IdealWithSpread, Pool, Posterior, Shuffled
from hil.training.floorplan import floorplan
from hil.training.net import parse_net
from hil.training.network import fresh_network, ideal_crossbars
from hil.training.trainer import generator

NET = parse_net("100-90-10", "tied")
SLOTS = wiring(floorplan(NET))


def marked_dies(count: int, mark: float) -> Dies:
    """Dies of distinct offsets around a mark; every junction switches as a good one."""
    offset = mark + torch.arange(count * 20_000, dtype=torch.float32).view(count, -1) / (count * 20_000)
    return Dies(torch.full_like(offset, 0.5), offset)


def test_a_fresh_die_differs_every_time_and_repeats_with_its_seed() -> None:
    fresh, again = (Shuffled(marked_dies(2, 5.0), 1, generator(0, "x")) for _ in range(2))
    first = fresh.draw(3).offset
    assert torch.equal(first, again.draw(3).offset)
    assert not torch.equal(first, fresh.draw(3).offset)


def test_a_fresh_die_has_the_junctions_of_one_measured_die_each_once() -> None:
    both = Dies(*(torch.cat([getattr(marked_dies(1, mark), part) for mark in (10.0, 20.0)]) for part in ("slope", "offset")))
    for die in Shuffled(both, 1, generator(0, "x")).draw(6).offset:
        source = both.offset[int(die[0] > 15.0)]
        assert torch.equal(die.sort().values, source)


def test_an_open_row_stays_a_whole_row_and_a_short_stays_one_junction() -> None:
    offset = torch.full((100, 200), 1.5)
    offset[31] = 0.0
    offset[60, 17] = 8.0
    die = Dies(torch.full((1, 20_000), 0.5), torch.from_numpy(to_kernels(offset.numpy())).reshape(1, -1))
    drawn = Shuffled(die, 1, generator(0, "x")).draw(4)
    pairs = crossbars(drawn, SLOTS, NET.encoding)[0]
    assert (drawn.offset == 0.0).sum(dim=1).tolist() == [200] * 4
    assert ((pairs.offset[0].abs() > 5.0).flatten(1).sum(dim=1) <= 1).all()
    dead = to_rows(drawn.offset) == 0.0
    assert (dead.all(dim=2).sum(dim=1) == 1).all()


def to_rows(flat: torch.Tensor) -> torch.Tensor:
    from hil.model.layout import to_die

    return torch.from_numpy(to_die(flat.view(-1, 32, 25, 25).numpy()))


def test_ideal_devices_spread_but_have_no_defect() -> None:
    pairs = IdealWithSpread(NET, 2, generator(0, "x"))()[0]
    assert torch.allclose(pairs.slope.mean(), torch.tensor(1.0), atol=0.01)
    assert 0.0 < float(pairs.slope.std()) < 0.1
    assert pairs.offset.abs().max() < 1.0


def test_a_pool_is_made_anew_every_so_many_epochs_and_lends_some_of_its_dies() -> None:
    fresh = Shuffled(marked_dies(2, 5.0), 1, generator(0, "x"))
    pool = Pool(lambda _: crossbars(fresh.draw(5), SLOTS, NET.encoding), 2, 3, generator(0, "y"))
    network, seen = fresh_network(NET, generator(0, "z")), []
    for epoch in range(6):
        pool.begin_epoch(epoch, network)
        seen.append(pool.bars[0].offset)
        assert pool()[0].offset.shape == (1, 2, 100, 90)
    assert seen[0] is seen[1] is seen[2]
    assert not torch.equal(seen[2], seen[3])


def test_what_is_fixed_stays() -> None:
    fixed = Fixed(ideal_crossbars(NET))
    fixed.begin_epoch(1, fresh_network(NET, generator(0, "z")))
    assert fixed() is fixed.bars


def test_samples_of_a_reading_spread_as_its_uncertainty_says() -> None:
    dies = marked_dies(2, 1.5)
    sigma = torch.zeros(2, 2, 20_000)
    sigma[:, 1] = 0.1
    drawn = Posterior(dies, sigma, lambda sample: crossbars(sample, SLOTS, NET.encoding), 3, generator(0, "x"))()
    exact = own(crossbars(dies, SLOTS, NET.encoding))
    assert drawn[0].offset.shape == (2, 3, 100, 90)
    off = (drawn[0].offset - exact[0].offset).std(dim=(1, 2, 3))
    assert off[0] < 1e-6
    assert torch.allclose(off[1], torch.tensor(0.1), rtol=0.05)


def test_each_state_spreads_by_its_own_uncertainty() -> None:
    dies, sigma = marked_dies(1, 1.5), torch.zeros(2, 1, 20_000)
    sigma[0] = 0.1
    drawn: list[Dies] = []
    Posterior(dies, sigma, lambda sample: drawn.append(sample) or crossbars(sample, SLOTS, NET.encoding), 1, generator(0, "x"))()
    off = [drawn[0].offset + state * drawn[0].slope - dies.offset - state * dies.slope for state in (1, -1)]
    assert torch.allclose(off[0].std(), torch.tensor(0.1), rtol=0.05)
    assert off[1].abs().max() < 1e-6
