"""What a 2450 remembers: every setting with its header, its values and its default after *RST, as data.

Rule: a setting whose change moves something else (level, range, limit, output, function) is not here but in the commands.
Source: 2450 reference manual 2450-901-01, section 6.
"""

from dataclasses import dataclass
from typing import Literal

from simulator.instruments.scpi import boolean, choice, number, short_form
from simulator.instruments.smu.datasheet import KEITHLEY_2450 as SHEET

Value = float | bool | str
Key = tuple[str, str]
"""(name, function): function is VOLT, CURR, RES or "" where it does not matter."""

RES_RANGES = (2.0, 20.0, 200.0, 2e3, 2e4, 2e5, 2e6, 2e7, 2e8)
RANGES = {"VOLT": SHEET.measure_ranges("VOLT"), "CURR": SHEET.measure_ranges("CURR"), "RES": RES_RANGES}
LEVEL_LIMIT = {"VOLT": 210.0, "CURR": 1.05}
HEADROOM = 1.05
"""A range carries 5 % more than its name."""

SENSE = "[SENSe[1]:]"
SOURCE = "SOURce[1]:"
LONG = {"VOLT": "VOLTage", "CURR": "CURRent", "RES": "RESistance"}
SENSED = "(VOLTage|CURRent|RESistance)[:DC]"
SOURCED = "(VOLTage|CURRent)"
PROTECTIONS = (
    "NONE", "PROT2", "PROT5", "PROT10", "PROT20", "PROT40", "PROT60", "PROT80", "PROT100", "PROT120", "PROT140", "PROT160", "PROT180",
)  # fmt: skip
_OFF_MODES = ("NORMal", "HIMPedance", "ZERO", "GUARd")
_LONGEST_S = 10_000.0

Effect = Literal["", "source", "measure"]


@dataclass(frozen=True)
class Real:
    """A number within limits. whole: without decimals."""

    low: float
    high: float
    default: float
    whole: bool = False

    def parse(self, text: str) -> Value:
        value = number(text, self.low, self.high, self.default)
        return float(round(value)) if self.whole else value


@dataclass(frozen=True)
class Flag:
    default: bool

    def parse(self, text: str) -> Value:
        return boolean(text)


@dataclass(frozen=True)
class Choice:
    """One of several words, kept and printed in short form."""

    patterns: tuple[str, ...]

    @property
    def default(self) -> str:
        return short_form(self.patterns[0])

    def parse(self, text: str) -> Value:
        return choice(text, self.patterns)


@dataclass(frozen=True)
class Setting:
    """effect: what has to be set up anew when it changes. Without one it is kept only."""

    pattern: str
    key: Key
    kind: Real | Flag | Choice
    effect: Effect = ""


def _sense(function: str) -> list[Setting]:
    head = f"{SENSE}{LONG[function]}[:DC]:"
    unit = {"VOLT": "VOLT", "CURR": "AMP", "RES": "OHM"}[function]
    others = tuple(each for each in ("VOLT", "AMP", "OHM", "WATT") if each != unit)
    return [
        Setting(head + "NPLCycles", ("NPLC", function), Real(*SHEET.nplc, 1.0), "measure"),
        Setting(head + "RANGe:AUTO", ("RANGE_AUTO", function), Flag(True), "measure"),
        Setting(head + "RANGe:AUTO:REBound", ("REBOUND", function), Flag(False)),
        Setting(head + "AZERo[:STATe]", ("AZERO", function), Flag(True), "measure"),
        Setting(head + "AVERage[:STATe]", ("AVERAGE", function), Flag(False), "measure"),
        Setting(head + "AVERage:COUNt", ("AVERAGE_COUNT", function), Real(1, 100, 10, whole=True), "measure"),
        Setting(head + "AVERage:TCONtrol", ("AVERAGE_KIND", function), Choice(("REPeat", "MOVing")), "measure"),
        Setting(head + "OCOMpensated", ("OFFSET_COMPENSATED", function), Flag(False)),
        Setting(head + "UNIT", ("UNIT", function), Choice((unit, *others)), "measure"),
        Setting(head + "RELative", ("REL_LEVEL", function), Real(-9.9e20, 9.9e20, 0.0), "measure"),
        Setting(head + "RELative:STATe", ("REL", function), Flag(False), "measure"),
        *(Setting(f"{head}DELay:USER{n}", (f"DELAY_USER{n}", function), Real(0.0, _LONGEST_S, 0.0)) for n in range(1, 6)),
        Setting(f"DISPlay:{LONG[function]}[:DC]:DIGits", ("DIGITS", function), Real(3, 6, 5, whole=True)),
        *_calculations(function),
    ]


