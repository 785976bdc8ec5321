"""What pulses junctions: masks, outer products; and what became of earlier pulses.

Rule: volts and seconds become integers once, here, and are refused, not clipped, beyond the limits in force, before an id is
used; the controller checks them again by itself.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.board_link import BoardLink
from drivers.board_sessions import Sessions
from drivers.board_values import OuterProductOutcome
from drivers.crossbar_pulses import REFUSED, UNKNOWN, Pulser, Pulses, Return, Ways, told_outcomes
from drivers.crossbar_reading import SETTLE_S, Reading
from drivers.crossbar_units import check_limit, to_counts, to_ns, to_uv
from drivers.errors import DriverError, OverLimit, Refused
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
        """None also unless the first so many were given and the rest refused: then nothing of it can be trusted."""
        if not isinstance(answer, messages.ProgramResponse):
            return None
        executed = answer.outcomes.count(PulseOutcome.EXECUTED)
        expected = bytes([PulseOutcome.EXECUTED]) * executed + bytes([PulseOutcome.REFUSED]) * (self.count - executed)
        return (
            executed
            if answer.outcomes == expected and (answer.first_pulse_id, len(answer.outcomes)) == (self._first_id, self.count)
            else None
        )


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

    def __init__(self, sessions: Sessions, pulse_ids: PulseIds, timeout_s: float) -> None:
        super().__init__(sessions, pulse_ids, timeout_s)
        ways = Ways(lambda: self._link, self._return, self._looking, self._disarmed_itself, self._refuse_while_stopped)
        self._pulser = Pulser(pulse_ids, ways)

    def pulse(self, kernel: int, mask: NDArray[np.bool_], pulse_volts: float, pulse_s: float) -> NDArray[np.bool_]:
        """Several commands where the mask is longer than one may be; none follows one that was cut short, or whose line was lost:
        the next call arms again. Raises OverLimit, Refused, OutcomeUnknown, with what earlier commands gave in `executed`."""
        self._need(messages.Program)
        self._check_kernel(kernel)
        if mask.shape != self._shape:
            raise Refused(f"crossbar: mask has shape {mask.shape}; a kernel is {self._shape}")
        if mask.dtype != np.bool_:
            raise Refused(f"crossbar: mask has dtype {mask.dtype}; it says of each junction whether to pulse it, bool")
        waveform = self._waveform(pulse_volts, pulse_s)
        places = np.flatnonzero(mask)
        executed = np.zeros(mask.size, dtype=np.bool_)
        executed[places[: self._pulsed(places + kernel * self._geometry.per_kernel, waveform)]] = True
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
        rows, columns = to_counts(row_counts, "row_counts"), to_counts(column_counts, "column_counts")
        waveform = self._waveform(pulse_volts, pulse_s)
        if waveform.amplitude_uv <= 0:
            raise Refused(f"crossbar: pulse_volts is {pulse_volts} V; an outer product takes its signs from the counts")
        pulses = int(np.abs(rows).sum(dtype=np.int64) * np.abs(columns).sum(dtype=np.int64))
        if pulses > self._limits.pulses_per_command:
            raise OverLimit(
                f"crossbar: {pulses} pulses are more than one command may give ({self._limits.pulses_per_command}); send it in parts"
            )
        if pulses == 0:
            return OuterProductOutcome(0, 0)
        command = OuterCommand(kernel, rows.tobytes() + columns.tobytes(), pulses, waveform)
        self._need(messages.OuterProduct)
        self._arm()
        return OuterProductOutcome(pulses, self._pulser.send(command, 3 * pulses * (SETTLE_S + waveform.width_ns * 1e-9)))

    def pulse_outcomes(self, first_id: int, count: int, session: int | None = None) -> list[str]:
        """What became of the ids of one command of an earlier session, maybe of an earlier process: "executed", "refused"
        (never will be), "unknown". This session has ended the earlier ones, so nothing of them is still under way. session: the
        one it was sent in; None: not known, then another host's pulses of the same numbers are taken for them."""
        never_seen = REFUSED if self._ids_are_durable else UNKNOWN
        return told_outcomes(self._link, Pulses(first_id, count), session, never_seen=never_seen)

    # --- inside
    def _pulsed(self, devices: NDArray[np.integer], waveform: Waveform) -> int:
        """How many got their pulse, the first so many."""
        done = 0
        while done < devices.size:
            part = devices[done : done + self._pulses_per_command].astype("<u2")
            try:
                self._arm()
                link = self._link
                given = self._pulser.send(ProgramCommand(part.tobytes(), waveform), 3 * part.size * (SETTLE_S + waveform.width_ns * 1e-9))
            except DriverError as error:
                error.after(done)
                raise
            done += given
            if given < part.size or self._link is not link:
                break
        return done

    @property
    def _pulses_per_command(self) -> int:
        fits = (MAX_PAYLOAD - messages.Program.layout.size) // 2
        return max(1, min(self._limits.pulses_per_command, fits))

    def _waveform(self, pulse_volts: float, pulse_s: float) -> Waveform:
        amplitude_uv, width_ns = to_uv(pulse_volts, "pulse_volts"), to_ns(pulse_s, "pulse_s")
        check_limit(amplitude_uv, self._limits.device_uv, 1e6, "pulse_volts V")
        check_limit(width_ns, self._limits.pulse_ns, 1e9, "pulse_s s")
        if amplitude_uv == 0:
            raise Refused(
                f"crossbar: pulse_volts {pulse_volts:g} V is less than the controller's step of 1 uV; it would be no pulse at all"
            )
        return Waveform(amplitude_uv, width_ns, pulse_volts, pulse_s)

    def _return(self) -> Return:
        boot_id = self._greeting.boot_id
        self._reopen()
        return Return(self._link, self._greeting.boot_id == boot_id, self._greeting.hello.last_pulse_id, self._ids_are_durable)

    def _looking(self) -> AbstractContextManager[BoardLink]:
        self._link.close()  # A device is opened once; this one is another host's now.
        return self._sessions.looking(self._greeting.boot_id)
