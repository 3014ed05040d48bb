"""Reads model cards, the TOML files in the engines folder, into variants that a script can name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vsanime.errors import VsanimeError, list_words, nearest, quote
from vsanime.sections import CardWording, list_values, section

# What a network computes; each filter accepts some of these tasks.
TASKS = (
    "double_luma",  # one luma plane in, the plane at twice the width and height out
    "chroma",  # luma and bilinear chroma at luma size in, chroma at luma size out
    "rgb",  # RGB in, RGB out
    "colorize",  # line art and two key frames in, blend weights and a correction out
    "colorize_temporal",  # line art and color of a key, a frame and a key in, the frame's color out
    "style",  # RGB in, RGB of the same size in another style out; needs the whole frame at once
)
COLOURS = ("gray", "ycbcr", "rgb")

MOST_BYTES = 64 << 20  # limit of a download unless the card says more; the largest file has 16 MB


@dataclass(frozen=True)
class _Card:
    """The two tables of a card."""

    family: dict[str, Any]
    variant: tuple[Any, ...] = list_values()


@dataclass(frozen=True)
class _Family:
    """The keys of a card's [family] table."""

    name: str
    origin: str
    license: str
    copyright: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """The same weights in a file of another format than ONNX.

    Attributes:
        sha256: SHA-256 of the file, lower-case hexadecimal.
        bytes: size of the file.
        packages: paths in Python packages that contain the file, as `package/path/in/it`.
        url: https address of the file.
    """

    sha256: str
    bytes: int
    packages: tuple[str, ...] = list_values()
    url: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """The keys that a card must give for a variant.

    Attributes:
        name: name that a script writes, as in `model="C4F32"`.
        arch: name of the architecture, such as `artcnn_c`.
        task: one of `TASKS`.
        scale: output pixels per input pixel along each axis.
        file: name of the ONNX file.
        url: releases API of the GitHub repository that publishes the file; empty if the file travels with the package.
        sha256: SHA-256 digests of known good files, lower-case hexadecimal; may be empty.
        license: SPDX identifier, or a description if the license is not known.
        copyright: copyright line of the weights, as their origin words it.
        colour: meaning of the input channels, one of `COLOURS`.
        value_range: lowest and highest value of the input.
        description: one sentence for users.
    """

    name: str
    arch: str
    task: str
    scale: int
    file: str
    url: str
    sha256: tuple[str, ...] = list_values()
    license: str
    copyright: str
    colour: str
    value_range: tuple[float, float] = list_values()
    description: str


@dataclass(frozen=True, kw_only=True)
class Extras:
    """The keys that a card may give for a variant.

    Attributes:
        data: training data and its licenses; empty if the card does not say.
        most_bytes: largest accepted size of the file in bytes.
        seen: whether the published file was available when the card was written, so that its digest is known. Files
            never seen are downloaded only if the user accepts them unverified.
    """

    data: str = ""
    most_bytes: int = MOST_BYTES
    seen: bool = True


@dataclass(frozen=True, kw_only=True)
class Variant(Extras, Row):
    """One network that a script can name.

    Attributes:
        family: name of the family that the card describes.
        origin: where the family was published.
        foreign: the same weights in another format; None if there are none.
    """

    family: str
    origin: str
    foreign: Foreign | None = None

    @property
    def can_be_fetched(self) -> bool:
        """Whether the weights can be downloaded."""
        return bool(self.url or self.foreign)

    @property
    def is_bundled(self) -> bool:
        """Whether the file travels with the package: it has a pinned digest and no download."""
        return bool(self.sha256) and not self.can_be_fetched

    @property
    def aliases(self) -> frozenset[str]:
        """All spellings of this variant in lower case."""
        return frozenset(s.lower() for s in (self.name, f"{self.family}_{self.name}", Path(self.file).stem))


