"""Nothing that a file, a name or an argument holds acts on the terminal; what people write in any script stays."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper
from PIL import Image
from rich.progress import Progress, TextColumn

from tests.support.networks import layers
from vsanime.cli import main
from vsanime.cli.tables import print_table
from vsanime.terminal import CleanStream, clean, clean_line, clean_streams, open_console

EVIL = "a\x1b]0;title\x07\x1b[2J\x9b31m\x85\u202eb\r"
SHOWN = r"a\x1b]0;title\x07\x1b[2J\x9b31m\x85\u202eb"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def name_of(folder: Path, suffix: str) -> Path:
    """Return a path whose name would clear the screen."""
    if sys.platform == "win32":
        pytest.skip("names of Windows hold no control characters")
    return folder / f"a\x1b[2J\x9b1m\u202e{suffix}"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command printed, which must hold no control characters."""
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert not CONTROLS.search(text), ascii(text)
    return text


def test_control_characters_are_shown_escaped() -> None:
    assert clean_line(EVIL) == SHOWN + r"\r"
    assert clean(f"{EVIL}\n\tnext") == SHOWN + "\\r\n\tnext"
    assert clean_line("two\nlines\t") == r"two\nlines\t"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x202A, 0x202E, 0x2066, 0x2069, 0x2028):
        assert clean_line(chr(code)).isprintable()
        assert clean_line(chr(code)).startswith("\\")


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, 日本語、한국어, Ελληνικά",
        "שלום\u200f!",  # a mark that Hebrew is written with
        "می\u200cخ",  # Persian, with a non-joiner
        "क्\u200dष",
        "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}\ufe0f e\u0301",
        r"C:\new\x1b",
        "",
    ],
)
def test_text_of_any_script_stays(text: str) -> None:
    assert clean_line(text) == clean(text) == text


def test_cleaning_again_changes_nothing() -> None:
    assert clean_line(clean_line(EVIL)) == clean_line(EVIL)


def test_a_shaders_directive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shader = tmp_path / "net.glsl"
    shader.write_text("//!HOOK LUMA\n//!\x1b]0;title\x07\x9b31m x\nvec4 hook() {\n}\n", encoding="utf-8")
    assert main(["import", str(shader), "-o", str(tmp_path / "net.onnx")]) == 1
    assert r"//!\x1b]0;title\x07\x9b31m" in said(capsys)


def test_an_operators_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.onnx"
    model = layers(helper.make_node("Tanh", ["input"], ["output"]), channels=(1, 1))
    model.graph.node[0].op_type = "Tanh\x1b[2J\x9b"
    onnx.save(model, path)
    assert main(["models", "show", str(path)]) == 1
    assert r"Tanh\x1b[2J\x9b" in said(capsys)


def test_a_licence_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.onnx"
    model = layers(helper.make_node("Relu", ["input"], ["output"]), channels=(1, 1))
    model.metadata_props.add(key="licence", value="MIT\x1b[8m\u202e, hidden")
    onnx.save(model, path)
    main(["models", "show", str(path)])
    said(capsys)


def test_a_files_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = name_of(tmp_path, ".png")
    path.write_bytes(b"no picture")
    assert main(["process", str(path), str(tmp_path / "out.png"), "--filter", "lineart"]) == 1
    assert r"a\x1b[2J\x9b1m\u202e.png: it is no picture" in said(capsys)


def test_names_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    name_of(folder, ".png").write_bytes(b"no picture")
    name_of(folder, ".txt").write_bytes(b"no picture")
    Image.new("RGB", (64, 48)).save(folder / "good.png")
    assert main(["process", str(folder), str(tmp_path / "out"), "--filter", "lineart"]) == 1
    assert said(capsys).count(r"a\x1b[2J\x9b1m\u202e") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[2J"],
        ["models", "show", "\x1b[2J"],
        ["models", "list", "\x1b[2J"],
        ["cache", "list", "--dir", "\x1b[2J"],
        ["train", "\x1b[2J.toml"],
        ["train", "\x1b[2J", "--show"],
        ["process", "\x1b[2J", "out.png", "--filter", "\x1b[2J"],
        ["import", "\x1b[2J"],
    ],
)
def test_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        main(arguments)
    except SystemExit as left:
        assert left.code == 2  # noqa: PT017 - most cases do not leave
    assert "x1b[2J" in said(capsys)


def test_a_recipe_names_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "net.toml"
    recipe.write_text('name = "a\\u001b[2J"\nabout = "\\u202e"\n[network]\narchitecture = "\\u001b[2J"\n')
    assert main(["train", str(recipe)]) == 1
    said(capsys)


def test_rows_of_a_table_are_lines_whatever_cells_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("NAME", "WHERE"), ("a\nvsanime: all is well", "x\x1b[1A")])
    assert said(capsys).splitlines() == ["NAME                     WHERE", r"a\nvsanime: all is well  x\x1b[1A"]


def test_records_and_warnings_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    with clean_streams():
        handler.setStream(sys.stderr)
        handler.emit(logging.LogRecord("vsanime", logging.WARNING, "", 0, "%s", (EVIL,), None))
        sys.stderr.write(EVIL)
        sys.stdout.writelines([EVIL, EVIL])
    assert said(capsys).count(SHOWN) == 4


def test_streams_are_as_they_were_afterwards() -> None:
    before = sys.stdout, sys.stderr
    main(["models", "list"])
    assert (sys.stdout, sys.stderr) == before


def test_json_stays_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["cache", "list", "--json", "--dir", str(tmp_path / "\x1b[2J日")]) == 0
    assert json.loads(said(capsys))["folder"].endswith("\x1b[2J日")


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


def test_bars_keep_their_own_escapes_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", CleanStream(screen))
    console = open_console()
    assert console.is_terminal
    with Progress(TextColumn("{task.description}", markup=False), console=console) as bars:
        bars.add_task("[/b] \x1b]0;title\x07\x9b", total=1)
        console.print("line \x1b[8m\u202e", markup=False, highlight=False)
    text = screen.getvalue()
    assert r"[/b] \x1b]0;" in text
    assert r"line \x1b[8m\u202e" in text
    assert "\x1b[?25l" in text, "the bar hides the cursor itself"
    assert "\x1b]0;" not in text
    assert "\x1b[8m" not in text


def test_every_console_is_a_clean_one() -> None:
    root = Path(__file__).parents[1] / "vsanime"
    made = [path.name for path in root.rglob("*.py") if "Console(" in path.read_text(encoding="utf-8")]
    assert made == ["terminal.py"]
    unsafe = re.compile(r'TextColumn\("\{[^"]*"\)')  # rich would take brackets of names for markup
    assert [path.name for path in root.rglob("*.py") if unsafe.search(path.read_text(encoding="utf-8"))] == []


def test_help_is_not_colored(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.14 colors help where it may, and its escapes would be shown."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(SystemExit):
        main(["models", "--help"])
    assert "usage: vsanime models" in said(capsys)
