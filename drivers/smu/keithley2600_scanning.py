"""Readings of a 2600B begun by the controller's edges, read out while they are taken. Made by `Keithley2600.scan`.

Rule: what `read` has returned is never returned again, and nothing is left out, whatever happens to the line in between.
"""

import numpy as np

from drivers.smu import keithley2600_messages as say
from drivers.smu import keithley2600_triggers as trigger
from drivers.smu.keithley2600_readout import ReadOut
from drivers.smu.values import Floats, SmuTrace
from drivers.tsp import Tsp

_AMPS, _AT_S, _STATUS = range(3)
"""Columns of `trigger.columns_of_scan`."""


class Keithley2600Scan:
    """Satisfies drivers.protocols.SmuScan. asked_volts: what was asked for; sourced_volts: what the instrument says it sources."""

    def __init__(self, tsp: Tsp, name: str, asked_volts: float, sourced_volts: float) -> None:
        self._readings = ReadOut(tsp, name, say.BUFFERS[:1], trigger.columns_of_scan())
        self._asked_volts, self._sourced_volts = asked_volts, sourced_volts
        self._first_s: float | None = None

    def taken(self) -> int:
        return self._readings.look().stored

    def missed_edges(self) -> int:
        """0, or 1 for at least one: the 2600B says whether, not how many."""
        return int(self._readings.look().overrun)

    def read(self) -> SmuTrace:
        begun = self._readings.read
        try:
            return self._trace(self._those_stored())
        except BaseException:
            self._readings.read = begun
            raise

    def _those_stored(self) -> Floats:
        """(readings, columns): all that are stored when it begins."""
        found = [self._readings.next()]
        until = self._readings.read + self._readings.waiting()
        while self._readings.read < until:
            found.append(self._readings.next())
        return np.concatenate(found)

    def _trace(self, rows: Floats) -> SmuTrace:
        if self._first_s is None and len(rows):
            self._first_s = float(rows[0, _AT_S])
        limited = say.limited(rows[:, _AMPS], rows[:, _STATUS])
        return SmuTrace(
            source="volts",
            level=np.full(len(rows), self._asked_volts),
            volts=np.full(len(rows), self._sourced_volts),
            amps=rows[:, _AMPS],
            limited=limited,
            at_s=rows[:, _AT_S] - (self._first_s or 0.0),
        )
