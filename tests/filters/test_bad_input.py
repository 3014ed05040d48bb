"""Every wrong argument gives one vs.Error line that names the function, what was given and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from tests.support.networks import artcnn_like
from vsanime import Backend

MODEL = "C4F16_VA"


def yuv(name: str = "YUV420P8", **props: int) -> vs.VideoNode:
    return noise_clip(name, 32, 24, **props)


def one_line(call: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(vs.Error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


ARGUMENTS = {
    "rgb": (lambda: vsanime.artcnn(vs.core.std.BlankClip(format=vs.RGB24), MODEL), ["artcnn:", "RGB24", "convert"]),
    "no clip": (lambda: vsanime.artcnn("clip.mkv", MODEL), ["artcnn:", "str", "clip"]),
    "unknown model": (lambda: vsanime.artcnn(yuv(), "C4F16_AV"), ["artcnn:", "C4F16_AV", "C4F16_VA"]),
    "missing file": (lambda: vsanime.artcnn(yuv(), "nowhere/net.onnx"), ["artcnn:", "net.onnx"]),
    "missing weights": (lambda: vsanime.artcnn(yuv(), "R16F96"), ["artcnn:", "R16F96", "VSANIME_MODEL_PATH"]),
    "depth": (lambda: vsanime.artcnn(yuv(), MODEL, depth=7), ["artcnn:", "depth=7", "8 to 16", "half"]),
    "depth name": (lambda: vsanime.artcnn(yuv(), MODEL, depth="double"), ["artcnn:", "'double'", "single"]),
    "plane": (lambda: vsanime.artcnn(yuv(), MODEL, planes=3), ["artcnn:", "planes=3", "0 to 2"]),
    "plane twice": (lambda: vsanime.artcnn(yuv(), MODEL, planes=[0, 0]), ["artcnn:", "planes=[0, 0]"]),
    "gray plane": (lambda: vsanime.artcnn(yuv("GRAY8"), MODEL, planes=1), ["artcnn:", "planes=1", "0 to 0"]),
    "tiles": (lambda: vsanime.artcnn(yuv(), MODEL, tiles=0), ["artcnn:", "tiles=0", "1"]),
    "three tiles": (lambda: vsanime.artcnn(yuv(), MODEL, tiles=(1, 2, 3)), ["artcnn:", "(1, 2, 3)", "two"]),
    "both tiles": (lambda: vsanime.artcnn(yuv(), MODEL, tiles=2, tilesize=9), ["artcnn:", "tiles=2", "tilesize=9"]),
    "tiny tiles": (lambda: vsanime.artcnn(yuv(), MODEL, tilesize=14), ["artcnn:", "14", "7", "leaves nothing"]),
    "overlap": (lambda: vsanime.artcnn(yuv(), MODEL, tiles=2, overlap=-1), ["artcnn:", "overlap=-1"]),
    "smaller": (lambda: vsanime.artcnn(yuv(), MODEL, width=16), ["artcnn:", "16x12", "32x24"]),
    "odd width": (lambda: vsanime.artcnn(yuv(), MODEL, width=65, height=48), ["artcnn:", "width=65", "multiple of 2"]),
    "no width": (lambda: vsanime.artcnn(yuv(), MODEL, width=-2, height=48), ["artcnn:", "width=-2", "positive"]),
    "backend": (lambda: vsanime.artcnn(yuv(), MODEL, backend="openvino"), ["artcnn:", "'openvino'", "Backend."]),
    "precision": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.OpenVINO(precision="fp8")), ["artcnn:", "'fp8'", "'bf16'"]
    ),
    "ort precision": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.ONNXRuntime(precision="bf16")), ["artcnn:", "bf16", "f32"]
    ),
    "ort provider": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.ONNXRuntime(provider="Abacus")),
        ["artcnn:", "Abacus", "CPU"],
    ),
    "device": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.OpenVINO(device="ABACUS")), ["artcnn:", "ABACUS", "CPU"]
    ),
    "streams": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.OpenVINO(num_streams=0)), ["artcnn:", "num_streams=0"]
    ),
    "threads": (
        lambda: vsanime.artcnn(yuv(), MODEL, backend=Backend.OpenVINO(num_threads=0)), ["artcnn:", "num_threads=0"]
    ),
    "interlaced": (lambda: vsanime.artcnn(yuv(_FieldBased=2), MODEL), ["artcnn:", "_FieldBased=2", "SetFieldBased(0)"]),
    "chroma of gray": (
        lambda: vsanime.artcnn(yuv("GRAY8"), MODEL, chroma="C4F32_Chroma"), ["artcnn:", "gray", "4:2:0"]
    ),
    "chroma of 444": (lambda: vsanime.artcnn_chroma(yuv("YUV444P8")), ["artcnn_chroma:", "4:4:4", "4:2:0"]),
    "chroma rgb": (lambda: vsanime.artcnn_chroma(vs.core.std.BlankClip(format=vs.RGB24)), ["artcnn_chroma:", "RGB24"]),
    "luma plane": (lambda: vsanime.artcnn_chroma(yuv(), planes=0), ["artcnn_chroma:", "planes=0", "1 and 2"]),
    "411": (
        lambda: vsanime.artcnn_chroma(vs.core.std.BlankClip(format=vs.YUV411P8)), ["artcnn_chroma:", "4 and 1", "4:2:0"]
    ),
    "range": (lambda: vsanime.artcnn(yuv(_Range=7), MODEL), ["artcnn:", "_Range is 7", "limited"]),
    "siting": (lambda: vsanime.artcnn(yuv(_ChromaLocation=9), MODEL), ["artcnn:", "_ChromaLocation is 9", "left"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(case: str) -> None:
    call, parts = ARGUMENTS[case]
    one_line(call, *parts)


def test_a_model_for_another_task() -> None:
    one_line(lambda: vsanime.artcnn(yuv(), "C4F32_Chroma_VA"), "artcnn:", "C4F32_Chroma_VA", "chroma", "doubler")
    one_line(lambda: vsanime.artcnn_chroma(yuv(), MODEL), "artcnn_chroma:", MODEL, "double_luma", "chroma model")


def test_variable_format_and_size_are_refused() -> None:
    two_formats = vs.core.std.Splice([yuv("YUV420P8"), yuv("YUV420P10")], mismatch=True)
    one_line(lambda: vsanime.artcnn(two_formats, MODEL), "artcnn:", "format varies")
    two_sizes = vs.core.std.Splice([yuv(), noise_clip("YUV420P8", 16, 12)], mismatch=True)
    one_line(lambda: vsanime.artcnn(two_sizes, MODEL), "artcnn:", "size varies")


def write(folder: Path, proto: onnx.ModelProto) -> str:
    path = folder / "net.onnx"
    onnx.save(proto, path)
    return str(path)


def test_files_that_are_no_doubler(tmp_path: Path) -> None:
    for name, content in (("empty.onnx", b""), ("text.onnx", b"not a network"), ("short.onnx", None)):
        whole = artcnn_like().SerializeToString()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
        one_line(lambda name=name: vsanime.artcnn(yuv(), str(tmp_path / name)), "artcnn:", name)
    one_line(lambda: vsanime.artcnn(yuv(), str(tmp_path)), "artcnn:", tmp_path.name)
    rgb = write(tmp_path, artcnn_like(channels=3, planes=3))
    one_line(lambda: vsanime.artcnn(yuv(), rgb), "artcnn:", "takes 3 and gives 3 channels at 2x", "1 and 1 at 2x")
    triple = write(tmp_path, artcnn_like(scale=3))
    one_line(lambda: vsanime.artcnn(yuv(), triple), "artcnn:", "at 3x")


CHANGES = [("_Range", 1, "_Range=1"), ("_Matrix", 9, "_Matrix=9"), ("_ChromaLocation", 2, "_ChromaLocation=2"),
           ("_FieldBased", 1, "_FieldBased=1")]  # fmt: skip


@pytest.mark.parametrize(("prop", "value", "part"), CHANGES)
def test_a_frame_that_means_something_else_is_named(prop: str, value: int, part: str) -> None:
    same = noise_clip("YUV420P8", 16, 12, frames=3, _Range=0, _Matrix=1, _ChromaLocation=0)
    up = vsanime.artcnn(same + same.std.SetFrameProps(**{prop: value}), MODEL)
    up.get_frame(2).close()
    with pytest.raises(vs.Error) as caught:
        up.get_frame(4)
    # VapourSynth puts the callback's traceback before the message of an error in a frame.
    message = str(caught.value).strip().splitlines()[-1]
    assert "artcnn: frame 4" in message
    assert part in message
    # The good frames go on working after the bad one.
    up.get_frame(1).close()


def test_a_change_that_spells_out_the_default_is_none() -> None:
    bare = noise_clip("YUV420P8", 16, 12).std.RemoveFrameProps(["_Range", "_Matrix", "_ChromaLocation"])
    up = vsanime.artcnn(bare + bare.std.SetFrameProps(_Range=0, _Matrix=6, _ChromaLocation=0), MODEL)
    up.get_frame(1).close()
    assert up.num_frames == 2
