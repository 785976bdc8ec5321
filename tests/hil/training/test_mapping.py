"""Weights and the junctions that hold them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.model.layout import to_die
from hil.training.mapping import DIE_COLUMNS, DIE_ROWS, halves, target_bits


def test_every_used_junction_belongs_to_exactly_one_weight() -> None:
    numbers = np.arange(DIE_ROWS * DIE_COLUMNS).reshape(DIE_ROWS, DIE_COLUMNS)
    used = np.concatenate([half.ravel() for layer in (0, 1) for half in halves(numbers, layer)])
    assert len(used) == 19_800
    assert len(np.unique(used)) == 19_800


def test_a_pair_is_two_neighbouring_columns_of_one_row() -> None:
    row, column = np.indices((DIE_ROWS, DIE_COLUMNS))
    for layer in (0, 1):
        plus, minus = halves(column, layer)
        assert np.array_equal(plus + 1, minus)
        above, below = halves(row, layer)
        assert np.array_equal(above, below)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_target_holds_every_weight_and_leaves_the_rest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signs = (rng.choice([-1, 1], (100, 90)), rng.choice([-1, 1], (90, 10)))
    target = target_bits(signs)
    assert target.shape == (32, 25, 25)
    assert target.dtype == np.uint8
    assert int((target == 255).sum()) == 200
    for layer, weights in enumerate(signs):
        plus, minus = halves(to_die(target).astype(int), layer)
        assert np.array_equal(plus - minus, weights)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 1 has weights \(90, 100\)"):
        target_bits((np.ones((90, 100)), np.ones((90, 10))))
