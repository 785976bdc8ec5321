"""What the lab needs of each instrument, and nothing more. SI units, the unit in the name; index order kernel, row, column.

Every method may raise drivers.errors.DriverError. `close` never changes an output; `make_safe` methods never raise
because of what they find, only when they cannot verify that the instrument is safe.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.board_values import (
    Calibration,
    DieReading,
    JunctionReadings,
    OuterProductOutcome,
    ScanReading,
    WearCounts,
    WriteVerifyReading,
    WriteVerifySettings,
)
from drivers.values import (
    ControllerInfo,
    ControllerStatus,
    Identity,
    KernelReading,
    Placement,
    ProberState,
    SmuReading,
    SourceSettings,
    WireCounts,
)
from firmware_protocol.limits import Limits


class PulseIds(Protocol):
    """Where pulse ids come from: durable before the first byte is sent, never handed out twice for one die."""

    def opened(self, serial: str, session: int) -> None:
        """A session was opened on the board of this serial number; the ids reserved from now on are sent in it. A board says
        of an id whose session's it was: so two hosts that chose the same numbers are told apart."""
        ...

    def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
        """First of `count` consecutive ids, the intent already durable. Never below an id handed out before."""
        ...

    def settle(self, first_id: int, outcomes: Sequence[str]) -> None:
        """Record how each pulse ended: executed, refused or unknown."""
        ...

    def advance(self, last_id: int) -> None:
        """The controller has seen ids up to `last_id` (perhaps another host's): never hand out one at or below it."""
        ...


class Prober(Protocol):
    def identify(self) -> Identity: ...
    def state(self) -> ProberState: ...
    def go_to_die(self, x: int, y: int) -> ProberState:
        """Move to a die at separation height and verify by read-back. Raises MotionRefused in contact."""
        ...

    def contact(self) -> ProberState:
        """Raise to contact height (plus overtravel if enabled). Raises MotionRefused unless every precondition holds."""
        ...

    def separate(self) -> ProberState:
        """Lower to separation height; idempotent, allowed from every state, whoever else holds the prober."""
        ...

    def placement(self) -> Placement:
        """Read back at every reading: cheap."""
        ...

    def chuck_temperature_c(self) -> float: ...
    def contact_count(self) -> int: ...
    def counts(self) -> WireCounts: ...
    def close(self) -> None: ...


class SourceMeter(Protocol):
    def identify(self) -> Identity: ...
    def configure(self, settings: SourceSettings) -> None:
        """Set up with the output off and the level at 0 V."""
        ...

    def output_on(self) -> None: ...
    def output_off(self) -> None:
        """Off, verified by read-back. Raises OutputMayBeOn when it cannot be verified. Queries nothing before `off` is sent."""
        ...

    def output_is_on(self) -> bool: ...
    def measure(self, volts: float) -> SmuReading:
        """Set the level, read once and return to 0 V, in one message. The output must be on.

        On return the level is 0 V, so that whatever the SMU is connected to may be switched.
        """
        ...

    def counts(self) -> WireCounts: ...
    def close(self) -> None: ...


class Scan(Protocol):
    """A triggered scan under way."""

    def progress(self) -> Iterator[tuple[int, int]]:
        """(steps measured, steps in all) until it is over."""
        ...

    def result(self) -> ScanReading:
        """Waits for the end."""
        ...


class CrossbarController(Protocol):
    def identify(self) -> Identity: ...
    def info(self) -> ControllerInfo: ...
    def status(self) -> ControllerStatus: ...
    def tighten_limits(self, limits: Limits) -> Limits: ...
    def isolate(self) -> None:
        """Every junction isolated, disarmed; verified by the controller's answer."""
        ...

    def select_junction(self, kernel: int, row: int, column: int) -> None: ...
    def select_contact_pads(self) -> None: ...
    def read_kernel(self, kernel: int, read_volts: float, averages: int = 1) -> KernelReading: ...
    def pulse(self, kernel: int, mask: NDArray[np.bool_], pulse_volts: float, pulse_s: float) -> NDArray[np.bool_]:
        """One pulse on every junction of `mask` (rows, columns) of a kernel; positive drives AP to P.

        Returns (rows, columns) bool: executed, fewer than asked for when something stopped it or the line had to be opened anew.
        Arms first if needed. Raises OutcomeUnknown if an answer was lost; what is raised says in `executed` what was given before.
        """
        ...

    def vmm(self, kernel: int, input_volts: NDArray[np.float64], direction: str = "rows") -> NDArray[np.float64]:
        """(vectors, lines driven) V in, (vectors, lines sensed) A out; NaN where the ADC saturated."""
        ...

    def vmm_blocks(self, first_kernel: int, input_volts: NDArray[np.float64], direction: str = "rows") -> NDArray[np.float64]:
        """(vectors, blocks, lines driven) V in, a kernel per block; (vectors, blocks, lines sensed) A out."""
        ...

    def read_die(self, read_volts: float, averages: int = 1, first_kernel: int = 0, kernels: int | None = None) -> DieReading: ...
    def stream_die(
        self, read_volts: float, averages: int = 1, first_kernel: int = 0, kernels: int | None = None
    ) -> Iterator[tuple[int, KernelReading]]:
        """Kernel by kernel as they come, each once, not always in order."""
        ...

    def read_junctions(self, junctions: Sequence[tuple[int, int, int]], read_volts: float, averages: int = 1) -> JunctionReadings: ...
    def converter_amps(self) -> tuple[float, float]:
        """The least and the most that a reading, and so a target of `write_verify`, can say, A."""
        ...

    def write_verify(
        self, kernel: int, targets_amps: NDArray[np.float64], settings: WriteVerifySettings, checkpoint: Callable[[], None] = ...
    ) -> WriteVerifyReading:
        """The board reads, pulses and reads again by itself. targets_amps: (rows, columns), NaN leaves a junction alone.

        checkpoint: called every half second and oftener meanwhile; what it raises ends the writing and is raised.
        """
        ...

    def outer_product(
        self, kernel: int, row_counts: NDArray[np.integer], column_counts: NDArray[np.integer], pulse_volts: float, pulse_s: float
    ) -> OuterProductOutcome:
        """Junction (r, c) gets |row_counts[r] * column_counts[c]| pulses of the sign of the product."""
        ...

    def pulse_outcomes(self, first_id: int, count: int, session: int | None = None) -> list[str]:
        """What became of the ids of one command of an earlier session: "executed", "refused", "unknown". session: its number, as
        `PulseIds.opened` was told it; None: not known, then another host's pulses of the same numbers are taken for them."""
        ...

    def scan(
        self,
        first: tuple[int, int, int],
        count: int,
        *,
        settle_s: float,
        step_timeout_s: float,
        sentinel: tuple[int, int, int] | None = None,
        sentinel_every: int = 0,
    ) -> AbstractContextManager[Scan]:
        """Junction after junction to the SMU, stepped by trigger lines; ends isolated."""
        ...

    def wear(self, kernel: int) -> WearCounts: ...
    def calibration(self, table: str) -> Calibration: ...
    def set_calibration(self, calibration: Calibration, replaces: int) -> Calibration: ...
    def emergency_stop(self) -> None:
        """16 zero bytes and ESTOP, ahead of anything queued."""
        ...

    def clear_emergency_stop(self) -> None: ...
    def counts(self) -> WireCounts: ...
    def close(self) -> None: ...
