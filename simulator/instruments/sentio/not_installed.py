"""Commands for what this station does not have, by what it then answers.

3 for a module that is not there (Qalibria, SiPH), 122 for the indexer, 13 for the rest.
Source: command strings of sentio-prober-control 26.2.0, 25.2.1 and 24.4.0; the code's description of CommandHandlerNotFound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, Handler, setting
from simulator.instruments.sentio.side_stage_commands import VERBS
from simulator.instruments.sentio.side_stages import CORNERS
from simulator.instruments.sentio.words import Arguments, SentioError

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

_INDEXER = ("get_indexer_pos", "indexer_cda", "move_indexer_lift", "move_indexer_down", "start_move_indexer_pos")
_HARDWARE = (
    "move_bottom_platen_contact", "move_bottom_platen_separation", "move_vce_z", "probe_air_lift", "set_ink", "set_high_power_air",
    "swap_bridge", "aux:step_to_element", "aux:step_to_dut_element", "get_nanocube_xy", "get_nanocube_z", "move_nanocube_xy",
    "vis:create_probepad_model", "vis:detect_probepads",
)  # fmt: skip
_MODULES = ("qal:", "siph:")


def _refuse(code: Code, text: str) -> Handler:
    def refuse(_: Sentio, __: Arguments) -> str:
        raise SentioError(code, text)

    return refuse


def missing_module(word: str) -> str | None:
    """The module a command is for, where that is not installed."""
    return next((prefix.rstrip(":") for prefix in _MODULES if word.startswith(prefix)), None)


def _absent_stages() -> list[str]:
    """No stage turns in U, V and W; the microscopes below and beside and the positioners below are not there at all."""
    absent = ("scope:bottom", "scope:aux", *(f"probe:bottom:{corner.lower()}" for corner in CORNERS))
    present = ("chuck", "scope", "scope:top", *(f"probe:{top}{corner.lower()}" for top in ("", "top:") for corner in CORNERS))
    turning = [f"{prefix}:{verb}" for prefix in present for verb in ("get_uvw", "move_uvw")]
    return turning + [f"{prefix}:{verb}" for prefix in absent for verb in (*VERBS, "get_uvw", "move_uvw")]


COMMANDS: Commands = setting(
    {
        **dict.fromkeys(_INDEXER, _refuse(Code.INDEXER_DEVICE_IS_NOT_EXISTING, "There is no indexer")),
        **dict.fromkeys((*_HARDWARE, *_absent_stages()), _refuse(Code.NOT_SUPPORTED, "Not supported by this machine")),
    }
)
