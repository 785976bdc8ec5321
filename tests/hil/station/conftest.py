"""A small simulated lab per test: 4 dies of 2 kernels of 4 x 5, all junctions good, on real sockets."""

from collections.abc import Iterator

import pytest

from tests.support.simulated_lab import SimulatedLab, simulated_lab


@pytest.fixture
def sim() -> Iterator[SimulatedLab]:
    with simulated_lab() as running:
        yield running
