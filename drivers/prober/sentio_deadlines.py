"""How long each kind of command may take, and which of them move the chuck.

Source: default deadlines after the documented ones of Velox (sci35.py), the only prober vendor to publish any; alignment's own limit is
180 s. A z move is some 100 um, well under a second, at most the whole axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """Value: the word for it, its deadline in s, whether the chuck moves."""

    QUESTION = ("question", 5.0, False)
    SETTING = ("setting", 10.0, False)
    STOP = ("stop", 5.0, False)
    Z = ("z move", 10.0, True)
    STEP = ("step", 60.0, True)
    SIDEWAYS = ("xy move", 60.0, True)
    TURN = ("theta move", 60.0, True)
    LOAD_POSITION = ("move to a load position", 90.0, True)
    FIND_HOME = ("search for home", 120.0, True)
    ALIGN = ("alignment", 190.0, True)
    INITIALISE = ("initialisation", 190.0, True)
    CLEAN = ("cleaning", 300.0, True)
    LOAD_WAFER = ("loading", 600.0, True)
    UNLOAD_WAFER = ("unloading", 1800.0, True)

    @property
    def moves(self) -> bool:
        return self.value[2]


@dataclass(frozen=True)
class Command:
    """line: what is sent, without its end."""

    line: str
    kind: Kind = Kind.QUESTION


@dataclass(frozen=True)
class Deadlines:
    """Longest wait for an answer, s. others: instead of a kind's usual deadline."""

    others: Mapping[Kind, float] = field(default_factory=dict[Kind, float])

    def of(self, command: Command) -> float:
        return self.others.get(command.kind, command.kind.value[1])
