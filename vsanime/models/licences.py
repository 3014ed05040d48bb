"""Reads and writes license notes: one line in a network's ONNX metadata, copied into everything made from its weights.

A note names the license, then the copyright holders, such as "MIT; Copyright (c) 2024 Somebody".
"""

from __future__ import annotations

import re

import onnx

from vsanime.models.cards import Variant

# Keys in ONNX metadata; other programs use American spelling.
_KEY, _OTHER_KEYS = "licence", ("license",)
_AUTHOR = "author"
_UNKNOWN = "that of the weights' author"
# Limits what is printed, since a file may contain a text of any length.
_LONGEST = 1000
_HOLDER = re.compile(r"copyright +(\(c\)|\xa9|\d{4})", re.IGNORECASE)
_MIT = re.compile(r"(the )?MIT( licen[cs]e)?(,.*)?", re.IGNORECASE)
# The license requires this text and the copyright line in every copy.
_MIT_TEXT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE."""


def one_line(text: str) -> str:
    """Return a file's text as one line of bounded length that is safe to print and to write into a comment."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def is_holder(line: str) -> bool:
    """Return whether a line names a copyright holder, as "Copyright (c) 2024 Somebody" does."""
    return _HOLDER.match(line) is not None


def card_note(card: Variant) -> str:
    """Return the note of a card; unless the license is MIT, the note says where its text can be found."""
    where = [] if _MIT.fullmatch(card.license) else [f"its text stands at {card.origin}"]
    return "; ".join([card.license, *where, card.copyright])


def read_note(proto: onnx.ModelProto) -> str:
    """Return the license note in a network's metadata; empty if there is none."""
    found = {entry.key: entry.value for entry in proto.metadata_props}
    return next((one_line(found[key]) for key in (_KEY, *_OTHER_KEYS) if found.get(key)), "")


def write_note(proto: onnx.ModelProto, note: str) -> None:
    """Replace the license note in a network's metadata; an empty note removes it."""
    others = {entry.key: entry.value for entry in proto.metadata_props if entry.key != _KEY}
    onnx.helper.set_model_props(proto, others | ({_KEY: one_line(note)} if note else {}))


def read_author(proto: onnx.ModelProto) -> str:
    """Return the author in a network's metadata; empty if there is none."""
    return one_line(next((entry.value for entry in proto.metadata_props if entry.key == _AUTHOR), ""))


def write_credits(proto: onnx.ModelProto, note: str, author: str) -> None:
    """Put a license note and an author into a network's metadata.

    Args:
        proto: network, changed in place.
        note: license note; empty leaves the metadata as they are.
        author: author of the weights; empty leaves the metadata as they are.
    """
    credits = {key: one_line(value) for key, value in ((_KEY, note), (_AUTHOR, author)) if value}
    others = {entry.key: entry.value for entry in proto.metadata_props if entry.key not in credits}
    onnx.helper.set_model_props(proto, others | credits)


def head(note: str) -> list[str]:
    """Return the header of a file made from weights: license, copyright holders, and the full text for MIT."""
    parts = [part for part in note.split("; ") if part]
    name = "; ".join(part for part in parts if not is_holder(part)) or _UNKNOWN
    text = ["", *_MIT_TEXT.splitlines()] if _MIT.fullmatch(name) else []
    return [f"Licence: {name}", *filter(is_holder, parts), *text]
