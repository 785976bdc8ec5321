"""Blocks of a 2450's trigger model that go elsewhere than to the next one.

Source: 2450 reference manual 2450-901-01, section 6, TRIGger:BLOCk:BRANch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simulator.instruments.keithley2450.trigger_blocks import Block
from simulator.instruments.scpi import illegal_value

if TYPE_CHECKING:
    from simulator.instruments.keithley2450.trigger_engine import TriggerModel

LIMIT_KINDS = ("ABOVe", "BELow", "INSide", "OUTside")


@dataclass
class Branch(Block):
    """to: number of the block to go to."""

    title: ClassVar[str] = "BRANCH_ALWAYS"
    to: int = 1

    def enter(self, model: TriggerModel, _now_ns: int, /) -> int:
        return self.to if self.leaves(model) else self.number + 1

    def leaves(self, _model: TriggerModel, /) -> bool:
        """Whether it branches now."""
        return True

    def check(self, model: TriggerModel) -> None:
        if not 1 <= self.to <= len(model.blocks):
            raise illegal_value()

    def settings(self) -> str:
        return f"BRANCH_BLOCK: {self.to}"


@dataclass
class BranchCounter(Branch):
    """count: how often it was reached since the start or the last reset."""

    title: ClassVar[str] = "BRANCH_COUNTER"
    target: int = 1
    count: int = 0

    def leaves(self, _model: TriggerModel, /) -> bool:
        self.count += 1
        return self.count < self.target

    def start(self) -> None:
        self.count = 0

    def settings(self) -> str:
        return f"VALUE: {self.target} BRANCH_BLOCK: {self.to}"


@dataclass
class CounterReset(Block):
    title: ClassVar[str] = "RESET_BRANCH_COUNT"
    counter: int = 1

    def do(self, model: TriggerModel, /) -> None:
        model.counter(self.counter).start()

    def check(self, model: TriggerModel) -> None:
        model.counter(self.counter)

    def settings(self) -> str:
        return f"COUNTER: {self.counter}"


@dataclass
class BranchEvent(Branch):
    title: ClassVar[str] = "BRANCH_ON_EVENT"
    event: str = "NONE"

    def leaves(self, model: TriggerModel, /) -> bool:
        return model.core.events.detector(self.event).take()

    def settings(self) -> str:
        return f"EVENT: {self.event} BRANCH_BLOCK: {self.to}"


@dataclass
class BranchLimit(Branch):
    """Branches when the latest reading is ABOVE high, BELOW low, INSIDE or OUTSIDE both. limit: 1 or 2 for what CALCulate2 has set, 0
    for low and high as here."""

    title: ClassVar[str] = "BRANCH_LIMIT_CONSTANT"
    kind: str = "INS"
    low: float = 0.0
    high: float = 0.0
    limit: int = 0

    def leaves(self, model: TriggerModel, /) -> bool:
        core = model.core
        low, high = self.low, self.high
        if self.limit:
            low, high = (core.number(f"LIMIT{self.limit}_{end}", core.sense) for end in ("LOW", "HIGH"))
        value = core.reader.last
        return {"ABOV": value > high, "BEL": value < low, "INS": low <= value <= high, "OUT": not low <= value <= high}[self.kind]

    def settings(self) -> str:
        return f"TYPE: {self.kind} LOW: {self.low:g} HIGH: {self.high:g} BRANCH_BLOCK: {self.to}"


@dataclass
class BranchDelta(Branch):
    title: ClassVar[str] = "BRANCH_DELTA"
    difference: float = 0.0

    def leaves(self, model: TriggerModel, /) -> bool:
        reader = model.core.reader
        return reader.before - reader.last < self.difference

    def settings(self) -> str:
        return f"VALUE: {self.difference:g} BRANCH_BLOCK: {self.to}"


@dataclass
class BranchOnce(Branch):
    """Branches the first time it is reached; `excluded`: every time but the first."""

    title: ClassVar[str] = "BRANCH_ONCE"
    excluded: bool = False
    reached: bool = False

    def leaves(self, _model: TriggerModel, /) -> bool:
        first, self.reached = not self.reached, True
        return first != self.excluded

    def start(self) -> None:
        self.reached = False


@dataclass
class BranchLimited(Branch):
    """Branches when the source was limited at the latest reading: what fails and aborts a sweep."""

    title: ClassVar[str] = "BRANCH_ON_EVENT"

    def leaves(self, model: TriggerModel, /) -> bool:
        return model.core.limited

    def settings(self) -> str:
        return f"EVENT: SOURCE_LIMIT BRANCH_BLOCK: {self.to}"
