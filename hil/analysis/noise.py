"""How far a reading may lie from the junction's conductance by chance: what the read path adds, in siemens.

Board path: a 12-bit converter over 5 V behind 2 kOhm steps by 0.61 uA; its amplifier adds half a step of noise, the junction
0.3 % of the reading; averaging shrinks all of it, the step because the noise dithers it (a quarter step is kept as the floor).
SMU path: 0.1 %. Source: boards.md, physics-and-paper.md section E; assumptions until a calibration measures them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BOARD_STEP_AMPS = 5.0 / 4096 / 2000.0
_AMPLIFIER_STEPS = 0.5
_BOARD_RELATIVE = 0.003
_SMU_RELATIVE = 0.001


def reading_noise(siemens: NDArray[np.floating[Any]], read_volts: float, meta: Mapping[str, Any]) -> NDArray[np.float64]:
    """Standard uncertainty of each reading, S, same shape; NaN stays NaN. meta: "averages" and "path" of the map, if told."""
    averages = max(int(meta.get("averages", 1)), 1)
    if meta.get("path", "board") == "smu":
        return np.maximum(np.abs(siemens, dtype=np.float64) * _SMU_RELATIVE, 1e-9)
    step = _BOARD_STEP_AMPS / read_volts
    rounding, amplifier = step / np.sqrt(12.0), step * _AMPLIFIER_STEPS
    junction = _BOARD_RELATIVE * np.abs(siemens, dtype=np.float64)
    return np.sqrt((rounding**2 + amplifier**2 + junction**2) / averages + (rounding / 4) ** 2)
