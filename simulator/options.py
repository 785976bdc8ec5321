"""The flags of the pretended lab as one checked value. A flag that cannot be honoured is refused in one line, never guessed."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulator.board import BOARDS, TYPICAL, BoardErrors
from simulator.clock import Clock
from simulator.fault_plan import FaultPlan, load_faults
from simulator.line import LineSettings
from simulator.physics.fab import PRESETS, Fab, load_fab
from simulator.physics.wafer import whole_map
from simulator.server import MOST_CLIENTS

SMU_MODELS = ("keithley2450", "keithley2600")
REAL_BAUD = 921_600
PROBER_VERSION = "26.2.0"
_BAUD_RATES = (300, 100_000_000)


class BadOption(ValueError):
    """A flag that cannot be honoured; the text says what would be right."""


@dataclass(frozen=True)
class Options:
    """wafer_seed, fab, dies: the wafer. port_base: first of three ports (prober, smu, crossbar), 0 for free ones.

    baud: of the crossbar's line, 0 for as fast as the transport. crossbar_pty: a serial device instead of a socket.
    smu_clients: how many the SMU serves at a time; a real one may serve a single one.
    plain_tcp: the SMU leaves acknowledgements to the operating system, as a real one does.
    board: what the crossbar board's lines are off by.
    ledger: file that every damage is appended to. prober_version: of SENTIO; older ones know fewer commands.
    """

    wafer_seed: int
    fab: Fab
    dies: int
    clock: Clock
    smu: str
    write_lab: Path | None
    port_base: int
    cold: bool
    baud: int = 0
    crossbar_pty: bool = False
    smu_clients: int = MOST_CLIENTS
    plain_tcp: bool = False
    faults: FaultPlan = field(default_factory=lambda: FaultPlan(0, {}))
    ledger: Path | None = None
    prober_version: str = PROBER_VERSION
    board: BoardErrors = TYPICAL

    def line(self, instrument: str) -> LineSettings:
        """What lies between an instrument and its clients."""
        serial = instrument == "crossbar"
        return LineSettings(
            baud=self.baud if serial else 0,
            plan=self.faults.lines.get(instrument),
            seed=f"{self.faults.seed} {instrument}",
            delimiter=b"\0" if serial else b"\n",
        )


def parser() -> argparse.ArgumentParser:
    ports = "prober on P, SMU on P+1, crossbar on P+2, the SMU's dead socket on P+3; 0 takes free ports"
    built = argparse.ArgumentParser(
        prog="hil sim",
        description="A simulated lab on loopback sockets: prober, SMU and crossbar controller over one wafer of pretended junctions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="example: hil sim --wafer-seed 20261122 --clock fast --write-lab lab.toml",
    )
    built.add_argument("--wafer-seed", type=int, default=20261122, metavar="N", help="everything random follows from it")
    built.add_argument("--fab", default="default", metavar="PRESET|FILE", help=f"{', '.join(PRESETS)}, or a TOML or JSON file")
    built.add_argument("--board", choices=tuple(BOARDS), default="typical", help="typical: lines are off a little; ideal: none is")
    built.add_argument("--dies", type=int, default=len(whole_map()), metavar="N", help="how many, nearest the centre")
    built.add_argument("--clock", choices=("real", "fast"), default="real", help="fast: motion and measuring take no time")
    built.add_argument("--smu", default=SMU_MODELS[0], metavar="MODEL", help=", ".join(SMU_MODELS))
    built.add_argument(
        "--baud",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help=f"speed of the crossbar's line, 0: no limit (default: {REAL_BAUD}; with --clock fast 0)",
    )
    built.add_argument("--crossbar-pty", action="store_true", help="the crossbar is a serial device (pseudo-terminal), not a socket")
    built.add_argument("--faults", type=Path, metavar="FILE", help="TOML file of faults on the lines to the instruments")
    built.add_argument("--write-lab", type=Path, metavar="FILE", help="write lab.toml for the service, once every port listens")
    built.add_argument(
        "--port-base",
        type=int,
        default=0,
        metavar="P",
        help=ports,
    )
    built.add_argument("--smu-clients", type=int, default=MOST_CLIENTS, metavar="N", help="clients that the SMU serves at a time")
    built.add_argument("--plain-tcp", action="store_true", help="the SMU acknowledges as an ordinary TCP stack does: late")
    built.add_argument("--ledger", type=Path, metavar="FILE", help="append every damage to wafer and probe card, a line of JSON each")
    built.add_argument("--prober-version", default=PROBER_VERSION, metavar="A.B.C", help="version of SENTIO; 24.0.7 knows fewer commands")
    built.add_argument("--cold", action="store_true", help="no wafer loaded, no home and no contact height set")
    return built


def options(arguments: Sequence[str]) -> Options:
    """Raises BadOption, FabError or FaultPlanError naming the flag or file, the value and what would be right; SystemExit."""
    given = parser().parse_args(arguments)
    _check(given)
    clock = Clock(given.clock)
    return Options(
        wafer_seed=given.wafer_seed,
        fab=load_fab(given.fab),
        dies=given.dies,
        clock=clock,
        smu=given.smu,
        write_lab=given.write_lab,
        port_base=given.port_base,
        cold=given.cold,
        baud=getattr(given, "baud", REAL_BAUD if clock.name == "real" else 0),
        crossbar_pty=given.crossbar_pty,
        smu_clients=given.smu_clients,
        plain_tcp=given.plain_tcp,
        faults=FaultPlan(0, {}) if given.faults is None else load_faults(given.faults),
        ledger=given.ledger,
        prober_version=given.prober_version,
        board=BOARDS[given.board],
    )


def _check(given: argparse.Namespace) -> None:
    if given.smu not in SMU_MODELS:
        raise BadOption(f"--smu {given.smu}: no such simulated SMU; there is {', '.join(SMU_MODELS)}")
    if given.wafer_seed < 0:
        raise BadOption(f"--wafer-seed {given.wafer_seed}: must be 0 or more")
    if not 1 <= given.smu_clients <= MOST_CLIENTS:
        raise BadOption(f"--smu-clients {given.smu_clients}: must be 1 to {MOST_CLIENTS}")
    if not 1 <= given.dies <= len(whole_map()):
        raise BadOption(f"--dies {given.dies}: the wafer has 1 to {len(whole_map())}")
    if given.port_base != 0 and not 1024 <= given.port_base <= 65_532:
        raise BadOption(f"--port-base {given.port_base}: must be 0, or 1024 to 65532")
    slowest, fastest = _BAUD_RATES
    if (baud := getattr(given, "baud", 0)) != 0 and not slowest <= baud <= fastest:
        raise BadOption(f"--baud {baud}: must be 0 for no limit, or {slowest} to {fastest}")
    if re.fullmatch(r"\d+\.\d+\.\d+", given.prober_version) is None:
        raise BadOption(f"--prober-version {given.prober_version}: must be three numbers, as in {PROBER_VERSION}")
    if given.crossbar_pty and not hasattr(os, "openpty"):
        raise BadOption("--crossbar-pty: this system has no pseudo-terminals; leave the flag out to have a socket")
