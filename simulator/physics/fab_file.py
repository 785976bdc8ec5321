"""Fab files: parameters by name in TOML or JSON, of the wafer and of single dies. docs/fab-files.md has them all.

A key that is unknown or of no use is refused, never ignored.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.physics.parameters import LEVELS_ONLY, LISTS, MODELS, NUMBERS, PILLARS_ONLY, DieIndex, Fab, FabError

Values = dict[str, Any]
_DIE = re.compile(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*")


def parsed(path: Path) -> Values:
    """Raises FabError for a file that is not a table in TOML, or with the suffix .json in JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        values: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise FabError(f"cannot be read as {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
    return _table("the file", values)


def overridden(values: Values, presets: Mapping[str, Fab], levels: Fab) -> Fab:
    """The preset that `base` names, with the file's values in place of its own. levels: what a file of that model starts from."""
    values = dict(values)
    dies, model = _table("dies", values.pop("dies", {})), values.get("model", MODELS[0])
    if model not in MODELS:
        raise FabError(f"model is {model!r}; it must be {' or '.join(MODELS)}")
    base = values.pop("base", "default" if model == "pillars" else "clean")
    if base not in presets:
        raise FabError(f"base is {base!r}; the presets are {', '.join(presets)}")
    if model == "levels" and base != "clean":
        raise FabError(f"base is {base!r}; the presets' defects are of pillars: a file of levels starts from clean and names its own")
    fab = _changed(levels if model == "levels" else presets[base], values)
    return replace(fab, dies={_die_index(name): _die(name, die, fab) for name, die in dies.items()})


def _die(name: str, values: Any, fab: Fab) -> Fab:
    try:
        values = _table("it", values)
        if unfit := {"model", "base", "dies"} & set(values):
            raise FabError(f"{sorted(unfit)[0]} is of the wafer, not of one die")
        return _changed(fab, values)
    except FabError as error:
        raise FabError(f'dies."{name}": {error}') from error


def _die_index(name: str) -> DieIndex:
    found = _DIE.fullmatch(name)
    if found is None:
        raise FabError(f'dies."{name}": a die is named by its column and row, as in dies."-1,2"')
    return int(found[1]), int(found[2])


def _changed(fab: Fab, values: Values) -> Fab:
    model = values.get("model", fab.model)
    useless, of = (LEVELS_ONLY, "levels") if model == "pillars" else (PILLARS_ONLY, "pillars")
    known = {*NUMBERS, *LISTS, "model"}
    for key in values:
        if key not in known:
            raise FabError(f"unknown parameter {key!r}; known are {', '.join(sorted(known))}")
        if key in useless:
            raise FabError(f"{key} is of the model {of!r}; this file's model is {model!r}")
    return replace(fab, **{key: _typed(key, value) for key, value in values.items()})


def _typed(key: str, value: Any) -> Any:
    if key == "model":
        return value
    if key in LISTS:
        if not isinstance(value, list):
            raise FabError(f"{key} is {value!r}; it must be a list of numbers")
        return tuple(_number(key, each) if key.startswith("quantiles") else _whole(key, each) for each in value)
    return _number(key, value)


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FabError(f"{key} is {value!r}; it must be a number")
    return float(value)


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FabError(f"{key} holds {value!r}; it must hold whole numbers")
    return value


def _table(name: str, values: Any) -> Values:
    if not isinstance(values, dict):
        raise FabError(f"{name} must be a table of parameters by name")
    return {str(key): value for key, value in values.items()}
