"""The simulated lab of a test: real sockets on loopback, served from a thread, so that the test can ask the world for the truth."""

import asyncio
import threading
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from drivers.crossbar import read_status
from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from hil.model.lab import LabConfig
from simulator.clock import Clock
from simulator.fault_plan import parse_faults
from simulator.instruments.controller import Controller
from simulator.instruments.keithley2450 import Keithley2450
from simulator.instruments.sentio import Sentio
from simulator.lab_file import Addresses, lab_toml
from simulator.line import LineSettings
from simulator.physics.fab import PRESETS, Fab
from simulator.physics.wafer import Wafer, nearest_dies
from simulator.prober_faults import ProberFaults
from simulator.server import Host
from simulator.world import World

GEOMETRY = Geometry(4, 25, 25)
"""A small chip: a die takes a tenth of a second."""


class SimulatedLab:
    """Up from `with` to its end. world: what really is. config, toml: what the service is told. prober_faults: as in a faults file.
    age_ns: the clock by which junctions lose their state; without one they keep it."""

    def __init__(
        self,
        folder: Path,
        dies: int = 2,
        ports: Sequence[int] = (0, 0, 0),
        seed: int = 5,
        prober_faults: str = "",
        fab: Fab = PRESETS["harsh"],
        age_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self.world = World(Wafer(seed, fab, nearest_dies(dies), GEOMETRY), now_ns=age_ns)
        self._ports = ports
        self.toml = folder / "lab.toml"
        self._clock = Clock("fast")
        self.controller = Controller(self.world, boot_id=7, serial=f"SIM{seed}", now_ns=self._clock.now_ns(), wall_ns=self._clock.wall_ns)
        plan = parse_faults(prober_faults)
        self.prober = Sentio(self.world, faults=ProberFaults(plan.prober, seed, self._clock.now_ns()))
        self._prober_line = LineSettings(plan=plan.lines.get("prober"), seed=seed, delimiter=b"\n")
        self._up, self._stop = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()

    def shut_down(self) -> None:
        """Every port closed: the instruments are gone."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._loop.close()

    def is_safe(self) -> bool:
        """Output off, every junction isolated, needles up: asked of the world, not of the instruments."""
        return not self.world.output_on and self.world.selected == (Route.NONE, None) and not self.world.needles.touching

    def controller_state(self) -> str:
        """What the controller says of itself, on a connection of the test's own."""
        return read_status(self.config.crossbar.address).state

    def controller_pulses(self) -> int:
        """Pulses the controller has counted since it started, asked on a connection of the test's own."""
        return read_status(self.config.crossbar.address).pulses

    @property
    def config(self) -> LabConfig:
        return LabConfig.model_validate(tomllib.loads(self.toml.read_text()))

    def changed(self, **limits: float) -> LabConfig:
        """The configuration with other limits."""
        values = tomllib.loads(self.toml.read_text())
        values["limits"].update(limits)
        return LabConfig.model_validate(values)

    async def _serve(self) -> None:
        async with Host(self._clock) as host:
            addresses = Addresses(
                prober=await host.serve(self.prober, self._ports[0], self._prober_line),
                smu=await host.serve(Keithley2450(self.world, self._clock.wall_ns), self._ports[1]),
                crossbar=await host.serve(self.controller, self._ports[2]),
            )
            self.toml.write_text(lab_toml(addresses, self.world.wafer, "keithley2450"))
            self._up.set()
            await self._stop.wait()
