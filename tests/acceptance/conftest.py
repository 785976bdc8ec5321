"""One simulated lab and one service per test module; each module owns its processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Service, SimulatedLab


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def sim(folder: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def service(sim: SimulatedLab, folder: Path) -> Iterator[Service]:
    with Service(sim.toml, folder / "data") as running:
        yield running
