"""What a 2450's handlers are given and give back. A handler returns the answer or None and raises ScpiError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments.scpi import missing_parameter

if TYPE_CHECKING:
    from simulator.instruments.keithley2450 import Keithley2450


@dataclass(frozen=True)
class Call:
    """groups: words of the header's choices, short and upper case. arguments: as sent."""

    groups: tuple[str, ...]
    arguments: tuple[str, ...]
    now_ns: int

    def argument(self, index: int = 0) -> str:
        """Raises ScpiError -109 when it is missing."""
        if index >= len(self.arguments) or not self.arguments[index]:
            raise missing_parameter()
        return self.arguments[index]

    @property
    def function(self) -> str:
        return self.groups[0] if self.groups[0] != "RESI" else "RES"


Handler = Callable[["Keithley2450", Call], str | bytes | None]


@dataclass(frozen=True)
class Command:
    """A header pattern and what setting and asking do; None where the header has no such form."""

    pattern: str
    set: Handler | None = None
    query: Handler | None = None


def says(answer: Callable[[Keithley2450], str]) -> Handler:
    """A query that needs nothing of the call."""
    return lambda smu, _: answer(smu)
