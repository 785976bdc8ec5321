"""The source side of one channel: function, level, range, limit and output, what is refused, and what the terminals get.

Rule 1: nothing is clipped: what does not fit is refused and changes nothing.
Rule 2: what the terminals get follows from the settings alone, but for a sweep's level and limit.
Source: 2600BS-901-01, smuX.source.*; "Operating boundaries", "Maximum source values and readings" (101 % of range).
"""

from simulator.instruments.keithley2600.errors import Refused, number, whole
from simulator.instruments.keithley2600.natives import Cursor
from simulator.instruments.keithley2600.smu_settings import AMPS, AUTORANGE_FOLLOW_LIMIT, AUTORANGE_ON, DELAY_AUTO, HIGH_Z, LETTERS, VOLTS
from simulator.instruments.smu.channel import Channel, Drive
from simulator.instruments.smu.datasheet import DataSheet, Function
from simulator.instruments.tsp_values import Value

_HIGH_C_AMPS = 1e-6
"""Lowest range and limit in high-capacitance mode."""
_OTHER = {"v": "i", "i": "v"}


class Source:
    """settings: of the channel, by name. where: what its errors begin with. interlock_closed: of the instrument."""

    def __init__(self, where: str, channel: Channel, settings: dict[str, float], cursor: Cursor) -> None:
        self.where, self.channel, self.settings, self._cursor = where, channel, settings, cursor
        self.interlock_closed = True
        self._swept: tuple[float | None, float | None] = (None, None)

    @property
    def sheet(self) -> DataSheet:
        return self.channel.sheet

    @property
    def letter(self) -> str:
        """v or i: what is sourced."""
        return "v" if self.settings["source.func"] == VOLTS else "i"

    # --- what the terminals get
    def apply(self, now_ns: int | None = None) -> None:
        """Settings to the terminals; a sweep's level is over. now_ns: None for when the present statement stands."""
        self._swept = (None, None)
        self._drive(now_ns)

    def sweep_to(self, level: float | None, limit: float | None, now_ns: int) -> None:
        """Level and limit of a sweep; None: the setting's own. now_ns: its nominal time, which a late host is behind."""
        self._swept = (level, limit)
        self._drive(now_ns)

    def _drive(self, now_ns: int | None = None) -> None:
        letter, (level, limit) = self.letter, self._swept
        level = self.settings[f"source.level{letter}"] if level is None else level
        now_ns = self._cursor.now_ns if now_ns is None else now_ns
        self.channel.drive(Drive(LETTERS[letter], level, self._range_for(letter, level), self._limit(level, limit)), now_ns)

    def _limit(self, level: float, swept: float | None) -> float:
        limit = self.settings[f"source.limit{_OTHER[self.letter]}"] if swept is None else swept
        watts = self.settings["source.limitp"]
        return min(limit, watts / abs(level)) if watts and level else limit

    def _range_for(self, letter: str, level: float) -> float:
        if self.settings[f"source.autorange{letter}"] == AUTORANGE_ON:
            return self._automatic(letter, level)
        return self.settings[f"source.range{letter}"]

    def _automatic(self, letter: str, level: float) -> float:
        """Range of an automatic source: it changes at 100 % of the range."""
        ranges = [each for each in self.sheet.source_ranges(LETTERS[letter]) if each >= self.settings[f"source.lowrange{letter}"]]
        return next((each for each in ranges if abs(level) <= each * (1 + 1e-12)), ranges[-1])

    @property
    def range_now(self) -> float:
        return self.channel.drive_now.range_

    @property
    def level_now(self) -> float:
        return self.channel.drive_now.level

    def range_of(self, letter: str) -> float:
        return self._range_for(letter, self.settings[f"source.level{letter}"])

    # --- settings
    def set_level(self, letter: str, value: Value) -> None:
        """Raises Refused 1101, 1102, 5005, 5007."""
        largest = self.sheet.largest_level(LETTERS[letter])
        level = number(value, -largest, largest)
        self.check_level(letter, level)
        changed = letter == self.letter and level != self.settings[f"source.level{letter}"]
        self.settings[f"source.level{letter}"] = level
        if letter == self.letter:
            self.apply()
        if changed and self.channel.output:
            self._cursor.spend(self.delay_ns())

    def delay_ns(self) -> int:
        """Inserted after each change of the level."""
        delay_s = self.settings["source.delay"]
        if delay_s == DELAY_AUTO:
            delay_s = self.sheet.by_scale[LETTERS[self.letter]][self.range_now].settle_s
        return round(1e9 * delay_s)

    def check_level(self, letter: str, level: float) -> None:
        """Raises Refused 5005, 5007."""
        range_ = self._range_for(letter, level)
        if abs(level) > range_ * self.sheet.overrange * (1 + 1e-12):
            raise Refused(5005, where=self.where)
        self._check_area(letter, range_, self.settings[f"source.limit{_OTHER[letter]}"])

    def _check_area(self, letter: str, range_: float, limit: float) -> None:
        corners = self.sheet.envelope if letter == "v" else [(amps, volts) for volts, amps in self.sheet.envelope]
        if letter == self.letter and limit > max(most for level, most in corners if range_ <= level) * (1 + 1e-12):
            raise Refused(5007, where=self.where)

    def set_range(self, letter: str, value: Value) -> None:
        """Raises Refused 1101, 1102, 5005, 5007."""
        largest = self.sheet.largest_level(LETTERS[letter])
        wanted = abs(number(value, -largest, largest))
        range_ = reaching(self.sheet.source_ranges(LETTERS[letter]), wanted)
        if letter == "i" and self.settings["source.highc"]:
            range_ = max(range_, _HIGH_C_AMPS)
        if abs(self.settings[f"source.level{letter}"]) > range_ * self.sheet.overrange * (1 + 1e-12):
            raise Refused(5005, where=self.where)
        self._check_area(letter, range_, self.settings[f"source.limit{_OTHER[letter]}"])
        self.settings[f"source.range{letter}"] = range_
        self.settings[f"source.autorange{letter}"] = 0.0
        self._drive()

    def set_autorange(self, letter: str, value: Value) -> None:
        wanted = float(whole(value, 0, 1))
        self.settings[f"source.range{letter}"] = self.range_of(letter)
        self.settings[f"source.autorange{letter}"] = wanted
        self._drive()

    def set_lowrange(self, letter: str, value: Value) -> None:
        ranges = self.sheet.source_ranges(LETTERS[letter])
        lowest = reaching(ranges, number(value, 0.0, ranges[-1]))
        if letter == "i" and self.settings["source.highc"]:
            lowest = max(lowest, _HIGH_C_AMPS)
        self.settings[f"source.lowrange{letter}"] = lowest
        self._drive()

    def set_limit(self, letter: str, value: Value) -> None:
        """letter: of what is limited. Raises Refused 1101, 1102, 5007."""
        if letter == "p":
            self.settings["source.limitp"] = number(value, 0.0, 1e3)
        else:
            limit = number(value, *self.sheet.limits[LETTERS[letter]])
            if letter == "i" and self.settings["source.highc"]:
                limit = max(limit, _HIGH_C_AMPS)
            self._check_area(_OTHER[letter], self.range_of(_OTHER[letter]), limit)
            self.settings[f"source.limit{letter}"] = limit
        self._drive()

    def set_function(self, value: Value) -> None:
        """Raises Refused 5007."""
        before = self.settings["source.func"]
        self.settings["source.func"] = float(whole(value, int(AMPS), int(VOLTS)))
        letter = self.letter
        try:
            self._check_area(letter, self.range_of(letter), self.settings[f"source.limit{_OTHER[letter]}"])
        except Refused:
            self.settings["source.func"] = before
            raise
        self.apply()

    def set_highc(self, value: Value) -> None:
        on = whole(value, 0, 1)
        self.settings["source.highc"] = float(on)
        if on:
            self.settings["measure.autorangei"] = AUTORANGE_FOLLOW_LIMIT
            for name in ("source.limiti", "source.rangei", "source.lowrangei", "measure.lowrangei"):
                self.settings[name] = max(self.settings[name], _HIGH_C_AMPS)
        self._drive()

    def set_output(self, value: Value) -> None:
        """Raises Refused 802 when the interlock forbids it."""
        wanted = whole(value, 0, int(HIGH_Z))
        on = wanted == 1
        if on and not self.interlock_closed and self.wants_interlock():
            raise Refused(802)
        self.apply()
        self.channel.switch(on, self._cursor.now_ns)

    def wants_interlock(self) -> bool:
        """Whether the terminals can carry more than the interlock allows when it is open."""
        volts = self.range_of("v") if self.letter == "v" else self.settings["source.limitv"]
        return volts > self.sheet.interlock_volts

    def limit_range(self, function: Function) -> float:
        """Range of the present limit."""
        letter = "i" if function == "CURR" else "v"
        return reaching(self.sheet.source_ranges(function), self.settings[f"source.limit{letter}"])


def reaching(ranges: tuple[float, ...], value: float) -> float:
    """The smallest range that reaches a value; the largest when none does (the last percent of it)."""
    return next((each for each in ranges if value <= each * (1 + 1e-9)), ranges[-1])
