"""Reading one kernel as it is found. Rule: where the plan's path is auto, what the board cannot show (its converter's ends) the SMU reads;
nothing is pulsed, so that no class and no doubt about one comes into it."""

import numpy as np

from hil.analysis.remeasure import MOST_OF_A_KERNEL, SLOW_AP, mean_of
from hil.model.plans import ReadPlan
from hil.runs.context import Measured
from hil.runs.metadata import read_path
from hil.station.station import Station

_READINGS = 4
"""Of each junction that the board could not show."""


def read(station: Station, plan: ReadPlan, kernel: int) -> Measured:
    """arrays (rows, columns): siemens float32 S, NaN where untrusted; with path auto smu uint8, readings of the SMU behind each value, and
    error float32 S, the standard uncertainty of those, NaN elsewhere."""
    reading = station.read_kernel(kernel, plan.read_volts, plan.averages, read_path(plan), plan.nplc)
    if plan.path != "auto":
        return Measured({"siemens": reading.siemens}, reading.flagged)
    siemens, count = reading.siemens.copy(), np.zeros(reading.siemens.shape, np.uint8)
    error = np.full_like(siemens, np.nan)
    places = np.argwhere(np.isnan(siemens))[:MOST_OF_A_KERNEL]
    if len(places):
        junctions = [(kernel, int(row), int(column)) for row, column in places] * _READINGS
        again = station.read_junctions(junctions, plan.read_volts, plan.averages, "smu", plan.nplc)
        found = mean_of(again.siemens.reshape(_READINGS, len(places)).T, SLOW_AP)
        where = tuple(places.T)
        siemens[where], error[where], count[where] = found.siemens, found.error, found.count
    return Measured({"siemens": siemens, "smu": count, "error": error}, int(np.isnan(siemens).sum()))
