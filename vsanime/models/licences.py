"""Licence notes: what is known of a network's licence, carried in its ONNX and written into what is made of it.

A note is one line, such as "MIT; Copyright (c) 2024 Somebody": the licence, then whose the weights are.
"""

from __future__ import annotations

import re

import onnx

from vsanime.models.cards import Variant

# Of an ONNX's metadata. Others spell it their own way.
_KEY, _OTHER_KEYS = "licence", ("license",)
_AUTHOR = "author"
_UNKNOWN = "that of the weights' author"
# A note is about one licence; a file may claim any length.
_LONGEST = 1000
_HOLDER = re.compile(r"copyright +(\(c\)|\xa9|\d{4})", re.IGNORECASE)
_MIT = re.compile(r"(the )?MIT( licen[cs]e)?(,.*)?", re.IGNORECASE)
# It has to stand, with the line that names the holder, in every copy.
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
    """Words of a file as a line of bounded length that is safe to print and to write into a comment."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def is_holder(line: str) -> bool:
    """Whether a line says whose something is, as "Copyright (c) 2024 Somebody" does."""
    return _HOLDER.match(line) is not None


def card_note(card: Variant) -> str:
    """What a card says of the licence, and for other licences than MIT, which is written out, where its text is."""
    where = [] if _MIT.fullmatch(card.license) else [f"its text stands at {card.origin}"]
    return "; ".join([card.license, *where, card.copyright])


def read_note(proto: onnx.ModelProto) -> str:
    """The note in a network's metadata; empty where there is none."""
    found = {entry.key: entry.value for entry in proto.metadata_props}
    return next((one_line(found[key]) for key in (_KEY, *_OTHER_KEYS) if found.get(key)), "")


def write_note(proto: onnx.ModelProto, note: str) -> None:
    """Puts a note into a network's metadata, in place of another."""
    others = {entry.key: entry.value for entry in proto.metadata_props if entry.key != _KEY}
    onnx.helper.set_model_props(proto, others | ({_KEY: one_line(note)} if note else {}))


def read_author(proto: onnx.ModelProto) -> str:
    """Return who a network's metadata says made it; empty where they do not."""
    return one_line(next((entry.value for entry in proto.metadata_props if entry.key == _AUTHOR), ""))


def write_credits(proto: onnx.ModelProto, note: str, author: str) -> None:
    """Put a licence note and an author into a network's metadata, where they are known.

    Args:
        proto: the network.
        note: of the licence; empty for one that is not known.
        author: who made it; empty for somebody who is not known.
    """
    credits = {key: one_line(value) for key, value in ((_KEY, note), (_AUTHOR, author)) if value}
    others = {entry.key: entry.value for entry in proto.metadata_props if entry.key not in credits}
    onnx.helper.set_model_props(proto, others | credits)


def head(note: str) -> list[str]:
    """The lines at the head of a file made of the weights: licence, holders, and the text where it is MIT's."""
    parts = [part for part in note.split("; ") if part]
    name = "; ".join(part for part in parts if not is_holder(part)) or _UNKNOWN
    text = ["", *_MIT_TEXT.splitlines()] if _MIT.fullmatch(name) else []
    return [f"Licence: {name}", *filter(is_holder, parts), *text]
