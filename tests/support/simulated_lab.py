"""The simulated lab on real sockets inside the test's process, so that a test can look at the pretended world's truth."""

import asyncio
import threading
import tomllib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from hil.model.lab import LabConfig
from simulator.clock import Clock
from simulator.instruments.controller import Controller
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.sentio import Sentio
from simulator.lab_file import Addresses, lab_toml
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer, nearest_dies
from simulator.server import Host
from simulator.world import World
from tests.support.scripted_server import closed_port, visa_address

T = TypeVar("T")
SEED = 20261122
SMALL = Geometry(2, 4, 5)


class ObservedWorld(World):
    """A world that remembers in which order things happened to it. events: "output on", "isolated", "needles up"...
    "hot switch": something was selected or isolated with a voltage on it.

    touchdowns_um: how far above contact each touchdown came to be pressed.
    """

    def __init__(self, wafer: Wafer) -> None:
        super().__init__(wafer)
        self.events: list[str] = []
        self.touchdowns_um: list[float] = []

    def select(self, route: Route, device: int | None) -> None:
        if self.output_on and self._bias_volts and (route, device) != self.selected:
            self.events.append("hot switch")
        super().select(route, device)
        self.events.append({Route.NONE: "isolated", Route.JUNCTION: "junction", Route.CONTACT_PADS: "pads"}[route])

    def set_output(self, on: bool, volts: float) -> None:
        super().set_output(on, volts)
        self.events.append("output on" if on else "output off")

    def move_chuck_z(self, z_um: float) -> None:
        touched = self.needles.touching
        super().move_chuck_z(z_um)
        if self.needles.touching:
            self.touchdowns_um[len(self.touchdowns_um) - touched :] = [z_um - self.needles.contact_z_um]
        self.events.append("needles down" if self.needles.touching else "needles up")


@dataclass
class SimulatedLab:
    """world: the truth. lab: what the service is told. switch_off: one instrument loses its power, and with it every connection."""

    world: ObservedWorld
    prober: Sentio
    smu: Keithley2450
    crossbar: Controller
    lab: LabConfig
    switch_off: Callable[[str], None]

    @property
    def safe(self) -> bool:
        """Whether the world is dark: output off, everything isolated, needles up."""
        return not self.smu.output and self.world.selected == (Route.NONE, None) and not self.world.needles.touching

    def with_limits(self, **limits: float) -> LabConfig:
        return self.lab.model_copy(update={"limits": self.lab.limits.model_copy(update=limits)})

    @property
    def without_trigger_lines(self) -> LabConfig:
        """The same lab, whose SMU is not wired to the controller's trigger lines."""
        return self.lab.model_copy(update={"smu": self.lab.smu.model_copy(update={"trigger_lines": False})})

    def without(self, instrument: str) -> LabConfig:
        """The same lab, but nothing listens where one instrument should be."""
        section = getattr(self.lab, instrument)
        port = closed_port()
        address = f"socket://127.0.0.1:{port}" if instrument == "crossbar" else visa_address(port)
        return self.lab.model_copy(update={instrument: section.model_copy(update={"address": address, "timeout_s": 1.0})})

    def seen_from_outside(self) -> dict[str, object]:
        """Everything a client could have changed in the instruments."""
        chuck = self.prober.chuck
        return {
            "smu": (self.smu.output, self.smu.source, self.smu.sense, dict(self.smu.values), self.smu.status.errors),
            "prober": (self.world.needles.stage_um, self.world.needles.z_um, chuck.stepping_mode, chuck.overtravel_on, chuck.vacuum_on),
            "crossbar": self.world.selected,
        }


@dataclass
class CountedPulseIds:
    """drivers.protocols.PulseIds without a store. settled: (first id, outcomes). sessions: (serial, session) of each one opened."""

    next_id: int = 1
    settled: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    sessions: list[tuple[str, int]] = field(default_factory=list, compare=False)

    def opened(self, serial: str, session: int) -> None:
        self.sessions.append((serial, session))

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        first, self.next_id = self.next_id, self.next_id + count
        return first

    def settle(self, first_id: int, outcomes: Sequence[str]) -> None:
        self.settled.append((first_id, tuple(outcomes)))

    def advance(self, last_id: int) -> None:
        self.next_id = max(self.next_id, last_id + 1)


@contextmanager
def simulated_lab(dies: int = 4, geometry: Geometry = SMALL, fab: str = "clean", cold: bool = False) -> Iterator[SimulatedLab]:
    world = ObservedWorld(Wafer(SEED, PRESETS[fab], nearest_dies(dies), geometry))
    clock = Clock("fast")
    prober, smu = Sentio(world, cold=cold), Keithley2450(world, clock.wall_ns)
    crossbar = Controller(world, boot_id=7, serial=f"SIM{world.seed}", now_ns=clock.now_ns(), wall_ns=clock.wall_ns)
    with running_loop() as run:
        hosts = {name: run(_entered(Host(clock))) for name in ("prober", "smu", "crossbar")}
        ports = [run(hosts[name].serve(each)) for name, each in (("prober", prober), ("smu", smu), ("crossbar", crossbar))]
        text = lab_toml(Addresses(*ports), world.wafer, "keithley2450")
        lab = LabConfig.model_validate(tomllib.loads(text))
        yield SimulatedLab(world, prober, smu, crossbar, lab, lambda name: run(hosts.pop(name).__aexit__(None, None, None)))
        for host in hosts.values():
            run(host.__aexit__(None, None, None))


async def _entered(host: Host) -> Host:
    return await host.__aenter__()


@contextmanager
def running_loop() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """An event loop in a thread of its own; yields what runs a coroutine there and waits for its result."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
