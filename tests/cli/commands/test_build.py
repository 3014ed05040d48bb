"""`vsanime build`: engines ahead of time, which scripts then find."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of
from tests.support.cudasim import cudaError_t
from tests.support.generators import random_generator
from tests.support.networks import artcnn_like
from tests.support.rtx import rtx
from tests.support.trtsim import TensorRTSim
from tests.support.weightfiles import path_of, third_party
from vsanime import Backend
from vsanime.backends.cache import EngineCache
from vsanime.cli import main
from vsanime.cli.ahead import Unrunnable
from vsanime.errors import VsanimeError
from vsanime.models.cards import variants
from vsanime.models.store import available

pytestmark = pytest.mark.usefixtures("folder")

# Both come with the package.
MODEL = "C4F16_VA"
CHROMA = "C4F32_Chroma_VA"
SMALL = ["--size", "64x48"]

type Cards = Callable[..., TensorRTSim]


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "a net ü.onnx"
    onnx.save(artcnn_like(seed=1), path)
    return str(path)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vsanime", "build", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **options)


def report(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """What the command says for programs."""
    assert main(["build", *SMALL, *arguments, "--json"]) == code
    engines: list[dict[str, Any]] = json.loads(capfd.readouterr().out)["engines"]
    return engines


# Real builds


def test_two_models_for_two_kinds_of_card(folder: Path, net: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", *SMALL, "--model", MODEL, net, "--compute-capability", "86,120"]
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    head, *rows, clips, total = [re.split(r"  +", line) for line in out.splitlines()]
    assert clips == ["for clips of range limited, matrix 170m, siting left"]
    assert head == ["MODEL", "USE", "SIZE", "FORMAT", "PRECISION", "CARD", "MB", "SECONDS"]
    assert [row[:6] for row in rows] == [
        [model, "artcnn", "64x48", "YUV420P8", "fp16", card] for model in (MODEL, net) for card in ("8.6", "12.0")
    ]
    assert all(float(row[6]) > 0 and float(row[7]) >= 0 for row in rows)
    assert re.fullmatch(rf"4 built in \d+\.\d s, 0 kept, 0 failed; \d\.\d MB in {re.escape(str(folder))}", total[0])
    assert err.splitlines() == [f"vsanime: 1 of 2: {MODEL} for artcnn", f"vsanime: 2 of 2: {net} for artcnn"]
    assert len(list(folder.glob("*.engine"))) == 4

    assert main(arguments) == 0
    *rows, _, total = capfd.readouterr().out.splitlines()[1:]
    assert all(row.endswith("kept") for row in rows)
    assert total.startswith("0 built in 0.0 s, 4 kept")


def test_engines_are_what_the_cache_lists(capfd: pytest.CaptureFixture[str]) -> None:
    (engine,) = report(capfd, "--model", MODEL, "--compute-capability", "8.9", "--precision", "f32")
    (entry,) = EngineCache().entries()
    assert (entry.state, entry.notes) == (
        "good",
        {"model": MODEL, "size": "64x48", "precision": "f32", "card": "compute 8.9"},
    )
    assert entry.paths[0].stat().st_size == engine["bytes"]
    assert engine | {"bytes": 0, "seconds": 0} == {
        "model": MODEL, "use": "artcnn", "size": "64x48", "format": "YUV420P8", "precision": "f32", "card": "8.9",
        "bytes": 0, "seconds": 0, "problem": "", "state": "built",
    }  # fmt: skip


def test_without_a_card_every_capability_is_built_for(capfd: pytest.CaptureFixture[str]) -> None:
    if Backend.auto() == Backend.TensorRT():
        pytest.skip("there is a card, which is what is built for")
    engines = report(capfd, "--model", MODEL)
    assert [engine["card"] for engine in engines] == [f"{major}.{minor}" for major, minor in rtx().capabilities()]
    assert {engine["state"] for engine in engines} == {"built"}


def test_the_default_is_every_model_whose_weights_are_here(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)
    engines = report(capfd, "--compute-capability", "89")
    # What colours line art is compiled by its script, which knows the sizes.
    here = [name for name, variant in variants().items() if available(name) and variant.task != "colorize"]
    assert MODEL in here
    assert list(dict.fromkeys(engine["model"] for engine in engines)) == here
    assert {engine["state"] for engine in engines} == {"built"}


def test_a_chroma_model_is_built_for_both_its_uses(capfd: pytest.CaptureFixture[str]) -> None:
    """`artcnn` has it write 16 bits, to be resampled; `artcnn_chroma` what the clip has."""
    arguments = ["--model", CHROMA, "--compute-capability", "89"]
    first, second = report(capfd, *arguments)
    assert (first["use"], second["use"]) == ("artcnn(chroma=)", "artcnn_chroma")
    assert {first["state"], second["state"]} == {"built"}
    first, second = report(capfd, *arguments, "--format", "yuv422p16")
    assert (first["state"], second["state"]) == ("built", "kept")  # one and the same


def test_formats_leave_out_models_that_do_not_take_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VSANIME_MODEL_PATH", raising=False)

    def tasks(form: str) -> set[str]:
        engines = report(capfd, "--compute-capability", "89", "--format", form)
        assert {engine["problem"] for engine in engines} == {""}
        return {variants()[engine["model"]].task for engine in engines}

    assert tasks("gray8") == {"double_luma", "rgb", "style"}
    assert tasks("rgb24") == {"rgb", "style"}


def test_meanings_of_the_clip_make_engines_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    """Range for luma; matrix and siting too where colour is converted. What is the default anyway is kept."""
    luma = ["--model", MODEL, "--compute-capability", "89"]
    states = [report(capfd, *luma, *more)[0]["state"] for more in (
        [], ["--range", "limited"], ["--range", "full"], ["--matrix", "2020ncl"], ["--siting", "center"],
        ["--depth", "8"], ["--depth", "10"], ["--depth", "half"], ["--tta"], ["--tiles", "2x1"], ["--no-cuda-graph"],
    )]  # fmt: skip
    assert states == ["built", "kept", "built", "kept", "kept", "kept", *["built"] * 5]
    colour = ["--model", "upconv_7_art", "--compute-capability", "89"]
    if not available("upconv_7_art"):
        pytest.fail("the extra `dev` brings waifu2x's weights")
    states = [report(capfd, *colour, *more)[0]["state"] for more in (
        [], ["--matrix", "170m"], ["--matrix", "709"], ["--siting", "center"], ["--noise", "1"], ["--tint", "correct"],
        ["--noise", "1", "--scale", "1"], ["--scale", "2"],
    )]  # fmt: skip
    # Untagged, a clip this small is taken for BT.601. At scale 1 the double is halved, which is deeper.
    assert states == ["built", "kept", "built", "built", "built", "built", "built", "kept"]


def test_four_processes_build_an_engine_once(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "vsanime",
        "build",
        *SMALL,
        "--model",
        MODEL,
        "--compute-capability",
        "89",
        "--json",
    ]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * 4
    states = [json.loads(out)["engines"][0]["state"] for out, _ in answers]
    assert sorted(states) == ["built", "kept", "kept", "kept"]
    assert len(list(folder.glob("*.engine"))) == 1
    assert not list(folder.glob("*.tmp"))


def test_nothing_but_the_report_is_on_stdout(folder: Path) -> None:
    answer = run(*SMALL, "--model", MODEL, "--compute-capability", "89", "--aux-streams", "1", "--json")
    assert answer.returncode == 0
    assert json.loads(answer.stdout)["folder"] == str(folder)


INTERRUPTED = """
import signal, sys
from vsanime.backends.tensorrt import reports
from vsanime.cli import main
start, started = reports.Monitor.start, []
def interrupted(self, name, parent, steps):
    started.append(name)
    if started.count("Building engine") == 2:
        signal.raise_signal(signal.SIGINT)
    start(self, name, parent, steps)
