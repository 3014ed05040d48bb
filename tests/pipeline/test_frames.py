"""Tiles, lanes and the order of requests change nothing, in any precision."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import clip_of, format_of, noise, noise_clip, planes_of
from tests.support.weightfiles import RANDOM_R, model_of, third_party
from vsanime import Backend

EXAMPLE = Path(__file__).parents[2] / "examples" / "clip.mp4"
PRECISIONS = {
    "f32": Backend.OpenVINO(precision="f32"),
    "bf16": Backend.OpenVINO(precision="bf16"),
    "onnxruntime": Backend.ONNXRuntime(),
}


@pytest.fixture(autouse=True)
def _native(request: pytest.FixtureRequest) -> None:
    """bf16 is refused where the CPU has none: the refusal is then what is tested."""
    if "bf16" in request.node.callspec.params.values() and not bf16_is_native():
        with pytest.raises(vs.Error, match="does not compute in bf16"):
            vsanime.artcnn(noise_clip("GRAY8", 8, 8), "C4F16_VA", backend=PRECISIONS["bf16"])
        pytest.skip("this CPU has no bf16 arithmetic")


def bf16_is_native() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def same(a: vs.VideoNode, b: vs.VideoNode, n: int = 0) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(planes_of(a, n), planes_of(b, n), strict=True))


TILINGS = [{"tiles": 2}, {"tiles": (3, 1)}, {"tiles": (1, 4)}, {"tilesize": (96, 80)}, {"tilesize": 71}]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("model", "size"), [("C4F16_VA", (131, 97)), ("C4F16_VA", (97, 203)), ("C4F32_VA", (160, 90))])
def test_tiled_equals_whole_for_c_nets(precision: str, model: str, size: tuple[int, int]) -> None:
    clip = noise_clip("GRAY8", *size)
    whole = vsanime.artcnn(clip, model, backend=PRECISIONS[precision], tiles=1)
    for tiling in TILINGS:
        assert same(vsanime.artcnn(clip, model, backend=PRECISIONS[precision], **tiling), whole), tiling


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("model", [RANDOM_R, *third_party("R8F64")])
def test_tiled_equals_whole_for_r_nets(precision: str, model: str) -> None:
    clip = noise_clip("GRAY16", 203, 151)
    model = model_of(model)
    whole = vsanime.artcnn(clip, model, backend=PRECISIONS[precision], tiles=1)
    for tiling in ({"tiles": (2, 1)}, {"tilesize": (119, 101)}):
        assert same(vsanime.artcnn(clip, model, backend=PRECISIONS[precision], **tiling), whole), tiling


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["YUV420P8", "YUV422P10"])
def test_tiled_equals_whole_for_chroma_nets(precision: str, name: str) -> None:
    clip = noise_clip(name, 130, 94, _ChromaLocation=2)
    whole = vsanime.artcnn_chroma(clip, backend=PRECISIONS[precision], tiles=1)
    for tiling in TILINGS:
        assert same(vsanime.artcnn_chroma(clip, backend=PRECISIONS[precision], **tiling), whole), tiling


@pytest.mark.parametrize("precision", ["f32"])
def test_too_small_an_overlap_shows(precision: str) -> None:
    """The tests above can see a wrong overlap: one pixel less than the radius already changes something."""
    clip = noise_clip("GRAY16", 96, 96)
    whole = vsanime.artcnn(clip, "C4F16_VA", backend=PRECISIONS[precision], tiles=1)
    assert same(vsanime.artcnn(clip, "C4F16_VA", backend=PRECISIONS[precision], tiles=2, overlap=7), whole)
    assert not same(vsanime.artcnn(clip, "C4F16_VA", backend=PRECISIONS[precision], tiles=2, overlap=4), whole)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_lanes_and_order_change_nothing(precision: str) -> None:
    from dataclasses import replace

    clip = noise_clip("YUV420P8", 48, 36, frames=11)
    backend = PRECISIONS[precision]
    linear = vsanime.artcnn(clip, "C4F16_VA", backend=replace(backend, num_streams=1))
    expected = [planes_of(linear, n) for n in range(11)]
    orders = [list(range(11)), list(range(10, -1, -1)), random.Random(0).sample(range(11), 11), [5, 5, 0, 5]]
    for lanes in (1, 2, 4):
        up = vsanime.artcnn(clip, "C4F16_VA", backend=replace(backend, num_streams=lanes))
        for order in orders:
            futures = [(n, up.get_frame_async(n)) for n in order]
            for n, future in futures:
                with future.result() as frame:
                    found = [np.asarray(frame[p]) for p in range(3)]
                    assert all(np.array_equal(a, b) for a, b in zip(found, expected[n], strict=True))


@pytest.mark.parametrize("precision", ["f32"])
def test_frames_of_two_filters_do_not_mix(precision: str) -> None:
    form = format_of("GRAY8")
    one, two = (clip_of(noise(form, 40, 30, frames=4, seed=s), form) for s in (1, 2))
    ups = [vsanime.artcnn(c, "C4F16_VA", backend=PRECISIONS[precision]) for c in (one, two)]
    mixed = vs.core.std.Interleave(ups)
    assert all(same(mixed[2 * n : 2 * n + 1], ups[0][n : n + 1]) for n in range(4))
    assert all(same(mixed[2 * n + 1 : 2 * n + 2], ups[1][n : n + 1]) for n in range(4))


@pytest.mark.parametrize("precision", ["f32"])
@pytest.mark.parametrize("video", ["drawn", pytest.param("rendered", marks=pytest.mark.media)])
def test_decoded_frames_tile_as_they_are(
    precision: str, video: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = EXAMPLE if video == "drawn" else request.getfixturevalue("media") / "video" / "bigbuckbunny.mp4"
    clip = vs.core.bs.VideoSource(str(path), cachepath=str(tmp_path))[60:62]
    whole = vsanime.artcnn(clip, "C4F16_VA", backend=PRECISIONS[precision], tiles=1)
    assert same(vsanime.artcnn(clip, "C4F16_VA", backend=PRECISIONS[precision], tiles=(2, 3)), whole, 1)
