"""Reads recipes from TOML into frozen dataclasses, and checks every key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from vsanime.architectures import ARCHITECTURES
from vsanime.errors import VsanimeError, list_words, nearest, quote, quote_path
from vsanime.sections import flat, plain
from vsanime.training.recipes import colorization, consistency, stylization
from vsanime.training.recipes.colorization import ColorRecipe
from vsanime.training.recipes.pairs import Recipe
from vsanime.training.recipes.stylization import StyleRecipe

# A recipe of any kind, as `network.architecture` determines.
type AnyRecipe = Recipe | StyleRecipe | ColorRecipe
# A recipe that trains on independent pictures, not on shots.
type PictureRecipe = Recipe | StyleRecipe


def names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    folder = files(__package__)
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> AnyRecipe:
    """Read a recipe.

    Args:
        name: name of one that comes with the package, or the path of a TOML file.

    Raises:
        VsanimeError: there is no such recipe, or a key or value in it is wrong.
    """
    return parse(text_of(name), name)


def text_of(name: str) -> str:
    """Return the text of a recipe, including its comments.

    Args:
        name: name of one that comes with the package, or the path of a TOML file.

    Raises:
        VsanimeError: there is no such recipe, or its file cannot be read.
    """
    if name in names():
        return files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if path.suffix.lower() != ".toml":
        close = list_words(nearest(name, names()))
        raise VsanimeError(
            f"no recipe is called {quote(name)}; did you mean {close}? `vsanime train --list` shows all, and a file of "
            "your own ends in .toml"
        )
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VsanimeError(f"the recipe {quote_path(name)} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise VsanimeError(f"the recipe {quote_path(name)} is not text in UTF-8") from None


def parse(text: str, origin: str) -> AnyRecipe:
    """Make a recipe from its text.

    Args:
        text: text in TOML.
        origin: name of the recipe in messages.

    Raises:
        VsanimeError: the text is not TOML, or a key or value is wrong; the message says what would be right.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VsanimeError(f"the recipe {origin} is not TOML: {error}") from None
    try:
        return from_table(table)
    except VsanimeError as error:
        raise VsanimeError(f"the recipe {origin}: {error}") from None


def from_table(table: Mapping[str, Any]) -> AnyRecipe:
    """Make a recipe from nested tables, as parsed from TOML or JSON.

    Raises:
        VsanimeError: a key or value is wrong.
    """
    network = table.get("network")
    architecture = network.get("architecture") if isinstance(network, Mapping) else None
    row = ARCHITECTURES.get(architecture) if isinstance(architecture, str) else None
    if row is not None and row.task == "style":
        return stylization.from_table(table)
    if row is not None and row.task == "colorization":
        return colorization.from_table(table)
    return consistency.from_table(table)


def to_table(recipe: AnyRecipe) -> dict[str, Any]:
    """Return the nested tables that `from_table` reads."""
    table: dict[str, Any] = plain(recipe)
    return table


def differences(one: AnyRecipe, other: AnyRecipe) -> list[str]:
    """Return a line for each key in which two recipes differ, with both values."""
    first, second = (dict(flat(to_table(recipe), "")) for recipe in (one, other))
    return [
        f"{key} is {first.get(key)!r} where it was {second.get(key)!r}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]
