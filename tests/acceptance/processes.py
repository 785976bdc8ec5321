"""The product as its users run it: processes, real sockets, signals. Waiting is polling with a deadline, never a fixed sleep."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from hil.client import LabClient

HIL = str(Path(sys.executable).with_name("hil"))
SEED = 20261122


def wait_until(condition: Callable[[], Any], within_s: float, what: str) -> Any:
    """The first true value of `condition`. Fails the test naming what did not happen."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while time.monotonic() < deadline:
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError(f"{what}: not within {within_s} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Process:
    """A process in a group of its own with its output in a file; killed with all its children at the end of the test."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.kill_all()
        self.kill_all()

    def kill_all(self) -> None:
        """SIGKILL to the process and everything it started."""
        for pid in [self.popen.pid, *children_of(self.popen.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.popen.wait(10)

    def freeze(self, signal_number: int) -> None:
        """SIGSTOP or SIGCONT to the process and everything it started."""
        for pid in [self.popen.pid, *children_of(self.popen.pid)]:
            os.kill(pid, signal_number)

    def output(self) -> str:
        return self.log.read_text(errors="replace")


class SimulatedLab(Process):
    """`hil sim` on free ports with the fast clock."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.toml = folder / "lab.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.toml.unlink(missing_ok=True)
        command = [HIL, "sim", "--clock", "fast", "--wafer-seed", str(SEED), "--port-base", "0", "--write-lab", str(self.toml), *options]
        super().__init__(command, folder / "sim.log")
        wait_until(lambda: self.toml.exists() or self.popen.poll() is not None, 60, "lab.toml")
        assert self.toml.exists(), self.output()

    def config(self) -> dict[str, Any]:
        return tomllib.loads(self.toml.read_text())

    def ask(self, section: str, line: str) -> str:
        """One line to the SMU or the prober and its answer, on a connection of our own."""
        host, port = self.config()[section]["address"].split("::")[1:3]
        with socket.create_connection((host, int(port)), timeout=5) as wire:
            wire.sendall(line.encode() + b"\n")
            return wire.makefile("r").readline().strip()

    def smu_output_is_on(self) -> bool:
        return self.ask("smu", ":OUTP?") == "1"

    def chuck_is_up(self) -> bool:
        """True at contact height or above."""
        height = float(self.ask("prober", "get_chuck_z Z").split(",")[2])
        contact = float(self.ask("prober", "get_chuck_site_heights Wafer").split(",")[2])
        return height >= contact - 1.0


class Service(Process):
    """`hil serve` with a token of its own."""

    def __init__(self, lab: Path, data: Path, name: str = "serve") -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._clients: list[LabClient] = []
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rsplit(":", 1)[1]
        super().__init__([HIL, "serve", "--lab", str(lab), "--data", str(data), "--port", port], data.parent / f"{name}.log")
        made = subprocess.run(
            [HIL, "token", "create", "--scope", "admin", "--name", "test", "--json", "--data", str(data)],
            capture_output=True,
            text=True,
            check=True,
        )
        self.token = str(json.loads(made.stdout)["token"])
        wait_until(self.is_up, 60, f"service at {self.url}; log: {self.output()}")

    def is_up(self) -> bool:
        assert self.popen.poll() is None, self.output()
        try:
            with socket.create_connection(("127.0.0.1", int(self.url.rsplit(":", 1)[1])), timeout=1):
                return True
        except OSError:
            return False

    def client(self) -> LabClient:
        """A client of its own (one per thread), closed with the service."""
        self._clients.append(LabClient(self.url, token=self.token))
        return self._clients[-1]

    def __exit__(self, *error: object) -> None:
        for client in self._clients:
            client.close()
        super().__exit__(*error)


def hil(*arguments: str, environment: dict[str, str] | None = None, within_s: float = 60) -> subprocess.CompletedProcess[str]:
    """A `hil` command as a user types it."""
    return subprocess.run(
        [HIL, *arguments], capture_output=True, text=True, timeout=within_s, env={**os.environ, **(environment or {})}, check=False
    )
