"""Cameras, lights, trained patterns and lenses: settings that are kept and move nothing.

Source: VisionCameraCommandGroup.py and its neighbours in sentio-prober-control 26.2.0. Assumption: which cameras there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, always, asking, setting
from simulator.instruments.sentio.words import Arguments, SentioError, decimals, flags

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

CAMERAS = ("scope", "chuck", "scope2", "offaxis", "vce01", "vce02", "chuck2", "angled", "bottomscope")
INSTALLED, CALIBRATED = ("scope", "chuck"), ("scope",)
_DEFAULTS = {"light": "100", "exposure": "40", "gain": "1.0"}
_PIXEL_UM, _IMAGE = 0.65, (1280, 1024)
_SMALLEST_JPEG = (
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAABAAEB"
    "AREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q=="
)
"""One grey pixel."""


def camera(arguments: Arguments, index: int) -> str:
    """Raises SentioError INVALID_PARAMETER for what is no camera, CAMERA_DOES_NOT_EXIST for one that is not installed."""
    name = arguments.one_of(index, CAMERAS)
    if name not in INSTALLED:
        raise SentioError(Code.CAMERA_DOES_NOT_EXIST, f"Camera {name} does not exist")
    return name


def _set_property(sentio: Sentio, arguments: Arguments) -> str:
    """`vis:set_prop light, scope, 100`; properties of no camera are kept by their name."""
    key = arguments.key(0)
    if key not in _DEFAULTS:
        return sentio.set_property("vis", arguments)
    name = camera(arguments, 1)
    arguments.number(2)
    sentio.properties["vis", f"{key} {name}"] = arguments.text(2)
    return "OK"


def _get_property(sentio: Sentio, arguments: Arguments) -> str:
    key = arguments.key(0)
    if key in _DEFAULTS:
        return sentio.properties.get(("vis", f"{key} {camera(arguments, 1)}"), _DEFAULTS[key])
    if key == "image_size":
        camera(arguments, 1)
        return f"{_IMAGE[0]},{_IMAGE[1]}"
    if key == "calib":
        name = camera(arguments, 1)
        if name not in CALIBRATED:
            raise SentioError(Code.CAMERA_NOT_CALIBRATED, f"Camera {name} is not calibrated")
        return decimals(_PIXEL_UM, _PIXEL_UM)
    return sentio.property_of("vis", arguments, {})


def _switch_camera(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["vis", "camera"] = camera(arguments, 0)
    return "OK"


def _switch_light(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["vis", f"on {camera(arguments, 0)}"] = flags(arguments.flag(1))
    return "OK"


def _switch_all(sentio: Sentio, arguments: Arguments) -> str:
    for name in INSTALLED:
        sentio.properties["vis", f"on {name}"] = flags(arguments.flag(0))
    return "OK"


def _light_status(sentio: Sentio, arguments: Arguments) -> str:
    return sentio.properties.get(("vis", f"on {camera(arguments, 0)}"), "1")


def _follow(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["vis", "follow"] = str(arguments.flag(0))
    return "OK"


def _snap(sentio: Sentio, arguments: Arguments) -> str:
    """Onto the prober's disk, or as text for whoever asks to download it."""
    if arguments.text(0) == "**download**":
        return _SMALLEST_JPEG
    sentio.files.write(arguments.text(0))
    return "OK"


def _focus_value(sentio: Sentio, arguments: Arguments) -> str:
    camera(arguments, 0)
    return decimals(1_000.0 / (1.0 + abs(sentio.chuck.z_um - sentio.world.needles.contact_z_um)))


# --- lenses
def _set_zoom(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["vis", "zoom"] = decimals(arguments.within(0, 1, 10))
    return "OK"


def _imag_z(sentio: Sentio) -> float:
    return float(sentio.properties.get(("vis", "imag_z"), "0"))


_IMAG_ORIGINS = {"Zero": 0.0, "Relative": None, "Center": 500.0}


def _move_imag(sentio: Sentio, arguments: Arguments) -> str:
    origin = _IMAG_ORIGINS[arguments.one_of(0, tuple(_IMAG_ORIGINS))]
    z_um = (_imag_z(sentio) if origin is None else origin) + arguments.number(1)
    sentio.properties["vis", "imag_z"] = repr(z_um)
    return decimals(z_um)


def _get_imag(sentio: Sentio, arguments: Arguments) -> str:
    origin = _IMAG_ORIGINS[arguments.one_of(0, tuple(_IMAG_ORIGINS))]
    return decimals(0.0 if origin is None else _imag_z(sentio) - origin)


# --- patterns
def _train(sentio: Sentio, arguments: Arguments) -> str:
    sentio.patterns[arguments.key(0)] = sentio.chuck.xy_um("z")
    return "OK"


def _is_trained(sentio: Sentio, arguments: Arguments) -> str:
    camera(arguments, 0)
    return flags(arguments.key(1) in sentio.patterns)


def _pattern_place(sentio: Sentio, arguments: Arguments) -> str:
    camera(arguments, 0)
    sentio.require_pattern(arguments.text(1))
    return decimals(*sentio.patterns[arguments.key(1)])


def _set_pattern_place(sentio: Sentio, arguments: Arguments) -> str:
    camera(arguments, 0)
    sentio.require_pattern(arguments.text(1))
    sentio.patterns[arguments.key(1)] = (arguments.number(2), arguments.number(3))
    return decimals(*sentio.patterns[arguments.key(1)])


COMMANDS: Commands = {
    **setting(
        {
            "vis:set_prop": _set_property,
            "vis:switch_camera": _switch_camera,
            "vis:switch_light": _switch_light,
            "vis:switch_all_lights": _switch_all,
            "vis:enable_follow_mode": _follow,
            "vis:snap_image": _snap,
            "vis:set_lens_zoom_level": _set_zoom,
            "vis:imagpro:move_z": _move_imag,
            "vis:pattern:train": _train,
            "vis:pattern:set_chuck_pos": _set_pattern_place,
            "vis:pattern:show_training_box": always("OK"),
        }
    ),
    **asking(
        {
            "vis:get_prop": _get_property,
            "vis:has_camera": lambda _, arguments: flags(arguments.one_of(0, CAMERAS) in INSTALLED),
            "vis:get_light_status": _light_status,
            "vis:get_focus_value": _focus_value,
            "vis:get_lens_zoom_level": lambda sentio, _: sentio.properties.get(("vis", "zoom"), "1.0"),
            "vis:imagpro:get_z": _get_imag,
            "vis:imagpro:get_xy_comp": always("0.0,0.0"),
            "vis:pattern:is_trained": _is_trained,
            "vis:pattern:get_chuck_pos": _pattern_place,
        }
    ),
}
