"""Tables of TOML or JSON as frozen dataclasses: every key and value is checked, and named if wrong."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import field
from types import UnionType
from typing import Any, Literal

from vsanime.errors import VsanimeError

type Shares = tuple[tuple[str, float], ...]


def number(default: Any, least: float, most: float = float("inf")) -> Any:
    """A field with limits; `default` is `dataclasses.MISSING` where the recipe has to say it."""
    return field(default=default, metadata={"least": least, "most": most})


def shares(default: Shares, names: tuple[str, ...]) -> Any:
    """A field that is a table of odds, one for each of some of the names; they need not sum to 1."""
    return field(default=default, metadata={"names": names})


def section(kind: type[Any], table: Any, where: str) -> Any:
    """Make a dataclass of a table.

    Args:
        kind: the dataclass; its fields say which keys there are, of what type and within which limits.
        table: keys and values.
        where: what messages call the table; empty for the outermost.

    Raises:
        VsanimeError: a key is unknown or missing, or a value is wrong.
    """
    if not isinstance(table, Mapping):
        raise VsanimeError(f"{where} = {table!r}; a table is needed")
    fields = {f.name: f for f in _fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"
            raise VsanimeError(f"{_at(where, key)} = {table[key]!r} is not known; {advice}")
    missing = [name for name, f in fields.items() if name not in table and f.default is dataclasses.MISSING]
    if missing:
        raise VsanimeError(f"{_at(where, missing[0])} is missing")
    return kind(**{key: _value(hints[key], fields[key], value, _at(where, key)) for key, value in table.items()})


def _fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass in the order of its `KEYS`, or as they are declared where it has none."""
    fields = list(dataclasses.fields(kind))
    keys: tuple[str, ...] | None = getattr(kind, "KEYS", None)
    return sorted(fields, key=lambda field: keys.index(field.name)) if keys else fields


def _value(hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
    """One value, checked against the type and the limits of its field."""
    if hint is Shares:
        return _shares(value, entry.metadata["names"], where)
    if dataclasses.is_dataclass(hint):
        return section(typing.cast(type[Any], hint), value, where)
    if typing.get_origin(hint) is tuple:
        return _tuple(typing.get_args(hint), entry, value, where)
    return _scalar(hint, entry, value, where)


def _tuple(hints: tuple[Any, ...], entry: dataclasses.Field[Any], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise VsanimeError(f"{where} = {value!r}; a list is needed")
    if hints[-1] is Ellipsis:
        return tuple(_value(hints[0], entry, item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(hints):
        raise VsanimeError(f"{where} = {value!r}; {len(hints)} values are needed, the lower one first")
    made = tuple(
        _value(hint, entry, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(hints, value, strict=True))
    )
    if made[0] > made[1]:
        raise VsanimeError(f"{where} = {list(made)}; the lower value comes first")
    return made


def _scalar(hint: Any, entry: dataclasses.Field[Any], value: Any, where: str) -> Any:
    hint = getattr(hint, "__value__", hint)  # a name given to a type
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise VsanimeError(f"{where} = {value!r}; {', '.join(map(repr, typing.get_args(hint)))} are possible")
        return value
    assert not isinstance(hint, UnionType)
    # In TOML 1 is no truth value and 1.0 no count, but 1 is a number.
    fits = type(value) in ((int, float) if hint is float else (hint,))
    if not fits:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise VsanimeError(f"{where} = {value!r}; {kinds[hint]} is needed")
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


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def plain(value: Any) -> Any:
    """What TOML or JSON hold instead of dataclasses and tuples; `section` reads it again."""
    if dataclasses.is_dataclass(value):
        return {f.name: _named(f, getattr(value, f.name)) for f in _fields(value)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _named(entry: dataclasses.Field[Any], value: Any) -> Any:
    return dict(value) if "names" in entry.metadata else plain(value)


def flat(table: Any, where: str) -> list[tuple[str, Any]]:
    """Nested tables as pairs of a dotted key and a value."""
    if isinstance(table, Mapping):
        return [pair for key, value in table.items() for pair in flat(value, _at(where, key))]
    return [(where, table)]
