"""One device in the test's process, on virtual time: either end of the two that must behave alike, and the truth about it.

Rule 1: bytes in, bytes out, the time is an argument; nothing sleeps and nothing reads a clock.
Rule 2: what a test believes of pulses, switches and readings it takes from here, never from an answer on the wire.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from simulator.instruments import adc
from simulator.instruments.controller import Controller
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
from simulator.world import World

SMALL = Geometry(2, 4, 5)
Pulse = tuple[int, int, int]
"""(physical junction, amplitude in uV, width in ns)."""


class DeviceEnd(Protocol):
    """One device with one line to it."""

    geometry: Geometry

    def feed(self, data: bytes, now_ns: int) -> None:
        """Bytes arrive, in any split."""
        ...

    def take(self, now_ns: int) -> bytes:
        """What may leave now, about a frame; b"" for nothing. Brings the device's own doing (dead man included) up to now_ns."""
        ...

    def due_ns(self, now_ns: int) -> int | None:
        """When `take` may next have something; at most now_ns: at once. None: not before more bytes or an edge come."""
        ...

    def restart(self, now_ns: int) -> None:
        """Power cycle: another boot id; only what is durable is kept."""
        ...

    def trigger(self, now_ns: int) -> None:
        """An edge on the line from the SMU."""
        ...

    def pulses(self) -> Sequence[Pulse]:
        """Every pulse given since the end was made, restarts included, in order of execution."""
        ...

    @property
    def isolated(self) -> bool:
        """Whether nothing is connected to the SMU."""
        ...

    @property
    def connected(self) -> int | None:
        """The junction connected to the SMU."""
        ...

    def shows(self, device: int, code: int) -> bool:
        """Whether `code`, read at +100 mV, can be the reading of this junction: a fixed pattern, one bit by junction."""
        ...

    def short(self, device: int) -> None:
        """From now on this physical junction drives the converter beyond its end."""
        ...

    def close(self) -> None: ...


def pattern(device: int) -> bool:
    """Which junctions conduct well in the known pattern: as good as random, so that a mixed-up list does not fit by chance."""
    return bool((device * 2_654_435_761 >> 13) & 1)


class RecordingWorld(World):
    """A world that remembers every pulse. weak: pulses are recorded and change nothing, so that the pattern stays."""

    def __init__(self, wafer: Wafer) -> None:
        super().__init__(wafer)
        self.given: list[Pulse] = []
        self.weak = False

    def pulse(self, devices: NDArray[np.integer], volts: NDArray[np.float64] | float, width_s: float) -> None:
        width_ns = round(width_s * 1e9)
        each = np.broadcast_to(volts, len(devices))
        self.given.extend((int(device), round(float(one) * 1e6), width_ns) for device, one in zip(devices, each, strict=True))
        if not self.weak:
            super().pulse(devices, volts, width_s)


class PythonEnd:
    """The simulator's controller over a small world whose needles touch."""

    def __init__(self, geometry: Geometry = SMALL, limits: Limits | None = None, *, weak: bool = True) -> None:
        self.geometry = geometry
        self.world = RecordingWorld(Wafer(3, PRESETS["clean"], ((0, 0),), geometry))
        self.world.touch((0, 0))
        self.world.weak = weak
        die = self.world.wafer.die((0, 0))
        die.state_p = np.array([pattern(device) for device in range(geometry.devices)]).reshape(geometry.shape)
        siemens = [die.cell_siemens(state_p, 0.1) for state_p in (True, False)]
        self._boundary_amps = 0.1 * float(siemens[0].min() + siemens[1].max()) / 2.0
        self._boot_id = 1
        self.controller = Controller(self.world, boot_id=1, limits=limits)
        self._port = self.controller.connect()

    def feed(self, data: bytes, now_ns: int) -> None:
        self._port.feed(data, now_ns)

    def take(self, now_ns: int) -> bytes:
        return self._port.take(now_ns)

    def due_ns(self, now_ns: int) -> int | None:
        return self._port.due_ns(now_ns)

    def restart(self, now_ns: int) -> None:
        self._boot_id = self._boot_id % 0xFFFF + 1
        self._port.close()
        self.controller.reboot(self._boot_id, now_ns)
        self._port = self.controller.connect()

    def trigger(self, now_ns: int) -> None:
        self.controller.trigger(now_ns)

    def pulses(self) -> Sequence[Pulse]:
        return self.world.given

    @property
    def isolated(self) -> bool:
        return self.world.selected[0] is Route.NONE

    @property
    def connected(self) -> int | None:
        return self.world.selected[1]

    def shows(self, device: int, code: int) -> bool:
        amps = (code - adc.ZERO_CODE) * adc.CODE_PA * 1e-12
        return (amps > self._boundary_amps) == pattern(device)

    def short(self, device: int) -> None:
        where = np.unravel_index(device, self.geometry.shape)
        junctions = self.world.wafer.die((0, 0)).junctions
        junctions.shunt_siemens[where], junctions.series_ohms[where] = 1.0, 0.1

    def close(self) -> None:
        self._port.close()


@contextmanager
def device_end(name: str, geometry: Geometry = SMALL) -> Iterator[DeviceEnd]:
    """name: "python" or "c"."""
    if name == "python":
        end: DeviceEnd = PythonEnd(geometry)
    else:
        from tests.support.c_end import CEnd

        end = CEnd(geometry)
    try:
        yield end
    finally:
        end.close()


ENDS = ("python", "c")
