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
from drivers.smu.capabilities import SmuCapabilities
from drivers.smu.values import Floats, ScanSettings, Settings, SmuProvenance, SmuReading, SmuTrace
from drivers.values import (
    ControllerInfo,
    ControllerStatus,
    Identity,
    KernelReading,
    Moving,
    Placement,
    ProberState,
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


class WaferProber(Prober, Protocol):
    """A prober whose overtravel, needles and alignment can be seen to from here; what makes contact uses what it finds."""

    def set_overtravel(self, on: bool) -> float:
        """Whether the next contact goes on to the commissioned overtravel gap; returns that gap, um. Raises OverLimit."""
        ...

    def clean(self, touchdowns: int) -> None:
        """The needles, on the cleaning pad; then no die is verified. Raises MotionRefused in contact."""
        ...

    def not_aligned(self) -> str | None:
        """Why the wafer has to be aligned before the next contact, None while nothing is known against it."""
        ...

    def stop(self) -> None:
        """The chuck, where it is; over a connection of its own. Any thread may call it."""
        ...

    @property
    def moving(self) -> Moving | None:
        """The move under way; None while there is none. Any thread may ask."""
        ...


class SmuScan(Protocol):
    """Readings under way, each begun by an edge of the controller and answered by one. Made by `SourceMeter.scan`."""

    def taken(self) -> int:
        """Readings in the instrument's buffer so far."""
        ...

    def read(self) -> SmuTrace:
        """Those taken and not yet read, in order, perhaps none; while the instrument goes on measuring.

        After a lost line the next call goes on from where the last one ended: the instrument keeps them all.
        """
        ...

    def missed_edges(self) -> int:
        """Edges that came while an earlier one still waited for its reading."""
        ...


class SourceMeter(Protocol):
    """Opening and identifying change nothing. A line in doubt is settled by the driver itself before the next answer is trusted: what
    it was asked meanwhile raises LinkError, what it is asked next is answered."""

    @property
    def capabilities(self) -> SmuCapabilities:
        """Of the model that answered; of the model of the driver's name before `identify`."""
        ...

    def identify(self) -> Identity: ...
    def provenance(self) -> SmuProvenance: ...
    def configure(self, settings: Settings) -> None:
        """Set up with the output off and the level at zero. Raises OverLimit for what the model does not have; nothing is clipped."""
        ...

    def output_on(self) -> None:
        """At level zero. Raises Refused when the instrument does not switch on (interlock)."""
        ...

    def output_off(self) -> None:
        """Off, verified by read-back; ends whatever sweep or scan runs. Raises OutputMayBeOn when it cannot be verified.

        Off is the first thing sent, on a second connection if the first is stuck. Any thread may call it.
        """
        ...

    def output_is_on(self) -> bool: ...
    def measure(self, level: float) -> SmuReading:
        """Set the level (V or A, as configured), read once and return to zero. The output must be on.

        On return the level is zero, so that whatever the SMU is connected to may be switched.
        """
        ...

    def sweep(self, levels: Floats, *, stop_when_limited: bool = True, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """Level after level, a reading at each, paced by the instrument; the level is zero afterwards. The output must be on.

        levels: (points,), V or A, any number of them: longer ones than the instrument's list are given in parts.
        stop_when_limited: the first limited point is the last one. checkpoint: called while it runs, at least every 0.2 s; what it
        raises ends the sweep, output off. Raises OverLimit, Refused, LinkError.
        """
        ...

    def pulsed_sweep(self, levels: Floats, pulse_s: float, period_s: float, *, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """Like `sweep`, but at zero between the points: each level stands for about pulse_s, its reading at its end, every period_s.

        Raises OverLimit for a pulse shorter than the instrument can make (its aperture included).
        """
        ...

    def scan(self, settings: ScanSettings) -> AbstractContextManager[SmuScan]:
        """Entering sets the level and waits for edges; leaving aborts, sets the level to zero and leaves the output on.

        The output must be on. Raises OverLimit for more readings than the buffer holds.
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
