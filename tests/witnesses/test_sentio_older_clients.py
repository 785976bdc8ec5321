"""Older versions of the vendor's own client, each in a process and a folder of its own, walk the simulated wafer unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.instruments.sentio import Sentio
from tests.simulator.worlds import world
from tests.support.other_clients import folder_of
from tests.witnesses.served_prober import served_prober

SCRIPT = Path(__file__).parent / "old_sentio_client.py"


@pytest.mark.parametrize(
    ("client", "version"), [("24.4.0", "24.0.7"), ("25.2.1", "25.2.1"), ("24.4.0", "26.2.0"), ("", "26.2.0"), ("", "24.0.7")]
)
def test_the_client_walks_the_wafer_of_its_version_and_of_others(client: str, version: str) -> None:
    folder = folder_of(f"sentio-prober-control-{client}") if client else None
    lab = world("clean")
    with served_prober(Sentio(lab, version=version)) as port:
        environment = os.environ | ({"PYTHONPATH": str(folder)} if folder else {})
        command = [sys.executable, "-W", "ignore", str(SCRIPT), str(port)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert folder is None or str(folder) in seen["client"]
    assert {tuple(die[:2]) for die in seen["dies"]} == set(lab.wafer.dies) and len(seen["dies"]) == 36
    assert (seen["heights"], seen["after"], seen["status"]) == ([16_000.0], 11, [True, True, False, True])
    assert seen["codes"] == [8, 2, 120, 0, 0, 0] and seen["temperature"] == 40.0
    assert seen["own_map"] > 90
    assert lab.damage == [] and lab.needles.touchdowns == 36
