"""What goes wrong in the prober itself, on a script: which command it strikes, and how. docs/faults.md describes the file.

Rule: everything follows from the plan, the seed and the commands; time is an argument.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ProberFault(StrEnum):
    """ERROR: a command is answered with a code, and not carried out. LATE: it is carried out, and answered later.

    SILENT_STEP: a step is answered as if it had been made: the chuck lifts, and index and place stay.
    LOST_STEP: index and answer are the new die's, and the chuck did not move sideways.
    VACUUM_LOSS, DOOR_OPEN: happen by themselves, or before a command.
    """

    ERROR = "error"
    LATE = "late"
    SILENT_STEP = "silent_step"
    LOST_STEP = "lost_step"
    VACUUM_LOSS = "vacuum_loss"
    DOOR_OPEN = "door_open"

    @property
    def settings(self) -> tuple[str, ...]:
        """What else a plan may say of it."""
        return _SETTINGS.get(self.value, ())

    @property
    def needs(self) -> tuple[str, ...]:
        """What a plan has to say of it."""
        return self.settings if self in (ProberFault.ERROR, ProberFault.LATE) else ()

    @property
    def of_steps(self) -> bool:
        """Whether it strikes steps only."""
        return self in (ProberFault.SILENT_STEP, ProberFault.LOST_STEP)


_SETTINGS = {"error": ("code",), "late": ("seconds",), "vacuum_loss": ("seconds",), "door_open": ("door", "seconds")}
DOORS = ("prober", "front", "side", "loader", "tray")


@dataclass(frozen=True)
class PlannedFault:
    """command: the one it strikes, and the one `at` counts; "" for every one. code: of an ERROR. door: of a DOOR_OPEN.

    hold_ns: how late an answer is, how long vacuum or door are gone; None: for good.
    """

    kind: ProberFault
    command: str = ""
    probability: float = 0.0
    at: frozenset[int] = frozenset()
    after_ns: int | None = None
    hold_ns: int | None = None
    code: int = 2
    door: str = "prober"


class ProberFaults:
    """begun_ns: the moment from which `after_ns` counts."""

    def __init__(self, plan: Sequence[PlannedFault] = (), seed: int | str = 0, begun_ns: int = 0) -> None:
        self.plan, self.begun_ns = tuple(plan), begun_ns
        self._rng = random.Random(f"{seed} commands")  # noqa: S311  (dice, not secrets)
        self._heard = [0] * len(self.plan)
        self._to_come = {number for number, fault in enumerate(self.plan) if fault.after_ns is not None and not self.by_itself(fault)}

    @staticmethod
    def by_itself(fault: PlannedFault) -> bool:
        """Whether it happens at its time, whatever is asked of the prober."""
        return fault.after_ns is not None and fault.kind in (ProberFault.VACUUM_LOSS, ProberFault.DOOR_OPEN)

    def happening(self) -> Iterator[tuple[int, PlannedFault]]:
        """(when, what) of those that happen by themselves."""
        for fault in self.plan:
            if fault.after_ns is not None and self.by_itself(fault):
                yield self.begun_ns + fault.after_ns, fault

    def struck(self, word: str, now_ns: int) -> list[PlannedFault]:
        """The faults of the next command of this name. Each has a draw of its own."""
        return [fault for number, fault in enumerate(self.plan) if self._strikes(number, fault, word, now_ns)]

    def _strikes(self, number: int, fault: PlannedFault, word: str, now_ns: int) -> bool:
        if fault.command not in ("", word) or self.by_itself(fault) or (fault.kind.of_steps and not _is_step(word)):
            return False
        self._heard[number] += 1
        drawn = fault.probability > 0 and self._rng.random() < fault.probability
        if drawn or self._heard[number] in fault.at:
            return True
        if number in self._to_come and fault.after_ns is not None and now_ns - self.begun_ns >= fault.after_ns:
            self._to_come.remove(number)
            return True
        return False


def _is_step(word: str) -> bool:
    return word.startswith("map:") and "step" in word
