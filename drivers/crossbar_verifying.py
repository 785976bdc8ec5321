"""Verified writing by the board itself: it reads a kernel, pulses what is not at its target, reads again.

Rule 1: ids for the most pulses that it may take are durable before it begins; all are settled at its end, however it ends.
Rule 2: when the line is lost, a new session (which ends the operation) asks how far it came.
Rule 3: who waits is asked every half second at the latest whether to go on; if not, the board is told to end it at once.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drivers.board_operation import LongOperation, fetch_operation, fetch_result
from drivers.board_talk import Denied
from drivers.board_values import WriteVerifyReading, WriteVerifySettings
from drivers.crossbar_pulses import Pulses, Return, Settling, boundary
from drivers.crossbar_reading import state_name
from drivers.crossbar_units import to_codes, to_steps, whole
from drivers.crossbar_writing import Writing
from drivers.errors import DriverError, LinkError, OutcomeUnknown, ProtocolError, Refused
from firmware_protocol import messages
from firmware_protocol.codes import CODE_MASKED, OperationState

MOST_PULSES = 255
"""Of one junction."""


@dataclass(frozen=True)
class Ended:
    """How it ended, a name of OperationState, and how many pulses it gave."""

    state: str
    pulses: int


def _go_on() -> None:
    pass


class Watch:
    """Asks `checkpoint` while an operation runs. What that raises ends the operation now; it goes on (`finish`) when every id
    is settled."""

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._checkpoint = checkpoint
        self._raised: BaseException | None = None

    def look(self, operation: LongOperation) -> None:
        """Raises LinkError when the board could not be told to end it."""
        if self._raised is not None:
            return
        try:
            self._checkpoint()
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self._raised = error
            with suppress(Refused):  # It ended meanwhile; how, is asked next.
                operation.abort()

    def finish(self) -> None:
        if self._raised is not None:
            raise self._raised


class Verifying(Writing):
    """WRITE_VERIFY."""

    def converter_amps(self) -> tuple[float, float]:
        """The least and the most that a reading, and so a target, can say, A."""
        zero_code, code_pa = self._greeting.hello.adc_zero_code, self._greeting.hello.adc_code_pa
        return -zero_code * code_pa * 1e-12, (CODE_MASKED - 1 - zero_code) * code_pa * 1e-12

    def write_verify(
        self, kernel: int, targets_amps: NDArray[np.float64], settings: WriteVerifySettings, checkpoint: Callable[[], None] = _go_on
    ) -> WriteVerifyReading:
        """targets_amps: (rows, columns), the current wanted of each junction at settings.read_volts; NaN leaves it alone.

        What an emergency stop, the dead man or a lost line ended is returned as far as it came (`ended`), every id settled.
        checkpoint: called every half second and oftener while the board works; what it raises ends the writing and is raised,
        every id settled by what the board says.
        Raises OverLimit, Refused (nothing happened), OutcomeUnknown (also when the board no longer has the results), LinkError when
        only the results could not be fetched; `executed` then says how many pulses were given.
        """
        request = self._write_request(kernel, targets_amps, settings)
        self._need(messages.WriteVerify)
        self._arm()
        to_write = sum(code != CODE_MASKED for code in np.frombuffer(request.targets, "<u2"))
        watch = Watch(checkpoint)
        try:
            with Settling(self._ids, max(1, to_write * settings.max_pulses), settings.set_volts, settings.pulse_s) as settling:
                operation = LongOperation(self._link, replace(request, first_pulse_id=settling.pulses.first_id), self._timeout_s)
                try:
                    ended = self._ended(operation, settling, watch)
                finally:
                    operation.close()
        finally:
            watch.finish()
        try:
            return self._write_reading(operation.name, ended)
        except Refused as error:
            raise _results_lost(settling.pulses, ended.pulses, str(error)) from error
        except DriverError as error:
            error.after(ended.pulses)
            raise

    # --- inside
    def _write_request(self, kernel: int, targets_amps: NDArray[np.float64], settings: WriteVerifySettings) -> messages.WriteVerify:
        """In the link's units, everything checked; the pulse id is still open."""
        self._check_kernel(kernel)
        if targets_amps.shape != self._shape:
            raise Refused(f"crossbar: targets_amps has shape {targets_amps.shape}; a kernel is {self._shape}")
        _check_settings(settings)
        up, down = self._waveform(settings.set_volts, settings.pulse_s), self._waveform(settings.reset_volts, settings.pulse_s)
        zero_code, code_pa = self._greeting.hello.adc_zero_code, self._greeting.hello.adc_code_pa
        codes = to_codes(targets_amps, zero_code, code_pa)
        read_uv = self._read_uv(settings.read_volts, settings.averages)
        return messages.WriteVerify(
            kernel=kernel,
            max_pulses=settings.max_pulses,
            averages=settings.averages,
            read_uv=read_uv,
            first_pulse_id=0,
            set_uv=up.amplitude_uv,
            reset_uv=down.amplitude_uv,
            width_ns=up.width_ns,
            tolerance_in=to_steps(settings.tolerance_in_amps, code_pa),
            tolerance_out=to_steps(settings.tolerance_out_amps, code_pa),
            targets=codes.tobytes(),
        )

    def _ended(self, operation: LongOperation, settling: Settling, watch: Watch) -> Ended:
        """How it ended, every id settled. Raises Refused when it never began, OutcomeUnknown."""
        try:
            operation.start()
        except Denied as error:
            raise self._pulser.denied(error) from error
        except LinkError as error:
            if not operation.sent:
                settling.nothing_happened()
                raise
            return self._ended_unseen(operation, settling, error)
        try:
            for _ in operation.events():
                watch.look(operation)
        except LinkError as error:
            return self._ended_unseen(operation, settling, error)
        except Refused as error:
            raise settling.pulses.unknown(f"it began, then: {error}") from error
        done = operation.end
        assert done is not None
        if done.pulses > settling.pulses.count:
            raise settling.pulses.unknown(f"the controller says it gave {done.pulses} of {settling.pulses.count} pulses")
        return Ended(state_name(done.state), settling.settle(done.pulses))

    def _ended_unseen(self, operation: LongOperation, settling: Settling, cause: LinkError) -> Ended:
        """What the board says over a new session."""
        seen: list[str] = []

        def find(back: Return) -> int:
            stands = fetch_operation(back.link, operation.name)
            if stands is not None and stands.first_pulse_id == settling.pulses.first_id:
                seen.append(state_name(stands.state))
                return stands.pulses
            return boundary(back.link, settling.pulses, operation.name[0])  # It knows a later operation, or none.

        executed = settling.settle(self._pulser.ask_after(settling, operation.name[0], cause, find))
        if executed and not seen:
            raise _results_lost(settling.pulses, executed, str(cause))
        if not seen:
            raise Refused(f"crossbar: WRITE_VERIFY never began ({cause}); nothing was pulsed")
        return Ended(seen[0], executed)

    def _write_reading(self, name: tuple[int, int], ended: Ended) -> WriteVerifyReading:
        if ended.state != OperationState.DONE.name:
            self._enter_what_it_says()
        table = np.frombuffer(fetch_result(self._link, name, 0), np.uint8)
        amps, _ = self._to_amps(fetch_result(self._link, name, 1))
        if (table.size, amps.size) != (2 * self._geometry.per_kernel, self._geometry.per_kernel):
            raise ProtocolError(f"{self._link.address}: the result of WRITE_VERIFY is not of one kernel")
        results, pulses = table.reshape(-1, 2).T.reshape(2, *self._shape)
        return WriteVerifyReading(results.copy(), pulses.copy(), amps.reshape(self._shape), ended.pulses, ended.state)


def _results_lost(pulses: Pulses, executed: int, why: str) -> DriverError:
    """How many pulses were given is known, and so what became of each id; which junctions got them is not."""
    text = f"crossbar: WRITE_VERIFY gave {executed} pulses, but its results are lost ({why}); read the junctions back"
    error = OutcomeUnknown(text, pulses.first_id, pulses.count)
    error.executed = executed
    return error


def _check_settings(settings: WriteVerifySettings) -> None:
    """What does not depend on the controller. Raises Refused."""
    if not 1 <= whole(settings.max_pulses, "max_pulses") <= MOST_PULSES:
        raise Refused(f"crossbar: max_pulses is {settings.max_pulses}; 1 to {MOST_PULSES} are possible")
    if not settings.set_volts > 0 > settings.reset_volts:
        raise Refused(f"crossbar: set_volts {settings.set_volts} must be above 0, reset_volts {settings.reset_volts} below")
    if not settings.read_volts > 0:
        raise Refused(f"crossbar: read_volts is {settings.read_volts}; targets are compared at a voltage above 0")
    if not settings.tolerance_in_amps <= settings.tolerance_out_amps:
        raise Refused("crossbar: tolerance_in_amps is above tolerance_out_amps; a settled junction would never be left alone")
