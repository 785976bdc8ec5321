"""Moving the stages beside the chuck: one group of commands for all, as in the vendor's StageCommandGroup, and the older names of the
microscope's and the positioners'.

Source: StageCommandGroup.py, ProbeCommandGroup.py and ProberSentio.py of sentio-prober-control 26.2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.instruments.sentio.references import XY_REFERENCES, Z_REFERENCES, is_site, reference
from simulator.instruments.sentio.registry import Commands, Handler, always, asking, setting
from simulator.instruments.sentio.side_stages import CORNERS, LIFT_UM, SideStage
from simulator.instruments.sentio.stage_commands import GROUPS_SINCE
from simulator.instruments.sentio.words import Answer, Arguments, decimals

if TYPE_CHECKING:
    from simulator.instruments.sentio.prober import Sentio

_SITE_READER_SINCE = (25, 0, 99)
Pick = Callable[["Sentio", Arguments], tuple[SideStage, Arguments]]
"""The stage that a command is for, and what of its arguments is not its name."""


def _fixed(name: str) -> Pick:
    return lambda sentio, arguments: (sentio.side_stages[name], arguments)


def _named(sentio: Sentio, arguments: Arguments) -> tuple[SideStage, Arguments]:
    return sentio.side_stages[arguments.one_of(0, CORNERS).lower()], arguments.after(1)


def _on(pick: Pick, handler: Callable[[SideStage, Arguments], str]) -> Handler:
    return lambda sentio, arguments: handler(*pick(sentio, arguments))


# --- what a stage does
def _get_xy(stage: SideStage, arguments: Arguments) -> tuple[str, str]:
    letter = reference(arguments.text(0), XY_REFERENCES) if len(arguments) else "z"
    origin = stage.origin(letter)
    return decimals(stage.x_um - origin[0], stage.y_um - origin[1]), XY_REFERENCES[letter]


def _get_z(stage: SideStage, arguments: Arguments) -> tuple[str, str]:
    letter = reference(arguments.text(0), Z_REFERENCES) if len(arguments) else "z"
    return decimals(stage.z_um - stage.z_origin(letter)), Z_REFERENCES[letter]


def _move_xy(stage: SideStage, arguments: Arguments) -> tuple[str, str]:
    letter = reference(arguments.text(0), XY_REFERENCES)
    origin = stage.origin(letter)
    stage.move(origin[0] + arguments.number(1), origin[1] + arguments.number(2))
    return decimals(stage.x_um, stage.y_um), XY_REFERENCES["z" if letter == "r" else letter]


def _move_z(stage: SideStage, arguments: Arguments) -> tuple[str, str]:
    letter = reference(arguments.text(0), Z_REFERENCES)
    stage.lift_to(stage.z_origin(letter) + arguments.number(1))
    return decimals(stage.z_um), Z_REFERENCES[letter]


def _with_reference(do: Callable[[SideStage, Arguments], tuple[str, str]]) -> Callable[[SideStage, Arguments], str]:
    return lambda stage, arguments: ",".join(do(stage, arguments))


def _plain(do: Callable[[SideStage, Arguments], tuple[str, str]]) -> Callable[[SideStage, Arguments], str]:
    return lambda stage, arguments: do(stage, arguments)[0]


def _to_home(stage: SideStage, _: Arguments) -> str:
    stage.move(*stage.home_um)
    return decimals(stage.x_um, stage.y_um)


def _to_height(letter: str) -> Callable[[SideStage, Arguments], str]:
    def move(stage: SideStage, _: Arguments) -> str:
        stage.lift_to(LIFT_UM if letter == "lift" else stage.z_origin(letter))
        return decimals(stage.z_um)

    return move


def _lift(stage: SideStage, arguments: Arguments) -> str:
    stage.lift_to(LIFT_UM if arguments.flag(0) else stage.z_origin("s"))
    return "OK"


def _set_home(stage: SideStage, arguments: Arguments) -> str:
    rest = arguments.after(1) if len(arguments) and is_site(arguments.text(0)) else arguments
    stage.home_um = (rest.number(0), rest.number(1)) if len(rest) >= 2 else (stage.x_um, stage.y_um)
    return f"{decimals(*stage.home_um)},Wafer"


def _set_contact(stage: SideStage, arguments: Arguments) -> str:
    stage.contact_um = arguments.number(0) if len(arguments) else stage.z_um
    return "OK"


def _get_site(stage: SideStage, arguments: Arguments) -> str:
    name, place = list(stage.sites.items())[stage.number_of(arguments.text(0))]
    return f"{name},{decimals(*place)},Home,True"


def _step_site(stage: SideStage, arguments: Arguments) -> str:
    return stage.step(stage.number_of(arguments.text(0)))


_GROUP: dict[str, Callable[[SideStage, Arguments], str]] = {
    "get_home": lambda stage, _: f"{decimals(*stage.home_um)},Wafer",
    "get_site": _get_site,
    "get_site_num": lambda stage, _: str(len(stage.sites)),
    "get_xy": _with_reference(_get_xy),
    "get_z": _with_reference(_get_z),
    "has_xy": lambda _, __: "True",
    "has_z": lambda _, __: "True",
    "lift": _lift,
    "move_lift": _to_height("lift"),
    "move_contact": _to_height("c"),
    "move_separation": _to_height("s"),
    "move_home": _to_home,
    "move_xy": _with_reference(_move_xy),
    "move_z": _with_reference(_move_z),
    "set_home": _set_home,
    "step_site": _step_site,
    "step_site_first": lambda stage, _: stage.step(0),
    "step_site_next": lambda stage, _: stage.step(stage.at + 1),
}
VERBS = tuple(_GROUP)
_ASKING = ("get_home", "get_site", "get_site_num", "get_xy", "get_z", "has_xy", "has_z")


def _group(prefix: str, name: str) -> Commands:
    handlers = {f"{prefix}:{verb}": _on(_fixed(name), do) for verb, do in _GROUP.items()}
    asked = {f"{prefix}:{verb}": handlers.pop(f"{prefix}:{verb}") for verb in _ASKING}
    return {**asking(asked, GROUPS_SINCE), **setting(handlers, GROUPS_SINCE)}


def _groups() -> Commands:
    commands: Commands = {}
    for prefix in ("scope", "scope:top"):
        commands |= _group(prefix, "scope")
    for corner in CORNERS:
        for prefix in (f"probe:{corner.lower()}", f"probe:top:{corner.lower()}"):
            commands |= _group(prefix, corner.lower())
    return commands


def _start_step(step: Callable[[SideStage, Arguments], str]) -> Handler:
    def start(sentio: Sentio, arguments: Arguments) -> Answer:
        stage, rest = _named(sentio, arguments)
        return sentio.start_done(step(stage, rest), "start_step_positioner_site")

    return start


_SCOPE = _fixed("scope")
COMMANDS: Commands = {
    **_groups(),
    **asking(
        {
            "has_scope_xyz": always("Yes"),
            "has_scope_z": always("Yes"),
            "get_scope_xy": _on(_SCOPE, _plain(_get_xy)),
            "get_scope_z": _on(_SCOPE, _plain(_get_z)),
            "get_scope_home": _on(_SCOPE, lambda stage, _: decimals(*stage.home_um)),
            "get_scope_site_num": _on(_SCOPE, lambda stage, _: str(len(stage.sites))),
            "get_positioner_status": always("1111"),
            "get_positioner_xy": _on(_named, _plain(_get_xy)),
            "get_positioner_z": _on(_named, _plain(_get_z)),
        }
    ),
    **asking(
        {
            "get_scope_site": _on(_SCOPE, _get_site),
            "get_positioner_site": _on(_named, _get_site),
            "get_positioner_site_num": _on(_named, lambda stage, _: str(len(stage.sites))),
        },
        _SITE_READER_SINCE,
    ),
    **setting(
        {
            "move_scope_xy": _on(_SCOPE, _plain(_move_xy)),
            "move_scope_z": _on(_SCOPE, _plain(_move_z)),
            "move_scope_lift": _on(_SCOPE, _lift),
            "set_scope_home": _on(_SCOPE, lambda stage, arguments: "OK" if _set_home(stage, arguments) else ""),
            "step_scope_site": _on(_SCOPE, _step_site),
            "step_scope_site_first": _on(_SCOPE, lambda stage, _: stage.step(0)),
            "step_scope_site_next": _on(_SCOPE, lambda stage, _: stage.step(stage.at + 1)),
            "move_positioner_xy": _on(_named, _plain(_move_xy)),
            "move_positioner_z": _on(_named, _plain(_move_z)),
            "move_positioner_home": _on(_named, _to_home),
            "move_positioner_contact": _on(_named, _to_height("c")),
            "move_positioner_separation": _on(_named, _to_height("s")),
            "set_positioner_contact": _on(_named, _set_contact),
            "set_positioner_home": _on(_named, lambda stage, arguments: "OK" if _set_home(stage, arguments) else ""),
            "set_positioner_status": _on(_named, lambda _, __: "OK"),
            "enable_positioner_motor": _on(_named, lambda _, __: "OK"),
            "step_positioner_site": _on(_named, _step_site),
            "step_positioner_site_first": _on(_named, lambda stage, _: stage.step(0)),
            "step_positioner_site_next": _on(_named, lambda stage, _: stage.step(stage.at + 1)),
            "start_step_positioner_site": _start_step(_step_site),
            "start_step_positioner_site_first": _start_step(lambda stage, _: stage.step(0)),
            "start_step_positioner_site_next": _start_step(lambda stage, _: stage.step(stage.at + 1)),
        }
    ),
}
