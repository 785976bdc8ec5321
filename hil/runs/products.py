"""Vector-matrix products: what one kernel gives, for a run of its own as for a live request."""

import numpy as np
from numpy.typing import NDArray

from hil.model.plans import VmmPlan, kernels_of
from hil.runs.context import Measured
from hil.station.station import Station


def multiply(station: Station, plan: VmmPlan, kernel: int, inputs: NDArray[np.float32]) -> Measured:
    """inputs: (batch, lines), or (batch, kernels, lines) in the plan's order of kernels, in units of read_volts; lines not named stay
    at 0 V. arrays: amps (batch, lines sensed) float32."""
    chip = station.lab.chip
    own = inputs if inputs.ndim == 2 else inputs[:, kernels_of(plan, station.lab).index(kernel)]
    volts = np.zeros((len(own), chip.rows if plan.direction == "rows" else chip.columns))
    volts[:, : own.shape[1]] = own.astype(np.float64) * plan.read_volts
    amps = station.vmm(kernel, volts, plan.direction).astype(np.float32)
    return Measured({"amps": amps}, int(np.isnan(amps).sum()))
