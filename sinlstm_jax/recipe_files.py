"""Recipes in TOML files: a table that is called as the recipe, with its fields and its stages."""

import json
import re
import tomllib
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from .errors import InputError, did_you_mean, shown
from .files import reading, usable_path
from .recipe import Recipe, Stage
from .signals.observation import Observation
from .signals.signal import in_words
from .signals.sines import Sines

LARGEST = 2**20  # bytes of a file


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in a TOML file.

    Raises:
      InputError: the file cannot be read, does not hold one recipe, or a value in it does not fit.
    """
    path = usable_path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: give a recipe in TOML")
    with reading(path, "recipe in TOML"):
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    if len(found) != 1:
        named = f": {', '.join(found)}" if found else ""
        raise InputError(f"{path} holds {len(found)} recipes{named}"[:300] + "; have it hold one")
    ((name, table),) = found.items()
    try:
        return _recipe(_checked_name(name), table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):
        raise InputError(f"a recipe is called {shown(name)}: give letters, digits, - and _")
    return name


def _recipe(name: str, table) -> Recipe:
    """Return a recipe from its table."""
    told = _known(Recipe, name, table, {"name": name})
    stages = told["stages"]
    if not isinstance(stages, list):
        raise InputError(f"stages of {name} is {shown(stages)}: give an array of tables")
    told["stages"] = tuple(
        _made(Stage, f"stage {number} of {name}", each) for number, each in enumerate(stages, 1)
    )
    for key, kind in (("signal", Sines), ("observation", Observation)):
        if key in told:
            told[key] = _made(kind, f"{key} of {name}", told[key])
    try:
        return Recipe(**told)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _made(kind: type, what: str, table):
    """Return an object of a dataclass from its table."""
    told = _known(kind, what, table, {})
    try:
        return kind(**told)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _known(kind: type, what: str, table, otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return a table with what is known otherwise, or raise InputError for a key of no field."""
    if not isinstance(table, dict):
        raise InputError(f"{what} is {shown(table)}: give a table")
    wanted = {field.name: field for field in fields(kind) if field.name not in otherwise}
    for key, value in table.items():
        if key not in wanted:
            raise InputError(
                f"{what} has {key} = {shown(value)}: give {', '.join(wanted)}"
                f"{did_you_mean(key, wanted)}"
            )
    for name, field in wanted.items():
        if name not in table and field.default is MISSING:
            raise InputError(f"{what} has no {name}: give it one")
    return otherwise | table


def recipe_in_toml(recipe: Recipe) -> str:
    """Return a recipe as `read_recipe` reads it: what is not the default, a stage a line.

    Raises:
      InputError: it learns something else than sine waves, which no file can say, or is called as
        no recipe in a file is.
    """
    if type(recipe.signal) is not Sines:
        raise InputError(
            f"{recipe.name} learns {in_words(recipe.signal.describe())}: leave --format out, a "
            "file tells of Sines alone"
        )
    name = _checked_name(recipe.name)
    lines = [f"[{name}]" if name.isascii() else f"[{_value(name)}]"]  # a bare key is of ASCII
    for field in _told(recipe):
        value = getattr(recipe, field.name)
        if field.name == "stages":
            stages = "".join(f"    {_inline(stage)},\n" for stage in value)
            lines.append(f"stages = [\n{stages}]")
        elif field.name != "name":
            lines.append(f"{field.name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _told(thing) -> list[Field]:
    """Return the fields of a dataclass that are not the default."""
    return [field for field in fields(thing) if getattr(thing, field.name) != field.default]


def _inline(thing) -> str:
    pairs = [f"{field.name} = {_value(getattr(thing, field.name))}" for field in _told(thing)]
    return f"{{{', '.join(pairs)}}}"


def _value(value) -> str:
    """Return a value in TOML, which writes text, numbers and arrays as JSON does."""
    if isinstance(value, Sines | Observation):
        return _inline(value)
    return json.dumps(value, ensure_ascii=False)
