"""Command line of the pretended lab: flags in, three instruments on sockets, lab.toml once every port listens."""

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.clock import Clock
from simulator.instruments.controller import Controller
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.sentio import Sentio
from simulator.lab_file import Addresses, lab_toml, write_by_rename
from simulator.physics.fab import PRESETS, Fab, FabError, load_fab
from simulator.physics.wafer import Wafer, nearest_dies, whole_map
from simulator.server import Host, PortTaken
from simulator.world import World

SMU_MODELS = ("keithley2450",)
_REAL_KELVIN_PER_S = 0.5


@dataclass(frozen=True)
class Options:
    """wafer_seed, fab, dies: the wafer. port_base: first of three ports (prober, smu, crossbar), 0 for free ones."""

    wafer_seed: int
    fab: Fab
    dies: int
    clock: Clock
    smu: str
    write_lab: Path | None
    port_base: int
    cold: bool


class BadOption(ValueError):
    """A flag that cannot be honoured; the text says what would be right."""


def parser() -> argparse.ArgumentParser:
    built = argparse.ArgumentParser(
        prog="hil sim",
        description="A simulated lab on loopback sockets: prober, SMU and crossbar controller over one wafer of pretended junctions.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog="example: hil sim --wafer-seed 20261122 --clock fast --write-lab lab.toml",
    )
    built.add_argument("--wafer-seed", type=int, default=20261122, metavar="N", help="everything random follows from it")
    built.add_argument("--fab", default="default", metavar="PRESET|FILE", help=f"{', '.join(PRESETS)}, or a TOML or JSON file")
    built.add_argument("--dies", type=int, default=len(whole_map()), metavar="N", help="how many, nearest the centre")
    built.add_argument("--clock", choices=("real", "fast"), default="real", help="fast: motion and measuring take no time")
    built.add_argument("--smu", default=SMU_MODELS[0], metavar="MODEL", help=", ".join(SMU_MODELS))
    built.add_argument("--faults", metavar="FILE", help="scripted faults: not available yet")
    built.add_argument("--write-lab", type=Path, metavar="FILE", help="write lab.toml for the service, once every port listens")
    built.add_argument("--port-base", type=int, default=0, metavar="P", help="prober on P, SMU on P+1, crossbar on P+2; 0 takes free ports")
    built.add_argument("--cold", action="store_true", help="no wafer loaded, no home and no contact height set")
    return built


def options(arguments: Sequence[str]) -> Options:
    """Raises BadOption or FabError naming the flag, the value and what would be right; SystemExit from argparse."""
    given = parser().parse_args(arguments)
    if given.smu not in SMU_MODELS:
        raise BadOption(f"--smu {given.smu}: no such simulated SMU; there is {', '.join(SMU_MODELS)}")
    if given.faults is not None:
        raise BadOption(f"--faults {given.faults}: scripted faults are not supported yet; leave the flag out")
    if given.wafer_seed < 0:
        raise BadOption(f"--wafer-seed {given.wafer_seed}: must be 0 or more")
    if not 1 <= given.dies <= len(whole_map()):
        raise BadOption(f"--dies {given.dies}: the wafer has 1 to {len(whole_map())}")
    if given.port_base != 0 and not 1024 <= given.port_base <= 65_533:
        raise BadOption(f"--port-base {given.port_base}: must be 0, or 1024 to 65533")
    return Options(
        given.wafer_seed, load_fab(given.fab), given.dies, Clock(given.clock), given.smu, given.write_lab, given.port_base, given.cold
    )


async def run(chosen: Options) -> None:
    """Serve until a signal. Raises PortTaken, OSError when lab.toml cannot be written."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_serving(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_serving)
    wafer = Wafer(chosen.wafer_seed, chosen.fab, nearest_dies(chosen.dies))
    world = World(wafer)
    kelvin_per_s = _REAL_KELVIN_PER_S if chosen.clock.name == "real" else None
    ports = [chosen.port_base + offset if chosen.port_base else 0 for offset in range(3)]
    async with Host(chosen.clock) as host:
        addresses = Addresses(
            prober=await host.serve(Sentio(world, cold=chosen.cold, kelvin_per_s=kelvin_per_s), ports[0]),
            smu=await host.serve(Keithley2450(world), ports[1]),
            crossbar=await host.serve(_controller(world, chosen.clock), ports[2]),
        )
        if chosen.write_lab is not None:
            write_by_rename(chosen.write_lab, lab_toml(addresses, wafer, chosen.smu))
        for name, address in addresses.lines().items():
            _say(f"{name:9} {address}")
        _say("ready")
        await stop.wait()


def _controller(world: World, clock: Clock) -> Controller:
    # The boot id tells a host that the board restarted, so it must differ between runs of one seed.
    return Controller(world, boot_id=1 + secrets.randbelow(0xFFFF), serial=f"SIM{world.seed}", now_ns=clock.now_ns(), wall_ns=clock.wall_ns)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 after a signal, 1 when the lab cannot be served, 2 for a flag that cannot be honoured."""
    try:
        chosen = options(arguments)
    except (BadOption, FabError) as error:
        sys.stderr.write(f"hil sim: {error}\n")
        return 2
    try:
        asyncio.run(run(chosen))
    except PortTaken as error:
        sys.stderr.write(f"hil sim: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"hil sim: {chosen.write_lab}: {error.strerror or error}; choose another --write-lab\n")
        return 1
    return 0
