"""TensorRT on a real card: what the simulation cannot prove, above all that executions compute what the graph says."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import clip_of, format_of, planes_of, props_of
from tests.support.pictures import painted_drawn_rendered
from tests.support.reference import psnr
from vsanime import Backend
from vsanime.backends.cuda.runtime import Device, device_count
from vsanime.backends.tensorrt import is_usable
from vsanime.models.cards import variants
from vsanime.models.store import available

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(device_count() == 0, reason="there is no NVIDIA card"),
    pytest.mark.skipif(device_count() > 0 and not is_usable(), reason="no TensorRT is installed that serves the card"),
]

REFERENCE = Backend.ONNXRuntime(num_streams=1)

# What a card may keep for the life of the process: its context, loaded libraries and kernels.
KEPT_BYTES = 64 << 20

MODELS = [name for name, variant in variants().items() if available(name) and variant.task != "colorize"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSANIME_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "engines"))


@pytest.fixture
def device() -> Iterator[Device]:
    yield Device(0)
    gc.collect()


def real_clip(media: Path, name: str, frames: int = 1, side: int = 180) -> vs.VideoNode:
    """Painted, drawn and rendered art side by side, shifted from frame to frame."""
    picture = painted_drawn_rendered(media, (side, side), "RGB")
    rgb = [[np.roll(picture[..., c], 7 * n, axis=1) for c in range(3)] for n in range(frames)]
    clip = clip_of(rgb, vs.core.get_video_format(vs.RGB24), _Range=1)
    return clip.resize.Bicubic(format=format_of(name).id, matrix_s="709", range_s="limited")


def close(found: vs.VideoNode, expected: vs.VideoNode, least_db: float, n: int = 0) -> None:
    assert props_of(found, n) == props_of(expected, n)
    peak = (1 << found.format.bits_per_sample) - 1 if found.format.sample_type == vs.INTEGER else 1
    for a, b in zip(planes_of(found, n), planes_of(expected, n), strict=True):
        a, b = a.astype(np.float64) / peak, b.astype(np.float64) / peak
        assert np.abs(a.mean() - b.mean()) <= MOST_BIAS
        assert psnr(a, b) >= least_db


# Of codes: a flat area near a rounding edge may fall to its other side as a whole. An eighth of an 8-bit code.
MOST_BIAS = 5e-4

# Codes of 8 bits round by 59 dB (a thirty-second of codes differing by one is 63 dB), of 10 by 71.
LEAST_DB = {8: 60, 10: 66, 16: 70}


def filtered(clip: vs.VideoNode, model: str, backend: object) -> vs.VideoNode:
    """What the filter that a model is for makes of a clip."""
    card = variants()[model]
    if card.task == "style":
        return vsanime.animegan(clip, model, backend=backend)
    if card.task == "rgb":
        return vsanime.waifu2x(clip, model=model, scale=card.scale, backend=backend)
    filter_ = vsanime.artcnn if card.task == "double_luma" else vsanime.artcnn_chroma
    return filter_(clip, model, backend=backend)


@pytest.mark.weights
@pytest.mark.media
@pytest.mark.parametrize("bits", LEAST_DB)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_equals_the_cpu(media: Path, model: str, bits: int) -> None:
    clip = real_clip(media, f"YUV420P{bits}")
    close(filtered(clip, model, Backend.TensorRT()), filtered(clip, model, REFERENCE), LEAST_DB[bits])


@pytest.mark.media
@pytest.mark.parametrize("bits", [8, 10, 16])
def test_f32_is_f32(media: Path, bits: int) -> None:
    """TF32 would be some 75 dB."""
    clip = real_clip(media, f"YUV420P{bits}")
    found = vsanime.artcnn(clip, "C4F16_VA", depth="single", backend=Backend.TensorRT(precision="f32"))
    expected = vsanime.artcnn(clip, "C4F16_VA", depth="single", backend=REFERENCE)
    assert psnr(planes_of(found)[0], planes_of(expected)[0]) >= 110


@pytest.mark.media
@pytest.mark.parametrize("num_streams", [1, 2, 3])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_lanes_graphs_and_requests_in_any_order_change_nothing(media: Path, num_streams: int, cuda_graph: bool) -> None:
    clip = real_clip(media, "YUV420P10", frames=12)
    plain = vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT(num_streams=1, cuda_graph=False))
    found = vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT(num_streams=num_streams, cuda_graph=cuda_graph))
    order = [*range(12), *range(12)]
    random.Random(num_streams).shuffle(order)
    for n in order:
        for a, b in zip(planes_of(found, n), planes_of(plain, n), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.media
def test_tiles_change_next_to_nothing(media: Path) -> None:
    """Other shapes are other kernels, which sum in another order."""
    clip = real_clip(media, "YUV420P8")
    whole = vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT(precision="f32"))
    tiled = vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT(precision="f32"), tilesize=(200, 90))
    for a, b in zip(planes_of(tiled), planes_of(whole), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1
        assert np.mean(a != b) <= 1e-3


@pytest.mark.media
def test_one_engine_for_many_sizes_equals_one_for_each(media: Path) -> None:
    backend = Backend.TensorRT(precision="f32", sizes=((64, 64), (540, 180), (640, 480)))
    for side in (64, 180):
        clip = real_clip(media, "YUV420P8", side=side)
        close(
            vsanime.artcnn(clip, "C4F16_VA", backend=backend),
            vsanime.artcnn(clip, "C4F16_VA", backend=REFERENCE),
            LEAST_DB[8],
        )


@pytest.mark.media
def test_video_memory_is_back_after_twenty_evaluations(media: Path, device: Device) -> None:
    clip = real_clip(media, "YUV420P8", frames=4)
    free = []
    for _ in range(21):
        up = vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT())
        planes_of(up, 3)
        del up
        gc.collect()
        free.append(device.free_bytes())
    assert free[0] - free[-1] <= KEPT_BYTES, [f >> 20 for f in free]


@pytest.mark.media
def test_more_than_the_card_holds_is_tiled_or_told(media: Path, device: Device) -> None:
    """All but a little of the card is taken first."""
    clip = real_clip(media, "YUV420P8", side=640)
    taken = device.buffer(device.free_bytes() - (300 << 20))
    try:
        with pytest.raises(vs.Error, match=r"MiB are available; (`tilesize=.*` would fit|no tile is that small)"):
            vsanime.artcnn(clip, "C4F16_VA", backend=Backend.TensorRT(num_streams=8))
    finally:
        taken.close()
