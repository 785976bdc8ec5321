"""Every command the prober knows, from all its groups."""

from simulator.instruments.sentio import (
    asynchronous,
    aux_commands,
    bin_commands,
    camera_commands,
    chuck_site_commands,
    height_commands,
    loader_commands,
    map_commands,
    not_installed,
    point_commands,
    side_stage_commands,
    stage_commands,
    status_commands,
    stepping,
    subsite_commands,
    vision_commands,
)
from simulator.instruments.sentio.registry import Command

COMMANDS: dict[str, Command] = {
    **asynchronous.COMMANDS,
    **aux_commands.COMMANDS,
    **bin_commands.COMMANDS,
    **camera_commands.COMMANDS,
    **chuck_site_commands.COMMANDS,
    **height_commands.COMMANDS,
    **loader_commands.COMMANDS,
    **map_commands.COMMANDS,
    **point_commands.COMMANDS,
    **not_installed.COMMANDS,
    **side_stage_commands.COMMANDS,
    **stage_commands.COMMANDS,
    **status_commands.COMMANDS,
    **stepping.COMMANDS,
    **subsite_commands.COMMANDS,
    **vision_commands.COMMANDS,
}
