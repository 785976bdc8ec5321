"""`hil sim`: the simulated lab as a process of its own; this one only passes signals on and its exit code back."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer

SIGNALLED_CODE = 128


def sim(
    wafer_seed: Annotated[int | None, typer.Option(help="Which wafer.", show_default=False)] = None,
    fab: Annotated[str | None, typer.Option(help="clean, paper-like, default, harsh, or a file.", show_default=False)] = None,
    dies: Annotated[int | None, typer.Option(min=1, help="Dies on the wafer.", show_default=False)] = None,
    clock: Annotated[
        Literal["real", "fast"] | None, typer.Option(help="fast: motion and settling take no time.", show_default=False)
    ] = None,
    smu: Annotated[Literal["keithley2450", "keithley2600"] | None, typer.Option(help="Which source meter.", show_default=False)] = None,
    board: Annotated[
        Literal["typical", "ideal"] | None, typer.Option(help="Whether the crossbar board's lines are off a little.", show_default=False)
    ] = None,
    baud: Annotated[
        int | None, typer.Option(min=0, help="Speed of the crossbar's line, 0 for no limit; 921600 with a real clock.", show_default=False)
    ] = None,
    crossbar_pty: Annotated[bool, typer.Option("--crossbar-pty", help="The crossbar is a serial device, not a socket.")] = False,
    smu_clients: Annotated[int | None, typer.Option(min=1, help="Clients that the SMU serves at a time.", show_default=False)] = None,
    plain_tcp: Annotated[bool, typer.Option("--plain-tcp", help="The SMU acknowledges late, as an ordinary TCP stack does.")] = False,
    faults: Annotated[Path | None, typer.Option(help="Faults on the lines, as in docs/faults.md.", show_default=False)] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Every damage to wafer or probe card, a line each, as in docs/faults.md.", show_default=False)
    ] = None,
    prober_version: Annotated[str | None, typer.Option(help="SENTIO version that the prober reports.", show_default=False)] = None,
    write_lab: Annotated[Path | None, typer.Option(help="Write lab.toml here once every port listens.", show_default=False)] = None,
    port_base: Annotated[int | None, typer.Option(min=0, max=65_000, help="First port; 0 takes free ones.", show_default=False)] = None,
    cold: Annotated[bool, typer.Option("--cold", help="No wafer loaded, nothing aligned.")] = False,
) -> None:
    """The simulated lab on loopback sockets, until Ctrl-C or SIGTERM."""
    values = {
        "--wafer-seed": wafer_seed,
        "--fab": fab,
        "--dies": dies,
        "--clock": clock,
        "--smu": smu,
        "--board": board,
        "--baud": baud,
        "--smu-clients": smu_clients,
        "--faults": faults,
        "--ledger": ledger,
        "--prober-version": prober_version,
        "--write-lab": write_lab,
        "--port-base": port_base,
    }
    flags = [part for flag, value in values.items() if value is not None for part in (flag, str(value))]
    switches = {"--crossbar-pty": crossbar_pty, "--plain-tcp": plain_tcp, "--cold": cold}
    flags += [flag for flag, given in switches.items() if given]
    raise typer.Exit(run_forwarding([sys.executable, "-m", "simulator", *flags]))


def run_forwarding(command: list[str]) -> int:
    """Runs a command in a process group of its own; SIGINT and SIGTERM go to it. Returns its exit code, 128 + n for signal n."""
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(signum: int, _: FrameType | None) -> None:
        if child is None:
            early.append(signum)
        else:
            _pass_on(child, signum)

    # Before the child exists: a signal in between must not leave it behind.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, forward)
    child = subprocess.Popen(command, start_new_session=os.name != "nt")
    for signum in early:
        _pass_on(child, signum)
    code = child.wait()
    return code if code >= 0 else SIGNALLED_CODE - code


def _pass_on(child: subprocess.Popen[bytes], signum: int) -> None:
    if os.name == "nt":
        child.terminate()  # Windows knows no other signal for a process.
    else:
        child.send_signal(signum)
