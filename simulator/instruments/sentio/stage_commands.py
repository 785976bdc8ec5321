"""Moving the chuck and asking where it is, in the words of all versions.

Positions that a move answers count from zero, whatever it was told by; the `chuck:` group answers by the reference it was told.
Source: sentio-prober-control 26.2.0 and SweepMe's comments on MPI's manual UG_REV2.1 ("zero is the default reference of responses").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.axes import SPEEDS
from simulator.instruments.sentio.chuck import CENTRE_UM, FENCES, LIFT_Z_UM, LOAD_PLACES, STEPPING_MODES
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.references import THETA_REFERENCES, XY_REFERENCES, Z_REFERENCES, is_site, reference, site_of
from simulator.instruments.sentio.registry import Commands, always, asking, moving, setting
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.words import Arguments, SentioError, decimals

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

GROUPS_SINCE = (25, 1, 99)
"""First version with the `chuck:` group, by which the vendor's client decides."""


# --- by height
def _contact(sentio: Sentio, _: Arguments) -> Script:
    yield from sentio.chuck.contact()
    return decimals(sentio.chuck.z_um)


def _separation(sentio: Sentio, _: Arguments) -> Script:
    yield from sentio.chuck.separate()
    return decimals(sentio.chuck.z_um)


def _hover(sentio: Sentio, _: Arguments) -> Script:
    yield from sentio.chuck.hover()
    return decimals(sentio.chuck.z_um)


def _lift(sentio: Sentio, _: Arguments) -> Script:
    yield from sentio.chuck.down_to(LIFT_Z_UM)
    return decimals(sentio.chuck.z_um)


def _lift_or_not(sentio: Sentio, arguments: Arguments) -> Script:
    yield from sentio.chuck.down_to(LIFT_Z_UM) if arguments.flag(0) else sentio.chuck.separate()
    return "OK"


def _to_height(sentio: Sentio, arguments: Arguments) -> Script:
    """What counts from contact follows the compensation, and needs the vacuum from there on."""
    letter, z_um, chuck = _z_reference(arguments, 0), arguments.number(1), sentio.chuck
    if letter == "c" and z_um >= 0.0:
        chuck.require_vacuum()
        z_um += chuck.lift_by_um()
    yield from chuck.lift_to(chuck.z_origin_um(letter) + z_um)
    return decimals(chuck.z_um)


def _chuck_move_z(sentio: Sentio, arguments: Arguments) -> Script:
    z_text = yield from _to_height(sentio, arguments)
    return f"{z_text},{Z_REFERENCES[_z_reference(arguments, 0)]}"


def _z_reference(arguments: Arguments, index: int) -> str:
    return reference(arguments.text(index), Z_REFERENCES)


def _xy_reference(arguments: Arguments, index: int) -> str:
    return reference(arguments.text(index), XY_REFERENCES)


# --- sideways
def _home(sentio: Sentio, _: Arguments) -> Script:
    target_um = sentio.chuck.stage_for("h", 0.0, 0.0)
    sentio.chuck.refuse_in_locked_contact()
    sentio.active = None
    yield from sentio.chuck.step_to(target_um)
    sentio.look_where()
    return decimals(*sentio.chuck.xy_um("z"))


def _centre(sentio: Sentio, _: Arguments) -> Script:
    sentio.chuck.refuse_in_locked_contact()
    sentio.active = None
    yield from sentio.chuck.step_to(CENTRE_UM)
    sentio.look_where()
    return decimals(*sentio.chuck.xy_um("z"))


def _go(sentio: Sentio, letter: str, x_um: float, y_um: float) -> Script:
    target_um = sentio.chuck.stage_for(letter, x_um, y_um)
    sentio.chuck.refuse_in_locked_contact()
    sentio.active = None
    yield from sentio.chuck.go(target_um)
    sentio.look_where()
    return ""


def _move_xy(sentio: Sentio, arguments: Arguments) -> Script:
    yield from _go(sentio, _xy_reference(arguments, 0), arguments.number(1), arguments.number(2))
    return decimals(*sentio.chuck.xy_um("z"))


def _chuck_move_xy(sentio: Sentio, arguments: Arguments) -> Script:
    letter = _xy_reference(arguments, 0)
    yield from _go(sentio, letter, arguments.number(1), arguments.number(2))
    shown = "z" if letter == "r" else letter
    return f"{decimals(*sentio.chuck.xy_um(shown))},{XY_REFERENCES[shown]}"


def _move_index(sentio: Sentio, arguments: Arguments) -> Script:
    """By die pitches; what is above separation separates first and comes back."""
    letter, columns, rows = _xy_reference(arguments, 0), arguments.integer(1), arguments.integer(2)
    pitch = sentio.map.pitch_um
    target_um = sentio.chuck.stage_for(letter, columns * pitch[0], rows * pitch[1])
    sentio.chuck.refuse_in_locked_contact()
    sentio.active = None
    yield from sentio.chuck.step_to(target_um)
    sentio.look_where()
    return decimals(*sentio.chuck.xy_um("z"))


def _move_xyt(sentio: Sentio, arguments: Arguments) -> Script:
    """By offsets, sideways and round. What is above separation moves to separation first and stays there."""
    target_um = sentio.chuck.stage_for("r", arguments.number(0), arguments.number(1))
    turned = sentio.chuck.theta_deg + arguments.number(2)
    sentio.chuck.refuse_in_locked_contact()
    sentio.active = None
    yield from sentio.chuck.leave_contact()
    yield from sentio.chuck.go(target_um)
    yield from sentio.chuck.turn_to(turned)
    sentio.look_where()
    return "OK"


