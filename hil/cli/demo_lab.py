"""The demo's lab: the simulated instruments and the service on them, as processes of their own, stopped in the safe order."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.cli.child import Child, python
from hil.cli.output import warn
from hil.client import LabClient
from hil.store import open_store

USUAL_PORT = 8765


@dataclass(frozen=True)
class DemoLab:
    """A running service on a simulated lab, and the token that may operate it."""

    url: str
    token: str
    lab_toml: Path

    def client(self) -> LabClient:
        """A client of its own: one per thread."""
        return LabClient(self.url, token=self.token, on_warning=warn)


@contextmanager
def running_lab(folder: Path, wafer_seed: int, fab: str, dies: int) -> Generator[DemoLab]:
    """Starts lab and service; at the end stops the service first, which makes the lab safe, then the lab.

    Raises ChildFailed when one of them does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    toml, data = folder / "lab.toml", folder / "data"
    simulate = ["-m", "simulator", "--clock", "fast", "--wafer-seed", str(wafer_seed), "--fab", fab, "--dies", str(dies)]
    with Child("the simulated lab", python(*simulate, "--port-base", "0", "--write-lab", str(toml)), folder / "sim.log") as lab:
        lab.wait_ready(toml.exists, within_s=60)
        token = _own_token(data)
        port = _port()
        serve = ["-m", "hil.cli.main", "serve", "--lab", str(toml), "--data", str(data), "--port", str(port)]
        with Child("the service", python(*serve), folder / "serve.log") as service:
            service.wait_ready(lambda: _answers(port), within_s=60)
            yield DemoLab(f"http://127.0.0.1:{port}", token, toml)


def _own_token(data: Path) -> str:
    store = open_store(data)
    try:
        _, token = store.create_token("operate", "demo")
    finally:
        store.close()
    return token


def _port() -> int:
    """The usual port, or a free one where somebody already serves there."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port on 127.0.0.1")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
