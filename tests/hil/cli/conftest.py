"""The simulated lab and `hil serve` as processes, started once for all tests of the command line."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.cli.main import main
from tests.support.waiting import until

HIL = [sys.executable, "-m", "hil.cli.main"]
STARTS_WITHIN_S = 60.0


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Command:
    """Runs `hil` in this process, as main() does it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Result:
        self._monkeypatch.setattr(sys, "argv", ["hil", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, out, err)


@pytest.fixture
def hil(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.delenv("HIL_URL", raising=False)
    monkeypatch.delenv("HIL_TOKEN", raising=False)
    return Command(monkeypatch, capsys)


@dataclass(frozen=True)
class Process:
    """A `hil` process and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, by: int = signal.SIGTERM, within_s: float = 20.0) -> int:
        """Its exit code. Fails the test when it does not end in time."""
        self.process.send_signal(by)
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"did not stop within {within_s:g} s: {self.said()[-500:]}")


@contextmanager
def running(log: Path, *arguments: object) -> Iterator[Process]:
    """A `hil` command in a session of its own, as a terminal or a service manager would start it; ended with the block."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        command = [*HIL, *map(str, arguments)]
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=environment)
    try:
        yield Process(child, log)
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(30)


def url_of(service: Process) -> str:
    """The address a service printed, once it did."""
    until(lambda: "serving" in service.said() or service.process.poll() is not None, STARTS_WITHIN_S)
    found = re.search(r"http://[\d.]+:\d+", service.said())
    assert found, service.said()
    return found[0]


@contextmanager
def simulated(folder: Path) -> Iterator[Path]:
    lab = folder / "lab.toml"
    with running(folder / "sim.log", "sim", "--clock", "fast", "--port-base", 0, "--write-lab", lab) as simulator:
        until(lambda: lab.exists() or simulator.process.poll() is not None, STARTS_WITHIN_S)
        assert lab.exists(), simulator.said()
        yield lab
        assert simulator.stop() == 0, simulator.said()


@pytest.fixture(scope="session")
def lab_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """lab.toml of a running simulated lab."""
    with simulated(tmp_path_factory.mktemp("sim")) as lab:
        yield lab


@pytest.fixture(scope="session")
def spare_lab_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another one, for tests that start services of their own: a station has one service."""
    with simulated(tmp_path_factory.mktemp("spare")) as lab:
        yield lab


@dataclass(frozen=True)
class Served:
    url: str
    token: str
    data: Path
    lab: Path
    service: Process

    @property
    def access(self) -> tuple[str, ...]:
        return ("--url", self.url, "--token", self.token)


@pytest.fixture(scope="session")
def served(lab_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`hil serve` on the simulated lab, with a token that may operate."""
    from hil.store import open_store

    folder = tmp_path_factory.mktemp("serve")
    with running(folder / "serve.log", "serve", "--lab", lab_file, "--data", folder / "data", "--port", 0) as service:
        url = url_of(service)
        store = open_store(folder / "data")
        token = store.create_token("operate", "tests")[1]
        store.close()
        yield Served(url, token, folder / "data", lab_file, service)
        assert service.stop() == 0, service.said()
