"""Where the maps came from that results stand on: beside the cells, by population or wafer, as the service words it.

Rule: what nobody noted is not called measured."""

import json
from collections.abc import Mapping
from pathlib import Path

from hil.training.errors import TrainingError
from hil.training.populations import names
from hil.training.whole import whole

WORD = "origins.json"
NOT_NOTED = "not noted"


def simulated_population(name: str) -> str:
    """Of a wafer that was measured in a simulated lab for a table."""
    return f"simulated; population {name}"


def keep_origins(folder: Path, origins: Mapping[str, str]) -> None:
    """Added to those that are kept there."""
    folder.mkdir(parents=True, exist_ok=True)
    told = json.dumps(_kept(folder) | dict(origins), indent=2)
    with whole(folder / WORD) as file:
        file.write(told.encode())


def origin_of(folder: Path, population: str) -> str:
    """Of the maps of a population or wafer. Raises TrainingError when what is kept cannot be read."""
    known = simulated_population(population) if population in names() else NOT_NOTED
    return _kept(folder).get(population, known)


def _kept(folder: Path) -> dict[str, str]:
    file = folder / WORD
    if not file.exists():
        return {}
    try:
        return {str(name): str(text) for name, text in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{file}: does not say where the maps came from: {error}; delete it and run the table again") from error
