"""The demo, briefly trained: the same processes, wires and maps as the long one."""

import json
import re
import signal
from pathlib import Path

import psutil
import pytest

from hil.training.checkpoint import load_checkpoint
from tests.acceptance.processes import HIL, Process, children_of, hil, wait_until


@pytest.mark.timeout(240)
def test_the_demo_measures_trains_reports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = hil("demo", "--exit", "--quick", "--dies", "4", "--out", str(tmp_path), within_s=200)
    assert done.returncode == 0, done.stdout + done.stderr
    for method in ("software", "conventional", "hardware-aware", "statistics-aware", "placed"):
        assert method in done.stdout
    report = next(tmp_path.glob("*/report"))
    page = (report / "index.html").read_text()
    assert "SIMULATED" in page
    for unit in ("frames", "SCPI messages", "prober commands"):
        assert unit in page
    assert {file.name for file in report.glob("*.png")} >= {"errors.png", "defects-wafer.png", "conductances.png"}
    networks = {file.name.removesuffix("-seed0.safetensors") for file in tmp_path.glob("*/networks/*/DEMO/*-seed0.safetensors")}
    assert networks == {"conventional", "hardware-aware", "statistics-aware", "placed"}
    assert load_checkpoint(next(tmp_path.rglob("placed-seed0.safetensors"))).placements["placed"]
    # Nothing of it still listens: the address it served is free again.
    url = re.search(r"http://127\.0\.0\.1:\d+", done.stdout)
    assert url is not None
    gone = hil("runs", "--url", url.group(), "--token", "x")
    assert gone.returncode == 1
    assert "nobody listens" in gone.stderr


@pytest.mark.timeout(120)
def test_ctrl_c_in_the_middle_stops_service_and_lab_cleanly(tmp_path: Path) -> None:
    command = [HIL, "demo", "--dies", "6", "--out", str(tmp_path / "out")]
    with Process(command, tmp_path / "demo.log") as demo:
        wait_until(lambda: "lab and service are up" in demo.output(), 60, "the lab is up")
        started = children_of(demo.popen.pid)
        demo.popen.send_signal(signal.SIGINT)
        assert demo.popen.wait(60) == 130
        assert "Traceback" not in demo.output()
        assert "made the lab safe" in demo.output()
        assert len(started) >= 4  # simulator, service, worker, watchdog
        assert not [pid for pid in started if psutil.pid_exists(pid)]


@pytest.mark.timeout(120)
def test_missing_mnist_files_are_named_in_one_line(tmp_path: Path) -> None:
    done = hil("demo", "--exit", "--dies", "2", "--out", str(tmp_path / "out"), environment={"HIL_MNIST": str(tmp_path)}, within_s=100)
    assert done.returncode == 1
    assert "train-images-idx3-ubyte" in done.stderr
    assert "this should not happen" not in done.stderr
    assert "Traceback" not in done.stderr


def test_json_of_a_command_is_one_object(tmp_path: Path) -> None:
    done = hil("token", "create", "--scope", "read", "--json", "--data", str(tmp_path))
    assert set(json.loads(done.stdout)) == {"id", "token", "scope"}
