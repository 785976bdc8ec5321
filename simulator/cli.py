"""Command line of the pretended lab: flags in, three instruments on their lines, lab.toml once every one can be reached."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Sequence
from functools import partial

from simulator.clock import Clock
from simulator.fault_plan import FaultPlanError
from simulator.instruments.controller import Controller
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.keithley2600 import Keithley2600
from simulator.instruments.sentio import Sentio
from simulator.lab_file import Addresses, lab_toml, write_by_rename
from simulator.ledger import LedgerError, LedgerFile
from simulator.options import BadOption, Options, options
from simulator.physics.fab import FabError
from simulator.physics.wafer import Wafer, nearest_dies
from simulator.prober_faults import ProberFaults
from simulator.pty_port import NoPseudoTerminals
from simulator.server import Access, Host, PortTaken, new_loop
from simulator.world import World

_REAL_KELVIN_PER_S = 0.5
_METERS = {"keithley2450": Keithley2450, "keithley2600": Keithley2600}


async def run(chosen: Options) -> None:
    """Serve until a signal. Raises PortTaken, OSError when lab.toml cannot be written."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_serving(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_serving)
    world = World(Wafer(chosen.wafer_seed, chosen.fab, nearest_dies(chosen.dies)), chosen.board, chosen.clock.now_ns)
    if chosen.ledger is not None:
        world.needles.report = LedgerFile(chosen.ledger).record
    async with Host(chosen.clock) as host:
        addresses = await _serve(host, world, chosen)
        if chosen.write_lab is not None:
            write_by_rename(chosen.write_lab, lab_toml(addresses, world.wafer, chosen.smu))
        for name, address in addresses.lines().items():
            _say(f"{name:9} {address}")
        _say("ready")
        await stop.wait()


async def _serve(host: Host, world: World, chosen: Options) -> Addresses:
    prober, smu, crossbar, dead = (chosen.port_base + offset if chosen.port_base else 0 for offset in range(4))
    controller, line = _controller(world, chosen.clock), chosen.line("crossbar")
    meter = _METERS[chosen.smu](world, chosen.clock.wall_ns)
    _open_interlock(meter, chosen)

    def restart() -> None:
        controller.reboot(_boot_id(), chosen.clock.now_ns())

    return Addresses(
        prober=await host.serve(_prober(world, chosen), prober, chosen.line("prober")),
        smu=await host.serve(meter, smu, chosen.line("smu"), access=Access(chosen.smu_clients, quick_ack=not chosen.plain_tcp)),
        dead_socket=await host.serve_dead_socket(meter, dead),
        crossbar=await (
            host.serve_pty(controller, line, restart) if chosen.crossbar_pty else host.serve(controller, crossbar, line, restart)
        ),
        baud=chosen.baud,
    )


def _open_interlock(meter: Keithley2450 | Keithley2600, chosen: Options) -> None:
    """By the plan of faults."""
    begun_ns = chosen.clock.now_ns()
    for after_ns, hold_ns in chosen.faults.interlock_open:
        meter.agenda.at(begun_ns + after_ns, partial(meter.set_interlock, False))
        meter.agenda.at(begun_ns + after_ns + hold_ns, partial(meter.set_interlock, True))


def _prober(world: World, chosen: Options) -> Sentio:
    return Sentio(
        world,
        cold=chosen.cold,
        kelvin_per_s=_REAL_KELVIN_PER_S if chosen.clock.name == "real" else None,
        wall_ns=chosen.clock.wall_ns,
        version=chosen.prober_version,
        faults=ProberFaults(chosen.faults.prober, f"{chosen.faults.seed} prober", chosen.clock.now_ns()),
    )


def _controller(world: World, clock: Clock) -> Controller:
    return Controller(world, boot_id=_boot_id(), serial=f"SIM{world.seed}", now_ns=clock.now_ns(), wall_ns=clock.wall_ns)


def _boot_id() -> int:
    # It tells a host that the board restarted, so it must differ between restarts and between runs of one seed.
    return 1 + secrets.randbelow(0xFFFF)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 after a signal, 1 when the lab cannot be served, 2 for a flag that cannot be honoured."""
    try:
        chosen = options(arguments)
    except (BadOption, FabError, FaultPlanError) as error:
        sys.stderr.write(f"hil sim: {error}\n")
        return 2
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(run(chosen))
    except (PortTaken, NoPseudoTerminals) as error:
        sys.stderr.write(f"hil sim: {error}\n")
        return 1
    except LedgerError as error:
        sys.stderr.write(f"hil sim: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"hil sim: {chosen.write_lab}: {error.strerror or error}; choose another --write-lab\n")
        return 1
    return 0
