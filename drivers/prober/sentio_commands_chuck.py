"""What a SENTIO's chuck is told and asked. Lengths in um, angles in degrees; z grows upward.

The trailing blanks of `move_chuck_home ` and `move_chuck_separation ` are the vendor's. Source: sentio-prober-control 26.2.0.
"""

from drivers.prober.sentio_commands import Version, has_stage_groups, number
from drivers.prober.sentio_deadlines import Command, Kind
from drivers.prober.sentio_words import LoadPosition, Site, SteppingMode, ThetaReference, XyReference, ZReference

SITE_STATUS = Command("get_chuck_site_status Wafer")
SITE_HEIGHTS = Command("get_chuck_site_heights Wafer")
LOCK_CONTACT = Command(f"set_stepping_contact_mode {SteppingMode.LOCK_CONTACT}", Kind.SETTING)
CONTACT = Command("move_chuck_contact", Kind.Z)
SEPARATE = Command("move_chuck_separation ", Kind.Z)
HOVER = Command("move_chuck_hover", Kind.Z)
HOME = Command("move_chuck_home ", Kind.SIDEWAYS)


# --- asked
def get_xy(version: Version, reference: XyReference) -> Command:
    if has_stage_groups(version):
        return Command(f"chuck:get_xy {reference.letter}")
    return Command(f"get_chuck_xy {Site.WAFER}, {reference.letter}")


def get_z(version: Version, reference: ZReference = ZReference.ZERO) -> Command:
    if has_stage_groups(version):
        return Command(f"chuck:get_z {reference.value[1]}")
    return Command(f"get_chuck_z {reference.value[0]}")


# --- moved
def move_z(version: Version, reference: ZReference, z_um: float) -> Command:
    if has_stage_groups(version):
        return Command(f"chuck:move_z {reference.value[1]},{number(z_um)}", Kind.Z)
    return Command(f"move_chuck_z {reference.value[0]}, {number(z_um)}", Kind.Z)


def move_xy(version: Version, reference: XyReference, x_um: float, y_um: float) -> Command:
    if has_stage_groups(version):
        return Command(f"chuck:move_xy {reference.letter},{number(x_um)},{number(y_um)}", Kind.SIDEWAYS)
    return Command(f"move_chuck_xy {reference.letter}, {number(x_um)}, {number(y_um)}", Kind.SIDEWAYS)


def move_index(columns: int, rows: int, reference: str = "Home") -> Command:
    """reference: "Zero", "Home", "Relative" or "Center"."""
    return Command(f"move_chuck_index {reference}, {columns}, {rows}", Kind.SIDEWAYS)


def move_theta(reference: ThetaReference, degrees: float) -> Command:
    return Command(f"move_chuck_theta {reference}, {number(degrees)}", Kind.TURN)


def move_load(position: LoadPosition) -> Command:
    return Command(f"move_chuck_load {position}", Kind.LOAD_POSITION)


# --- set
def set_site_heights(contact_um: float, separation_um: float, overtravel_um: float, hover_um: float, site: Site = Site.WAFER) -> Command:
    """contact_um from z zero; the others are gaps from contact."""
    heights = ",".join(number(each) for each in (contact_um, separation_um, overtravel_um, hover_um))
    return Command(f"set_chuck_site_heights {site},{heights}", Kind.SETTING)


def set_overtravel_gap(gap_um: float) -> Command:
    return Command(f"set_chuck_overtravel_gap {number(gap_um)}", Kind.SETTING)


def enable_overtravel(on: bool) -> Command:
    """Of all sites; the vendor's client sends the hover command where a single site is meant, a defect of its 26.2.0."""
    return Command(f"enable_chuck_overtravel {on}", Kind.SETTING)


def enable_hover(on: bool) -> Command:
    return Command(f"enable_chuck_hover {on}", Kind.SETTING)
