"""A simulated lab and a store of its own for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.store import open_store
from hil.store.protocol import Store
from tests.hil.runs.simulated_lab import SimulatedLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()
