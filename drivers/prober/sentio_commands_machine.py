"""What the rest of a SENTIO is told and asked: loading and alignment, vacuum and doors, temperature, cleaning and wear.

Source: sentio-prober-control 26.2.0; 24.4.0 for the temperature's single argument.
"""

from drivers.prober.sentio_commands import LIFT_ARGUMENT_SINCE, Version
from drivers.prober.sentio_deadlines import Command, Kind
from drivers.prober.sentio_words import Alignment, Fence, Site, Station

DOORS = Command("get_door_status prober")
FIND_HOME = Command("vis:find_home", Kind.FIND_HOME)
TEMPERATURE = Command("status:get_chuck_temp")
SETPOINT = Command("status:get_chuck_temp_setpoint")
THERMO_STATE = Command("status:get_chuck_thermo_state")
CONTACT_COUNT = Command("setup:contact_counter:get")
RESET_CONTACT_COUNT = Command("setup:contact_counter:reset", Kind.SETTING)


# --- wafer
def load_wafer(station: Station, slot: int, degrees: int | None = None) -> Command:
    return Command(f"loader:load_wafer {station}, {slot}" + ("" if degrees is None else f", {degrees}"), Kind.LOAD_WAFER)


def unload_wafer(station: Station | None = None, slot: int = 1) -> Command:
    """To where it came from, unless a station is named."""
    return Command("loader:unload_wafer" if station is None else f"loader:unload_wafer {station}, {slot}", Kind.UNLOAD_WAFER)


def align_wafer(how: Alignment = Alignment.ONLY) -> Command:
    return Command("vis:align_wafer" if how is Alignment.ONLY else f"vis:align_wafer {how}", Kind.ALIGN)


# --- vacuum and doors
def set_vacuum(on: bool, site: Site = Site.WAFER) -> Command:
    return Command(f"set_vacuum {site}, {on}", Kind.SETTING)


def set_door_lock(locked: bool, door: str = "prober") -> Command:
    """door: "prober" or "loader"."""
    return Command(f"set_door_lock {door},{locked:d}", Kind.SETTING)


def chuck_fence(fence: Fence) -> Command:
    return Command(f"service:chuck_fence {fence}", Kind.SETTING)


def signal_tower(red: int, yellow: int, green: int, blue: int) -> Command:
    """Each -1 as it is, 0 off, 1 on, 2 blinking."""
    return Command(f"set_signal_tower {red},{yellow},{green},{blue}", Kind.SETTING)


# --- temperature
def set_temperature(version: Version, celsius: float, may_lift: bool = False) -> Command:
    """may_lift: whether the chuck may move to its lift position for it; older versions are not asked."""
    lift = f", {may_lift}" if version >= LIFT_ARGUMENT_SINCE else ""
    return Command(f"status:set_chuck_temp {celsius:.2f}{lift}", Kind.SETTING)


def soaking_time(celsius: float) -> Command:
    return Command(f"status:get_soaking_time {celsius:.2f}")


# --- cleaning
def clean(touchdowns: int | None = None) -> Command:
    return Command("aux:cleaning:start" if touchdowns is None else f"aux:cleaning:start {touchdowns}", Kind.CLEAN)


def enable_auto_clean(on: bool) -> Command:
    return Command(f"aux:cleaning:enable_auto {on}", Kind.SETTING)


def reset_touch_count(site: Site) -> Command:
    return Command(f"aux:cleaning:reset_touch_count {site}", Kind.SETTING)
