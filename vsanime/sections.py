"""Reads TOML or JSON tables into frozen dataclasses; every key and value is checked, and named in messages if wrong."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from types import UnionType
from typing import Any, ClassVar, Literal

from vsanime.errors import VsanimeError, quote

type Shares = tuple[tuple[str, float], ...]


def number(default: Any, least: float, most: float = float("inf")) -> Any:
    """Return a dataclass field for a number with limits; a `default` of `dataclasses.MISSING` makes it required."""
    return field(default=default, metadata={"least": least, "most": most})


def shares(default: Shares, names: tuple[str, ...]) -> Any:
    """Return a dataclass field for a table of odds by name, for some of `names`; the odds need not sum to 1."""
    return field(default=default, metadata={"names": names})


def list_values() -> Any:
    """Return a dataclass field for a list whose items the caller checks."""
    return field(metadata={"listed": True})


class Wording:
    """Error messages for wrong tables, in the wording of recipes."""

    words: ClassVar[Mapping[type, str]] = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
    }

    def at(self, where: str, key: str) -> str:
        """Return the full name of a key."""
        return f"{where}.{key}" if where else key

    def unknown(self, where: str, table: Mapping[str, Any], known: Collection[str]) -> str:
        """Return the message for unknown keys."""
        key = next(key for key in table if key not in known)
        close = difflib.get_close_matches(key, known, 1)
        advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        return f"{self.at(where, key)} = {table[key]!r} is not known; {advice}"

    def missing(self, where: str, keys: Sequence[str]) -> str:
        """Return the message for missing keys."""
        return f"{self.at(where, keys[0])} is missing"

    def wrong(self, where: str, value: Any, needed: str) -> str:
        """Return the message for a value of the wrong type."""
        return f"{where} = {value!r}; {needed} is needed"


class CardWording(Wording):
    """Error messages for wrong tables, in the wording of model cards."""

    words: ClassVar[Mapping[type, str]] = {str: "text", int: "an integer", bool: "true or false", dict: "a table"}

    def at(self, where: str, key: str) -> str:
        """Return the full name of a key."""
        return f"{where}: {key}"

    def unknown(self, where: str, table: Mapping[str, Any], known: Collection[str]) -> str:
        """Return the message for unknown keys."""
        return f"{where}: unknown {', '.join(sorted(table.keys() - set(known)))}; known are {', '.join(known)}"

    def missing(self, where: str, keys: Sequence[str]) -> str:
        """Return the message for missing keys."""
        return f"{where}: {', '.join(keys)} missing"

    def wrong(self, where: str, value: Any, needed: str) -> str:
        """Return the message for a value of the wrong type."""
        return f"{where} must be {needed}, not {quote(value)}"


def section(kind: type[Any], table: Any, where: str, wording: Wording = Wording()) -> Any:  # noqa: B008 - has no state
    """Return a dataclass made of a table.

    Args:
        kind: dataclass whose fields define the keys, their types and their limits.
        table: table with the keys and values.
        where: name of the table in messages; empty for the outermost.
        wording: error messages to use.

    Raises:
        VsanimeError: a key is unknown or missing, or a value is wrong.
    """
    if not isinstance(table, Mapping):
        raise VsanimeError(wording.wrong(where, table, "a table"))
    fields = {f.name: f for f in _fields(kind)}
    hints = typing.get_type_hints(kind)
    if not table.keys() <= fields.keys():
        raise VsanimeError(wording.unknown(where, table, fields))
    missing = [name for name, f in fields.items() if name not in table and f.default is dataclasses.MISSING]
    if missing:
        raise VsanimeError(wording.missing(where, missing))
    read = _Reader(wording)
    return kind(**{key: read.value(hints[key], fields[key], v, wording.at(where, key)) for key, v in table.items()})


def _fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass in the order of its `KEYS`, or of their declaration if it has none."""
    fields = list(dataclasses.fields(kind))
    keys: tuple[str, ...] | None = getattr(kind, "KEYS", None)
    return sorted(fields, key=lambda field: keys.index(field.name)) if keys else fields


class _Reader:
    """Reader of values, each checked against the type and the limits of its field."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording

    def value(self, hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
        """Return a value after checking it against the type and the limits of its field."""
        if hint is Shares:
            return _shares(value, entry.metadata["names"], where)
        if dataclasses.is_dataclass(hint):
            return section(typing.cast(type[Any], hint), value, where, self._wording)
        if typing.get_origin(hint) is tuple:
            return self._tuple(typing.get_args(hint), entry, value, where)
        return self._scalar(hint, entry, value, where)

    def _tuple(self, hints: tuple[Any, ...], entry: dataclasses.Field[Any], value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise VsanimeError(self._wording.wrong(where, value, "a list"))
        if "listed" in entry.metadata:
            return tuple(value)
        if hints[-1] is Ellipsis:
            return tuple(self.value(hints[0], entry, item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(value) != len(hints):
            raise VsanimeError(f"{where} = {value!r}; {len(hints)} values are needed, the lower one first")
        made = tuple(
            self.value(hint, entry, item, f"{where}[{i}]")
            for i, (hint, item) in enumerate(zip(hints, value, strict=True))
        )
        if made[0] > made[1]:
            raise VsanimeError(f"{where} = {list(made)}; the lower value comes first")
        return made

    def _scalar(self, hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
        hint = getattr(hint, "__value__", hint)  # a type alias
        if typing.get_origin(hint) is Literal:
            if value not in typing.get_args(hint):
                raise VsanimeError(f"{where} = {value!r}; {', '.join(map(repr, typing.get_args(hint)))} are possible")
            return value
        hint = typing.get_origin(hint) or hint  # dict, for a table that is kept unchecked
        assert not isinstance(hint, UnionType)
        # TOML distinguishes 1 from true and from 1.0, but an integer is accepted as a float.
        fits = type(value) in ((int, float) if hint is float else (hint,))
        if not fits:
            raise VsanimeError(self._wording.wrong(where, value, self._wording.words[hint]))
        least, most = entry.metadata.get("least"), entry.metadata.get("most")
        if least is not None and not least <= value <= most:
            limits = f"{least:g} or more is" if most == float("inf") else f"{least:g} to {most:g} is"
            raise VsanimeError(f"{where} = {value!r}; {limits} possible")
        return hint(value)


def _shares(value: Any, names: tuple[str, ...], where: str) -> Shares:
    if not isinstance(value, Mapping):
        raise VsanimeError(f"{where} = {value!r}; a table of odds is needed, for some of {', '.join(names)}")
    for name, share in value.items():
        if name not in names:
            raise VsanimeError(f"{where}.{name} = {share!r} is not known; {', '.join(names)} are")
        if type(share) not in (int, float) or not 0 < share < float("inf"):
            raise VsanimeError(f"{where}.{name} = {share!r}; odds above 0 are needed")
    return tuple(sorted((name, float(share)) for name, share in value.items()))


def plain(value: Any) -> Any:
    """Return a value as TOML or JSON can hold it, without dataclasses and tuples; `section` reads it again."""
    if dataclasses.is_dataclass(value):
        return {f.name: _named(f, getattr(value, f.name)) for f in _fields(value)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _named(entry: dataclasses.Field[Any], value: Any) -> Any:
    return dict(value) if "names" in entry.metadata else plain(value)


def flat(table: Any, where: str) -> list[tuple[str, Any]]:
    """Return nested tables as pairs of a dotted key and a value."""
    if isinstance(table, Mapping):
        return [pair for key, value in table.items() for pair in flat(value, Wording().at(where, key))]
    return [(where, table)]
