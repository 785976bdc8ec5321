"""Auxiliary sites: the cleaning pad on AuxLeft, an empty holder on the others; what counts contacts; what shines and rings.

Source: documentation of the aux and setup groups in sentio-prober-control 26.2.0. Assumption: the pad's life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments.sentio.cleaning import MOST_TOUCHES, PAD_SITE, USUAL_TOUCHES, clean
from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.references import is_site, site_named
from simulator.instruments.sentio.registry import Commands, Handler, always, asking, moving, setting
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.words import Arguments, SentioError, decimals
from simulator.physics.touch import CLEANING_PAD_TOUCHDOWNS

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

PAD_TYPE = "CleaningPad"


def _clean(sentio: Sentio, arguments: Arguments) -> Script:
    touches = int(arguments.within(0, 1, MOST_TOUCHES)) if len(arguments) else USUAL_TOUCHES
    sentio.chuck.refuse_in_locked_contact()
    yield from clean(sentio, touches)
    return "OK"


def _enable_auto(sentio: Sentio, arguments: Arguments) -> str:
    sentio.auto_cleaning = arguments.flag(0)
    return "OK"


def _reset_pad(sentio: Sentio, arguments: Arguments) -> str:
    """A new pad is there."""
    if _aux_site(arguments, 0) == PAD_SITE:
        sentio.world.needles.wear.cleaning_pad = 0
    return "OK"


def _aux_site(arguments: Arguments, index: int) -> str:
    """Raises SentioError INVALID_PARAMETER for a site that is none beside the wafer."""
    name = site_named(arguments.text(index)) if len(arguments) > index else PAD_SITE
    if not name.startswith("Aux"):
        raise arguments.invalid(index)
    return name


def _life_percent(sentio: Sentio) -> float:
    return max(0.0, 100.0 * (1.0 - sentio.world.needles.wear.cleaning_pad / CLEANING_PAD_TOUCHDOWNS))


def _substrate_type(_: Sentio, arguments: Arguments) -> str:
    return PAD_TYPE if _aux_site(arguments, 0) == PAD_SITE else "OK"


def _substrate_info(sentio: Sentio, arguments: Arguments) -> str:
    """Type, id (OK where there is none) and life, %."""
    on_pad = _aux_site(arguments, 0) == PAD_SITE
    return f"{PAD_TYPE},SIM-PAD,{decimals(_life_percent(sentio))}" if on_pad else "None,OK,0.0"


def _retrieve(_: Sentio, arguments: Arguments) -> str:
    _aux_site(arguments, 0)
    return f"OK,{PAD_SITE}"


def _element(answer: Handler) -> Handler:
    """A pad is one element, called 0101; holders without a substrate have none: error 2."""

    def ask(sentio: Sentio, arguments: Arguments) -> str:
        named = len(arguments) > 0 and is_site(arguments.text(0))
        site, element = (_aux_site(arguments, 0), arguments.text(1)) if named else (PAD_SITE, arguments.text(0))
        if site != PAD_SITE:
            raise SentioError(Code.EXECUTION_ERROR, f"There is no substrate on {site}")
        if element != "0101":
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {element}")
        answered = answer(sentio, arguments)
        assert isinstance(answered, str)
        return answered

    return ask


def _pad_touches(sentio: Sentio, _: Arguments) -> str:
    return str(sentio.world.needles.wear.cleaning_pad)


def _pad_info(sentio: Sentio, _: Arguments) -> str:
    return f"Align,{PAD_TYPE},0.0,0.0,0.0,{sentio.world.needles.wear.cleaning_pad},{decimals(_life_percent(sentio))}"


# --- counting contacts
def _contact_count(sentio: Sentio, _: Arguments) -> str:
    """Touchdowns, and moves of the wafer's site to contact height that met nothing; touches of the cleaning pad do not count."""
    return str(sentio.world.needles.touchdowns + sentio.chuck.misses - sentio.counted_from)


def _reset_contact_count(sentio: Sentio, _: Arguments) -> str:
    sentio.counted_from = sentio.world.needles.touchdowns + sentio.chuck.misses
    return "OK"


def _remember_flag(key: str) -> Handler:
    def store(sentio: Sentio, arguments: Arguments) -> str:
        sentio.properties["setup", key] = str(arguments.flag(0))
        return "OK"

    return store


# --- signals
def _tower(sentio: Sentio, arguments: Arguments) -> str:
    """Red, yellow, green, blue: -1 as it is, 0 off, 1 on, 2 blinking."""
    for index, color in enumerate(("red", "yellow", "green", "blue")):
        state = int(arguments.within(index, -1, 2))
        if state >= 0:
            sentio.properties["tower", color] = str(state)
    return "OK"


def _buzzer(sentio: Sentio, arguments: Arguments) -> str:
    sentio.properties["tower", "buzzer"] = str(int(arguments.within(0, -1, 2)))
    return "OK"


# --- properties of groups that have none of their own
def _get_property(group: str) -> Handler:
    return lambda sentio, arguments: sentio.property_of(group, arguments, {})


def _set_property(group: str) -> Handler:
    return lambda sentio, arguments: sentio.set_property(group, arguments)


_GROUPS = ("aux", "setup", "service")

COMMANDS: Commands = {
    **asking({f"{group}:get_prop": _get_property(group) for group in _GROUPS}),
    **setting({f"{group}:set_prop": _set_property(group) for group in _GROUPS}),
    **moving({"aux:cleaning:start": _clean}),
    **setting(
        {
            "aux:cleaning:enable_auto": _enable_auto,
            "aux:cleaning:reset_touch_count": _reset_pad,
            "aux:retrieve_substrate_data": _retrieve,
            "setup:contact_counter:reset": _reset_contact_count,
            "setup:remote:light_off_at_contact": _remember_flag("light_off_at_contact"),
            "setup:remote:light_on_at_separation": _remember_flag("light_on_at_separation"),
            "setup:remote:scope_follow_off": _remember_flag("scope_follow_off"),
            "set_signal_tower": _tower,
            "set_signal_tower_buzzer": _buzzer,
        }
    ),
    **asking(
        {
            "setup:contact_counter:get": _contact_count,
            "aux:get_substrate_type": _substrate_type,
            "aux:get_substrate_info": _substrate_info,
            "aux:get_element_type": _element(always("Align")),
            "aux:get_element_touch_count": _element(_pad_touches),
            "aux:get_element_spacing": _element(always("0.0")),
            "aux:get_element_pos": _element(always("0.0,0.0")),
            "aux:get_element_life_time": _element(lambda sentio, _: decimals(_life_percent(sentio))),
            "aux:get_element_info": _element(_pad_info),
        }
    ),
}
