"""The board's lines and its converter: logical numbers and microvolts in, codes out.

Rule: COLUMN_ORDER and the board's wiring are applied here and nowhere else; above this file every column is a logical one, below it a
column of the chip.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import Route, Wear
from simulator.instruments import adc
from simulator.instruments.calibration import Calibration
from simulator.instruments.wear import WearCounters
from simulator.world import World

Codes = NDArray[np.uint16]
Devices = NDArray[np.integer]


def built_in_order(world: World) -> NDArray[np.intp] | None:
    """The COLUMN_ORDER that undoes the board's wiring; None where every line goes to its own column."""
    wiring = world.board.wiring(world.geometry.columns)
    return None if wiring is None else np.argsort(wiring)


class CrossbarLines:
    """reads: readings of single junctions or sense lines since the start."""

    def __init__(self, world: World, calibration: Calibration) -> None:
        self.geometry = world.geometry
        self.trigger = world.trigger
        self.reads = 0
        self._world = world
        self._calibration = calibration
        self._wiring = world.board.wiring(world.geometry.columns)
        self._wear = WearCounters(world.geometry)

    def connect(self, route: Route, device: int | None) -> None:
        """To the SMU. device: for JUNCTION."""
        self._world.select(route, None if device is None else int(self._physical(np.array([device]))[0]))

    def read_kernel(self, kernel: int, read_uv: int, averages: int) -> Codes:
        """(rows, columns) codes."""
        amps = self._world.read_kernel_amps(kernel, read_uv * 1e-6, averages)
        self._wear.read_kernel(kernel)
        self.reads += self.geometry.per_kernel
        return self._logical(adc.convert(amps, averages))

    def read_list(self, devices: Devices, read_uv: int, averages: int) -> Codes:
        """One code for each device, in their order."""
        physical = self._physical(devices)
        amps = self._world.read_devices_amps(physical, read_uv * 1e-6, averages)
        self._wear.read(physical)
        self.reads += devices.size
        return adc.convert(amps, averages)

    def multiply(self, kernel: int, input_uv: NDArray[np.int64], drive_rows: bool) -> Codes:
        """(vectors, driven) uV -> (vectors, sensed) codes."""
        order = self._order()
        volts = input_uv.astype(np.float64) * 1e-6
        if order is not None and not drive_rows:
            logical, volts = volts, np.empty_like(volts)
            volts[:, order] = logical
        codes = adc.convert(self._world.vmm_amps(kernel, volts, drive_rows), 1)
        self._wear.read_kernel(kernel, len(input_uv))
        self.reads += codes.size
        return self._logical(codes) if drive_rows else codes

    def pulse(self, devices: Devices, amplitude_uv: int | NDArray[np.int64], width_ns: int) -> None:
        """One pulse on each, in order. amplitude_uv: of all, or one each."""
        physical = self._physical(devices)
        volts = np.multiply(amplitude_uv, 1e-6, dtype=np.float64)
        self._world.pulse(physical, volts, width_ns * 1e-9)
        self._wear.pulsed(physical, amplitude_uv)

    def wear(self, kernel: int, wear: Wear) -> Codes:
        """(rows, columns) u16."""
        return self._logical(self._wear.counts(kernel, wear))

    def _logical(self, values: Codes) -> Codes:
        """Columns of the chip, the last axis, in the order of the logical ones."""
        order = self._order()
        return values if order is None else values[..., order]

    def _physical(self, devices: Devices) -> Devices:
        order = self._order()
        if order is None:
            return devices
        lines = devices.astype(np.int64)
        columns = lines % self.geometry.columns
        return lines - columns + order[columns]

    def _order(self) -> NDArray[np.intp] | None:
        """(columns,) column of the chip that each logical column is; None where each is its own."""
        order = self._calibration.column_order
        if self._wiring is None or order is None:
            return order if self._wiring is None else self._wiring
        return self._wiring[order]
