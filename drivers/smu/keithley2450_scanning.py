"""Readings of a Keithley 2450 begun by the controller's edges, read out while they are taken. Made by `Keithley2450.scan`.

Rule: what `read` has returned is never returned again, and nothing is left out, whatever happens to the line in between.
"""

import numpy as np

from drivers.errors import Refused
from drivers.scpi import Scpi, parse_flag
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.keithley2450_readout import ReadOut, joined
from drivers.smu.values import SmuTrace


class Keithley2450Scan:
    """Satisfies drivers.protocols.SmuScan. A line in doubt is settled at each call."""

    def __init__(self, scpi: Scpi, name: str, volts: float, trigger_in: int) -> None:
        self._scpi, self._name = scpi, name
        self._readings = ReadOut(scpi, name)
        self._volts, self._trigger_in = volts, trigger_in

    def taken(self) -> int:
        """Raises Refused when the output is off: what comes then is no measurement."""
        self._scpi.settle()
        *counts, output = self._scpi.ask(*trigger.STORED, say.OUTPUT_STATE)
        if not parse_flag(output, self._name):
            raise Refused(f"{self._name}: the output went off while measuring; check the interlock and who switched it off")
        return self._readings.understood(counts)

    def missed_edges(self) -> int:
        """0, or 1 for at least one: the 2450 says whether, not how many."""
        self._scpi.settle()
        (missed,) = self._scpi.ask(trigger.missed_edge(self._trigger_in))
        return int(parse_flag(missed, self._name))

    def read(self) -> SmuTrace:
        begun, stored, found = self._readings.read, self.taken(), [joined([])]
        try:
            while self._readings.read < stored:
                found.append(self._readings.next(stored))
                if not found[-1].output_on.all():
                    raise Refused(f"{self._name}: a reading was taken with the output off; someone switched it off and on again")
        except BaseException:
            self._readings.read = begun
            raise
        return joined(found).trace("volts", np.full(self._readings.read - begun, self._volts))
