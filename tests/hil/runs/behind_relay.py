"""One instrument of a simulated lab behind a line that the test can silence: connections stay open, nothing comes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hil.model.lab import load_lab
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.relay import Relay, relay


def port_of(address: str) -> str:
    return address.removesuffix("::SOCKET").rsplit(":", 1)[1]


@contextmanager
def behind_relay(lab: SimulatedLab, section: str) -> Iterator[tuple[Path, Relay]]:
    """lab.toml of the lab with one instrument behind the relay."""
    port = port_of(getattr(lab.config, section).address)
    with relay(f"socket://127.0.0.1:{port}") as line:
        toml = lab.toml.with_name("relayed.toml")
        text = lab.toml.read_text()
        assert text.count(port) == 1
        toml.write_text(text.replace(port, port_of(line.address)))
        assert load_lab(toml) != lab.config
        yield toml, line


def silence(line: Relay) -> None:
    line.to_device = line.to_host = lambda _data: b""
