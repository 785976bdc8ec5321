"""`hil serve` and `hil sim` as processes: starting, refusing, stopping."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from firmware_protocol.codes import DeviceState, Route
from hil.cli.options import CommandFailed, data_dir
from hil.cli.serve import listen, serve
from hil.client import LabClient
from hil.model.lab import load_lab
from hil.runs.submit import submit_plan
from hil.store import open_store
from tests.hil.cli.conftest import Command, Served, running, url_of
from tests.hil.runs.behind_relay import behind_relay, silence
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.waiting import until


def test_a_second_service_on_the_same_data_is_refused_naming_the_first(hil: Command, served: Served) -> None:
    result = hil("serve", "--lab", served.lab, "--data", served.data, "--port", 0)
    assert result.code == 1
    assert f"process {served.service.process.pid}" in result.err and served.url in result.err


def test_a_second_service_on_the_same_instruments_is_refused_whatever_its_data(served: Served, hil: Command, tmp_path: Path) -> None:
    result = hil("serve", "--lab", served.lab, "--data", tmp_path / "other", "--port", 0)
    assert result.code == 1
    assert "a station has one service" in result.err
    assert f"process {served.service.process.pid}" in result.err


def test_a_port_that_is_taken_is_named(hil: Command, lab_file: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = hil("serve", "--lab", lab_file, "--data", tmp_path / "data", "--port", port)
    assert result.code == 1 and str(port) in result.err


def test_nobody_serves_beyond_loopback_without_a_token(hil: Command, spare_lab_file: Path, tmp_path: Path) -> None:
    result = hil("serve", "--lab", spare_lab_file, "--data", tmp_path / "data", "--port", 0, "--host", "0.0.0.0")
    assert result.code == 1 and "hil token create" in result.err
    assert not (tmp_path / "data" / "serve.json").exists()


def hear(url: str, token: str, heard: threading.Event) -> None:
    """Server-sent events until the service ends the stream."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.stream("GET", f"{url}/api/v1/events", headers=headers, timeout=60, trust_env=False) as reply:
        for _ in reply.iter_lines():
            heard.set()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_although_a_client_listens(spare_lab_file: Path, tmp_path: Path, by: int) -> None:
    heard = threading.Event()
    with running(tmp_path / "log", "serve", "--lab", spare_lab_file, "--data", tmp_path / "data", "--port", 0) as service:
        url = url_of(service)
        children = psutil.Process(service.process.pid).children()
        store = open_store(tmp_path / "data")
        token = store.create_token("read", "listener")[1]
        store.ensure_wafer("W1", [(0, 0)])
        listener = threading.Thread(target=hear, args=(url, token, heard))
        listener.start()
        assert heard.wait(20)
        assert service.stop(by) == 0, service.said()
    listener.join(10)
    assert not listener.is_alive(), "the stream must end with the service"
    assert len(children) == 2 and not any(child.is_running() for child in children)
    assert store.station().heartbeat_at is None, "the worker left in good order"
    store.close()


def test_it_serves_again_at_once_on_the_same_data_and_port(spare_lab_file: Path, tmp_path: Path) -> None:
    port = 0
    for _ in range(2):
        with running(tmp_path / "log", "serve", "--lab", spare_lab_file, "--data", tmp_path / "data", "--port", port) as service:
            url = url_of(service)
            port = int(url.rpartition(":")[2])
            assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
            assert service.stop() == 0


def test_the_worker_is_ready_within_seconds_and_says_so(served: Served) -> None:
    until(lambda: httpx.get(f"{served.url}/readyz", trust_env=False).status_code == 200, 30)
    with LabClient(served.url, served.token) as lab:
        assert set(lab.station()["instruments"]) == {"smu", "crossbar", "prober"}


def test_a_simulated_lab_that_is_killed_by_its_terminal_leaves_nothing_behind(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    with running(tmp_path / "log", "sim", "--clock", "fast", "--port-base", 0, "--write-lab", lab) as simulator:
        until(lab.exists, 60)
        children = psutil.Process(simulator.process.pid).children()
        assert len(children) == 1
        assert simulator.stop(signal.SIGINT) == 0
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize(("end", "code"), [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_the_simulators_exit_code_is_ours(end: str, code: int, tmp_path: Path) -> None:
    script = f"from hil.cli.sim import run_forwarding as run; import sys; sys.exit(run([sys.executable, '-c', 'import os, sys; {end}']))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == code


def test_a_flag_for_the_data_beats_the_file_and_the_file_beats_the_default(lab_file: Path, tmp_path: Path) -> None:
    lab = load_lab(lab_file)
    named = lab.model_copy(update={"station": lab.station.model_copy(update={"data": "maps"})})
    assert data_dir(tmp_path, named, lab_file) == tmp_path
    assert data_dir(None, named, lab_file) == lab_file.parent / "maps"
    assert data_dir(None, lab, lab_file) == Path("hil-data")


def test_small_answers_are_not_held_back_by_nagle() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP, "asyncio would leave Nagle on: 40 ms on every small answer"


def test_an_address_that_is_none_is_refused(lab_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no such host"):
        serve(lab_file, tmp_path, "no such host", 0)


@pytest.mark.parametrize("silent", ["smu", "prober"])
def test_with_a_silent_instrument_the_others_are_safe_within_two_seconds_and_the_end_names_the_one_that_is_not(
    silent: str, tmp_path: Path
) -> None:
    with SimulatedLab(tmp_path) as lab, behind_relay(lab, silent) as (toml, line):
        command = ["serve", "--lab", toml, "--data", tmp_path / "data", "--port", 0]
        with running(tmp_path / "log", *command) as service:
            url_of(service)
            store = open_store(tmp_path / "data")
            run = submit_plan(store, lab.config, plan_of(kind="characterise", max_pulses=20), "anna")
            until(lambda: store.run(run.id).done >= 2, 40)
            silence(line)
            service.process.send_signal(signal.SIGTERM)
            until(lambda: lab.controller.state is DeviceState.SAFE and lab.world.selected == (Route.NONE, None), 2.0)
            if silent == "smu":
                until(lambda: not lab.world.needles.touching, 5.0)
            assert service.process.wait(20) == 1
            store.close()
    lines = service.said().splitlines()
    assert f"stopped, but not verified safe: {silent}: " in lines[-1]
    assert not [other for other in ("smu", "prober", "crossbar") if other != silent and f" {other}: " in lines[-1]]
    assert "Traceback" not in service.said() and "hil: stopped" in lines[-1] and "stopped" not in lines[:-1]


def test_it_does_not_end_well_when_the_instruments_have_gone(tmp_path: Path) -> None:
    with SimulatedLab(tmp_path) as lab:
        command = ["serve", "--lab", lab.toml, "--data", tmp_path / "data", "--port", 0]
        with running(tmp_path / "log", *command) as service:
            url_of(service)
            children = psutil.Process(service.process.pid).children()
            for child in children:
                child.suspend()
            lab.shut_down()
            for child in children:
                child.resume()
            assert service.stop() == 1
    assert "not verified safe: smu: " in service.said().splitlines()[-1]
