"""Heights, motion and alignment: part of the prober's command set. Handlers as in sentio_commands.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio_chuck import BACK_TO_CONTACT, LOCK_CONTACT, STEP_TO_SEPARATION, Heights
from simulator.instruments.sentio_words import Arguments, Code, Handler, SentioError, decimals, flags

if TYPE_CHECKING:
    from simulator.instruments.sentio import Sentio

_XY_NAMES = {"h": "Home", "z": "Zero", "c": "Center", "r": "Current", "u": "UserDefined", "m": "Machine"}
_Z_NAMES = {"c": "Contact", "s": "Separation", "h": "Hover", "z": "Zero", "r": "Current"}
_SITES = ("wafer", "auxright", "auxleft", "auxright2", "auxleft2", "chuckcamera")
_WAFER_ID = "SIM-WAFER"


def _reference(word: str, names: dict[str, str]) -> str:
    """Letter of a reference given by letter or name. `relative` and `current` are the same."""
    word = "current" if word == "relative" else word
    found = [letter for letter, name in names.items() if word in (letter, name.lower())]
    if not found:
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
    return found[0]


def check_site(arguments: Arguments) -> str:
    """Name of the site named or numbered; the wafer's when none is. Raises SentioError for one without a stage of its own."""
    word = arguments.key(0) if len(arguments) else "wafer"
    name = _SITES[int(word)] if word.isdigit() and int(word) < len(_SITES) else word
    if name not in _SITES:
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
    if name != "wafer":
        raise SentioError(Code.NOT_SUPPORTED, f"Site {word} is not installed")
    return "Wafer"


def _site_status(sentio: Sentio, arguments: Arguments) -> str:
    check_site(arguments)
    chuck = sentio.chuck
    return flags(chuck.home_stage_um is not None, chuck.heights.contact_um is not None, chuck.overtravel_on, chuck.vacuum_on)


def _site_heights(sentio: Sentio, arguments: Arguments) -> str:
    check_site(arguments)
    heights = sentio.chuck.heights
    return decimals(heights.contact_um or 0.0, heights.separation_gap_um, heights.overtravel_gap_um, heights.hover_gap_um)


def _set_site_heights(sentio: Sentio, arguments: Arguments) -> str:
    site = check_site(arguments)
    heights = Heights(*(arguments.number(index) for index in range(1, 5)))
    heights.check()
    sentio.chuck.heights = heights
    return ",".join((site, *arguments.words[1:5]))


def _set_gap(name: str, sited: bool) -> Handler:
    def store(sentio: Sentio, arguments: Arguments) -> str:
        if sited:
            check_site(arguments)
        old = sentio.chuck.heights
        new = Heights(old.contact_um, old.separation_gap_um, old.overtravel_gap_um, old.hover_gap_um)
        setattr(new, name, arguments.number(1 if sited else 0))
        new.check()
        sentio.chuck.heights = new
        return "OK"

    return store


def _enable(name: str) -> Handler:
    def store(sentio: Sentio, arguments: Arguments) -> str:
        setattr(sentio.chuck, name, arguments.flag(len(arguments) - 1 if len(arguments) else 0))
        return "OK"

    return store


def _clear_contact(sentio: Sentio, arguments: Arguments) -> str:
    check_site(arguments)
    sentio.chuck.heights.contact_um = None
    return "OK"


def _stepping_mode(sentio: Sentio, arguments: Arguments) -> str:
    mode = arguments.key(0)
    if mode not in (BACK_TO_CONTACT, STEP_TO_SEPARATION, LOCK_CONTACT):
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {arguments.text(0)}")
    sentio.chuck.stepping_mode = mode
    return "OK"


def _contact(sentio: Sentio, _: Arguments) -> str:
    if not sentio.doors_closed:
        raise SentioError(Code.PROBER_DOOR_OPEN, "Prober door is open")
    sentio.chuck.contact()
    return decimals(sentio.chuck.z_um)


def _separation(sentio: Sentio, _: Arguments) -> str:
    sentio.chuck.separate()
    return decimals(sentio.chuck.z_um)


def _hover(sentio: Sentio, _: Arguments) -> str:
    sentio.chuck.hover()
    return decimals(sentio.chuck.z_um)


def _home(sentio: Sentio, _: Arguments) -> str:
    sentio.chuck.step_to((0.0, 0.0))
    sentio.active = sentio.map.home if sentio.map.home in sentio.map.dies else None
    return decimals(*sentio.chuck.xy_um("h"))


def _moved(sentio: Sentio) -> None:
    """After a free move a die is active only if the chuck stands on its centre."""
    home = sentio.chuck.home_stage_um
    sentio.active = sentio.map.at_um(*sentio.chuck.xy_um("h"), tolerance_um=1.0) if home is not None else None