def engines_folder() -> Path:
    """Return the folder of cards and bundled weights: inside an installed package, or beside it in the source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "engines"
    return installed if installed.is_dir() else package.parent / "engines"


@cache
def variants() -> Mapping[str, Variant]:
    """Return every variant of every card by name, in the cards' order.

    Raises:
        VsanimeError: if a card is broken, or there is none.
    """
    return read_cards(engines_folder())


def find(name: str, tasks: Collection[str] = TASKS) -> Variant:
    """Return the variant that has a name or alias, ignoring case.

    Args:
        name: name that the user gave.
        tasks: tasks from whose variants the error message suggests names.

    Raises:
        VsanimeError: if there is none; the message suggests the nearest names.
    """
    known = {alias: variant for variant in variants().values() for alias in variant.aliases}
    variant = known.get(name.lower())
    if variant is None:
        raise unknown_model(name, (one.name for one in variants().values() if one.task in tasks))
    return variant


def unknown_model(name: str, known: Iterable[str]) -> VsanimeError:
    """Return the error for a name that no model has.

    Args:
        name: name that the user gave.
        known: valid names, from which the nearest are suggested.
    """
    return VsanimeError(
        f"no model is named {quote(name)}; did you mean {list_words(nearest(name, known))}? "
        "`vsanime models list` shows all, and the path of an ONNX file works too"
    )


def read_cards(folder: Path) -> Mapping[str, Variant]:
    """Return every variant of the `*.toml` files in a folder, by name.

    Raises:
        VsanimeError: if there is no card, a card is broken, or two variants share a name or alias.
    """
    cards = sorted(folder.glob("*.toml"))
    if not cards:
        raise VsanimeError(f"no model cards (*.toml) in {folder}; install vsanime again, its engines folder is missing")
    found: dict[str, Variant] = {}
    owners: dict[str, str] = {}
    for card in cards:
        for variant in read_card(card):
            for alias in variant.aliases:
                if alias in owners:
                    raise VsanimeError(f"{card.name}: {variant.name} answers to {alias!r}, as {owners[alias]} does")
            owners |= dict.fromkeys(variant.aliases, f"{variant.name} of {card.name}")
            found[variant.name] = variant
    return MappingProxyType(found)


def read_card(path: Path) -> list[Variant]:
    """Return the variants of one card.

    Raises:
        VsanimeError: if the file is not TOML, or a key is unknown, missing or of the wrong type; names file, variant
            and key.
    """
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VsanimeError(f"{path.name}: not a TOML file: {error}") from None
    _read(_Card, card, path.name)
    family = dict(card["family"])
    defaults = family.pop("defaults", {})
    known: _Family = _read(_Family, family, f"{path.name}: [family]")
    if not isinstance(defaults, dict):
        raise VsanimeError(f"{path.name}: [family] defaults must be a table, not {quote(defaults)}")
    rows = card["variant"]
    if not all(isinstance(row, dict) for row in rows):
        raise VsanimeError(f"{path.name}: variants must be tables, [[variant]]")
    defaults = {"license": known.license, "copyright": known.copyright} | defaults
    return [_variant(path.name, known, defaults | row) for row in rows]


def _read(kind: type[Any], table: dict[str, Any], where: str) -> Any:
    """Convert a table into its dataclass; of several wrong values, the message names the first in field order."""
    ordered = {field.name: table[field.name] for field in fields(kind) if field.name in table}
    return section(kind, ordered | table, where, CardWording())


def _variant(card: str, family: _Family, row: dict[str, Any]) -> Variant:
    where = f"{card}: variant {row.get('name', '(unnamed)')}"
    foreign = _foreign(where, row.pop("foreign", None))
    extras: Extras = _read(Extras, {f.name: row.pop(f.name) for f in fields(Extras) if f.name in row}, where)
    facts: Row = _read(Row, row, where)
    _check_values(where, facts)
    low, high = facts.value_range
    facts = replace(facts, value_range=(float(low), float(high)))
    found = Variant(**vars(facts), **vars(extras), family=family.name, origin=family.origin, foreign=foreign)
    _check_digest(where, found)
    return found


def _check_digest(where: str, variant: Variant) -> None:
    """Check that a downloadable file has a pinned digest, unless the card says that it was never seen."""
    if variant.seen and variant.url and not variant.sha256:
        raise VsanimeError(f"{where}: sha256 is empty; a digest of the file is needed, or seen = false")
    if not variant.seen and (variant.sha256 or not variant.url):
        raise VsanimeError(f"{where}: seen = false is for a file with a url and without a digest")


def _foreign(where: str, table: Any) -> Foreign | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise VsanimeError(f"{where}: foreign must be a table, not {quote(table)}")
    where = f"{where}: foreign"
    foreign: Foreign = _read(Foreign, table, where)
    if not re.fullmatch("[0-9a-f]{64}", foreign.sha256) or not foreign.url.startswith("https://"):
        raise VsanimeError(f"{where}: sha256 must be 64 lower-case hexadecimal digits and url an https address")
    if not all(isinstance(entry, str) and re.fullmatch(r"\w+(/[\w.-]+)+", entry) for entry in foreign.packages):
        raise VsanimeError(f"{where}: packages must be a list of package/path, not {quote(list(foreign.packages))}")
    return foreign


def _check_values(where: str, row: Row) -> None:
    """Check the values that a type alone does not restrict: names, tasks, digests, addresses and ranges."""

    def demand(holds: bool, key: str, right: str) -> None:
        if not holds:
            value = getattr(row, key)
            shown = list(value) if isinstance(value, tuple) else value
            raise VsanimeError(f"{where}: {key} must be {right}, not {quote(shown)}")

    demand(bool(row.name), "name", "a name")
    demand(row.task in TASKS, "task", f"one of {', '.join(TASKS)}")
    demand(row.colour in COLOURS, "colour", f"one of {', '.join(COLOURS)}")
    demand(row.scale >= 1, "scale", "1 or more")
    # A bare name, so that a card cannot point outside the search path.
    demand(re.fullmatch(r"[\w.-]+\.onnx", row.file) is not None, "file", "the bare name of an .onnx file")
    demand(not row.url or row.url.startswith("https://"), "url", "an https address, or empty")
    digests = all(isinstance(d, str) and re.fullmatch("[0-9a-f]{64}", d) for d in row.sha256)
    demand(digests, "sha256", "a list of 64-digit lower-case hexadecimal digests")
    limits = row.value_range
    numbers = len(limits) == 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in limits)
    demand(numbers and limits[0] < limits[1], "value_range", "two ascending numbers")
