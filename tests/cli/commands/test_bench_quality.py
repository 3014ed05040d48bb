"""`vsanime bench quality` from pictures to tables, its figures computed a second time by other means."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.drawings import as_array, save, video
from tests.support.networks import artcnn_like
from tests.support.reference import psnr, run_plain
from vsanime.cli import main
from vsanime.models.store import load

KERNELS = ("box", "catmull_rom", "lanczos3")
RESAMPLING = ["bicubic (Catmull-Rom)", "Lanczos3", "Spline36"]
# OpenVINO and ONNX Runtime agree to 139 dB in f32; the CSV has four digits.
SAME_DB = 2e-4


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two drawings, one of them gray, of two sizes."""
    save(tmp_path / "my art" / "colour ö.png", 64, 52, 1)
    save(tmp_path / "my art" / "gray.png", 49, 60, 2, "L")
    return tmp_path / "my art"


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "quality.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tables_of(text: str) -> dict[str, list[list[str]]]:
    """Cells of every table, by the heading above it."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| "):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def bench(*arguments: object) -> int:
    return main(["bench", "quality", *map(str, arguments)])


def expected_luma(picture: NDArray[np.uint8]) -> float:
    """C4F16_VA after a box, by ONNX Runtime and NumPy alone."""
    height, width = (size // 4 * 4 for size in picture.shape[:2])
    rgb = picture[:height, :width].astype(float)
    codes = np.rint(rgb @ [0.2126, 0.7152, 0.0722] if rgb.ndim == 3 else rgb)
    small = np.rint(codes.reshape(height // 2, 2, width // 2, 2).mean((1, 3))) / 255
    large = run_plain(load("C4F16_VA").proto.SerializeToString(), small[None, None])[0, 0]
    return psnr(np.clip(large, 0, 1), codes / 255)


def test_tables_and_figures(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert bench("--pictures", pictures, "--models", "C4F16_VA", "--out", out) == 0
    said = capsys.readouterr().out
    assert said == (out / "quality.md").read_text(encoding="utf-8")
    assert "my art (2)" in said
    (header, *body) = tables_of(said)["Luma, doubled"]
    assert header == ["method", *KERNELS]
    names = [row[0] for row in body]
    assert [n for n in names if n != "NNEDI3"] == [*RESAMPLING, "C4F16_VA"]
    # No RGB network, no table of RGB; chroma was not asked for.
    assert list(tables_of(said)) == ["Luma, doubled"]

    rows = rows_of(out)
    assert len(rows) == 2 * len(KERNELS) * len(names)
    assert {(row["group"], row["measure"], row["plane"]) for row in rows} == {("my art", "luma", "Y")}
    for name, *cells in body:
        for kernel, cell in zip(KERNELS, cells, strict=True):
            own = [r for r in rows if r["method"] == name and r["condition"] == kernel]
            mean_psnr, mean_ssim = (np.mean([float(r[key]) for r in own]) for key in ("psnr", "ssim"))
            found = [float(value) for value in cell.split(" / ")]
            assert found == pytest.approx([mean_psnr, mean_ssim], abs=0.0051)

    for name in ("colour ö.png", "gray.png"):
        row = next(r for r in rows if (r["picture"], r["method"], r["condition"]) == (name, "C4F16_VA", "box"))
        assert float(row["psnr"]) == pytest.approx(expected_luma(as_array(Image.open(pictures / name))), abs=SAME_DB)
    # A page of crops: as wide as six of them.
    assert Image.open(out / "crops.png").width > 6 * 56 * 4


def test_a_second_run_writes_the_same(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in ("one", "two"):
        # The page names no folder of its own, so that even that is the same.
        assert bench("--pictures", pictures, "--models", "C4F16_VA", "--kernels", "box", "--out", tmp_path / out) == 0
    capsys.readouterr()
    for name in ("quality.csv", "quality.md", "crops.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_rgb_and_chroma_where_networks_know_them(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, chroma = tmp_path / "rgb net.onnx", tmp_path / "chroma.onnx"
    onnx.save(artcnn_like(channels=3, planes=3), rgb)
    onnx.save(artcnn_like(channels=3, planes=2, scale=1), chroma)
    out = tmp_path / "out"
    options = ("--kernels", "box,catmull_rom", "--backend", "onnxruntime", "--chroma", "--crops", "0")
    assert bench("--pictures", pictures, "--models", f"{rgb},{chroma}", *options, "--out", out) == 0
    tables = tables_of(capsys.readouterr().out)
    assert list(tables) == ["Luma, doubled", "RGB, doubled", "Chroma, 4:2:0 to 4:4:4"]
    assert tables["Luma, doubled"][-1][0] == tables["RGB, doubled"][-1][0] == "rgb net"
    (header, *body) = tables["Chroma, 4:2:0 to 4:4:4"]
    sitings = ("left", "center", "top_left")
    assert header == ["method", *(f"{kernel}, {siting}" for kernel in ("box", "catmull_rom") for siting in sitings)]
    assert [row[0] for row in body] == ["bilinear", "bicubic (Catmull-Rom)", "Spline36", "chroma"]
    assert not (out / "crops.png").exists()
    # A gray picture has neither.
    assert {r["picture"] for r in rows_of(out) if r["measure"] != "luma"} == {"colour ö.png"}
    # The luma of what an RGB network makes of R, G and B.
    picture = as_array(Image.open(pictures / "colour ö.png")).astype(float)
    small = np.rint(picture.reshape(26, 2, 32, 2, 3).mean((1, 3))) / 255
    made = np.clip(run_plain(rgb, small.transpose(2, 0, 1)[None])[0], 0, 1)
    truth = np.rint(picture @ [0.2126, 0.7152, 0.0722]) / 255
    for measure, value in (
        ("luma", psnr(np.tensordot([0.2126, 0.7152, 0.0722], made, 1), truth)),
        ("rgb", psnr(made, picture.transpose(2, 0, 1) / 255)),
    ):
        row = next(
            r for r in rows_of(out) if (r["measure"], r["condition"], r["method"]) == (measure, "box", "rgb net")
            and r["picture"] == "colour ö.png"
        )  # fmt: skip
        assert float(row["psnr"]) == pytest.approx(value, abs=SAME_DB)


def test_restoring_networks_are_no_match_on_clean_pictures_unless_named(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for models, shown in (("default,C4F16_VA", False), ("default,C4F32_DS_VA", True)):
        options = ("--models", models, "--kernels", "box", "--crops", "0", "--limit", "1")
        assert bench("--pictures", pictures, *options, "--out", tmp_path / "out") == 0
        methods = [row[0] for row in tables_of(capsys.readouterr().out)["Luma, doubled"]]
        assert "C4F16_VA" in methods
        assert ("C4F32_DS_VA" in methods) == shown


def test_what_cannot_be_written_is_named(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a file"
    out.write_text("mine", encoding="utf-8")
    assert bench("--pictures", pictures, "--models", "C4F16_VA", "--out", out) == 1
    assert "a file cannot be written" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "mine"


def test_unreadable_and_small_pictures_are_counted(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_bytes(b"no picture")
    (pictures / "broken.mkv").write_bytes(b"no video")
    save(pictures / "small.png", 20, 90)
    out = tmp_path / "out"
    assert bench("--pictures", pictures, "--models", "C4F16_VA", "--kernels", "box", "--out", out) == 0
    said = capsys.readouterr()
    assert "skipped 3 files" in said.err
    assert "my art (2)" in said.out
    for name, reason in (("broken.png", "it is no picture"), ("broken.mkv", "cannot be read"), ("small.png", "20x90")):
        assert re.search(rf"{re.escape(name)}: .*{reason}", said.out)


WRONG = [
    ([], "no pictures were given"),
    (["--pictures", "nowhere"], "nowhere: there is no such file or folder"),
    (["--pictures", "ART", "--models", "C4F16_GNE"], "no model is named 'C4F16_GNE'"),
    (["--pictures", "ART", "--models", "gone.onnx"], "gone.onnx"),
    (["--pictures", "ART", "--kernels", "box,bicubic"], "--kernels box,bicubic"),
    (["--pictures", "ART", "--limit", "0"], "--limit 0"),
    (["--pictures", "ART", "--crf", "99"], "--crf 99"),
    (["--compressed", "a.mkv"], "--truth"),
    (["--run", "ART"], "holds no run"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(a) or "nothing" for a, _ in WRONG])
def test_wrong_arguments_are_one_line(
    arguments: list[str], words: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(pictures) if word == "ART" else word for word in arguments]
    assert bench(*given, "--out", tmp_path / "out") == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert bench("--pictures", tmp_path / "empty", "--models", "C4F16_VA", "--out", tmp_path / "out") == 1
    assert "no pictures were found in" in capsys.readouterr().err
    (tmp_path / "empty" / "broken.png").write_bytes(b"no picture")
    assert bench("--pictures", tmp_path / "empty", "--models", "C4F16_VA", "--out", tmp_path / "out") == 1
    assert "none of 1 pictures could be measured" in capsys.readouterr().err


def test_networks_that_undo_compression_are_measured_there_alone(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    onnx.save(artcnn_like(), folder / "ArtCNN_C16F64_DS.onnx")  # no digest is pinned: a file of that name is it
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(folder))
    truth, out = video(tmp_path / "truth.mkv", 96, 80, 3), tmp_path / "out"
    assert bench("--pictures", pictures, "--kernels", "box", "--truth", truth, "--every", 2, "--out", out) == 0
    tables = tables_of(capsys.readouterr().out)
    clean = [row[0] for row in tables["Luma, doubled"]]
    (header, *body) = tables["Luma, doubled after compression"]
    assert header == ["method", "catmull_rom, x264 crf 30"]
    assert "C4F16_VA" in clean
    assert "C16F64_DS" not in clean
    assert {"Lanczos3", "C4F16_VA", "C16F64_DS"} <= {row[0] for row in body}
    assert {r["picture"] for r in rows_of(out) if r["measure"] == "compressed"} == {"frame 0", "frame 2"}


def test_bench_alone_is_still_about_speed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "big"]) == 1
    assert "--size big" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    assert "milliseconds a frame" in capsys.readouterr().out
