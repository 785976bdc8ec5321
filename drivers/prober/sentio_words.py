"""The words SENTIO's commands are made of, each as the vendor's client spells it. Source: sentio-prober-control 26.2.0, Enumerations.py."""

from enum import Enum, StrEnum


class Site(StrEnum):
    """A place on the chuck that can be brought under the needles."""

    WAFER = "Wafer"
    AUX_RIGHT = "AuxRight"
    AUX_LEFT = "AuxLeft"
    AUX_RIGHT_2 = "AuxRight2"
    AUX_LEFT_2 = "AuxLeft2"


class XyReference(Enum):
    """Where an x and a y count from. Value: the letter that is sent, the name that comes back."""

    HOME = ("H", "Home")
    ZERO = ("Z", "Zero")
    CENTRE = ("C", "Center")
    RELATIVE = ("R", "Current")
    USER = ("U", "UserDefined")
    MACHINE = ("M", "Machine")

    @property
    def letter(self) -> str:
        return self.value[0]


class ZReference(Enum):
    """Where a z counts from. Value: the short word for older versions, the long one for newer, which comes back too."""

    CONTACT = ("C", "Contact")
    SEPARATION = ("S", "Separation")
    HOVER = ("H", "Hover")
    ZERO = ("Z", "Zero")
    RELATIVE = ("R", "Current")


class ThetaReference(StrEnum):
    ZERO = "Z"
    ALIGNED = "S"
    RELATIVE = "R"


class LoadPosition(StrEnum):
    FRONT = "front"
    SIDE = "side"
    CENTRE = "center"


class Station(StrEnum):
    """Where the loader keeps wafers."""

    CASSETTE_1 = "cas1"
    CASSETTE_2 = "cas2"
    PREALIGNER = "pa"
    CHUCK = "chuck"
    FORK_A = "forka"
    FORK_B = "forkb"
    WALLET = "ww"


class Alignment(StrEnum):
    """How vis:align_wafer aligns. ONLY is said by saying nothing: versions before 25.1 know no word for it."""

    ONLY = "alignonly"
    AUTO_DIE_SIZE = "auto"
    UPDATE_DIE_SIZE = "update"
    TWO_POINT = "2pt"


class SteppingMode(StrEnum):
    BACK_TO_CONTACT = "BackToContact"
    STEP_TO_SEPARATION = "StepToSeparation"
    LOCK_CONTACT = "LockContact"


class AxisOrient(StrEnum):
    """Which way rows count, up or down, and columns, right or left."""

    UP_RIGHT = "UR"
    UP_LEFT = "UL"
    DOWN_RIGHT = "DR"
    DOWN_LEFT = "DL"


class Marker(StrEnum):
    NOTCH = "Notch"
    FLAT = "Flat"


class DieSelection(StrEnum):
    """UGLY: whole dies with a corner in the edge exclusion. EDGE: those that are cut off by the edge as well."""

    ALL = "a"
    GOOD = "g"
    GOOD_AND_UGLY = "u"
    GOOD_UGLY_AND_EDGE = "e"
    NONE = "n"


class DieCount(StrEnum):
    SELECTED = "Selected"
    PRESENT = "Present"
    TOTAL = "Total"


class RouteStart(StrEnum):
    UPPER_LEFT = "ul"
    UPPER_RIGHT = "ur"
    LOWER_LEFT = "ll"
    LOWER_RIGHT = "lr"


class RouteOrder(StrEnum):
    """Rows or columns first, in one direction or winding."""

    ROWS = "r"
    COLUMNS = "c"
    WINDING_ROWS = "wr"
    WINDING_COLUMNS = "wc"


class Fence(StrEnum):
    """Keeps the chuck from the casing."""

    ROUND = "Round"
    RECTANGLE = "Rectangle"
    SOFTWARE_LIMIT = "SoftwareLimit"
    DISABLE = "Disable"


class ThermoState(StrEnum):
    SOAKING = "soaking"
    COOLING = "cooling"
    HEATING = "heating"
    UNCONTROLLED = "uncontrolled"
    STANDBY = "standby"
    ERROR = "error"
    CONTROLLING = "controlling"
