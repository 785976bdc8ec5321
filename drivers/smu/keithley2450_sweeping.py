"""One sweep of a Keithley 2450 from its lines to a trace: parts said, read out while they run, stopped at the limit.

Rule 1: the instrument's own trigger model ends every part with the output off; what is asked for here leaves it on, at zero, and only
after a part that ended by itself. Rule 2: whatever ends a sweep otherwise than well is left to the caller to make safe.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drivers.errors import LinkTimeout, Refused
from drivers.scpi import Scpi
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.keithley2450_readout import Readings, ReadOut, joined
from drivers.smu.keithley2450_triggers import Part
from drivers.smu.setup import Setup
from drivers.smu.values import SmuTrace

_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S = 0.05, 1e-3
_STANDS_STILL_S = 0.3
"""Nothing runs and nothing came for so long: it has ended. The instrument looks at its own state every 0.1 s (TRIGger:STATe?)."""


@dataclass(frozen=True)
class SweepJob:
    """stop_when_limited: the first limited point is the last. point_s: expected, of each reading. patience_s: for the next reading,
    at most."""

    setup: Setup
    parts: Sequence[Part]
    stop_when_limited: bool
    point_s: float
    patience_s: float
    checkpoint: Callable[[], None]


class Sweep:
    """energise: sends a line that switches on, or refuses to. switch_on: output on, verified. Raises LinkError, ProtocolError, Refused,
    and what the checkpoint raises; then it may still be running."""

    def __init__(
        self,
        scpi: Scpi,
        name: str,
        job: SweepJob,
        energise: Callable[[str], None],
        switch_on: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scpi, self._name, self._job = scpi, name, job
        self._energise, self._switch_on = energise, switch_on
        self._monotonic, self._pause = monotonic, pause
        self._limited = False
        self._began_at: tuple[float, float] | None = None

    def run(self) -> SmuTrace:
        """The buffer is there, and stays. On return the output is on, at zero."""
        points: list[Readings] = []
        for part in self._job.parts:
            points.append(self._run_part(part))
            if self._limited:
                break
        found = joined(points)
        levels = np.concatenate([part.levels for part in self._job.parts])[: len(found)]
        return found.trace(self._job.setup.source, levels, "limited" if self._limited else "done")

    def _run_part(self, part: Part) -> Readings:
        self._scpi.group("sweep", [trigger.CLEAR_BUFFER, *part.lines])
        (output,) = self._scpi.ask(say.OUTPUT_STATE)
        if output != "1":
            raise Refused(f"{self._name}: the output is off before the sweep, or a part of it, has begun; someone switched it off")
        self._energise(trigger.INITIATE)
        found = self._read_while_it_runs(part)
        self._scpi.group("end of a sweep", say.back_to_zero(self._job.setup))
        points = self._points_of(part, found)
        # Not before: whoever stopped it wants it off.
        self._switch_on()
        return points

    def _read_while_it_runs(self, part: Part) -> Readings:
        readings, found = ReadOut(self._scpi, self._name), [joined([])]
        last_came = self._monotonic()
        while readings.read < part.readings:
            self._job.checkpoint()
            stopped, stored = self._progress(readings)
            if stored > readings.read:
                found.append(readings.next(stored))
                last_came = self._monotonic()
            elif stopped and (self._ended_limited(found) or self._monotonic() - last_came > _STANDS_STILL_S):
                break
            elif self._monotonic() - last_came > self._job.patience_s:
                raise LinkTimeout(
                    f"{self._name}: the sweep stands at {readings.read} of {part.readings} readings for {self._job.patience_s:g} s"
                )
            if stored <= readings.read:
                self._pause(min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, (part.readings - stored) * self._job.point_s)))
        return joined(found)

    def _progress(self, readings: ReadOut) -> tuple[bool, int]:
        status, *counts = self._scpi.ask(trigger.STATUS, *trigger.STORED)
        return trigger.parse_stopped(status, self._name), readings.understood(counts)

    def _ended_limited(self, found: Sequence[Readings]) -> bool:
        return self._job.stop_when_limited and bool(found[-1].limited.any())

    def _points_of(self, part: Part, readings: Readings) -> Readings:
        """The readings at the levels of the part, at the times since the first one of the sweep; up to the limited one that ends it."""
        points = readings[:: part.stride]
        if self._job.stop_when_limited and points.limited.any():
            self._limited = True
            points = points[: int(points.limited.argmax()) + 1]
        elif len(readings) < part.readings:
            raise Refused(
                f"{self._name}: the sweep ended by itself after {len(readings)} of {part.readings} readings without reaching its limit; "
                "someone stopped it, or the instrument protected itself: look at its event log"
            )
        if not points.output_on.all():
            raise Refused(f"{self._name}: the output was off during a sweep; someone switched it off, nothing of it is kept")
        return self._since_the_first(points)

    def _since_the_first(self, points: Readings) -> Readings:
        if len(self._job.parts) == 1:
            return points
        (text,) = self._scpi.ask(trigger.FIRST_READING_AT)
        began = trigger.parse_time(text, self._name)
        self._began_at = self._began_at or began
        points.values[:, 2] += (began[0] - self._began_at[0]) + (began[1] - self._began_at[1])
        return points
