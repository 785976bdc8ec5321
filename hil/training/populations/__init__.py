"""Populations of dies, fixed as fab files so that errors can be compared for years: the reference's model (name: strength of a short,
per cent of bad junctions) and the fab presets of the simulated lab."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from hil.training.errors import MapsError

PRESETS = ("clean", "paper-like", "default", "harsh")
TEST_SEED, OTHER_SEED = 20261122, 20261123
"""Wafers of the dies that are judged, and of those that shared weights learn from."""


@dataclass(frozen=True)
class Population:
    """fab: what the simulated lab takes as --fab."""

    name: str
    fab: str

    @property
    def digest(self) -> str:
        """Of what makes the population: the file's bytes, or the preset's name."""
        file = Path(self.fab)
        return sha256(file.read_bytes() if file.is_file() else self.fab.encode()).hexdigest()


def names() -> tuple[str, ...]:
    """All of them: files in the order of their names, then presets."""
    return (*sorted(item.name.removesuffix(".toml") for item in files(__name__).iterdir() if item.name.endswith(".toml")), *PRESETS)


def population(name: str) -> Population:
    """By name, or a fab file of one's own. Raises MapsError listing the names."""
    if name in PRESETS:
        return Population(name, name)
    for file in (Path(str(files(__name__))) / f"{name}.toml", Path(name)):
        if file.is_file():
            return Population(file.stem, str(file.resolve()))
    raise MapsError(f"{name!r} is no population and no fab file; choose from {', '.join(names())}")