def _calculations(function: str) -> list[Setting]:
    math, limit = f"CALCulate[1]:{LONG[function]}[:DC]:MATH:", f"CALCulate2:{LONG[function]}[:DC]:LIMit"
    wide = Real(-9.9e20, 9.9e20, 0.0)
    return [
        Setting(math + "STATe", ("MATH", function), Flag(False), "measure"),
        Setting(math + "FORMat", ("MATH_KIND", function), Choice(("PERCent", "MXB", "RECiprocal")), "measure"),
        Setting(math + "MBFactor", ("MATH_B", function), Real(-4e12, 4e12, 0.0), "measure"),
        Setting(math + "MMFactor", ("MATH_M", function), Real(-4e12, 4e12, 1.0), "measure"),
        Setting(math + "PERCent", ("MATH_PERCENT", function), Real(-4e12, 4e12, 1.0), "measure"),
        *(
            setting
            for y in ("1", "2")
            for setting in (
                Setting(f"{limit}{y}:STATe", (f"LIMIT{y}", function), Flag(False), "measure"),
                Setting(f"{limit}{y}:LOWer[:DATA]", (f"LIMIT{y}_LOW", function), Real(wide.low, wide.high, -1.0), "measure"),
                Setting(f"{limit}{y}:UPPer[:DATA]", (f"LIMIT{y}_HIGH", function), Real(wide.low, wide.high, 1.0), "measure"),
                Setting(f"{limit}{y}:CLEar:AUTO", (f"LIMIT{y}_CLEAR", function), Flag(True)),
                Setting(f"{limit}{y}:AUDible", (f"LIMIT{y}_AUDIBLE", function), Choice(("NONE", "FAIL", "PASS"))),
            )
        ),
    ]


def _source(function: str) -> list[Setting]:
    head = f"{SOURCE}{LONG[function]}"
    return [
        Setting(head + ":DELay:AUTO", ("DELAY_AUTO", function), Flag(True)),
        Setting(head + ":READ:BACK[:STATe]", ("READ_BACK", function), Flag(True), "measure"),
        Setting(head + ":HIGH:CAPacitance[:STATe]", ("HIGH_CAPACITANCE", function), Flag(False)),
        *(Setting(f"{head}:DELay:USER{n}", (f"DELAY_USER{n}", function), Real(0.0, _LONGEST_S, 0.0)) for n in range(1, 6)),
        Setting(f"OUTPut[1]:{LONG[function]}:SMODe", ("OFF_MODE", function), Choice(_OFF_MODES)),
    ]


SETTINGS: tuple[Setting, ...] = (
    *(setting for function in LONG for setting in _sense(function)),
    *(setting for function in ("VOLT", "CURR") for setting in _source(function)),
    Setting(SENSE + "COUNt", ("COUNT", ""), Real(1, 300_000, 1, whole=True)),
    Setting("FORMat[:DATA]", ("FORMAT", ""), Choice(("ASCii", "REAL", "SREal"))),
    Setting("FORMat:BORDer", ("BYTE_ORDER", ""), Choice(("SWAPped", "NORMal"))),
    Setting("FORMat:ASCii:PRECision", ("PRECISION", ""), Real(0, 16, 0, whole=True)),
    Setting("DISPlay:READing:FORMat", ("READING_FORMAT", ""), Choice(("PREFix", "EXPonent"))),
    Setting("SYSTem:ACCess", ("ACCESS", ""), Choice(("FULL", "EXCLusive", "PROTected", "LOCKout"))),
    Setting("SYSTem:POSetup", ("POWER_ON", ""), Choice(("RST", "SAV0", "SAV1", "SAV2", "SAV3", "SAV4"))),
    Setting("SYSTem:GPIB:ADDRess", ("GPIB", ""), Real(1, 30, 18, whole=True)),
)

_KEPT_THROUGH_RESET = {("ACCESS", ""), ("POWER_ON", ""), ("GPIB", "")}


def defaults(kept: dict[Key, Value] | None = None) -> dict[Key, Value]:
    """State after *RST; kept: what was there before, of which the settings of the interface stay."""
    values: dict[Key, Value] = {setting.key: setting.kind.default for setting in SETTINGS}
    for function in ("VOLT", "CURR"):
        values["LEVEL", function] = 0.0
        values["DELAY", function] = 0.0
        values["SOURCE_RANGE", function] = RANGES[function][0]
        values["SOURCE_RANGE_AUTO", function] = True
        values["PROTECTION", function] = "NONE"
    values["LIMIT", "VOLT"], values["LIMIT", "CURR"] = 1.05e-4, 21.0
    for function, sense_range in (("VOLT", 0.02), ("CURR", 1e-4), ("RES", 2e5)):
        values["RANGE", function] = sense_range
        values["LOWEST", function] = RANGES[function][0]
        values["HIGHEST", function] = RANGES[function][-1]
        values["RSENSE", function] = False
    values.update({key: value for key, value in (kept or {}).items() if key in _KEPT_THROUGH_RESET})
    return values


def fitting_range(function: str, value: float) -> float:
    """Smallest range that carries a value, the largest when none does."""
    return next((limit for limit in RANGES[function] if abs(value) <= limit * HEADROOM * (1.0 + 1e-12)), RANGES[function][-1])


def volts_of(protection: str) -> float:
    """`PROT20` -> 20 V; `NONE`: without end."""
    return float("inf") if protection == "NONE" else float(protection.removeprefix("PROT"))