def _move_xy(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.move_xy(_reference(arguments.key(0), _XY_NAMES), arguments.number(1), arguments.number(2))
    _moved(sentio)
    return decimals(*sentio.chuck.xy_um("z"))


def _chuck_move_xy(sentio: Sentio, arguments: Arguments) -> str:
    reference = _reference(arguments.key(0), _XY_NAMES)
    sentio.chuck.move_xy(reference, arguments.number(1), arguments.number(2))
    _moved(sentio)
    shown = "h" if reference == "r" else reference
    return f"{decimals(*sentio.chuck.xy_um(shown))},{_XY_NAMES[shown]}"


def _move_index(sentio: Sentio, arguments: Arguments) -> str:
    """By die pitches from home or from here; what is in contact separates first and comes back."""
    reference = _reference(arguments.key(0), _XY_NAMES)
    if reference not in ("h", "r"):
        raise SentioError(Code.NOT_SUPPORTED, f"Index moves from {arguments.text(0)} are not supported")
    start = sentio.chuck.xy_um("h") if reference == "r" else (0.0, 0.0)
    pitch = sentio.map.pitch_um
    sentio.chuck.step_to((start[0] + arguments.integer(1) * pitch[0], start[1] + arguments.integer(2) * pitch[1]))
    _moved(sentio)
    return decimals(*sentio.chuck.xy_um("z"))


def _move_z(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.move_z(_reference(arguments.key(0), _Z_NAMES), arguments.number(1))
    return decimals(sentio.chuck.z_um)


def _chuck_move_z(sentio: Sentio, arguments: Arguments) -> str:
    return f"{_move_z(sentio, arguments)},{_Z_NAMES[_reference(arguments.key(0), _Z_NAMES)]}"


def _load_position(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.load_position(arguments.key(0))
    sentio.active = None
    return "OK"


def _get_xy(sentio: Sentio, arguments: Arguments) -> str:
    """`get_chuck_xy`, `get_chuck_xy Wafer, H`, `get_chuck_xy 0,zero`."""
    if len(arguments):
        check_site(arguments)
    return decimals(*sentio.chuck.xy_um(_reference(arguments.key(1), _XY_NAMES) if len(arguments) > 1 else "z"))


def _chuck_get_xy(sentio: Sentio, arguments: Arguments) -> str:
    reference = _reference(arguments.key(0), _XY_NAMES)
    return f"{decimals(*sentio.chuck.xy_um(reference))},{_XY_NAMES[reference]}"


def _get_z(sentio: Sentio, arguments: Arguments) -> str:
    return decimals(sentio.chuck.z_from(_reference(arguments.key(0), _Z_NAMES) if len(arguments) else "z"))


def _chuck_get_z(sentio: Sentio, arguments: Arguments) -> str:
    return f"{_get_z(sentio, arguments)},{_Z_NAMES[_reference(arguments.key(0), _Z_NAMES)]}"


def _load_wafer(sentio: Sentio, _: Arguments) -> str:
    sentio.chuck.load_position("front")
    sentio.chuck.load_position("center")
    sentio.world.needles.wafer_loaded = True
    sentio.chuck.home_stage_um, sentio.active = None, None
    return _WAFER_ID


def _unload_wafer(sentio: Sentio, _: Arguments) -> str:
    sentio.chuck.load_position("front")
    sentio.world.needles.wafer_loaded = False
    sentio.chuck.vacuum_on, sentio.chuck.home_stage_um, sentio.active = False, None, None
    return "OK"


def _require_wafer(sentio: Sentio) -> None:
    if not sentio.world.needles.wafer_loaded:
        raise SentioError(Code.NO_WAFER, "No wafer on chuck")
    sentio.chuck.refuse_in_locked_contact()


def _align_wafer(sentio: Sentio, _: Arguments) -> str:
    _require_wafer(sentio)
    sentio.chuck.busy_ns += 20_000_000_000
    return "OK"


def _find_home(sentio: Sentio, _: Arguments) -> str:
    _require_wafer(sentio)
    sentio.chuck.home_stage_um = sentio.world.needles.home_stage_um
    sentio.chuck.busy_ns += 2_000_000_000
    _home(sentio, Arguments(()))
    return "OK"


def _set_home(sentio: Sentio, arguments: Arguments) -> str:
    here = (arguments.number(0), arguments.number(1)) if len(arguments) >= 2 else sentio.chuck.stage_um
    sentio.chuck.home_stage_um = here
    _moved(sentio)
    return f"{decimals(*here)},Wafer"


MOTION_COMMANDS: dict[str, Handler] = {
    "move_chuck_contact": _contact, "move_chuck_separation": _separation, "move_chuck_hover": _hover, "move_chuck_home": _home,
    "move_chuck_xy": _move_xy, "chuck:move_xy": _chuck_move_xy, "move_chuck_index": _move_index, "move_chuck_z": _move_z,
    "chuck:move_z": _chuck_move_z, "move_chuck_load": _load_position, "loader:load_wafer": _load_wafer,
    "loader:unload_wafer": _unload_wafer, "vis:align_wafer": _align_wafer, "vis:find_home": _find_home, "chuck:set_home": _set_home,
    "set_chuck_site_heights": _set_site_heights, "set_stepping_contact_mode": _stepping_mode, "clear_contact": _clear_contact,
    "set_chuck_overtravel_gap": _set_gap("overtravel_gap_um", sited=False),
    "set_chuck_separation_gap": _set_gap("separation_gap_um", sited=False),
    "set_chuck_site_overtravel_gap": _set_gap("overtravel_gap_um", sited=True),
    "set_chuck_site_separation_gap": _set_gap("separation_gap_um", sited=True),
    "enable_chuck_overtravel": _enable("overtravel_on"), "enable_chuck_site_overtravel": _enable("overtravel_on"),
    "enable_chuck_hover": _enable("hover_on"), "enable_chuck_site_hover": _enable("hover_on"),
}  # fmt: skip

POSITION_QUERIES: dict[str, Handler] = {
    "get_chuck_site_status": _site_status,
    "get_chuck_site_heights": _site_heights,
    "get_chuck_xy": _get_xy,
    "chuck:get_xy": _chuck_get_xy,
    "chuck:get_home": lambda sentio, _: f"{decimals(*sentio.chuck.home())},Wafer",
    "get_chuck_z": _get_z,
    "chuck:get_z": _chuck_get_z,
    "get_chuck_position_hint": lambda sentio, _: f"{sentio.chuck.hint},Wafer",
}
