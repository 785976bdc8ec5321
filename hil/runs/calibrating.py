"""What a `calibrate` run does at a kernel, and the calibration that comes of it.

Both paths read the same reference junctions, round after round, at every level and in both states; whatever state a junction is in,
the SMU says what it conducts. The states only spread the currents over the converter.
"""

import numpy as np

from drivers.smu.accuracy import PathAccuracy
from hil.analysis.calibration import RECTANGLE, SmuErrors


def errors_of(promised: PathAccuracy, nplc: float, part: float = RECTANGLE) -> SmuErrors:
    """part: of what the data sheet allows, the standard uncertainty: that of a rectangle, as nothing more is known."""
    volts, amps = promised.volts, promised.amps
    return SmuErrors(
        volts_range=volts.range_,
        amps_range=amps.range_,
        volts_gain=part * volts.gain,
        volts_offset=part * volts.offset,
        amps_gain=part * amps.gain,
        amps_offset=part * amps.offset,
        noise_amps=amps.noise / float(np.sqrt(nplc)),
    )
