"""Licence notes survive in an ONNX, and say at a file's head what the licence asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.chains import random_net
from vsanime.models.cards import find
from vsanime.models.licences import card_note, head, read_note, write_note


def test_a_note_takes_the_place_of_another_and_of_nothing_else() -> None:
    net = random_net()
    net.metadata_props.add(key="author", value="me")
    for note in ("MIT", "Apache-2.0"):
        write_note(net, note)
        assert read_note(net) == note
    assert {entry.key: entry.value for entry in net.metadata_props} == {"author": "me", "licence": "Apache-2.0"}


def test_no_note_is_nothing() -> None:
    net = random_net()
    write_note(net, "")
    assert (read_note(net), list(net.metadata_props)) == ("", [])


def test_another_spelling_is_read() -> None:
    net = random_net()
    net.metadata_props.add(key="license", value="BSD")
    assert read_note(net) == "BSD"


def test_a_note_is_one_printable_line_of_bounded_length() -> None:
    net = random_net()
    write_note(net, "MIT\nby\x00som\x1bebody\u2028" + "x" * 5000)
    note = read_note(net)
    assert note.startswith("MIT by?som?ebody xxx")
    assert len(note) < 1100


@pytest.mark.parametrize("name", ["MIT", "MIT License", "The MIT License", "MIT, by somebody"])
def test_mit_is_written_out_below_its_holder(name: str) -> None:
    lines = head(f"{name}; Copyright (c) 2024 Somebody")
    assert lines[:3] == [f"Licence: {name}", "Copyright (c) 2024 Somebody", ""]
    assert lines[3].startswith("Permission is hereby granted")
    assert lines[-1] == "SOFTWARE."


@pytest.mark.parametrize("name", ["MIT-0", "MITRE", "Apache-2.0", "not MIT"])
def test_no_other_licence_is_taken_for_mit(name: str) -> None:
    assert head(name) == [f"Licence: {name}"]


def test_without_a_note_the_author_is_referred_to() -> None:
    assert head("") == ["Licence: that of the weights' author"]


def test_another_licence_is_named_with_where_its_text_stands() -> None:
    card = replace(find("C4F32"), license="Apache-2.0", copyright="Copyright 2024 Somebody")
    assert head(card_note(card)) == [
        "Licence: Apache-2.0; its text stands at https://github.com/Artoriuz/ArtCNN",
        "Copyright 2024 Somebody",
    ]
