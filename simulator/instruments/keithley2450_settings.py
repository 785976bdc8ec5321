"""What a 2450 remembers: every setting with its header, its values and its default after *RST, as data.

Rule: a setting whose change moves something else (level, range, output, function) is not here but in the commands.
Source: 2450 reference manual 2450-901-01, section 6. Settings marked "kept only" have no effect on the pretended instrument.
"""

from dataclasses import dataclass

from simulator.instruments.scpi import boolean, choice, number, number_text, short_form

Value = float | bool | str
Key = tuple[str, str]
"""(name, function): function is VOLT, CURR, RES or "" where it does not matter."""

VOLT_RANGES = (0.02, 0.2, 2.0, 20.0, 200.0)
CURR_RANGES = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
RES_RANGES = (2.0, 20.0, 200.0, 2e3, 2e4, 2e5, 2e6, 2e7, 2e8)
RANGES = {"VOLT": VOLT_RANGES, "CURR": CURR_RANGES, "RES": RES_RANGES}
LEVEL_LIMIT = {"VOLT": 210.0, "CURR": 1.05}
HEADROOM = 1.05
"""A range carries 5 % more than its name."""

SENSE = "[SENSe[1]:]"
SOURCE = "SOURce[1]:"
_PROTECTIONS = ("NONE", "PROT2", "PROT5", "PROT10", "PROT20", "PROT40", "PROT60", "PROT80", "PROT100")
_OFF_MODES = ("NORMal", "HIMPedance", "ZERO", "GUARd")
LONG = {"VOLT": "VOLTage", "CURR": "CURRent", "RES": "RESistance"}


@dataclass(frozen=True)
class Real:
    """A number within limits. whole: printed without decimals."""

    low: float
    high: float
    default: float
    whole: bool = False

    def parse(self, text: str) -> Value:
        value = number(text, self.low, self.high, self.default)
        return float(round(value)) if self.whole else value

    def text(self, value: Value) -> str:
        return str(int(float(value))) if self.whole else number_text(float(value))


@dataclass(frozen=True)
class Flag:
    default: bool

    def parse(self, text: str) -> Value:
        return boolean(text)

    def text(self, value: Value) -> str:
        return "1" if value else "0"


@dataclass(frozen=True)
class Choice:
    """One of several words, kept and printed in short form."""

    patterns: tuple[str, ...]

    @property
    def default(self) -> str:
        return short_form(self.patterns[0])

    def parse(self, text: str) -> Value:
        return choice(text, self.patterns)

    def text(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True)
class Setting:
    pattern: str
    key: Key
    kind: Real | Flag | Choice


def _sense(function: str) -> list[Setting]:
    head = f"{SENSE}{LONG[function]}[:DC]:" if function != "RES" else f"{SENSE}{LONG[function]}:"
    return [
        Setting(head + "NPLCycles", ("NPLC", function), Real(0.01, 10.0, 1.0)),
        Setting(head + "RANGe[:UPPer]:AUTO", ("RANGE_AUTO", function), Flag(True)),
        Setting(head + "AZERo[:STATe]", ("AZERO", function), Flag(True)),
        Setting(head + "RSENse", ("RSENSE", function), Flag(False)),  # kept only: two needles carry force and sense
        Setting(head + "AVERage[:STATe]", ("AVERAGE", function), Flag(False)),
        Setting(head + "AVERage:COUNt", ("AVERAGE_COUNT", function), Real(1, 100, 10, whole=True)),
        Setting(head + "AVERage:TCONtrol", ("AVERAGE_KIND", function), Choice(("REPeat", "MOVing"))),
    ]


def _source(function: str) -> list[Setting]:
    head = f"{SOURCE}{LONG[function]}"
    return [
        Setting(head + "[:LEVel]:RANGe:AUTO", ("SOURCE_RANGE_AUTO", function), Flag(True)),
        Setting(head + ":RANGe:AUTO", ("SOURCE_RANGE_AUTO", function), Flag(True)),
        Setting(head + ":DELay", ("DELAY", function), Real(0.0, 10_000.0, 0.0)),
        Setting(head + ":DELay:AUTO", ("DELAY_AUTO", function), Flag(True)),
        Setting(head + ":READ:BACK[:STATe]", ("READ_BACK", function), Flag(True)),
        Setting(head + ":HIGH:CAPacitance[:STATe]", ("HIGH_CAPACITANCE", function), Flag(False)),  # kept only
        Setting(head + ":PROTection[:LEVel]", ("PROTECTION", function), Choice(_PROTECTIONS)),  # kept only
        Setting(f"OUTPut[1]:{LONG[function]}:SMODe", ("OFF_MODE", function), Choice(_OFF_MODES)),  # kept only
    ]


SETTINGS: tuple[Setting, ...] = (
    *(setting for function in LONG for setting in _sense(function)),
    *(setting for function in ("VOLT", "CURR") for setting in _source(function)),
    Setting(SOURCE + "VOLTage:ILIMit[:LEVel]", ("LIMIT", "VOLT"), Real(1e-9, 1.05, 1.05e-4)),
    Setting(SOURCE + "CURRent:VLIMit[:LEVel]", ("LIMIT", "CURR"), Real(0.02, 210.0, 21.0)),
    Setting(SENSE + "COUNt", ("COUNT", ""), Real(1, 300_000, 1, whole=True)),
    Setting("FORMat[:DATA]", ("FORMAT", ""), Choice(("ASCii", "REAL", "SREal"))),
    Setting("FORMat:BORDer", ("BYTE_ORDER", ""), Choice(("SWAPped", "NORMal"))),
    Setting("STATus:OPERation:ENABle", ("OPERATION_ENABLE", ""), Real(0, 65_535, 0, whole=True)),
    Setting("STATus:QUEStionable:ENABle", ("QUESTIONABLE_ENABLE", ""), Real(0, 65_535, 0, whole=True)),
)


def defaults() -> dict[Key, Value]:
    """State after *RST."""
    values: dict[Key, Value] = {setting.key: setting.kind.default for setting in SETTINGS}
    for function, level_range in (("VOLT", 0.02), ("CURR", 1e-8)):
        values["LEVEL", function] = 0.0
        values["SOURCE_RANGE", function] = level_range
    for function, sense_range in (("VOLT", 0.02), ("CURR", 1e-4), ("RES", 2e5)):
        values["RANGE", function] = sense_range
    return values


def fitting_range(function: str, value: float) -> float:
    """Smallest range that carries a value, the largest when none does."""
    return next((limit for limit in RANGES[function] if abs(value) <= limit * HEADROOM), RANGES[function][-1])
