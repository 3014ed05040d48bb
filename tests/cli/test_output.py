"""A command's output appears whole or not at all, and takes no other file's place unasked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vsanime.cli.output import partial_file, write_output
from vsanime.errors import VsanimeError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_nothing_left_beside_it(tmp_path: Path) -> None:
    write_output(tmp_path / "nät ö.onnx", b"net", force=False)
    assert (tmp_path / "nät ö.onnx").read_bytes() == b"net"
    assert names(tmp_path) == ["nät ö.onnx"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has paths of 260 characters at most, by default")
def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """The temporary one is no longer than the file's."""
    name = "a" * (255 - len(".onnx")) + ".onnx"
    write_output(tmp_path / name, b"net", force=False)
    assert names(tmp_path) == [name]


def test_what_appeared_meanwhile_stays(tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"

    def write() -> None:
        with partial_file(output, force=False) as partial:
            partial.write_bytes(b"ours")
            output.write_bytes(b"mine")

    with pytest.raises(VsanimeError, match="appeared meanwhile; give --force"):
        write()
    assert output.read_bytes() == b"mine"
    assert names(tmp_path) == ["net.onnx"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    output = tmp_path / "net.onnx"
    output.write_bytes(b"mine")

    def write() -> None:
        with partial_file(output, force=True) as partial:
            partial.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert output.read_bytes() == b"mine"
    assert names(tmp_path) == ["net.onnx"]


def test_what_the_system_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(VsanimeError, match=r"^the output .*net\.onnx cannot be written: "):
        write_output(tmp_path / "nowhere" / "net.onnx", b"net", force=False)
    assert names(tmp_path) == []
