"""Running a layer through the board, reading by reading."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.training.errors import NetError
from hil.training.floorplan import Floorplan, LayerPlan, Spares, floorplan, tiled
from hil.training.net import Encoding, parse_net
from hil.training.placed import table, targets
from hil.training.tiles import tiles_of

layers = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 30)), min_size=1, max_size=3)
encodings = st.sampled_from(list(Encoding))


def shuffled(plan: Floorplan, shapes: list[tuple[int, int]], rng: np.random.Generator) -> Floorplan:
    """Under a random placement."""
    layers = []
    for layer, (inputs, columns) in zip(plan.layers, shapes, strict=True):
        where = np.ix_(rng.permutation(layer.slots[0])[:inputs], rng.permutation(layer.slots[1])[:columns])
        layers.append(LayerPlan(layer.plus[where], layer.minus[where]))
    return Floorplan(tuple(layers), plan.dies, plan.encoding)


def random_bits(plan: Floorplan, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.choice([-1, 1], (plan.encoding.bits, *layer.slots)) for layer in plan.layers]


def weights(bits: np.ndarray, encoding: Encoding) -> np.ndarray:
    """In units of G_P - G_AP: what a pair, or a junction and its reference, is worth."""
    if encoding is Encoding.TIED:
        return bits[0].astype(float)
    return (bits[0] - bits[1]) / 2 if encoding is Encoding.INDEPENDENT else (bits[0] + 1) / 2


@settings(max_examples=25, deadline=None)
@given(layers, encodings, st.integers(0, 2**32 - 1))
def test_what_the_board_adds_up_is_the_matrix_product(shapes: list[tuple[int, int]], encoding: Encoding, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = shuffled(tiled(shapes, encoding, Spares(2, 1)), shapes, rng)
    bits = random_bits(plan, rng)
    # Junctions left alone conduct all the same: they must not count.
    siemens = np.choose(np.minimum(targets(plan, bits), 2), [1.0, 2.0, 7.0])
    for layer, tiles, each in zip(plan.layers, tiles_of(plan), bits, strict=True):
        values = rng.uniform(-1, 1, (3, layer.slots[0])).astype(np.float32)
        amps = np.stack([driven @ siemens[die, kernel] for die, kernel, driven in tiles.drives(values)], axis=1)
        np.testing.assert_allclose(tiles.sums(amps), values @ weights(each, encoding), atol=1e-4)


@pytest.mark.parametrize("name", ["100-76-10x3", "100-90-80-30-10"])
def test_a_pass_is_one_vmm_plan_and_the_passes_are_all_readings(name: str) -> None:
    plan = floorplan(parse_net(name, "independent"))
    for tiles in tiles_of(plan):
        passes = tiles.passes()
        assert sorted(reading for each in passes for reading in each.readings) == list(range(len(tiles.kernel)))
        for each in passes:
            assert len(set(each.kernels)) == len(each.kernels)
            assert np.array_equal(tiles.kernel[list(each.readings)], each.kernels)
            assert (tiles.die[list(each.readings)] == each.die).all()


def test_a_layer_of_whole_kernels_takes_one_pass_and_stacked_pieces_take_more() -> None:
    first, second = tiles_of(floorplan(parse_net("100-76-10x3", "independent")))
    assert len(first.passes()) == 1
    assert len(second.passes()) == 7


def test_a_saturated_current_spoils_its_own_sums_and_no_other() -> None:
    (tiles,) = tiles_of(tiled([(30, 20)], Encoding.TIED))
    amps = np.zeros((2, len(tiles.kernel), 25))
    reading, column, slot = tiles.terms.reading[5], tiles.terms.column[5], tiles.terms.slot[5]
    amps[1, reading, column] = np.nan
    lost = np.isnan(tiles.sums(amps))
    assert lost[1, slot]
    assert lost.sum() == 1


def test_targets_leave_alone_what_holds_nothing() -> None:
    plan = floorplan(parse_net("100-76-10x3", "independent"))
    bits = [np.ones((2, *layer.slots)) for layer in plan.layers]
    target = targets(plan, bits)
    assert target.shape == (1, 32, 25, 25)
    assert np.array_equal(np.flatnonzero(target != 255), plan.used)


def test_bits_of_another_network_are_refused() -> None:
    plan = floorplan(parse_net("100-90-10"))
    with pytest.raises(NetError, match=r"layer 1 has bits \(2, 100, 90\)"):
        targets(plan, [np.ones((2, *layer.slots)) for layer in plan.layers])


@pytest.mark.parametrize("encoding", list(Encoding))
def test_the_table_names_every_junction_once(encoding: Encoding) -> None:
    plan = floorplan(parse_net("60-20-5x3", encoding))
    rows = table(plan, copies=3)
    where = tuple(rows[name] for name in ("die", "kernel", "row", "column"))
    junctions = np.ravel_multi_index(where, (plan.dies, 32, 25, 25))
    assert np.array_equal(np.unique(junctions), plan.used)
    assert encoding is Encoding.REFERENCE or len(junctions) == len(plan.used)
    weight = {"layer": 1, "input": 7, "output": 4, "copy": 2, "sign": 1}
    (index,) = np.flatnonzero(np.logical_and.reduce([rows[name] == value for name, value in weight.items()]))
    assert plan.layers[1].plus[7, 14] == (rows["kernel"][index] * 25 + rows["row"][index]) * 25 + rows["column"][index]


@pytest.mark.parametrize("name", ["100-76-10x3", "144-80-60-40-10x3", "196-16c5s2-20c3-10x3"])
def test_what_is_digitised_for_25_inputs_at_a_time_adds_up_to_the_sums(name: str) -> None:
    rng = np.random.default_rng(4)
    for tiles in tiles_of(floorplan(parse_net(name, "independent"))):
        amps = rng.normal(size=(3, len(tiles.kernel), 25))
        parts = tiles.block_sums(amps, 25)
        assert parts.shape == (-(-tiles.slots[0] // 25), 3, tiles.slots[1])
        np.testing.assert_allclose(parts.sum(axis=0), tiles.sums(amps), atol=1e-12)
        values = np.zeros((1, tiles.slots[0]), np.float32)
        values[:, :25] = 1.0
        driven = tiles.inputs(values).any(axis=(1, 2))
        assert np.array_equal(driven, tiles.blocks(25) == 0)


def test_a_reading_of_several_blocks_is_refused() -> None:
    tiles = tiles_of(floorplan(parse_net("100-76-10x3", "independent")))[0]
    rows = tiles.rows.copy()
    rows[3, 0] = 99 if rows[3, 0] < 75 else 0
    with pytest.raises(NetError, match="several blocks of 25"):
        replace(tiles, rows=rows).block_sums(np.zeros((1, len(rows), 25)), 25)
