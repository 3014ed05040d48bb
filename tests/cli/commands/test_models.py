"""`vsanime models`, and how the command line tells failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import vapoursynth as vs
from onnx import helper, numpy_helper

from vsanime import __version__
from vsanime.cli import main
from vsanime.cli.commands import info, models
from vsanime.errors import VsanimeError
from vsanime.models.cards import find, variants

# A file's digest is looked at before anything else, so rubbish under a pinned name will do.
RUBBISH = b"rubbish"
# The fixture below points this variable elsewhere in every test.


def doubler() -> bytes:
    """One 3x3 convolution, 1 to 4 channels, and depth-to-space: radius 1, 40 parameters."""
    weights = [np.ones((4, 1, 3, 3), np.float32), np.zeros(4, np.float32)]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["c"], ["y"], blocksize=2),
    ]
    picture = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 1, None, None]) for n in "xy"]
    initialisers = [numpy_helper.from_array(w, n) for w, n in zip(weights, "wb", strict=True)]
    graph = helper.make_graph(nodes, "net", picture[:1], picture[1:], initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder named in VSANIME_MODEL_PATH; no download is allowed."""
    folder = tmp_path / "mina modeller ö"
    folder.mkdir()
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(folder))
    monkeypatch.setenv("VSANIME_OFFLINE", "1")
    return folder


def facts(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition("  ") for line in text.splitlines())}


def test_list_names_every_model_its_licence_and_where_it_is(
    models_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (models_folder / "ArtCNN_C16F64.onnx").write_bytes(doubler())
    (models_folder / "ArtCNN_C4F32.onnx").write_bytes(RUBBISH)
    assert main(["models", "list"]) == 0
    rows = {line.split()[0]: line.split(maxsplit=4)[1:] for line in capfd.readouterr().out.splitlines()}
    assert list(rows) == ["NAME", *variants()]
    assert rows["C16F64"] == ["double_luma", "2x", "MIT", str(models_folder / "ArtCNN_C16F64.onnx")]
    assert rows["R16F96_Chroma"] == ["chroma", "1x", "MIT", "not here (never seen: fetch --unverified)"]
    assert rows["R8F64"] == ["double_luma", "2x", "MIT", "not here (fetched on first use)"]
    assert rows["C4F32"][3].startswith("found, but its digest is not accepted")


def test_show_prints_card_and_network(models_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (models_folder / "ArtCNN_C16F64.onnx").write_bytes(doubler())
    assert main(["models", "show", "c16f64"]) == 0
    shown = facts(capfd.readouterr().out)
    assert shown["name"] == "C16F64"
    assert shown["task"] == "double_luma"
    assert shown["colour"] == "gray"
    assert shown["value range"] == "0 to 1"
    assert shown["licence"] == "MIT"
    assert shown["copyright"] == "Copyright (c) 2024 João Chrisóstomo"
    assert shown["origin"] == "https://github.com/Artoriuz/ArtCNN"
    assert shown["sha256 pinned"] == "none: never seen here, fetched with --unverified only"
    assert shown["receptive field"] == "1 pixels each way"
    assert shown["parameters"] == "40"
    assert shown["channels"] == "1 in, 1 out"


def test_show_without_the_file_prints_the_card(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "R8F64"]) == 0
    shown = facts(capfd.readouterr().out)
    assert shown["sha256 pinned"] == find("R8F64").sha256[0]
    assert shown["file"].endswith("not here (fetched on first use)")
    assert "parameters" not in shown


def test_show_reads_a_file_by_path(models_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = models_folder / "min egen.onnx"
    path.write_bytes(doubler())
    assert main(["models", "show", str(path)]) == 0
    shown = facts(capfd.readouterr().out)
    assert shown["file"] == str(path)
    assert shown["scale in the ONNX"] == "2x"


@pytest.mark.parametrize(
    ("name", "radius", "parameters"),
    [("C4F16", 7, "12,340"), ("C4F32_Chroma", 7, "47,714"), ("R8F64", 27, "926,148")],
)
def test_show_of_third_party_weights(
    weights: Path,
    name: str,
    radius: int,
    parameters: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(weights))
    assert_shown(name, radius, parameters, capfd)


@pytest.mark.parametrize(
    ("name", "radius", "parameters"), [("C4F16_VA", 7, "12,340"), ("C4F32_Chroma_VA", 7, "47,714")]
)
def test_show_of_the_packages_own_weights(
    name: str, radius: int, parameters: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_shown(name, radius, parameters, capfd)


def assert_shown(name: str, radius: int, parameters: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", name]) == 0
    shown = facts(capfd.readouterr().out)
    assert shown["receptive field"] == f"{radius} pixels each way"
    assert shown["parameters"] == parameters
    assert shown["sha256 of the file"] in find(name).sha256


def test_fetch_of_a_model_that_is_there_downloads_nothing(
    models_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = models_folder / "ArtCNN_C16F64.onnx"
    path.write_bytes(doubler())
    assert main(["models", "fetch", "C16F64"]) == 0
    assert capfd.readouterr().out == f"C16F64: {path} (was there)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "show", "C4F23"], "vsanime: no model is named 'C4F23'; did you mean "),
        (["models", "show", "gone.onnx"], "vsanime: gone.onnx cannot be read"),
        (["models", "fetch", "C4F32", "nothing"], "vsanime: no model is named 'nothing'; "),
        (["models", "fetch", "C4F32"], "vsanime: C4F32: ArtCNN_C4F32.onnx is not in "),
    ],
)
def test_failure_is_one_line_on_stderr(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err.startswith(message)
    assert written.err.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "code", "line"),
    [
        (VsanimeError("two\nlines"), 1, "vsanime: two lines"),
        (vs.Error("artcnn: no"), 1, "vsanime: artcnn: no"),
        (PermissionError(13, "Permission denied", "x"), 1, "vsanime: [Errno 13] Permission denied: 'x'"),
        (KeyboardInterrupt(), 130, "vsanime: interrupted"),
    ],
)
def test_what_a_command_raises_becomes_a_line_and_a_code(
    failure: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise failure

    monkeypatch.setattr(models, "_list", broken)
    assert main(["models", "list"]) == code
    assert capfd.readouterr().err == line + "\n"


def test_an_error_of_our_own_making_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(info, "_info", broken)
    with pytest.raises(ZeroDivisionError):
        main(["info"])


def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vsanime", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"} | changed,
        check=False,
    )


def test_version_and_help_run_as_a_module() -> None:
    assert run("--version").stdout == f"vsanime {__version__}\n"
    answer = run("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in ("models", "info"))


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["models"], ["models", "fetch"], ["info", "--nothing"]])
def test_wrong_usage_exits_with_2_and_no_traceback(arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("usage: vsanime")
    assert "Traceback" not in answer.stderr


def test_text_that_the_console_cannot_show_is_escaped(models_folder: Path) -> None:
    (models_folder / "ArtCNN_C16F64.onnx").write_bytes(doubler())
    answer = run("models", "list", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert answer.returncode == 0
    assert "mina modeller \\xf6" in answer.stdout


def test_closed_pipe_ends_in_one_line() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vsanime", "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # before it writes: it is still importing
    assert process.wait(timeout=60) != 0
    error = process.stderr.read()
    process.stderr.close()
    assert error.startswith("vsanime: ")
    assert error.count("\n") == 1
