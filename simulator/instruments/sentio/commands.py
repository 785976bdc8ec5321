"""Every command the prober knows, from all its groups."""

from simulator.instruments.sentio import (
    asynchronous,
    aux_commands,
    camera_commands,
    chuck_site_commands,
    height_commands,
    loader_commands,
    map_commands,
    map_table_commands,
    not_installed,
    side_stages,
    stage_commands,
    status_commands,
    stepping,
    vision_commands,
)
from simulator.instruments.sentio.registry import Command

COMMANDS: dict[str, Command] = {
    **asynchronous.COMMANDS,
    **aux_commands.COMMANDS,
    **camera_commands.COMMANDS,
    **chuck_site_commands.COMMANDS,
    **height_commands.COMMANDS,
    **loader_commands.COMMANDS,
    **map_commands.COMMANDS,
    **map_table_commands.COMMANDS,
    **not_installed.COMMANDS,
    **side_stages.COMMANDS,
    **stage_commands.COMMANDS,
    **status_commands.COMMANDS,
    **stepping.COMMANDS,
    **vision_commands.COMMANDS,
}
