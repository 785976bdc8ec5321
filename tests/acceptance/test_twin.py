"""A wafer is measured over the wire, its twin written, simulated and measured over the wire in its turn: taken for it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import HIL, Service, SimulatedLab

DIES = "2"
ANOTHER_SEED = "4711"


@contextmanager
def served(folder: Path, data: Path, *options: str) -> Iterator[Service]:
    """A lab whose board is off by nothing but noise: what it is off by would come in twice."""
    with SimulatedLab(folder, "--dies", DIES, "--board", "ideal", *options) as sim, Service(sim.toml, data) as service:
        yield service


def _twin(service: Service, *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `hil twin`."""
    command = [HIL, "twin", *map(str, arguments), "--json", "--url", service.url, "--token", service.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _measure(service: Service, wafer: str) -> None:
    with service.client() as client:
        client.start({"kind": "characterise", "wafer": wafer, "dies": "all"}).wait(timeout_s=300)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_twin_simulated_and_measured_over_the_wire_is_taken_for_its_original(tmp_path: Path) -> None:
    """That twins made wrong are rejected by the same test: tests/hil/analysis/test_twin.py and benchmarks/twin.py."""
    data, file = tmp_path / "data", tmp_path / "twin.toml"
    with served(tmp_path / "first", data) as service:
        _measure(service, "W1")
        code, told = _twin(service, "W1", "--out", file)
        assert (code, told["model"], told["dies"]) == (0, "pillars", int(DIES))
    with served(tmp_path / "second", data, "--fab", str(file), "--wafer-seed", ANOTHER_SEED) as service:
        _measure(service, "W1-twin")
        code, told = _twin(service, "W1", "--against", "W1-twin")
    assert told["holds"] and code == 0, told
    assert max(told["measured_distances"].values()) <= 0.02