def _move_theta(sentio: Sentio, arguments: Arguments) -> Script:
    letter, angle = reference(arguments.text(0), THETA_REFERENCES), arguments.number(1)
    origin = {"z": 0.0, "s": sentio.chuck.site.home_deg, "r": sentio.chuck.theta_deg}[letter]
    yield from sentio.chuck.turn_to(origin + angle)
    return decimals(sentio.chuck.theta_deg)


def _load_place(sentio: Sentio, arguments: Arguments) -> Script:
    place = arguments.one_of(0, tuple(LOAD_PLACES)) if len(arguments) else "front"
    sentio.active = None
    yield from sentio.chuck.to_load_place(place)
    return "OK"


def _work_area(sentio: Sentio, arguments: Arguments) -> Script:
    if arguments.one_of(0, ("Probing", "Offaxis")) == "Offaxis":
        raise SentioError(Code.NOT_SUPPORTED, "There is no off-axis work area")
    if sentio.chuck.hint != "Probing":
        yield from sentio.chuck.to_load_place("center")
    return "OK"


# --- questions
def _get_xy(sentio: Sentio, arguments: Arguments) -> str:
    """`get_chuck_xy`, `get_chuck_xy Wafer, H`, `get_chuck_xy 0,zero`, `get_chuck_xy H`."""
    if len(arguments) == 1 and not is_site(arguments.text(0)) and not arguments.text(0).isdecimal():
        return decimals(*sentio.chuck.xy_um(_xy_reference(arguments, 0)))
    site = sentio.chuck.sites[site_of(arguments, sentio.chuck.active)]
    return decimals(*sentio.chuck.xy_um(_xy_reference(arguments, 1) if len(arguments) > 1 else "z", site))


def _chuck_get_xy(sentio: Sentio, arguments: Arguments) -> str:
    letter = _xy_reference(arguments, 0) if len(arguments) else "z"
    return f"{decimals(*sentio.chuck.xy_um(letter))},{XY_REFERENCES[letter]}"


def _get_z(sentio: Sentio, arguments: Arguments) -> str:
    return decimals(sentio.chuck.z_from(_z_reference(arguments, 0) if len(arguments) else "z"))


def _chuck_get_z(sentio: Sentio, arguments: Arguments) -> str:
    letter = _z_reference(arguments, 0) if len(arguments) else "z"
    return f"{decimals(sentio.chuck.z_from(letter))},{Z_REFERENCES[letter]}"


def _get_theta(sentio: Sentio, arguments: Arguments) -> str:
    """With respect to the site's home angle."""
    site = sentio.chuck.sites[site_of(arguments, sentio.chuck.active)]
    return decimals(sentio.chuck.theta_deg - site.home_deg)


# --- how it moves
def _set_stepping_mode(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.stepping_mode = arguments.one_of(0, STEPPING_MODES)
    return "OK"


def _set_speed(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.speed_name = arguments.one_of(0, tuple(SPEEDS))
    return "OK"


def _set_fence(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.fence = arguments.one_of(0, FENCES)
    return "OK"


def _set_soft_contact(sentio: Sentio, arguments: Arguments) -> str:
    sentio.chuck.soft_contact = arguments.flag(0)
    return "OK"


def _set_compensation(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["service", "chuck_compensation"] = str(arguments.flag(0))
    return "OK"


def _stop_xyz(sentio: Sentio, _: Arguments) -> str:
    sentio.stop_chuck()
    return "OK"


COMMANDS: Commands = {
    **moving(
        {
            "move_chuck_contact": _contact,
            "move_chuck_separation": _separation,
            "move_chuck_hover": _hover,
            "move_chuck_lift": _lift,
            "move_chuck_z": _to_height,
            "move_chuck_home": _home,
            "move_chuck_center": _centre,
            "move_chuck_xy": _move_xy,
            "move_chuck_index": _move_index,
            "move_chuck_xyt": _move_xyt,
            "move_chuck_theta": _move_theta,
            "move_chuck_load": _load_place,
            "move_chuck_work_area": _work_area,
        }
    ),
    **moving({"chuck:move_xy": _chuck_move_xy, "chuck:move_z": _chuck_move_z, "chuck:lift": _lift_or_not}, GROUPS_SINCE),
    **asking(
        {
            "get_chuck_xy": _get_xy,
            "get_chuck_z": _get_z,
            "get_chuck_theta": _get_theta,
            "get_chuck_speed": lambda sentio, _: sentio.chuck.speed_name,
            "get_chuck_position_hint": lambda sentio, _: f"{sentio.chuck.hint},{sentio.chuck.active}",
            "has_chuck_xyz": always("Yes"),
            "stop_chuck_xyz": _stop_xyz,
            "stop_chuck_theta": _stop_xyz,
        }
    ),
    **asking(
        {"chuck:get_xy": _chuck_get_xy, "chuck:get_z": _chuck_get_z, "chuck:has_xy": always("True"), "chuck:has_z": always("True")},
        GROUPS_SINCE,
    ),
    **setting(
        {
            "set_stepping_contact_mode": _set_stepping_mode,
            "set_chuck_speed": _set_speed,
            "set_soft_contact": _set_soft_contact,
            "service:chuck_fence": _set_fence,
            "service:chuck_compensation": _set_compensation,
        }
    ),
}