reports.Monitor.start = interrupted
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_ends_the_command_and_what_was_built_stays(folder: Path) -> None:
    arguments = ["build", *SMALL, "--model", MODEL, "--compute-capability", "86,89,120"]
    answer = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *arguments], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 130
    assert answer.stdout == ""
    assert answer.stderr.splitlines()[-1] == "vsanime: interrupted"
    assert [entry.notes["card"] for entry in EngineCache().entries() if entry.state == "good"] == ["compute 8.6"]
    assert not list(folder.glob("*.tmp"))


def test_engines_go_where_they_are_to(tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    elsewhere = tmp_path / "to take along"
    report(capfd, "--model", MODEL, "--compute-capability", "89", "--engine-dir", str(elsewhere))
    assert len(list(elsewhere.glob("*.engine"))) == 1
    assert not folder.exists()


# Scripts find them, on simulated cards of compute capability 8.6


@pytest.mark.parametrize(
    ("arguments", "form", "size", "script"),
    [
        ([MODEL], "YUV420P8", (64, 48), lambda clip, trt: vsanime.artcnn(clip, MODEL, backend=trt())),
        (
            [MODEL, "--precision", "auto", "--depth", "10"], "YUV420P16", (64, 48),
            lambda clip, trt: vsanime.artcnn(clip, MODEL, depth=10, backend=trt(precision="auto")),
        ),
        (
            [MODEL, "--tiles", "2"], "GRAY10", (96, 80),
            lambda clip, trt: vsanime.artcnn(clip, MODEL, tiles=2, backend=trt()),
        ),
        (
            [MODEL, "--sizes", "64x64,96x80,128x128", "--size", "64x64"], "YUV420P8", (80, 66),
            lambda clip, trt: vsanime.artcnn(clip, MODEL, backend=trt(sizes=((64, 64), (96, 80), (128, 128)))),
        ),
        (
            [MODEL, "--optimization-level", "1", "--workspace", "256", "--aux-streams", "1", "--no-cuda-graph"],
            "YUV420P8", (64, 48),
            lambda clip, trt: vsanime.artcnn(
                clip, MODEL, backend=trt(optimization_level=1, workspace=256, aux_streams=1, cuda_graph=False)
            ),
        ),
        (
            [MODEL, CHROMA], "YUV420P10", (64, 48),
            lambda clip, trt: vsanime.artcnn(clip, MODEL, chroma=CHROMA, backend=trt()),
        ),
        (
            [CHROMA, "--siting", "top_left", "--range", "full"], "YUV420P8", (64, 48),
            lambda clip, trt: vsanime.artcnn_chroma(
                clip.std.SetFrameProps(_ChromaLocation=2, _Range=1), backend=trt()
            ),
        ),
        (
            ["upconv_7_art", "--noise", "1", "--tint", "correct", "--matrix", "709"], "YUV420P10", (64, 48),
            lambda clip, trt: vsanime.waifu2x(
                clip.std.SetFrameProps(_Matrix=1), 1, tint="correct", backend=trt()
            ),
        ),
        (["upconv_7_art_noise2"], "RGB24", (64, 48), lambda clip, trt: vsanime.waifu2x(clip, 2, backend=trt())),
    ],
)  # fmt: skip
def test_scripts_find_what_was_built(
    cards: Cards,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    form: str,
    size: tuple[int, int],
    script: Callable[[vs.VideoNode, Any], vs.VideoNode],
) -> None:
    sim = cards()
    given = ["--model", *arguments, "--format", form, "--compute-capability", "86"]
    engines = report(capfd, "--size", f"{size[0]}x{size[1]}", *given)
    assert {engine["state"] for engine in engines} == {"built"}
    built = sim.builds
    assert built == len(engines)
    clip = noise_clip(form, *size) if "RGB" not in form else vs.core.std.BlankClip(None, *size, vs.RGB24, length=1)
    planes_of(script(clip, Backend.TensorRT))
    assert sim.builds == built, "the script built an engine of its own"


def test_where_there_is_a_card_it_is_built_for(
    cards: Cards,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sim = cards(cards=2)
    engines = report(capfd, "--model", MODEL)
    # Two cards of one capability share TensorRT-RTX's engine.
    assert [(e["card"], e["state"]) for e in engines] == [("Simulated 0", "built"), ("Simulated 1", "kept")]
    clip = noise_clip("YUV420P8", 64, 48)
    planes_of(vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(device_id=[0, 1])))
    assert sim.builds == 1


def test_a_card_that_nothing_serves_is_told(
    cards: Cards,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An old card beside a new one is left out; alone it is an error."""
    sim = cards(cards=2)
    sim.sim.cards[0].capability = (6, 1)
    assert [engine["card"] for engine in report(capfd, "--model", MODEL)] == ["Simulated 1"]
    sim.sim.cards[1].capability = (6, 1)
    assert main(["build", "--model", MODEL]) == 1
    assert "serves cards from compute capability 7.5 on, and this one has 6.1" in capfd.readouterr().err


def test_an_engine_built_ahead_refuses_to_run() -> None:
    with pytest.raises(VsanimeError, match="built ahead of time and is not run here"):
        Unrunnable().new_lane().run([], [])


# What goes wrong


def test_a_model_that_fails_does_not_stop_the_others(net: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "C4F99", MODEL, "gone.onnx", "--compute-capability", "89"]
    engines = report(capfd, *arguments, code=1)
    states = {engine["model"]: (engine["state"], engine["problem"]) for engine in engines}
    assert states[MODEL] == ("built", "")
    assert states["C4F99"][1].startswith("no model is named 'C4F99'; did you mean ")
    assert "gone.onnx" in states["gone.onnx"][1]
    assert main(["build", *SMALL, "--model", "C4F99", net, "--compute-capability", "89"]) == 1
    out = capfd.readouterr().out.splitlines()
    assert "failed: no model is named 'C4F99'" in out[1]
    assert out[-1].startswith("1 built in ")
    assert "1 failed" in out[-1]


def test_a_capability_that_fails_does_not_stop_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    engines = report(capfd, "--model", MODEL, "--precision", "bf16", "--compute-capability", "75,86", code=1)
    assert [(engine["card"], engine["state"]) for engine in engines] == [("7.5", "failed"), ("8.6", "built")]
    assert "computes no bf16" in engines[0]["problem"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compute-capability", "90"], r"--compute-capability 90: TensorRT-RTX .* builds for 75, 80, 86, "),
        (["--flavour", "tensorrt", "--compute-capability", "89"], "TensorRT builds engines on the card they are for"),
        (["--format", "yuv420p7"], "--format yuv420p7 is no format of VapourSynth's; .*YUV420P8"),
        (["--noise", "1"], "--noise 1 needs a model that has noise levels: --model upconv_7_art"),
        (["--size", "63x48", "--compute-capability", "89"], "--size 63x48: YUV420P8 has sizes that are multiples"),
        (["--sizes", "64x64,32x32,96x96"], r"sizes=\(\(64, 64\), \(32, 32\), \(96, 96\)\); the smallest"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(
    capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["build", *arguments]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert err.startswith("vsanime: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--compute-capability", "x"], ["--compute-capability", ""], ["--size", "1920"], ["--size", "0x10"],
        ["--sizes", "64x64,64x64"], ["--depth", "7"], ["--tiles", "0"], ["--precision", "int8"], ["--workspace", "-1"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["build", *arguments])
    assert exit_.value.code == 2
    assert arguments[0] in capfd.readouterr().err


WITHOUT = """
import sys
sys.modules["tensorrt_rtx"] = None
from vsanime.cli import main
from vsanime.cli.ahead import Unrunnable
from vsanime.errors import VsanimeError
sys.exit(main(["build", "--model", "C4F16_VA", "--size", "64x48", "--compute-capability", "89"]))
"""


def test_without_the_package_its_extra_is_named() -> None:
    command = [sys.executable, "-c", WITHOUT]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": "."})
    assert answer.returncode == 1
    assert '`pip install "vsanime[tensorrt-rtx]"`' in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_help_has_examples(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    text = capfd.readouterr().out
    for line in text.split("examples:")[1].splitlines():
        for option in re.findall(r"--[a-z-]+", line):
            assert f"{option} " in text.split("examples:")[0], option


def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "engines"
    (engine,) = report(capfd, "--model", MODEL, "--compute-capability", "86", "--engine-dir", str(where), code=1)
    assert engine["state"] == "failed"
    assert "engines cannot be written" in engine["problem"]


def test_a_folder_that_nobody_has_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    given = ["--model", MODEL, "--compute-capability", "86", "--engine-dir", "~nobody-of-that-name/x"]
    assert main(["build", *SMALL, *given]) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("vsanime: engine_dir=")


@pytest.mark.parametrize("name", [CHROMA, *third_party("C4F32_Chroma")])
def test_a_chroma_network_may_be_a_file(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    engines = report(capfd, "--model", str(path_of(name)), "--compute-capability", "86")
    assert [(e["use"], e["state"]) for e in engines] == [("artcnn(chroma=)", "built"), ("artcnn_chroma", "built")]


def test_a_style_is_built_by_name_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "AnimeGANv2_Hayao.onnx"
    path.write_bytes(random_generator().SerializeToString())
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    arguments = ["--compute-capability", "89", "--size", "640x360"]
    (named,) = report(capfd, "--model", "Hayao", *arguments)
    (by_path,) = report(capfd, "--model", str(path), *arguments)
    assert (named["use"], named["state"], by_path["use"]) == ("animegan", "built", "animegan")
    (tiled,) = report(capfd, "--model", "Hayao", *arguments, "--tiles", "2", code=1)
    assert "layer norms" in tiled["problem"]


@pytest.mark.parametrize("option", [["--noise", "1"], ["--scale", "1"], ["--tint", "correct"]])
def test_options_of_waifu2x_are_refused_for_other_models(option: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    (engine,) = report(capfd, "--model", MODEL, "--compute-capability", "86", *option, code=1)
    assert f"{option[0]} is for models of waifu2x" in engine["problem"]


def test_a_card_that_cannot_be_opened_stops_none_of_the_others(
    cards: Cards,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sim = cards(cards=2)
    real = sim.sim.cudaMemGetInfo

    def broken() -> tuple[object, ...]:
        return real() if sim.sim._device else (cudaError_t.cudaErrorInvalidValue, None, None)

    monkeypatch.setattr(sim.sim, "cudaMemGetInfo", broken)
    assert [engine["card"] for engine in report(capfd, "--model", MODEL)] == ["Simulated 1"]
