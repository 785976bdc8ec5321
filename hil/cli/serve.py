"""`hil serve`: the web process over the station's worker. Rule: the worker stops first, so that the outputs are off before
anything else ends; a second service on the same data is refused."""

import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import CommandFailed, Data, Lab, data_dir
from hil.cli.output import tell
from hil.model.lab import LabConfig, load_lab
from hil.store.protocol import Store

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def serve(
    lab: Lab = Path("lab.toml"),
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback only once there is a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8765,
    allow_host: Annotated[list[str] | None, typer.Option(help="A further name clients may call it by.", show_default=False)] = None,
) -> None:
    """Serve the station until Ctrl-C or SIGTERM. Makes it safe before anything else. Exit code 1 unless it was left safe."""
    from hil.api.app import create_app
    from hil.cli.holder import only_service
    from hil.cli.server import Ending, run_service
    from hil.runs.leaving import last_outcome, unsafe
    from hil.runs.supervisor import Supervisor
    from hil.store import open_store

    config = load_lab(lab)
    directory = data_dir(data, config, lab)
    with ExitStack() as stack:
        directory.mkdir(parents=True, exist_ok=True)
        listener = stack.enter_context(closing(listen(host, port)))
        url = _url(host, listener)
        stack.enter_context(only_service(directory, config, url))
        store = stack.enter_context(closing(open_store(directory)))
        _refuse_open_door(host, store, directory)
        supervisor = Supervisor(lab, directory)
        tell(f"making the station safe: {lab}")
        stack.callback(supervisor.stop)
        supervisor.start()
        app = create_app(store, config, {host, socket.gethostname(), *(allow_host or [])})
        ending = Ending(supervisor, store)
        run_service(app, ending, listener, lambda: _welcome(url, config, directory, store))
        danger = unsafe(last_outcome(store, ending.since))
    if danger is not None:
        raise CommandFailed(f"stopped, but not verified safe: {danger}; look before you touch")
    tell("stopped")


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises CommandFailed when the address cannot be had."""
    try:
        # The protocol is named, not 0: asyncio switches Nagle off only where a socket says that it is TCP, and 40 ms hang on it.
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(closing(socket.socket(family, kind, protocol)))
            if os.name != "nt":  # There it would let two services share the port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            unless_bound.pop_all()
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host} port {port}: {error.strerror}; choose another with --host and --port") from error
    return listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refuse_open_door(host: str, store: Store, directory: Path) -> None:
    """Raises CommandFailed: nobody serves a lab to a network before there is a token to keep it."""
    if host in LOOPBACK or any(token.revoked_at is None for token in store.tokens()):
        return
    raise CommandFailed(
        f"--host {host} is reachable from elsewhere and there is no token yet; make one first: "
        f"hil token create --scope operate --data {directory}"
    )


def _welcome(url: str, config: LabConfig, directory: Path, store: Store) -> None:
    tell(f"serving {config.station.name} at {url}/api/v1, data in {directory}")
    if not any(token.revoked_at is None for token in store.tokens()):
        tell(f"no token yet; make one: hil token create --scope operate --data {directory}")
