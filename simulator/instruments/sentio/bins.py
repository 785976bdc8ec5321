"""Bins of dies and subsites, the values dies carry, and the table that says what a bin means."""

from dataclasses import dataclass, field

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.wafer_map import Index
from simulator.instruments.sentio.words import SentioError

UNBINNED = -1
QUALITIES = ("Pass", "Fail", "Undefined")
_MOST_BINS = 256


@dataclass(frozen=True)
class Bin:
    description: str
    quality: str
    color: str


def default_table() -> list[Bin]:
    """As SENTIO's default_bins.xbt is pretended to be: pass, fail, and what users make of the rest."""
    named = [Bin("Pass", "Pass", "#00FF00"), Bin("Fail", "Fail", "#FF0000")]
    return named + [Bin(f"Bin {number}", "Undefined", "#808080") for number in range(2, 16)]


@dataclass
class Bins:
    """of: by die and subsite, base grid. values: of dies."""

    table: list[Bin] = field(default_factory=default_table)
    of: dict[tuple[Index, int], int] = field(default_factory=dict)
    values: dict[Index, float] = field(default_factory=dict)

    def check(self, number: int) -> int:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS for a bin that is not in the table; -1 is no bin."""
        if not UNBINNED <= number < len(self.table):
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Bin {number} does not exist!")
        return number

    def put(self, die: Index, site: int, number: int) -> None:
        self.of[die, site] = self.check(number)

    def get(self, die: Index, site: int) -> int:
        return self.of.get((die, site), UNBINNED)

    def row(self, number: int) -> Bin:
        self.check(number)
        if number == UNBINNED:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"Bin {number} does not exist!")
        return self.table[number]

    def resize(self, size: int) -> None:
        """Raises SentioError ARGUMENT_OUT_OF_BOUNDS."""
        if not 1 <= size <= _MOST_BINS:
            raise SentioError(Code.ARGUMENT_OUT_OF_BOUNDS, f"A table of {size} bins is outside 1 to {_MOST_BINS}")
        more = [Bin(f"Bin {number}", "Undefined", "#808080") for number in range(len(self.table), size)]
        self.table = (self.table + more)[:size]

    def chosen(self, words: tuple[str, ...]) -> set[int]:
        """Bins that words name: `3`, `1-5`, `pass`, `fail`, `undefined`, `unbinned`. Raises SentioError INVALID_PARAMETER."""
        found: set[int] = set()
        for word in words:
            found |= self._one(word.lower())
        return found

    def _one(self, word: str) -> set[int]:
        if word == "unbinned":
            return {UNBINNED}
        if word.capitalize() in QUALITIES:
            return {number for number, row in enumerate(self.table) if row.quality == word.capitalize()}
        first, dash, last = word.partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash):
            return set(range(int(first), int(last or first) + 1))
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
