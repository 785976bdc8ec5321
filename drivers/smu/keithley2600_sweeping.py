"""One sweep of a 2600B from its trigger model to a trace: parts said, read out while they run, stopped at the limit.

Rule 1: whose level a reading belongs to is what the instrument stored with it; where it stands in the list must say the same.
Rule 2: whatever ends it otherwise than well is left to the caller to make safe; the level is zero when it went well.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from drivers.errors import LinkTimeout, ProtocolError
from drivers.smu import keithley2600_messages as say
from drivers.smu import keithley2600_triggers as trigger
from drivers.smu.keithley2600_readout import ReadOut
from drivers.smu.keithley2600_triggers import Pulse
from drivers.smu.setup import Setup
from drivers.smu.values import Flags, Floats, SmuTrace
from drivers.tsp import PRECISE, Tsp, parse_number

_LONGEST_PAUSE_S = 0.02
_SHORTEST_PAUSE_S = 1e-3
_AMPS, _VOLTS, _AT_S, _STATUS, _LEVEL = range(5)
"""Columns of `trigger.columns_of_sweep`."""


@dataclass(frozen=True)
class SweepJob:
    """levels: (points,), checked. pulse: None for one level after the other. point_s: expected, of each point. patience_s: for the
    next reading, at most."""

    setup: Setup
    levels: Floats
    pulse: Pulse | None
    stop_when_limited: bool
    point_s: float
    patience_s: float
    checkpoint: Callable[[], None]

    @property
    def purpose(self) -> str:
        return "sweep" if self.pulse is None else "pulsed sweep"


class Sweep:
    """Raises LinkError, ProtocolError, Refused, and what the checkpoint raises; then it may still be running."""

    def __init__(self, tsp: Tsp, name: str, job: SweepJob) -> None:
        self._tsp, self._name, self._job = tsp, name, job
        self._setup = job.setup
        self._over = False
        self._first_base_s: float | None = None

    def run(self) -> SmuTrace:
        job = self._job
        self._tsp.group(job.purpose, trigger.sweep(self._setup.source) if job.pulse is None else trigger.pulsed_sweep(job.setup, job.pulse))
        loads = list(self._loads())
        rows = np.concatenate([self._run_load(parts, alone=len(loads) == 1) for parts in loads if not self._over])
        self._tsp.group(f"end of a {job.purpose}", trigger.ended(job.setup), timeout_s=job.patience_s)
        return self._trace(rows)

    def _loads(self) -> Iterator[list[Floats]]:
        """The parts, as many together as one buffer holds."""
        load: list[Floats] = []
        for part in trigger.parts_of(self._job.levels, self._setup.capabilities):
            if sum(map(len, [*load, part])) > self._setup.capabilities.buffer_readings:
                yield load
                load = []
            load.append(part)
        yield load

    def _run_load(self, parts: Sequence[Floats], *, alone: bool) -> Floats:
        """(readings, columns) of an empty buffer that is filled part by part; times since the very first reading."""
        readings = ReadOut(self._tsp, self._name, say.BUFFERS, trigger.columns_of_sweep(self._setup.source))
        if self._first_base_s is not None:
            self._tsp.group("clearing the buffers", say.cleared_buffers())
        rows = np.concatenate([self._run_part(readings, part) for part in parts if not self._over])
        if not alone:
            base_s = parse_number(self._tsp.ask(["hil_b"], after=[PRECISE, f"hil_b = {say.BUFFERS[0]}.basetimestamp"])[0], self._name)
            self._first_base_s = base_s if self._first_base_s is None else self._first_base_s
            rows[:, _AT_S] += base_s - self._first_base_s
        return rows

    def _run_part(self, readings: ReadOut, levels: Floats) -> Floats:
        """(readings, columns): one for each level, or fewer when the last one was limited and that ends the sweep."""
        job, begun = self._job, readings.read
        self._tsp.group(job.purpose, trigger.part(self._setup.source, levels, pulsed=job.pulse is not None))
        found: list[Floats] = []
        last_came = time.monotonic()
        while (count := readings.read - begun) < len(levels):
            job.checkpoint()
            rows = readings.next()[: len(levels) - count]
            if len(rows):
                last_came = time.monotonic()
                self._check_levels(rows, levels[count : count + len(rows)], count)
                found.append(self._until_limited(rows))
                if self._over:
                    break
            elif time.monotonic() - last_came > job.patience_s:
                raise LinkTimeout(f"{self._name}: the {job.purpose} stands at {count} of {len(levels)} readings for {job.patience_s:g} s")
            if not readings.waiting():
                self._pause(len(levels) - count)
        return np.concatenate(found)

    def _pause(self, missing: int) -> None:
        time.sleep(min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, missing * self._job.point_s)))

    def _until_limited(self, rows: Floats) -> Floats:
        limited = self._limited(rows)
        if not (self._job.stop_when_limited and limited.any()):
            return rows
        self._over = True
        return rows[: int(limited.argmax()) + 1]

    def _limited(self, rows: Floats) -> Flags:
        return say.limited(rows[:, _AMPS if self._setup.source == "volts" else _VOLTS], rows[:, _STATUS])

    def _check_levels(self, rows: Floats, levels: Floats, first: int) -> None:
        off = np.abs(rows[:, _LEVEL] - levels) > say.LEVEL_ERROR * self._setup.range_
        if off.any():
            at = int(off.argmax())
            raise ProtocolError(
                f"{self._name}: reading {first + at + 1} was taken at {rows[at, _LEVEL]!r}, not at {levels[at]!r}: "
                "it ran another sweep; nothing of it is to be trusted"
            )

    def _trace(self, rows: Floats) -> SmuTrace:
        return SmuTrace(
            source=self._setup.source,
            level=self._job.levels[: len(rows)],
            volts=rows[:, _VOLTS],
            amps=rows[:, _AMPS],
            limited=self._limited(rows),
            at_s=rows[:, _AT_S] - rows[0, _AT_S],
            ended="limited" if self._over else "done",
        )
