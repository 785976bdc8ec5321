"""Points of interest: places on a die, or on the chuck, that are gone to by number or name.

Source: WafermapPoiCommandGroup.py of sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.registry import Commands, asking, moving, setting
from simulator.instruments.sentio.scripts import Script
from simulator.instruments.sentio.stepping import active_die
from simulator.instruments.sentio.words import Arguments, SentioError, decimals, integers

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio


@dataclass(frozen=True)
class PointOfInterest:
    """place_um: from the active die's home position, or from the stage's centre."""

    place_um: tuple[float, float]
    name: str


def _reset_points(sentio: Sentio, arguments: Arguments) -> str:
    arguments.one_of(0, ("chuck", "scope"))
    sentio.points_from_die = arguments.one_of(1, ("DieCenter", "StageCenter")) == "DieCenter"
    sentio.points.clear()
    return "OK"


def _add_point(sentio: Sentio, arguments: Arguments) -> str:
    sentio.points.append(PointOfInterest((arguments.number(0), arguments.number(1)), arguments.text(2)))
    return "OK"


def _point(sentio: Sentio, word: str) -> int:
    named = [number for number, point in enumerate(sentio.points) if point.name.lower() == word.lower()]
    number = named[0] if named else int(word) if word.isdecimal() else -1
    if not 0 <= number < len(sentio.points):
        raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Point of interest {word} does not exist!")
    return number


def _get_point(sentio: Sentio, arguments: Arguments) -> str:
    point = sentio.points[_point(sentio, arguments.text(0))]
    return f"{decimals(*point.place_um)},{point.name}"


def _remove_point(sentio: Sentio, arguments: Arguments) -> str:
    if len(arguments):
        del sentio.points[_point(sentio, arguments.text(0))]
    else:
        sentio.points.clear()
    return "OK"


def _step_point(sentio: Sentio, number: int) -> Script:
    point = sentio.points[number]
    if sentio.points_from_die:
        die = active_die(sentio)
        centre = sentio.map.from_home_um(die)
        target_um = sentio.chuck.stage_for("h", centre[0] + point.place_um[0], centre[1] + point.place_um[1])
        named = sentio.map.named(die)
    else:
        target_um, named = sentio.chuck.stage_for("c", *point.place_um), (0, 0)
    yield from sentio.chuck.step_to(target_um)
    sentio.point = number
    return integers(*named, number)


def _step_to_point(sentio: Sentio, arguments: Arguments) -> Script:
    return _step_point(sentio, _point(sentio, arguments.text(0)))


def _step_first_point(sentio: Sentio, _: Arguments) -> Script:
    return _step_point(sentio, _point(sentio, "0"))


def _step_next_point(sentio: Sentio, _: Arguments) -> Script:
    if sentio.point + 1 >= len(sentio.points):
        raise SentioError(Code.END_OF_ROUTE, "End of route reached!")
    return _step_point(sentio, sentio.point + 1)


COMMANDS: Commands = {
    **moving({"map:poi:step": _step_to_point, "map:poi:step_first": _step_first_point, "map:poi:step_next": _step_next_point}),
    **setting(
        {
            "map:poi:reset": _reset_points,
            "map:poi:add": _add_point,
            "map:poi:remove": _remove_point,
        }
    ),
    **asking(
        {
            "map:poi:get": _get_point,
            "map:poi:get_num": lambda sentio, _: str(len(sentio.points)),
        }
    ),
}
