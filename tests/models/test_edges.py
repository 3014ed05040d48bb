"""Every limit and condition around model files, at its edge: the last value that is taken, the first that is not."""

from __future__ import annotations

import io
import json
import os
import urllib.error
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.networks import layers
from tests.support.refusals import refused
from vsanime.errors import VsanimeError
from vsanime.models import cards, download, filekinds, licences, onnxfile, store
from vsanime.models.advice import import_command, quote_for_shell
from vsanime.models.cards import Variant, find
from vsanime.models.download import Asset
from vsanime.models.filekinds import describe, describe_unknown
from vsanime.models.halves import halve, to_single, widen
from vsanime.models.onnxfile import read_onnx


@pytest.mark.parametrize(
    ("module", "limit", "expected"),
    [
        (cards, "MOST_BYTES", 67_108_864),
        (download, "_CHUNK_BYTES", 65_536),
        (download, "_MOST_ANSWER_BYTES", 8_388_608),
        (download, "_MOST_SHOWN", 200),
        (filekinds, "_MOST_QUOTED", 60),
        (licences, "_LONGEST", 1000),
        (onnxfile, "MAX_BYTES", 268_435_456),
        (onnxfile, "_MAX_LOCATION", 4096),
    ],
)
def test_limits_are_what_they_were(module: Any, limit: str, expected: int) -> None:
    assert getattr(module, limit) == expected


# Downloads


def asset(**changed: object) -> Asset:
    given = {"name": "net.onnx", "size": 7, "browser_download_url": "https://example.org/net.onnx", "digest": None}
    release = {"tag_name": "v1", "published_at": "2026", "assets": [given | changed]}
    answer = json.dumps([release]).encode()
    (found,) = download.find_assets("https://example.org", "net.onnx", lambda _: io.BytesIO(answer))
    return found


@pytest.mark.parametrize(
    ("digest", "expected"),
    [("sha256:AB", "ab"), ("sha256:", None), ("sha256", None), ("md5:ab", None), (None, None), ("", None)],
)
def test_digests_that_an_api_publishes(digest: object, expected: str | None) -> None:
    assert asset(digest=digest).sha256 == expected


def test_releases_are_in_the_order_of_their_dates() -> None:
    def release(tag: str, date: str | None, **more: object) -> dict[str, object]:
        file = {"name": "net.onnx", "size": 0, "browser_download_url": "https://example.org"}
        return {"tag_name": tag, "published_at": date, "assets": [file]} | more

    answer = json.dumps(
        [release("a", "2024"), release("b", None), release("c", "2026"), release("d", "2027", draft=True)]
    ).encode()
    asked: list[str] = []

    def open_url(url: str) -> BinaryIO:
        asked.append(url)
        return io.BytesIO(answer)

    found = download.find_assets("https://example.org/r", "net.onnx", open_url)
    assert [(one.release, one.size) for one in found] == [("c", 0), ("a", 0), ("b", 0)]
    assert asked == ["https://example.org/r?per_page=100"]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org", True),
        ("https://example.org:1/x", True),
        ("https://example.org:65535/x!~", True),
        ("https://example.org:0/x", False),
        ("https://example.org:65536/x", False),
        ("https://example.org/x y", False),
        ("https://example.org/x\x7f", False),
        ("https://example.org/x\x1f", False),
        ("https:///x", False),
        ("http://example.org", False),
    ],
)
def test_addresses_that_are_asked(url: str, fine: bool) -> None:
    if fine:
        download._demand_https(url)
    else:
        refused(lambda: download._demand_https(url), "refused to download from")


def test_addresses_are_shown_up_to_a_length() -> None:
    assert download._show("x" * 200) == repr("x" * 200)
    assert download._show("x" * 201) == repr("x" * 200 + "...")
    assert download._one_line("x" * 200) == "x" * 200
    assert download._one_line("x\n y " + "x" * 200) == "x y " + "x" * 196 + "..."


@pytest.mark.parametrize(("code", "hint"), [(403, True), (429, True), (404, False), (500, False)])
def test_who_asks_too_often_is_told_to_wait(code: int, hint: bool) -> None:
    def answer(url: str) -> BinaryIO:
        raise urllib.error.HTTPError(url, code, "No", Message(), None)

    text = refused(lambda: download.find_assets("https://example.org", "x", answer), f"answered {code} No")
    assert ("try again in an hour" in text) is hint


