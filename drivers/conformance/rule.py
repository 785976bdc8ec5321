"""What a rule is: an identity, a sentence, a small function that raises Broken where the sentence does not hold."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from drivers.conformance.bench import Bench
from firmware_protocol.codes import Capability

_CORE = Capability(0)


class Wants(Enum):
    """Why a rule is run only when asked for."""

    NOTHING = ""
    READ = "biases junctions at 1 mV; --read allows it"
    PATH = "connects the contact pads to the SMU; --with-path allows it, the SMU's output must be off"


@dataclass(frozen=True)
class Rule:
    """needs: skipped unless the board grants it. latches: uses the emergency stop, so it is run last. measures: its note is
    a figure, its passing no verdict."""

    id: str
    text: str
    holds: Callable[[Bench], str | None]
    needs: Capability = _CORE
    latches: bool = False
    wants: Wants = Wants.NOTHING
    measures: bool = False


def rule(
    identity: str, text: str, *, needs: Capability = _CORE, latches: bool = False, wants: Wants = Wants.NOTHING, measures: bool = False
) -> Callable[[Callable[[Bench], str | None]], Rule]:
    """Makes a Rule of a function. What the function returns is a note for the report."""
    return lambda holds: Rule(identity, text, holds, needs, latches, wants, measures)
