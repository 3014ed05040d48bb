"""What was given on the command line comes back in one line, and not whole where it is long."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsanime.cli import main

LONG = "a" * 5000
LINES = "two\nlines " + "b" * 5000
GIVEN = [
    ["{}"],
    ["models", "show", "{}"],
    ["models", "fetch", "{}"],
    ["models", "show", "{}.onnx"],
    ["process", "IN", "out.png", "--filter", "{}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--set", "{}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--set", "{}=1"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--set", "width={}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--set", "model={}"],
    ["process", "IN", "out.png", "--filter", "waifu2x", "--style", "{}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--tiles", "{}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--device", "{}"],
    ["process", "IN", "out.png", "--filter", "artcnn", "--depth", "{}"],
    ["process", "IN", "out.{}", "--filter", "artcnn"],
    ["process", "{}", "out.png", "--filter", "artcnn"],
    ["upscale", "IN", "out.mkv", "--encoder", "{}"],
    ["upscale", "{}", "out.mkv"],
    ["train", "{}"],
    ["train", "{}.toml", "--show"],
    ["import", "{}"],
    ["export", "{}"],
    ["bench", "--size", "{}"],
    ["cache", "prune", "--max-size", "{}"],
]


@pytest.mark.parametrize("text", [LONG, LINES], ids=["long", "lines"])
@pytest.mark.parametrize("given", GIVEN, ids=" ".join)
def test_long_text_is_cut(
    given: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (16, 16)).save("in.png")
    arguments = [one.replace("IN", "in.png").replace("{}", text) for one in given]
    try:
        code = main(arguments)
    except SystemExit as wrong_usage:  # argparse's way
        code = int(wrong_usage.code or 0)
    assert code in (1, 2)
    message = capfd.readouterr().err.splitlines()[-1]
    assert message.startswith("vsanime"), "the message is one line"
    assert len(message) < 700
    assert "a" * 118 not in message
    assert "b" * 118 not in message
