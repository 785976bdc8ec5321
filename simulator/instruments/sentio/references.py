"""Names of references, sites and stations: long or short, in any case, sites by number too.

Source: sentio-prober-control 26.2.0, Enumerations.py.
"""

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.words import Arguments, SentioError

XY_REFERENCES = {"h": "Home", "z": "Zero", "c": "Center", "r": "Current", "u": "UserDefined", "m": "Machine", "a": "RealPos"}
Z_REFERENCES = {"c": "Contact", "s": "Separation", "h": "Hover", "z": "Zero", "r": "Current", "realpos": "RealPos"}
THETA_REFERENCES = {"z": "Zero", "s": "Site", "r": "Current"}
_OTHER_WORDS = {"relative": "current", "user": "userdefined", "align": "site"}

_ABSENT_SITES = ("siphsethoverheight", "siphfiberpowermeasure", "chuckcamera2")
SITES = ("Wafer", "AuxRight", "AuxLeft", "AuxRight2", "AuxLeft2", "ChuckCamera")


def reference(word: str, names: dict[str, str]) -> str:
    """Letter of a reference given by letter or name. `relative` and `current` are the same. Raises SentioError."""
    plain = _OTHER_WORDS.get(word.lower(), word.lower())
    found = [letter for letter, name in names.items() if plain in (letter, name.lower())]
    if not found:
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
    return found[0]


def site_named(word: str) -> str:
    """Raises SentioError INVALID_PARAMETER for what is no site's name or number, NOT_SUPPORTED for one that is not installed."""
    if word.lower() in _ABSENT_SITES:
        raise SentioError(Code.NOT_SUPPORTED, f"Site {word} is not installed")
    if word.isdecimal() and int(word) < len(SITES):
        return SITES[int(word)]
    found = [name for name in SITES if name.lower() == word.lower()]
    if not found:
        raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
    return found[0]


def is_site(word: str) -> bool:
    return word.lower() in {name.lower() for name in SITES}


def site_of(arguments: Arguments, active: str, index: int = 0) -> str:
    """The site an argument names; the active one where there is no such argument."""
    return site_named(arguments.text(index)) if len(arguments) > index else active
