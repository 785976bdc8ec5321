"""What joins the instruments: needles, selected cell and bias decide every current. One world, seen by all three.

Rule 1: nothing is seen but through needles that touch; without contact every path is open.
Rule 2: reading is biasing: whatever reads a junction can disturb it, as on a real die.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import Route
from firmware_protocol.geometry import Geometry
from simulator.agenda import Agenda
from simulator.board import TYPICAL, Board, BoardErrors, exposure_s
from simulator.dice import Dice
from simulator.needles import Damage, Needles
from simulator.physics.die import Die
from simulator.physics.mtj import Floats
from simulator.physics.wafer import DieIndex, Wafer
from simulator.trigger import TriggerLines

LEAKAGE_AMPS = 1e-13
SMU_SETTLE_S = 1e-3
"""How long a new level stands on the junction before anything else happens, s."""

CONTACT_Z_UM = 16_000.0
_HALVINGS = 60


class SmuPoint(NamedTuple):
    """What an SMU's terminals show. volts: across its terminals, less than asked for while limiting."""

    amps: float
    in_compliance: bool
    volts: float


class World:
    """The pretended lab. needles: stage and probe card. board: errors of the crossbar board's lines. trigger: the wires between
    controller and SMU. agenda: what the instruments do by themselves. now_ns: the clock by which junctions age.
    """

    def __init__(self, wafer: Wafer, errors: BoardErrors = TYPICAL, now_ns: Callable[[], int] = lambda: 0) -> None:
        self.wafer = wafer
        self._now_ns, self._begun_ns = now_ns, now_ns()
        self.seed = wafer.seed
        self.geometry: Geometry = wafer.geometry
        self.board = Board(self.seed, max(self.geometry.rows, self.geometry.columns), errors)
        self._rng = np.random.default_rng([self.seed, 4])
        lying = np.random.default_rng([self.seed, 5]).uniform(-200.0, 200.0, 2)
        self.needles = Needles(wafer, (150_000.0 + float(lying[0]), 150_000.0 + float(lying[1])), CONTACT_Z_UM)
        self.trigger = TriggerLines()
        self.agenda = Agenda()
        self._smu_dice = Dice(np.random.default_rng([self.seed, 8]))
        self.temperature_c = 25.0
        self._route = Route.NONE
        self._device: int | None = None
        self._bias_volts = 0.0
        self._output_on = False

    # --- what stands under the needles
    @property
    def damage(self) -> list[Damage]:
        """Everything that should not have happened, oldest first."""
        return self.needles.damage

    @property
    def output_on(self) -> bool:
        return self._output_on

    @property
    def selected(self) -> tuple[Route, int | None]:
        """What the controller connects to the SMU: the route, and the flat device number for JUNCTION."""
        return self._route, self._device

    @property
    def die_in_contact(self) -> DieIndex | None:
        return self.needles.die_in_contact

    def touch(self, die: DieIndex, overtravel_um: float = 20.0) -> None:
        """Put the needles on a die, without a prober: for tests and in-process use."""
        self.lift()
        self.needles.move_stage(*self.needles.stage_of(die))
        self.move_chuck_z(self.needles.contact_z_um + overtravel_um)

    def lift(self) -> None:
        """Lower the chuck clear of the needles."""
        self.move_chuck_z(self.needles.contact_z_um - 250.0)

    def move_chuck_z(self, z_um: float) -> None:
        self.needles.move_z(z_um, self._output_on)

    def warm(self, temperature_c: float) -> None:
        """The wafer on the chuck has another temperature; what relaxed so far did so at the old one."""
        if temperature_c != self.temperature_c:
            self.wafer.warm(temperature_c, self.now_s)
        self.temperature_c = temperature_c
        self.needles.warm(temperature_c)

    @property
    def now_s(self) -> float:
        """Since this lab began, s."""
        return (self._now_ns() - self._begun_ns) * 1e-9

    def _die(self) -> Die | None:
        index = self.needles.die_in_contact
        if index is None:
            return None
        die = self.wafer.die(index)
        die.temperature_c = self.temperature_c
        die.pass_time(self.now_s)
        return die

    # --- the crossbar controller
    def select(self, route: Route, device: int | None) -> None:
        """What the SMU is connected to. device: flat number, for JUNCTION. NONE isolates every junction.

        Raises ValueError for a device that does not exist. Switching under bias stresses the junction switched to.
        """
        if route is Route.JUNCTION and (device is None or not 0 <= device < self.geometry.devices):
            raise ValueError(f"device {device} is outside 0 to {self.geometry.devices - 1}")
        self._route = route
        self._device = device if route is Route.JUNCTION else None
        self._stress_selected(SMU_SETTLE_S)

    def read_kernel_amps(self, kernel: int, read_volts: float, averages: int) -> Floats:
        """(rows, columns) A into the board's transimpedance stage, junction by junction; mean of `averages` readings."""
        shape = (self.geometry.rows, self.geometry.columns)
        die = self._die()
        amps = np.zeros(shape)
        if die is not None:
            volts = np.broadcast_to(self.board.driven(read_volts, slice(shape[0]))[:, None], shape)
            siemens = die.read(kernel, volts, averages, exposure_s(averages), self._rng)
            amps = volts * siemens / (1.0 + siemens * self.needles.contact_ohms())
        return self.board.seen(amps, averages, self._rng)

    def read_devices_amps(self, devices: NDArray[np.integer], read_volts: float, averages: int) -> Floats:
        """(devices,) A into the transimpedance stage of each device's column, like `read_kernel_amps`."""
        amps = np.zeros(devices.size)
        die = self._die()
        if die is not None:
            volts = self.board.driven(read_volts, devices // self.geometry.columns % self.geometry.rows)
            siemens = die.read_devices(devices, volts, averages, exposure_s(averages), self._rng)
            amps = volts * siemens / (1.0 + siemens * self.needles.contact_ohms())
        return self.board.seen(amps, averages, self._rng, devices % self.geometry.columns)

    def vmm_amps(self, kernel: int, input_volts: Floats, drive_rows: bool) -> Floats:
        """(vectors, driven) V -> (vectors, sensed) A: all driven lines at once, currents summed per sensed line.

        What lines lose is in the conductances (Die.multiply). A line told 0 V is held at the reference.
        """
        volts = np.atleast_2d(np.asarray(input_volts, dtype=np.float64))
        rows, columns = self.geometry.rows, self.geometry.columns
        driven, sensed = (rows, columns) if drive_rows else (columns, rows)
        if volts.shape[1] != driven:
            raise ValueError(f"{volts.shape[1]} inputs for {driven} driven lines")
        amps = np.zeros((volts.shape[0], sensed))
        die = self._die()
        if die is not None:
            volts = self.board.driven(volts, slice(driven), columns=not drive_rows)
            lines = volts[:, :, None] if drive_rows else volts[:, None, :]
            across = np.broadcast_to(lines, (len(volts), rows, columns))
            siemens = die.multiply(kernel, across, exposure_s(1), self._rng)
            amps = (across * siemens).sum(axis=1 if drive_rows else 2)
        return self.board.seen(amps, 1, self._rng)

    def pulse(self, devices: NDArray[np.integer], volts: float | Floats, width_s: float) -> None:
        """One pulse on each flat device number, in order; positive drives AP to P. Without contact nothing happens.

        volts: of all, or (devices,) one each.
        """
        die = self._die()
        if die is not None:
            die.pulse(devices, volts, width_s, self._rng)

    # --- the SMU
    def set_output(self, on: bool, volts: float) -> None:
        """What the SMU drives: its output, and the level in V (0 where it sources current)."""
        self._output_on, self._bias_volts = on, volts
        self._stress_selected(SMU_SETTLE_S)

    def _stress_selected(self, width_s: float) -> None:
        if self._output_on and self._bias_volts:
            self._apply(self._bias_volts, width_s)

    def _apply(self, volts: float, width_s: float) -> bool:
        """Whether the junction may have changed."""
        die = self._die()
        return die is not None and self._device is not None and die.stress_one(self._device, volts, width_s, self._rng)

    def _current(self, volts: float) -> float:
        """Noise-free current at the SMU's terminals, A. Grows with volts."""
        die = self._die()
        if die is None or self._route is Route.NONE:
            return 0.0
        if self._route is Route.CONTACT_PADS or self._device is None:
            return volts / self.needles.contact_ohms()
        siemens = die.siemens_of(self._device, volts)
        return volts * siemens / (1.0 + siemens * self.needles.contact_ohms())

    def smu_amps(self, volts: float, aperture_s: float, limit_amps: float) -> SmuPoint:
        """Source volts, measure amps for aperture_s. At the limit the sourced voltage is reduced until the current is the limit.

        Raises nothing: open paths show leakage only. The junction is biased for the aperture and may switch or break.
        """
        at_volts, amps, limited = self._voltage_within(volts, abs(limit_amps))
        if self._apply(at_volts, aperture_s):
            amps = self._current(at_volts)
        leakage = LEAKAGE_AMPS * self._smu_dice.normal()
        amps *= 1.0 + self._relative_noise()
        if limited:
            amps = float(np.copysign(abs(limit_amps), volts))
        return SmuPoint(amps + leakage, limited, at_volts)

    def smu_volts(self, amps: float, aperture_s: float, limit_volts: float) -> SmuPoint:
        """Source amps, measure volts for aperture_s, never beyond limit_volts (an open path limits at any current)."""
        limit = float(np.copysign(abs(limit_volts), amps))
        limited = abs(self._current(limit)) < abs(amps)
        at_volts = limit if limited else self._bisect(abs(amps), limit)
        self._apply(at_volts, aperture_s)
        return SmuPoint(self._current(at_volts), limited, at_volts)

    def _voltage_within(self, volts: float, limit_amps: float) -> tuple[float, float, bool]:
        amps = self._current(volts)
        if abs(amps) <= limit_amps:
            return volts, amps, False
        at_volts = self._bisect(limit_amps, volts)
        return at_volts, self._current(at_volts), True

    def _bisect(self, amps: float, volts: float) -> float:
        """Voltage between 0 and volts at which the current's magnitude is `amps`, V."""
        low, high = 0.0, volts
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if abs(self._current(middle)) > amps else (middle, high)
        return (low + high) / 2.0

    def _relative_noise(self) -> float:
        die = self._die()
        if die is None or self._device is None:
            return 0.0
        noise = die.read_noise_of(self._device) * self._smu_dice.normal() + die.slow_noise_of(self._device)
        if depth := die.telegraph_of(self._device):
            noise += 0.5 * float(np.copysign(depth, self._smu_dice.normal()))
        return noise
