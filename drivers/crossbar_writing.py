"""What pulses junctions: masks, outer products; and what became of earlier pulses.

Rule: volts and seconds become integers once, here, and are refused, not clipped, beyond the limits in force, before an id is
used; the controller checks them again by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.board_link import BoardLink
from drivers.board_talk import Greeting
from drivers.board_values import OuterProductOutcome
from drivers.crossbar_pulses import REFUSED, UNKNOWN, Pulser, Pulses, Return, told_outcomes
from drivers.crossbar_reading import SETTLE_S, Reading
from drivers.crossbar_units import check_limit, to_ns, to_uv
from drivers.errors import OverLimit, Refused
from drivers.protocols import PulseIds
from firmware_protocol import messages
from firmware_protocol.codes import MAX_PAYLOAD, PulseOutcome
from firmware_protocol.messages import Message, Request


@dataclass(frozen=True)
class Waveform:
    """One pulse in the link's units and in the caller's. Positive drives AP to P."""

    amplitude_uv: int
    width_ns: int
    volts: float
    seconds: float


@dataclass
class ProgramCommand:
    """devices: u16 little-endian each."""

    devices: bytes
    waveform: Waveform

    def __post_init__(self) -> None:
        self.count = len(self.devices) // 2
        self.volts, self.seconds = self.waveform.volts, self.waveform.seconds

    def message(self, first_id: int) -> Request:
        self._first_id = first_id
        return messages.Program(first_id, self.waveform.amplitude_uv, self.waveform.width_ns, self.devices)

    def executed(self, answer: Message) -> int | None:
        """None also when they are not the first so many: then nothing of it can be trusted."""
        if not isinstance(answer, messages.ProgramResponse):
            return None
        executed = answer.outcomes.count(PulseOutcome.EXECUTED)
        in_order = answer.outcomes[:executed] == bytes([PulseOutcome.EXECUTED]) * executed
        return executed if in_order and (answer.first_pulse_id, len(answer.outcomes)) == (self._first_id, self.count) else None


@dataclass
class OuterCommand:
    """counts: i8 per row, then i8 per column. count: junction pulses."""

    kernel: int
    counts: bytes
    count: int
    waveform: Waveform

    def __post_init__(self) -> None:
        self.volts, self.seconds = self.waveform.volts, self.waveform.seconds

    def message(self, first_id: int) -> Request:
        self._first_id = first_id
        return messages.OuterProduct(self.kernel, first_id, self.waveform.amplitude_uv, self.waveform.width_ns, self.counts)

    def executed(self, answer: Message) -> int | None:
        if not isinstance(answer, messages.OuterProductResponse) or answer.first_pulse_id != self._first_id:
            return None
        return answer.executed if answer.executed <= self.count else None


class Writing(Reading):
    """What pulses. Arms first if needed; never again by itself once the controller has disarmed itself."""

    def __init__(self, connect: Callable[[], tuple[BoardLink, Greeting]], pulse_ids: PulseIds, timeout_s: float) -> None:
        super().__init__(connect, pulse_ids, timeout_s)
        self._pulser = Pulser(pulse_ids, lambda: self._link, self._return, self._disarmed_itself)

    def pulse(self, kernel: int, mask: NDArray[np.bool_], pulse_volts: float, pulse_s: float) -> NDArray[np.bool_]:
        """Several commands where the mask is longer than one may be. Raises OverLimit, Refused, OutcomeUnknown."""
        self._need(messages.Program)
        self._check_kernel(kernel)
        if mask.shape != self._shape:
            raise Refused(f"crossbar: mask has shape {mask.shape}; a kernel is {self._shape}")
        waveform = self._waveform(pulse_volts, pulse_s)
        places = np.flatnonzero(mask)
        executed = np.zeros(mask.size, dtype=np.bool_)
        for start in range(0, places.size, self._pulses_per_command):
            part = places[start : start + self._pulses_per_command]
            devices = (part + kernel * self._geometry.per_kernel).astype("<u2").tobytes()
            self._arm()
            given = self._pulser.send(ProgramCommand(devices, waveform), 3 * part.size * (SETTLE_S + waveform.width_ns * 1e-9))
            executed[part[:given]] = True
        return executed.reshape(mask.shape)

    def outer_product(
        self, kernel: int, row_counts: NDArray[np.integer], column_counts: NDArray[np.integer], pulse_volts: float, pulse_s: float
    ) -> OuterProductOutcome:
        """Junction (r, c) gets |row_counts[r] * column_counts[c]| pulses of the sign of the product; pulse_volts is above 0.

        row_counts: (rows,), column_counts: (columns,), -127 to 127. Raises OverLimit when the pulses are more than one
        command may give (nothing is applied then; send it in parts), Refused, OutcomeUnknown.
        """
        self._check_kernel(kernel)
        if (row_counts.shape, column_counts.shape) != ((self._shape[0],), (self._shape[1],)):
            raise Refused(f"crossbar: counts have shapes {row_counts.shape} and {column_counts.shape}; a kernel is {self._shape}")
        counts = np.concatenate([row_counts, column_counts]).astype(np.int64)
        if np.abs(counts).max() > 127:
            raise OverLimit("crossbar: a line is pulsed at most 127 times by one outer product; send it in parts")
        waveform = self._waveform(pulse_volts, pulse_s)
        if waveform.amplitude_uv <= 0:
            raise Refused(f"crossbar: pulse_volts is {pulse_volts} V; an outer product takes its signs from the counts")
        pulses = int(np.abs(row_counts.astype(np.int64)).sum() * np.abs(column_counts.astype(np.int64)).sum())
        if pulses > self._limits.pulses_per_command:
            raise OverLimit(
                f"crossbar: {pulses} pulses are more than one command may give ({self._limits.pulses_per_command}); send it in parts"
            )
        if pulses == 0:
            return OuterProductOutcome(0, 0)
        command = OuterCommand(kernel, counts.astype(np.int8).tobytes(), pulses, waveform)
        self._need(messages.OuterProduct)
        self._arm()
        return OuterProductOutcome(pulses, self._pulser.send(command, 3 * pulses * (SETTLE_S + waveform.width_ns * 1e-9)))

    def pulse_outcomes(self, first_id: int, count: int) -> list[str]:
        """What became of the ids of one command of an earlier session, maybe of an earlier process: "executed", "refused"
        (never will be), "unknown". This session has ended the earlier ones, so nothing of them is still under way."""
        never_seen = REFUSED if self._ids_are_durable else UNKNOWN
        return told_outcomes(self._link, Pulses(first_id, count), never_seen=never_seen)

    # --- inside
    @property
    def _pulses_per_command(self) -> int:
        fits = (MAX_PAYLOAD - messages.Program.layout.size) // 2
        return max(1, min(self._limits.pulses_per_command, fits))

    def _waveform(self, pulse_volts: float, pulse_s: float) -> Waveform:
        amplitude_uv, width_ns = to_uv(pulse_volts, "pulse_volts"), to_ns(pulse_s, "pulse_s")
        check_limit(amplitude_uv, self._limits.device_uv, 1e6, "pulse_volts V")
        check_limit(width_ns, self._limits.pulse_ns, 1e9, "pulse_s s")
        return Waveform(amplitude_uv, width_ns, pulse_volts, pulse_s)

    def _return(self) -> Return:
        boot_id = self._greeting.boot_id
        self._reconnect()
        return Return(self._link, self._greeting.boot_id == boot_id, self._greeting.hello.last_pulse_id, self._ids_are_durable)
