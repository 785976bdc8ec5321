"""What a run of the rules found: a verdict per rule, figures, and how the board was left. Values only."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    PASSED = "PASS"
    INFORMATION = "INFO"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True)
class Result:
    """One rule's verdict. expected, got, about: set when it failed; about names the message. note: why it was skipped, or a figure."""

    id: str
    text: str
    verdict: Verdict
    expected: str = ""
    got: str = ""
    about: str = ""
    note: str = ""

    @property
    def remark(self) -> str:
        """One line for a person."""
        if self.verdict is Verdict.FAIL:
            return f"{self.about}: expected {self.expected}; got {self.got}"
        return self.note


@dataclass(frozen=True)
class Board:
    """What answered. Strings are the device's own, checked to be short and printable; "?" where it has no valid dictionary."""

    vendor: str
    model: str
    serial: str
    firmware: str
    protocol: str
    boot_id: int
    capabilities: str

    def __str__(self) -> str:
        return f"{self.vendor} {self.model}, serial {self.serial}, firmware {self.firmware}, protocol {self.protocol}"


@dataclass(frozen=True)
class Report:
    """left: the board's state at the end, "unknown" when it could not be asked. ended: why the run stopped early, "" when it did not."""

    address: str
    board: Board
    results: tuple[Result, ...]
    figures: dict[str, float]
    left: str
    seconds: float
    ended: str = ""

    def count(self, verdict: Verdict) -> int:
        return sum(result.verdict is verdict for result in self.results)

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(result.id for result in self.results if result.verdict is Verdict.FAIL)

    @property
    def left_safe(self) -> bool:
        """Everything isolated. An emergency stop found at the start is latched again."""
        return self.left in ("SAFE", "ESTOPPED")

    @property
    def passed(self) -> bool:
        """Nothing failed, everything was run that should be, and the board was left safe."""
        return not (self.failed or self.count(Verdict.NOT_RUN) or self.ended) and self.left_safe

    def as_json(self) -> dict[str, Any]:
        counts = {verdict.name.lower(): self.count(verdict) for verdict in Verdict}
        value = asdict(self)
        rules = value.pop("results")
        return {**value, "rules": rules, "counts": counts, "passed": self.passed}
