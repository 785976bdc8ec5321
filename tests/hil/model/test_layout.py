"""Kernels and the die they make up."""

import numpy as np
import pytest

from hil.model.layout import kernel_place, to_die, to_kernels


def test_every_junction_has_exactly_one_place_on_the_die() -> None:
    numbers = np.arange(20_000).reshape(32, 25, 25)
    die = to_die(numbers)
    assert die.shape == (100, 200)
    assert np.array_equal(np.sort(die, axis=None), np.arange(20_000))
    assert np.array_equal(to_kernels(die), numbers)


@pytest.mark.parametrize(("kernel", "row", "column"), [(0, 0, 0), (1, 25, 0), (3, 75, 0), (4, 0, 25), (8, 0, 50), (31, 75, 175)])
def test_a_kernel_lies_where_the_boards_address_bits_put_it(kernel: int, row: int, column: int) -> None:
    marked = np.zeros((32, 25, 25))
    marked[kernel, 3, 7] = 1.0
    assert tuple(np.argwhere(to_die(marked))[0]) == (row + 3, column + 7)
    assert kernel_place(kernel) == (row // 25, column // 25)


def test_stacks_of_dies_keep_their_order() -> None:
    stack = np.arange(2 * 3 * 20_000).reshape(2, 3, 32, 25, 25)
    assert np.array_equal(to_die(stack)[1, 2], to_die(stack[1, 2]))
    assert np.array_equal(to_kernels(to_die(stack)), stack)


def test_kernels_that_do_not_fill_a_die_are_refused() -> None:
    with pytest.raises(ValueError, match="31 kernels"):
        to_die(np.zeros((31, 25, 25)))
    with pytest.raises(ValueError, match="99 x 200"):
        to_kernels(np.zeros((99, 200)))
