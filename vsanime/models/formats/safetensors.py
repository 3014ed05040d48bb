"""Reads safetensors: eight bytes of header length, a JSON of names, types, shapes and offsets, then the values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from vsanime.architectures.base import Imported, Wishes
from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.models.formats.files import contents, parse_json, show
from vsanime.models.formats.statedict import MOST_TENSORS, bfloat16, from_arrays

# Files of a `vsanime train` checkpoint that is split over several.
_SHARD, _SECOND_SHARD = re.compile(r"state-\d{3}\.safetensors"), "state-002.safetensors"
_LENGTH_BYTES = 8
# A header has some 100 bytes per tensor.
_MOST_HEADER_BYTES = 4 << 20
_MOST_AXES = 8
_BFLOAT16 = "BF16"
_FORMS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", _BFLOAT16: "<u2"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"},
}


def recognizes(head: bytes) -> bool:
    """Return whether a file begins with a length below 4 GiB and a JSON object."""
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and head[4:_LENGTH_BYTES] == bytes(4)


def read(path: Path, wishes: Wishes) -> Imported:
    """Read a state-dict; the file's metadata are used, including `license`.

    Args:
        path: safetensors file.
        wishes: settings that the user gives because the file may not.

    Raises:
        VsanimeError: if the file is damaged, or the network is unknown.
    """
    if _SHARD.fullmatch(path.name) and path.with_name(_SECOND_SHARD).exists():
        raise VsanimeError(
            "it is one of several files of a checkpoint of `vsanime train`; the averaged weights may be in another, so "
            "let the run end, with fewer --steps, and take its ONNX"
        )
    arrays, metadata = _load(contents(path))
    licence = metadata.get("license") or metadata.get("modelspec.license") or ""
    imported = from_arrays(arrays, metadata, wishes)
    return replace(imported, licence=licence or imported.licence)


def _load(data: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > min(_MOST_HEADER_BYTES, len(data) - _LENGTH_BYTES):
        raise VsanimeError(f"announces a header of {length:,} bytes; it is cut short or damaged")
    header = _header(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    numbers = data[_LENGTH_BYTES + length :]
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise VsanimeError("its metadata is not a table of texts")
    if len(header) > MOST_TENSORS:
        raise VsanimeError(f"{len(header):,} tensors; up to {MOST_TENSORS:,} are read")
    places = {name: _place(name, entry, len(numbers)) for name, entry in header.items()}
    _check_places(sorted(places.values()), len(numbers))
    return {name: _array(header[name], numbers[begin:end]) for name, (begin, end) in places.items()}, metadata


def _header(text: bytes) -> dict[str, Any]:
    header = parse_json(text, "its header", _unique)
    if not isinstance(header, dict):
        raise VsanimeError("its header is not a JSON object")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise VsanimeError("its header has a name twice")
    return table


def _place(name: str, entry: object, size: int) -> tuple[int, int]:
    """Return the offsets at which a tensor's values begin and end, checked against its shape and the file."""
    if not isinstance(entry, dict):
        raise VsanimeError(f"tensor {show(name)} is not described")
    form, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(form, str) or form not in _FORMS:
        raise VsanimeError(f"tensor {show(name)} has a type that is not read; {', '.join(_FORMS)} are")
    if not _counts(shape, size) or len(shape) > _MOST_AXES or 0 in shape:
        raise VsanimeError(f"tensor {show(name)} has a shape that is none, holds nothing or more than the file")
    if not _counts(place, size) or len(place) != 2 or place[0] > place[1]:
        raise VsanimeError(f"tensor {show(name)} lies outside the {size:,} bytes of numbers")
    wanted = math.prod(shape) * np.dtype(_FORMS[form]).itemsize
    if place[1] - place[0] != wanted:
        raise VsanimeError(f"tensor {show(name)} has {place[1] - place[0]:,} bytes; its shape asks for {wanted:,}")
    return place[0], place[1]


def _counts(values: object, most: int) -> TypeGuard[list[int]]:
    """Return whether a value is a list of integers from 0 to `most`."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= most for value in values)


def _check_places(places: list[tuple[int, int]], size: int) -> None:
    """Check that the tensors fill the data exactly, each byte once, as the format requires."""
    at = 0
    for begin, end in places:
        if begin != at:
            raise VsanimeError(f"its tensors {'overlap' if begin < at else 'leave a hole'} at byte {min(begin, at):,}")
        at = end
    if at != size:
        raise VsanimeError(f"its tensors take {at:,} bytes of {size:,}; it is damaged")


def _array(entry: Mapping[str, Any], numbers: bytes) -> Array:
    array = np.frombuffer(numbers, _FORMS[entry["dtype"]]).reshape(entry["shape"])
    return bfloat16(array) if entry["dtype"] == _BFLOAT16 else array