class Counting(io.BytesIO):
    """Remembers how much is asked of it at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int] = []

    def read1(self, size: int | None = -1, /) -> bytes:
        self.asked.append(-1 if size is None else size)
        return super().read1(size)


@pytest.mark.parametrize(
    ("length", "most", "asked"),
    [(10, 4, [4]), (3, 4, [4, 1]), (4, 4, [4]), (70_000, 70_001, [65_536, 4465, 1]), (5, 0, [])],
)
def test_answers_are_read_in_pieces_up_to_a_limit(length: int, most: int, asked: list[int]) -> None:
    source = Counting(b"x" * length)
    assert b"".join(download._chunks(source, most, 60)) == b"x" * min(length, most)
    assert source.asked == asked


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 105.0, 105.5])
    monkeypatch.setattr(download.time, "monotonic", lambda: next(times))
    chunks = download._chunks(io.BytesIO(b"x" * 200_000), 200_000, 5)
    assert len(next(chunks)) == 65_536
    assert len(next(chunks)) == 65_536
    with pytest.raises(TimeoutError, match="it takes longer than 5 seconds"):
        next(chunks)


def test_downloads_of_just_the_size_that_is_allowed(tmp_path: Path) -> None:
    given = Asset("https://example.org/x", None, 7, "v1")

    def take(data: bytes, accepted: set[str] | None = None, most: int = 7) -> str:
        return download.download(given, tmp_path / "x", accepted, lambda _: io.BytesIO(data), progress=False, most=most)

    digest = take(b"network")
    assert take(b"network", {digest, "0"}) == digest
    refused(lambda: take(b"network", set()), "expected ; not kept")
    refused(lambda: take(b"network", most=6), "is announced with 7 bytes; 0 MiB at most")
    refused(lambda: take(b"networ"), "gave 6 bytes where 7")
    refused(lambda: take(b"networks"), "gave more than 7 bytes where 7")


def test_a_files_name_is_shown_as_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = Asset("https://example.org/net[red]x", None, 1, "v1")
    download.download(given, tmp_path / "x", None, lambda _: io.BytesIO(b"a"), progress=True)
    assert "net[red]x" in capfd.readouterr().err


# The store


def test_digests_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 3)
    (tmp_path / "x").write_bytes(b"abc")
    assert store.file_digest(tmp_path / "x").startswith("ba7816bf")
    (tmp_path / "x").write_bytes(b"abcd")
    refused(lambda: store.file_digest(tmp_path / "x"), "x is larger than the 0 MiB")
    refused(lambda: store.file_digest(tmp_path / "y"), "y cannot be read: No such file")
    refused(lambda: store.file_digest(tmp_path), "is not a regular file")


def test_a_file_that_nobody_downloaded_is_not_taken_for_a_download(user_folder: Path) -> None:
    user_folder.mkdir(parents=True)
    (user_folder / find("C16F64").file).write_bytes(b"x")
    refused(lambda: store.fetch(find("C16F64")), "accepted is none on record")


@pytest.mark.usefixtures("user_folder")
def test_one_process_waits_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(store, "acquire", busy)
    monkeypatch.setenv("VSANIME_OFFLINE", "0")  # which forbids nothing
    refused(
        lambda: store.fetch(find("C16F64"), unverified=True), "another process has been downloading .* for 600 seconds"
    )


def test_records_say_what_was_verified(user_folder: Path) -> None:
    user_folder.mkdir(parents=True)
    for verified in (True, False):
        store._record(user_folder / "net.onnx", Asset("https://x", None, 7, "v1"), "0" * 64, verified=verified)
        text = (user_folder / "net.onnx.json").read_text()
        assert text.startswith('{\n  "url": "https://x",\n')
        assert json.loads(text)["verified"] is verified
    assert [path.name for path in user_folder.iterdir()] == ["net.onnx.json"]
    assert store.read_recorded_digest(user_folder / "net.onnx") == "0" * 64


def test_a_download_of_a_pinned_file_is_verified(user_folder: Path) -> None:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    variant = replace(find("C16F64"), seen=True, sha256=(digest,))
    file = {"name": variant.file, "size": 4, "browser_download_url": "https://example.org", "digest": None}
    answers = [json.dumps([{"tag_name": "v1", "assets": [file]}]).encode(), b"test"]
    store.fetch(variant, open_url=lambda _: io.BytesIO(answers.pop(0)), progress=False)
    assert json.loads((user_folder / f"{variant.file}.json").read_text())["verified"] is True


def foreign(url: str) -> cards.Foreign:
    return cards.Foreign(sha256="", bytes=1, packages=(), url=url)


@pytest.mark.parametrize(
    ("changed", "offline", "message"),
    [
        ({}, False, "`vsanime models fetch C16F64 --unverified` downloads it; or take"),
        ({}, True, "downloads it, once VSANIME_OFFLINE is unset; or take"),
        ({"seen": True, "sha256": ("0" * 64,)}, False, "`vsanime models fetch C16F64` downloads it; or take"),
        ({"url": "", "sha256": ("0" * 64,)}, False, "Install vsanime again"),
        ({"url": ""}, False, "`vsanime import FILE -o ArtCNN_C16F64.onnx` makes it of a file in another format"),
        ({"url": "", "foreign": foreign("https://x")}, False, "models fetch C16F64`; or put"),
        ({"foreign": foreign("")}, True, "once VSANIME_OFFLINE is unset; or put"),
    ],
)
def test_how_a_model_gets_here(changed: dict[str, Any], offline: bool, message: str) -> None:
    assert message in store._by_hand(replace(find("C16F64"), **changed), offline=offline)
    if not offline:
        assert "OFFLINE" not in store._by_hand(replace(find("C16F64"), **changed))


@pytest.mark.parametrize(
    ("model", "path"),
    [("C4F32", None), ("a/b", "a/b"), ("net.ONNX", "net.ONNX"), ("net.onnx.txt", None), (Path("C4F32"), "C4F32")],
)
def test_names_and_paths(model: str | Path, path: str | None) -> None:
    assert store.as_path(model) == (None if path is None else Path(path))


@pytest.mark.skipif(os.name == "nt", reason="Windows has two of its own")
def test_either_separator_makes_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "altsep", "|")
    assert [store.as_path(text) for text in ("a|b", "a/b", "a")] == [Path("a|b"), Path("a/b"), None]


@pytest.mark.parametrize(
    ("note", "fine"),
    [
        ({"sha256": "a" * 64}, True),
        ({"sha256": "a" * 63}, False),
        ({"sha256": "A" * 64}, False),
        ({"sha256": 3}, False),
        ({}, False),
        ([], False),
    ],
)
def test_notes_of_downloads(tmp_path: Path, note: object, fine: bool) -> None:
    assert store.read_recorded_digest(tmp_path / "net.onnx") is None
    (tmp_path / "net.onnx.json").write_text(json.dumps(note))
    if fine:
        assert store.read_recorded_digest(tmp_path / "net.onnx") == "a" * 64
    else:
        refused(lambda: store.read_recorded_digest(tmp_path / "net.onnx"), "is damaged; delete it and net.onnx")


# Cards

GOOD = "0" * 64
HTTPS = "https://example.org"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"scale": 1}, ""),
        ({"scale": 0}, "scale must be 1 or more"),
        ({"name": ""}, "name must be a name"),
        ({"value_range": [1, 1]}, "two ascending numbers"),
        ({"value_range": [0, 1, 2]}, "two ascending numbers"),
        ({"value_range": [False, True]}, "two ascending numbers"),
        ({"value_range": [0, True]}, "two ascending numbers"),
        ({"value_range": ["0", 1]}, "two ascending numbers"),
        ({"value_range": [-1, 0.5]}, ""),
        ({"sha256": [GOOD, "x"]}, "64-digit"),
        ({"sha256": [GOOD, 3]}, "64-digit"),
        ({"sha256": [GOOD, GOOD]}, ""),
        ({"url": HTTPS, "sha256": [GOOD]}, ""),
        ({"url": HTTPS, "seen": False}, ""),
        ({"url": HTTPS, "seen": False, "sha256": [GOOD]}, "without a digest"),
        ({"seen": False, "sha256": [GOOD]}, "without a digest"),
        ({"seen": False}, "without a digest"),
        ({"url": HTTPS}, "sha256 is empty"),
        ({"most_bytes": True}, "most_bytes must be an integer, not True"),
        ({"foreign": []}, "foreign must be a table"),
    ],
)
def test_rows_of_cards(changed: dict[str, Any], message: str) -> None:
    row = {
        "name": "One", "arch": "artcnn_c", "task": "rgb", "scale": 2, "file": "one.onnx", "description": "", "url": "",
        "sha256": [], "colour": "gray", "value_range": [0, 1], "license": "MIT", "copyright": "",
    }  # fmt: skip
    family = cards._Family("F", HTTPS, "MIT", "", "")
    if message:
        refused(lambda: cards._variant("c", family, row | changed), f"c: variant .*{message}")
    else:
        made = cards._variant("c", family, row | changed)
        assert (made.seen, made.data, made.most_bytes) == (changed.get("seen", True), "", 67_108_864)
        assert made.is_bundled is bool(made.sha256 and not made.url)
        assert made.can_be_fetched is bool(made.url)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"packages": []}, ""),
        ({"packages": ["a/b", "c"]}, "package/path"),
        ({"packages": ["a/b", 3]}, "package/path"),
        ({"sha256": "0"}, "64 lower-case"),
        ({"url": "http://x"}, "https address"),
        ({"bytes": True}, "bytes must be an integer"),
    ],
)
def test_foreign_tables_of_cards(changed: dict[str, Any], message: str) -> None:
    table = {"sha256": GOOD, "bytes": 1, "packages": ["a/b", "c/d/e.bin"], "url": HTTPS}
    if message:
        refused(lambda: cards._foreign("c", table | changed), f"c: foreign.*{message}")
    else:
        assert cards._foreign("c", table | changed) is not None


def test_a_variant_says_little_of_itself() -> None:
    variant = find("C4F32")
    given = {name: getattr(variant, name) for name in Variant.__dataclass_fields__}
    for name in ("foreign", "data", "seen", "most_bytes"):
        del given[name]
    made = Variant(**given)
    assert (made.foreign, made.data, made.seen, made.most_bytes) == (None, "", True, 67_108_864)


# What files are

STARTS = {
    "a picture (PNG)": (0, b"\x89PNG\r\n\x1a\n"),
    "a picture (JPEG)": (0, b"\xff\xd8\xff"),
    "a picture (GIF)": (0, b"GIF8"),
    "a picture (WebP)": (8, b"WEBP"),
    "a PDF": (0, b"%PDF-"),
    "a video (Matroska)": (0, b"\x1a\x45\xdf\xa3"),
    "a video (MP4)": (4, b"ftyp"),
    "an HDF5 file, as Keras writes them": (0, b"\x89HDF\r\n\x1a\n"),
    "a TensorFlow Lite model": (4, b"TFL3"),
    "a GGUF model": (0, b"GGUF"),
    "a NumPy array": (0, b"\x93NUMPY"),
    "a TensorRT engine, which runs on the card that it was built for alone": (0, b"ftrt"),
    "a program": (0, b"\x7fELF"),
    "a program for Windows": (0, b"MZ"),
    "a tar archive": (257, b"ustar"),
}


@pytest.mark.parametrize("kind", STARTS)
def test_kinds_are_told_by_bytes_at_their_place(kind: str) -> None:
    at, magic = STARTS[kind]
    assert describe(b"\2" * at + magic + bytes(60)).startswith(f"is {kind}")
    assert describe(b"\2" * (at + 1) + magic + bytes(60)) == ""
    assert describe(b"\2" * at + magic[:-1] + b"\2" + bytes(60)) == ""


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (bytes(15), ""),
        (bytes(16), "begins with 16 zeros"),
        (bytes(16) + b"\1", ""),
        (b"PK\x05\x06", "is a zip archive"),
        (b"PK\x07\x08", "is a zip archive"),
        (b"x" * 4095, "is a text of 4,095 bytes ('" + "x" * 60 + "...'), perhaps"),
        (b"x" * 4096, "is a text that begins '" + "x" * 60 + "...', not a network"),
        (b"x" * 60, "is a text of 60 bytes ('" + "x" * 60 + "')"),
        (b"x" * 192 + b"redirect", "is a server's redirection"),
        (b"x" * 193 + b"redirect", "is a text of 201 bytes"),
        (b'{"code": 3}', "is a JSON text, perhaps"),
        (b'{"code": 3, "errors": [7]}', "is a JSON text ('[7]'), perhaps"),
        (b'{"message": "m", "error": "e"}', "is a JSON text ('e'), perhaps"),
        ("ja\u00df".encode("utf-16-le"), ""),
        (b"\xfe\xff" + "ja".encode("utf-16-be"), "is a text of 6 bytes ('ja')"),
        (b"\xff\xfe" + "ja".encode("utf-16-le") + b"\0", "is a text of 7 bytes ('ja"),
        (b"ja\xc3", "is a text of 3 bytes ('ja"),  # a letter that was cut
        (b"j\xc3a", ""),
        (b"j\1", ""),
        (b"\t\n", ""),
    ],
)
def test_texts_are_told_apart(head: bytes, expected: str) -> None:
    said = describe_unknown(head)
    assert said.startswith(expected)
    assert bool(said) is bool(expected)


def test_pointers_say_how_large_the_file_is() -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize %d\n"
    assert describe(text % 1).startswith("is a Git LFS pointer for 1 bytes, not the file")
    assert describe(text % 10**17).startswith("is a Git LFS pointer for 100,000,000,000,000,000 bytes, not")
    assert describe(text[:-8]).startswith("is a Git LFS pointer, not the file")


# Licences


def test_notes_are_cut_where_they_are_long() -> None:
    assert licences.one_line("x" * 1000) == "x" * 1000
    assert licences.one_line("x" * 1001) == "x" * 1000 + "..."
    assert licences.one_line(" a \n b\1 ") == "a b?"


@pytest.mark.parametrize(
    ("note", "lines"),
    [
        ("A; Copyright (c) 2024 B; C", ["Licence: A; C", "Copyright (c) 2024 B"]),
        ("; A; ", ["Licence: A"]),
        ("Copyright 2024 B", ["Licence: that of the weights' author", "Copyright 2024 B"]),
    ],
)
def test_heads_name_licence_and_holder(note: str, lines: list[str]) -> None:
    assert licences.head(note) == lines


def test_credits_leave_what_is_not_known() -> None:
    proto = onnx.ModelProto()
    licences.write_credits(proto, "MIT", "")
    licences.write_credits(proto, "", "me")
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"licence": "MIT", "author": "me"}
    licences.write_credits(proto, "BSD", "")
    assert (licences.read_note(proto), licences.read_author(proto)) == ("BSD", "me")
    assert licences.read_author(onnx.ModelProto()) == ""


def test_commands_are_complete() -> None:
    assert quote_for_shell("a-b/c.onnx") == "a-b/c.onnx"
    assert quote_for_shell("a b") == '"a b"'
    assert import_command("a b/n.ONNX") == '`vsanime import "a b/n.ONNX" -o n_plain.onnx`'
    assert import_command("n.pth") == "`vsanime import n.pth`"


# Half precision


def stored(*shapes: tuple[int, ...], kind: type = np.float32) -> onnx.ModelProto:
    names = [f"w{i}" for i in range(len(shapes))]
    tensors = [numpy_helper.from_array(np.ones(shape, kind), name) for name, shape in zip(names, shapes, strict=True)]
    nodes = [helper.make_node("Sum", [*names, "x"], ["y"])]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    return helper.make_model(helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors))


def types(proto: onnx.ModelProto) -> list[int]:
    return [tensor.data_type for tensor in proto.graph.initializer]


F16, F32, F64 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE


def test_weights_of_64_values_are_halved() -> None:
    assert types(halve(stored((63,), (64,), (8, 8), (1, 9, 7)))) == [F32, F16, F16, F32]
    assert types(halve(stored((64,), kind=np.float64))) == [F64]
    made = halve(stored((64,), (63,)))
    assert [(n.op_type, n.name, list(n.input), list(n.output)) for n in made.graph.node] == [
        ("Cast", "w0_widened", ["w0_stored"], ["w0"]),
        ("Sum", "", ["w0", "w1", "x"], ["y"]),
    ]
    back = widen(made)
    assert types(back) == [F32, F32]
    assert [node.op_type for node in back.graph.node] == ["Sum"]


def cast(a: str, b: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [a], [b], to=to)


def model(*nodes: onnx.NodeProto, ends: tuple[int, ...] = (F32, F32), **weights: np.ndarray) -> onnx.ModelProto:
    """A network from `x` to `y`, and to `z` if there are three ends."""
    values = [
        helper.make_tensor_value_info(name, kind, [1, 2, None, None]) for name, kind in zip("xyz", ends, strict=False)
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    return helper.make_model(helper.make_graph(list(nodes), "net", values[:1], values[1:], tensors))


def test_only_casts_of_stored_halves_to_f32_are_widened() -> None:
    half = np.ones(64, np.float16)
    proto = model(
        cast("a", "a32", F32), cast("b", "b64", F64), cast("a32", "c", F32),
        helper.make_node("Sum", ["x", "c", "b64"], ["y"]), a=half, b=half,
    )  # fmt: skip
    made = widen(proto)
    assert [(node.op_type, node.output[0]) for node in made.graph.node] == [
        ("Cast", "b64"), ("Cast", "c"), ("Sum", "y")
    ]  # fmt: skip
    assert {t.name: t.data_type for t in made.graph.initializer} == {"b": F16, "a32": F32}
    # A half that something else reads as well, or that is the output, stays beside the wide one.
    both = model(cast("a", "a32", F32), helper.make_node("Sum", ["a", "a32"], ["y"]), a=half)
    assert {t.name for t in widen(both).graph.initializer} == {"a", "a32"}
    assert {t.name for t in widen(model(cast("y", "z", F32), y=half)).graph.initializer} == {"y", "z"}
    for left in (model(cast("a", "y", F64), a=half), model(cast("a", "y", F32), a=half.astype(np.float32))):
        assert widen(left) is left


def relu(a: str, b: str) -> onnx.NodeProto:
    return helper.make_node("Relu", [a], [b])


def chain_of(proto: onnx.ModelProto) -> list[str]:
    return [f"{node.op_type} {' '.join(node.input)} {' '.join(node.output)}" for node in proto.graph.node]


SINGLE: dict[str, tuple[onnx.ModelProto, list[str]]] = {
    "half inside": (model(cast("x", "a", F16), relu("a", "b"), cast("b", "y", F32)), ["Relu x y"]),
    "half inside, in two ways": (
        model(
            cast("x", "a", F16), relu("a", "b"), helper.make_node("Neg", ["b"], ["c"]),
            helper.make_node("Add", ["b", "c"], ["d"]), cast("d", "y", F32),
        ),
        ["Relu x b", "Neg b c", "Add b c y"],
    ),
    "the last one read elsewhere": (
        model(
            cast("x", "a", F16), relu("a", "b"), cast("b", "c", F32), relu("c", "d"), cast("b", "y", F32),
            relu("b", "e"),
        ),
        ["Relu x y", "Relu y d", "Relu y e"],
    ),
    "half ends": (model(relu("x", "a"), relu("a", "y"), ends=(F16, F16)), ["Relu x a", "Relu a y"]),
    "bfloat16 ends": (
        model(relu("x", "y"), ends=(TensorProto.BFLOAT16, TensorProto.BFLOAT16)), ["Relu x y"]
    ),
    "double ends": (model(cast("x", "a", F32), relu("a", "b"), cast("b", "y", F64), ends=(F64, F64)), ["Relu x y"]),
    "a cast alone": (model(cast("x", "y", F32), ends=(F16, F32)), ["Identity x y"]),
    "two outputs": (
        model(relu("x", "a"), cast("a", "y", F32), relu("a", "z"), ends=(F16, F32, F16)),
        ["Relu x a", "Identity a y", "Relu a z"],
    ),
    "sizes in whole numbers": (
        model(
            cast("x", "a", F16), helper.make_node("Shape", ["a"], ["s"]), cast("s", "t", F32), relu("a", "b"),
            helper.make_node("Mul", ["b", "t"], ["y"]),
        ),
        ["Shape x s", "Cast s t", "Relu x b", "Mul b t y"],
    ),
    "a constant": (
        model(
            helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.ones(2, np.float16))),
            cast("k", "l", F32), helper.make_node("Mul", ["x", "l"], ["y"]),
        ),
        ["Constant  k", "Mul x k y"],
    ),
    "a constant of numbers": (
        model(
            cast("x", "a", F16), helper.make_node("Constant", [], ["k"], value_float=1.0), cast("k", "l", F32),
            helper.make_node("Mul", ["a", "l"], ["y"]),
        ),
        ["Constant  k", "Cast k l", "Mul x l y"],
    ),
    "an operator of others": (
        model(
            cast("x", "a", F16), helper.make_node("Relu", ["a"], ["b"], domain="com.others"), cast("b", "c", F32),
            relu("c", "y"),
        ),
        ["Relu x b", "Cast b c", "Relu c y"],
    ),
    "the second of two results": (
        model(
            cast("x", "a", F16),
            helper.make_node("Split", ["a"], ["b", "c"], axis=1),
            cast("b", "d", F32),
            cast("c", "e", F32),
            helper.make_node("Add", ["d", "e"], ["y"]),
        ),
        ["Split x b c", "Cast c e", "Add b e y"],
    ),
    "a branch": (
        model(
            cast("x", "a", F16),
            helper.make_node(
                "If", ["k"], ["b"], **dict.fromkeys(("then_branch", "else_branch"), helper.make_graph([], "b", [], []))
            ),
            relu("a", "y"),
        ),
        ["Cast x a", "If k b", "Relu a y"],
    ),
    "weights": (
        model(helper.make_node("Mul", ["x", "w"], ["y"]), ends=(F16, F16), w=np.ones(2, np.float16)), ["Mul x w y"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_half_precision_becomes_single_and_its_casts_go(name: str) -> None:
    proto, expected = SINGLE[name]
    before = proto.SerializeToString(deterministic=True)
    made = to_single(proto)
    assert chain_of(made) == expected
    assert {value.type.tensor_type.elem_type for value in (*made.graph.input, *made.graph.output)} == {F32}
    assert F16 not in types(made)
    assert made is not proto
    assert proto.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "proto",
    [
        model(relu("x", "y")),
        # Sizes may be computed in doubles.
        model(cast("x", "a", F64), cast("a", "y", F32)),
        model(helper.make_node("Mul", ["x", "w"], ["y"]), w=np.ones(2, np.float64)),
        model(cast("x", "y", TensorProto.INT32), ends=(F32, TensorProto.INT32)),
    ],
    ids=["f32", "doubles inside", "stored doubles", "whole numbers"],
)
def test_what_is_in_single_precision_stays_as_it_is(proto: onnx.ModelProto) -> None:
    assert to_single(proto) is proto


@pytest.mark.parametrize("place", ["weight", "function", "branch", "dtype"])
def test_half_precision_is_found_wherever_it_is(place: str) -> None:
    proto = model(relu("x", "y"))
    half = numpy_helper.from_array(np.ones(2, np.float16), "k")
    constant = helper.make_node("Constant", [], ["k"], value=half)
    if place == "weight":
        proto.graph.initializer.append(half)
    elif place == "function":
        proto.functions.append(helper.make_function("own", "f", [], ["k"], [constant], [helper.make_opsetid("", 17)]))
    elif place == "branch":
        output = [helper.make_tensor_value_info("k", F16, [2])]
        branch = helper.make_graph([constant], "b", [], output)
        proto.graph.node.append(helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch))
    else:
        proto.graph.node.append(helper.make_node("RandomNormalLike", ["x"], ["r"], dtype=F16))
    made = to_single(proto)
    assert made is not proto
    assert to_single(made) is made


# ONNX files

KINDS = {
    "FLOAT": 4, "FLOAT16": 2, "BFLOAT16": 2, "DOUBLE": 8, "BOOL": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_stored_values_have_the_bytes_of_their_type(tmp_path: Path, kind: str) -> None:
    size, number = KINDS[kind], TensorProto.DataType.Value(kind)
    listed = helper.make_tensor("w", number, [3], [1, 0, 1])
    raw = helper.make_tensor("w", number, [3], bytes(3 * size), raw=True)
    for tensor in (listed, raw):
        onnxfile._check_stored(tmp_path, tensor)
        assert onnxfile._stored_bytes(tmp_path, tensor) == 3 * size
        tensor.dims[0] = 4
        refused(
            lambda tensor=tensor: onnxfile._check_stored(tmp_path, tensor),  # type: ignore[misc]
            f"'w' holds {3 * size} bytes, its shape asks for {4 * size}",
        )


def plain(**weights: np.ndarray) -> onnx.ModelProto:
    proto = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(1, 1))
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return proto


@pytest.mark.parametrize(
    ("value", "trained", "fine"),
    [
        (np.float32(np.inf), False, True),
        (np.float32([np.inf]), False, True),
        (np.float32([np.inf, 1]), False, False),
        (np.float32(np.nan), False, False),
        (np.float32(np.inf), True, False),
        (np.float16(-np.inf), False, True),
        (np.float64([1, np.nan]), False, False),
        (np.float32([1, 2]), True, True),
        (np.int32([1, 2]), True, True),
    ],
)
@pytest.mark.parametrize("held", ["initializer", "Constant"])
def test_infinite_values_are_bounds_alone(value: np.ndarray, trained: bool, fine: bool, held: str) -> None:
    proto = plain()
    tensor = numpy_helper.from_array(np.asarray(value), "w")
    if held == "Constant":
        proto.graph.node.append(helper.make_node("Constant", [], ["w"], value=tensor))
    else:
        proto.graph.initializer.append(tensor)
    proto.graph.node.append(helper.make_node("PRelu" if trained else "Max", ["input", "w"], ["more"]))
    if fine:
        onnxfile._check_finite(Path("p"), proto)
    else:
        refused(lambda: onnxfile._check_finite(Path("p"), proto), "p: 'w' holds infinities or NaN")


def outside(**place: object) -> TensorProto:
    tensor = TensorProto(name="w", data_type=1, dims=[4])
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize(
    ("size", "place", "found"),
    [
        (16, {}, 0),
        (16, {"offset": 0, "length": 16}, 0),
        (20, {"offset": 4}, 4),
        (20, {"offset": 4, "length": 16}, 4),
        (24, {"offset": 4, "length": 16}, 4),
        (16, {"offset": 1, "length": 16}, "'w' lies beyond the 16 bytes"),
        (16, {"offset": -1, "length": 16}, "'w' lies beyond the 16 bytes"),
        (16, {"length": -1}, "'w' lies beyond the 16 bytes"),
        (16, {"length": 17}, "'w' lies beyond the 16 bytes"),
        (17, {}, "'w' holds 17 bytes, its shape asks for 16"),
        (16, {"length": 15}, "'w' holds 15 bytes, its shape asks for 16"),
        (17, {"offset": 2}, "'w' holds 15 bytes, its shape asks for 16"),
        (16, {"offset": "x"}, "'w' has no readable place"),
    ],
)
def test_weights_beside_a_file(tmp_path: Path, size: int, place: dict[str, object], found: int | str) -> None:
    (tmp_path / "w").write_bytes(b"\1" * size)
    path, tensor = tmp_path / "net.onnx", outside(location="w", **place)
    if isinstance(found, str):
        refused(lambda: onnxfile._locate_external(path, tensor), found)
    else:
        assert onnxfile._locate_external(path, tensor) == ((tmp_path / "w").resolve(), found)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("x/" * 2047 + "xx", "is not beside it|cannot be read|too long"),
        ("x/" * 2048 + "x", "outside the folder"),
        ("a/../w", "outside the folder"),
        ("", "outside the folder"),
        ("sub", "is not beside it"),
    ],
)
def test_places_of_weights_beside_a_file(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "w").write_bytes(bytes(16))
    (tmp_path / "sub").mkdir()
    with pytest.raises((VsanimeError, OSError), match=message):
        onnxfile._locate_external(tmp_path / "net.onnx", outside(location=location))


def test_weights_beside_a_file_are_counted(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(bytes(16))
    path, tensors = tmp_path / "net.onnx", [outside(location="w"), outside(location="w")]
    onnxfile._read_external(path, tensors, 32)
    assert [(len(tensor.raw_data), tensor.data_location, len(tensor.external_data)) for tensor in tensors] == [
        (16, TensorProto.DEFAULT, 0)
    ] * 2
    refused(lambda: onnxfile._read_external(path, [outside(location="w")], 15), "are larger than the 256 MiB")


def test_a_file_and_what_is_beside_it_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    (tmp_path / "w").write_bytes(np.ones(4, np.float32).tobytes())
    proto = plain()
    tensor = outside(location="w")
    tensor.data_location = TensorProto.EXTERNAL
    proto.graph.initializer.append(tensor)
    path.write_bytes(proto.SerializeToString())
    size = path.stat().st_size + 16
    monkeypatch.setattr(onnxfile, "MAX_BYTES", size)
    for found in onnxfile.read_precisions(path):
        assert numpy_helper.to_array(found.graph.initializer[0]).tolist() == [1, 1, 1, 1]
    monkeypatch.setattr(onnxfile, "MAX_BYTES", size - 1)
    refused(lambda: read_onnx(path), "and the weights beside it are larger than the 0 MiB")


def test_files_of_just_the_size_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(plain().SerializeToString())
    monkeypatch.setattr(onnxfile, "MAX_BYTES", path.stat().st_size)
    assert read_onnx(path).graph.node[0].op_type == "Relu"
    monkeypatch.setattr(onnxfile, "MAX_BYTES", path.stat().st_size - 1)
    refused(lambda: read_onnx(path), "is larger than the 0 MiB")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff", "is damaged or cut short \\(9 bytes\\)"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff{\xff", "is not an ONNX file; `vsanime import"),
        (b"\x3a\x00", "is not an ONNX file, or is cut short"),
        (b"\x08\x08\x3a\x00", "is not an ONNX file, or is cut short"),
        (b"x" * 100, "is not an ONNX file: it is a text of 100 bytes"),
    ],
)
def test_files_that_hold_no_network(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "net.onnx").write_bytes(data)
    refused(lambda: read_onnx(tmp_path / "net.onnx"), message)
