"""Where a network's weights go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.model.layout import to_die
from hil.training.floorplan import Floorplan, Spares, floorplan, tiled
from hil.training.net import Encoding, parse_net
from hil.training.packing import KERNELS, PER_DIE, PER_KERNEL

layers = st.lists(st.tuples(st.integers(1, 130), st.integers(1, 60)), min_size=1, max_size=4)
encodings = st.sampled_from(list(Encoding))


def weights_of(plan: Floorplan) -> np.ndarray:
    """Every junction that holds a weight of its own."""
    parts = [layer.plus for layer in plan.layers]
    parts += [] if plan.encoding is Encoding.REFERENCE else [layer.minus for layer in plan.layers]
    return np.concatenate([part.ravel() for part in parts])


@settings(max_examples=40, deadline=None)
@given(layers, encodings, st.integers(0, 3), st.integers(0, 3))
def test_every_weight_has_a_junction_of_its_own(shapes: list[tuple[int, int]], encoding: Encoding, rows: int, columns: int) -> None:
    plan = tiled(shapes, encoding, Spares(rows, columns))
    assert [layer.slots for layer in plan.layers] == [(inputs + rows, wide + columns) for inputs, wide in shapes]
    used = weights_of(plan)
    assert len(np.unique(used)) == used.size
    assert used.min() >= 0
    assert used.max() < plan.dies * PER_DIE


@settings(max_examples=20, deadline=None)
@given(layers)
def test_a_reference_stands_in_the_row_and_the_kernel_of_its_weights_and_holds_none(shapes: list[tuple[int, int]]) -> None:
    plan = tiled(shapes, Encoding.REFERENCE)
    assert not np.intersect1d(weights_of(plan), np.concatenate([layer.minus.ravel() for layer in plan.layers])).size
    for layer in plan.layers:
        assert np.array_equal(layer.plus // 25, layer.minus // 25)


def test_the_plain_network_lies_as_one_draws_it() -> None:
    numbers = to_die(np.arange(PER_DIE).reshape(KERNELS, 25, 25))
    first, second = floorplan(parse_net("100-90-10")).layers
    for found, there in ((first, numbers[:, :180]), (second, numbers[:90, 180:])):
        assert np.array_equal(found.plus, there[:, ::2])
        assert np.array_equal(found.minus, there[:, 1::2])


@pytest.mark.parametrize(
    ("name", "encoding", "junctions"),
    [("100-76-10x3", "independent", 19_760), ("144-57-10x3", "independent", 19_836), ("196-48-10", "tied", 19_776)],
)
def test_networks_that_fill_a_die_to_the_last_percent_fit_one(name: str, encoding: str, junctions: int) -> None:
    plan = floorplan(parse_net(name, encoding))
    assert plan.dies == 1
    assert len(plan.used) == junctions


def test_a_layer_stays_on_one_die_where_that_takes_no_more_dies() -> None:
    plan = floorplan(parse_net("100-90-80-30-10"))
    assert plan.dies == 2
    for layer in plan.layers:
        assert len(np.unique(layer.plus // PER_DIE)) == 1


def test_a_network_larger_than_its_layers_allow_straddles() -> None:
    plan = floorplan(parse_net("400-60-10"))
    assert plan.dies == 3
    assert sorted(np.unique(plan.layers[0].plus // PER_DIE)) == [0, 1, 2]


def test_broken_lines_hold_nothing_while_there_is_room() -> None:
    broken = np.zeros((1, KERNELS, 25, 25), np.bool_)
    broken[0, [0, 4], 7, :] = True
    broken[0, 8:12, :, 3] = True
    for encoding in Encoding:
        plan = floorplan(parse_net("96-70-10", encoding), avoid=broken)
        assert plan.dies == 1
        assert not broken.ravel()[plan.used].any()


def test_broken_lines_are_used_rather_than_another_die() -> None:
    broken = np.zeros((1, KERNELS, 25, 25), np.bool_)
    broken[0, 8:12, :, 3] = True
    plan = floorplan(parse_net("100-90-10"), avoid=broken)
    assert plan.dies == 1
    assert 0 < broken.ravel()[plan.used].sum() <= 100


def test_floorplans_of_dies_with_other_broken_lines_have_the_same_slots() -> None:
    broken = np.zeros((1, KERNELS, 25, 25), np.bool_)
    broken[0, 0, 3] = True
    net = parse_net("100-60-10x3", "independent")
    plain, careful = floorplan(net, Spares(2, 2)), floorplan(net, Spares(2, 2), broken)
    assert [layer.slots for layer in plain.layers] == [layer.slots for layer in careful.layers]


def test_the_pieces_of_a_column_hang_on_one_metal_line_where_there_is_room() -> None:
    plan = floorplan(parse_net("100-60-10"))
    for layer in plan.layers:
        for half in (layer.plus, layer.minus):
            lines = half // PER_KERNEL // 4 * 25 + half % 25
            assert (lines == lines[0]).all()
