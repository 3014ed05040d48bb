"""TensorRT as a backend of whole filters: real engines, run on simulated cards (see tests/support/trtsim.py)."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import clip_of, noise, noise_clip, planes_of, props_of
from tests.support.cudasim import MIB, CudaSim, cudaError_t
from tests.support.reference import psnr
from tests.support.trtsim import TensorRTSim
from vsanime import Backend
from vsanime.backends import tensorrt as backend_module
from vsanime.backends.base import Workload
from vsanime.backends.cuda.lanes import RESERVE_BYTES
from vsanime.backends.tensorrt import flavours
from vsanime.backends.tensorrt.reports import open_monitor
from vsanime.backends.tensorrt.running import LoadedEngine

type Cards = Callable[..., TensorRTSim]

MODEL = "C4F16_VA"  # comes with the package
F32 = Backend.ONNXRuntime(num_streams=1)

# The simulated card runs the very graph, its sums in the same order but for tiles: codes may fall to the other side of
# a rounding edge (see tests/support/tolerances.py).
CODES_DIFFER = 1e-3


def same(found: vs.VideoNode, expected: vs.VideoNode, n: int = 0) -> None:
    for a, b in zip(planes_of(found, n), planes_of(expected, n), strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= 1
        assert np.mean(a != b) <= CODES_DIFFER


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("when", ["late", "threads"])
def test_a_doubled_clip_is_what_onnx_runtime_makes(cards: Cards, bits: int, cuda_graph: bool, when: str) -> None:
    sim = cards(when=when)
    clip = noise_clip(f"YUV420P{bits}", 48, 32, frames=7)
    found = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32", cuda_graph=cuda_graph))
    expected = vsanime.artcnn(clip, MODEL, backend=F32)
    order = list(range(7))
    random.Random(bits).shuffle(order)
    for n in order:
        for a, b in zip(planes_of(found, n), planes_of(expected, n), strict=True):
            # At 16 bits one code is as little as f32 sums hold.
            assert np.abs(a.astype(int) - b).max() <= (1 if bits < 16 else 3)
        assert props_of(found, n) == props_of(expected, n)
    assert (sim.sim.calls["cudaGraphLaunch"] > 0) == cuda_graph


@pytest.mark.parametrize("name", ["RGB24", "YUV444P8", "YUV420P10", "GRAY8", "RGBS", "YUV422P16"])
def test_waifu2x_in_every_family(cards: Cards, name: str) -> None:
    cards()
    form = vs.core.get_video_format(getattr(vs, name))
    clip = clip_of(noise(form, 32, 32), form)
    found = vsanime.waifu2x(clip, backend=Backend.TensorRT(precision="f32"))
    expected = vsanime.waifu2x(clip, backend=F32)
    for a, b in zip(planes_of(found), planes_of(expected), strict=True):
        assert a.dtype == b.dtype
        assert np.abs(a.astype(float) - b).max() <= (2e-5 if a.dtype == np.float32 else 3)


@pytest.mark.parametrize(("precision", "least"), [("fp16", 69.5), ("bf16", 52)])
def test_half_precision_is_close_and_not_f32(cards: Cards, precision: str, least: float) -> None:
    """On noise, which is harder than the pictures of `test_precision.py`: measured 71.2 and 53.4."""
    cards()
    clip = noise_clip("GRAYS", 64, 48)
    found = planes_of(vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision=precision)))[0]
    expected = planes_of(vsanime.artcnn(clip, MODEL, backend=F32))[0]
    assert least < psnr(found, expected) < 100


def test_fp16_is_the_default_and_auto_is_f32_for_deep_output(cards: Cards) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32)
    for backend, depth, precision in (
        (Backend.TensorRT(), None, "fp16"),
        (Backend.TensorRT(precision="auto"), 12, "fp16"),
        (Backend.TensorRT(precision="auto"), 16, "f32"),
        (Backend.TensorRT(precision="auto"), "single", "f32"),
    ):
        before = sim.builds
        vsanime.artcnn(clip, MODEL, depth=depth, backend=backend)
        newest = max(backend_module.EngineCache().entries(), key=lambda e: e.built or e.last_used)
        assert sim.builds == before + 1
        assert newest.notes["precision"] == precision


def test_an_engine_is_built_once_and_its_kernels_are_compiled_once(cards: Cards) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32, frames=3)
    for _ in range(3):
        up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
        planes_of(up, 1)
        del up
        gc.collect()
    assert sim.builds == 1
    assert sim.compiled == 1
    assert sim.alive == 0
    planes_of(vsanime.artcnn(noise_clip("GRAY8", 32, 48), MODEL, backend=Backend.TensorRT()))
    planes_of(vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(optimization_level=5)))
    assert sim.builds == 3


def test_an_engine_that_the_runtime_refuses_is_built_again(cards: Cards, caplog: pytest.LogCaptureFixture) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32)
    backend = Backend.TensorRT(precision="f32")
    vsanime.artcnn(clip, MODEL, backend=backend)
    sim.refuse = 1
    same(vsanime.artcnn(clip, MODEL, backend=backend), vsanime.artcnn(clip, MODEL, backend=F32))
    assert sim.builds == 2
    assert "cannot load the engine: the engine plan file is not compatible; it is built again" in caplog.text
    sim.refuse = 2
    with pytest.raises(vs.Error, match="artcnn: tensorrt_rtx cannot load the engine: the engine plan file"):
        vsanime.artcnn(clip, MODEL, backend=backend)


@pytest.mark.parametrize(
    "reason", ["Error Code 2: OutOfMemory (Requested size was 12345 bytes.)", "Cuda Runtime (error)"]
)
def test_a_full_or_broken_card_leaves_the_engine_in_the_cache(cards: Cards, reason: str) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32)
    vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
    sim.refuse, sim.refusal = 1, reason
    with pytest.raises(vs.Error, match=r"artcnn: tensorrt_rtx cannot load the engine: (Error|Cuda)"):
        vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
    vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
    assert sim.builds == 1


def test_cards_of_one_capability_keep_their_own_kernels(cards: Cards) -> None:
    """A 3060 and a 3090 share the engine; what was compiled on one is not taken by the other."""
    sim = cards(cards=2)
    clip = noise_clip("GRAY8", 32, 32)
    for _ in range(3):
        for card in (0, 1):
            up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(device_id=card, num_streams=1))
            planes_of(up)
            del up
            gc.collect()
    assert (sim.builds, sim.compiled) == (1, 2)


def test_kernels_that_the_runtime_no_longer_takes_are_compiled_and_kept_again(cards: Cards) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32)
    for round_ in range(3):
        up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
        planes_of(up)
        del up
        gc.collect()
        cache = backend_module.EngineCache()
        (blob,) = (e.key.removesuffix(".blob") for e in cache.entries() if e.key.endswith(".blob"))
        if round_ == 0:
            cache.save_blob(blob, b"of an older driver")
    assert sim.compiled == 2


def test_an_error_that_was_got_over_is_not_told_as_a_later_ones_reason(cards: Cards) -> None:
    sim = cards()
    up = vsanime.artcnn(
        noise_clip("GRAY8", 32, 32, frames=3), MODEL, backend=Backend.TensorRT(num_streams=1, cuda_graph=False)
    )
    planes_of(up, 0)
    sim.say("a hiccup")
    planes_of(up, 1)
    sim.fail = 1
    with pytest.raises(vs.Error, match="out of memory"):
        planes_of(up, 2)


def test_model_names_with_brackets_are_shown_as_they_are(cards: Cards, capfd: pytest.CaptureFixture[str]) -> None:
    cards()
    for title in ("[fansub] net", "a[/b]"):
        with open_monitor(flavours.load_flavour("tensorrt_rtx"), title):
            pass
        assert title in capfd.readouterr().err


@pytest.mark.parametrize("name", ["GRAY8", "GRAY16", "YUV444P8", "GRAYH"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 3)])
def test_tiny_and_odd_frames(cards: Cards, name: str, size: tuple[int, int]) -> None:
    cards()
    clip = noise_clip(name, *size)
    found, expected = (
        planes_of(vsanime.artcnn(clip, MODEL, backend=backend)) for backend in (Backend.TensorRT(precision="f32"), F32)
    )
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a.astype(float) - b).max() <= (1e-3 if a.dtype == np.float16 else 3)


def test_lanes_are_spread_over_cards(cards: Cards) -> None:
    sim = cards(cards=2)
    clip = noise_clip("GRAY8", 32, 32, frames=8)
    up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(device_id=[0, 1], num_streams=1, precision="f32"))
    assert all(card.used for card in sim.sim.cards)
    expected = vsanime.artcnn(clip, MODEL, backend=F32)
    for n in range(8):
        same(up, expected, n)
    assert sim.builds == 1, "cards of one capability share an engine"


@pytest.mark.parametrize("device_id", [1, [0, 7], -1, [], [0, 0], "first", None, 1.5])
def test_cards_that_are_not_there(cards: Cards, device_id: object) -> None:
    cards()
    with pytest.raises(vs.Error, match=r"artcnn: device_id="):
        vsanime.artcnn(noise_clip("GRAY8", 32, 32), MODEL, backend=Backend.TensorRT(device_id=device_id))


def test_tiles_change_nothing(cards: Cards) -> None:
    cards()
    clip = noise_clip("YUV420P8", 96, 80)
    whole = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32"))
    tiled = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32"), tilesize=(48, 40))
    same(tiled, whole)


def test_too_little_memory_names_a_tile_that_fits(cards: Cards) -> None:
    sim = cards(memory=(256 + 40) * MIB)  # 256 MiB are left to others
    sim.context_bytes = 16384
    clip = noise_clip("GRAY8", 96, 64, frames=2)
    before = sim.sim.cards[0].used
    with pytest.raises(
        vs.Error, match=r"needs 20\d MiB.*`tilesize=\(\d+, 30\)` would fit, as would `tiles='auto'`, and `num"
    ) as e:
        vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
    assert sim.sim.cards[0].used == before
    tile = eval(str(e.value).split("`tilesize=")[1].split("` would")[0])
    # What it names does fit, and so does what it would do by itself.
    expected = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32", num_streams=1), tilesize=tile)
    found = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32", num_streams=1), tiles="auto")
    same(found, vsanime.artcnn(clip, MODEL, backend=F32))
    same(expected, vsanime.artcnn(clip, MODEL, backend=F32))


def test_no_tile_is_small_enough(cards: Cards) -> None:
    sim = cards(memory=(256 + 4) * MIB)
    sim.context_bytes = 16384
    for tiles in (None, "auto"):
        with pytest.raises(vs.Error, match=r"MiB are available; no tile is that small"):
            vsanime.artcnn(noise_clip("GRAY8", 96, 64), MODEL, backend=Backend.TensorRT(), tiles=tiles)


def test_one_engine_serves_clips_of_many_sizes(cards: Cards) -> None:
    sim = cards()
    backend = Backend.TensorRT(precision="f32", sizes=((64, 64), (96, 80), (128, 96)))
    for width, height in ((64, 64), (96, 66), (128, 96)):
        clip = noise_clip("YUV420P10", width, height)
        same(vsanime.artcnn(clip, MODEL, backend=backend), vsanime.artcnn(clip, MODEL, backend=F32))
    assert sim.builds == 1
    with pytest.raises(vs.Error, match=r"frames \(or tiles\) are 130x96; sizes=.* serves 64x64 to 128x96"):
        vsanime.artcnn(noise_clip("GRAY8", 130, 96), MODEL, backend=backend)


def test_tiles_do_not_shrink_below_the_sizes_of_an_engine(cards: Cards) -> None:
    """A context of an engine for many sizes takes what the size at hand needs, so that smaller tiles do help."""
    clip = noise_clip("GRAY8", 128, 96)
    backend = Backend.TensorRT(precision="f32", num_streams=1, sizes=((64, 64), (96, 80), (128, 96)))
    sim = cards(memory=(256 + 44) * MIB)
    sim.context_bytes = 4096  # 48 MiB for the frame, 16 for the smallest tile
    same(vsanime.artcnn(clip, MODEL, backend=backend, tiles="auto"), vsanime.artcnn(clip, MODEL, backend=F32))
    sim = cards(memory=(256 + 10) * MIB)
    sim.context_bytes = 4096
    for tiles in ("auto", None):
        with pytest.raises(vs.Error, match=r"needs .* MiB are available; no tile is that small"):
            vsanime.artcnn(clip, MODEL, backend=backend, tiles=tiles)


def test_an_engine_that_did_not_fit_is_gone_before_the_next_one_is_tried(cards: Cards) -> None:
    """Without the collector's help: its weights would lie on a card that is full."""
    sim = cards(memory=(256 + 40) * MIB)
    sim.context_bytes = 16384
    gc.collect()
    gc.disable()
    try:
        up = vsanime.artcnn(
            noise_clip("GRAY8", 96, 64), MODEL, backend=Backend.TensorRT(precision="f32", num_streams=1), tiles="auto"
        )
        assert sim.builds == 2
        assert sim.alive == 2, "an engine and its context"
        del up
    finally:
        gc.enable()


def test_a_card_that_refuses_memory_it_says_is_free(cards: Cards) -> None:
    """As with fragmented memory: tiles shrink until they fit, and the advice is a smaller tile."""
    sim = cards()
    real = sim.sim.cudaMalloc
    largest = 1 << 20

    def malloc(size: int) -> tuple[object, ...]:
        return real(size) if size <= largest else (cudaError_t.cudaErrorMemoryAllocation, None)

    sim.sim.cudaMalloc = malloc  # type: ignore[method-assign]
    clip = noise_clip("GRAY8", 192, 160)
    backend = Backend.TensorRT(precision="f32", num_streams=1)
    with pytest.raises(vs.Error, match=r"`tilesize=\(192, 80\)` would fit"):
        vsanime.artcnn(clip, MODEL, backend=backend)
    same(vsanime.artcnn(clip, MODEL, backend=backend, tiles="auto"), vsanime.artcnn(clip, MODEL, backend=F32))
    largest = 100
    with pytest.raises(vs.Error, match=r"MiB are available; no tile is that small"):
        vsanime.artcnn(clip, MODEL, backend=backend, tiles="auto")


@pytest.mark.parametrize("sizes", [((64, 64), (32, 32), (128, 128)), ((16, 16), (64, 64), (64, 64)), ((64, 64),), 64])
def test_sizes_that_are_no_range(cards: Cards, sizes: object) -> None:
    cards()
    with pytest.raises(vs.Error, match=r"artcnn: sizes=.*smallest, the most usual and the largest"):
        vsanime.artcnn(noise_clip("GRAY8", 64, 64), MODEL, backend=Backend.TensorRT(sizes=sizes))


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_frame_that_fails_is_one_error_and_the_next_one_works(cards: Cards, cuda_graph: bool) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32, frames=6)
    up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32", num_streams=1, cuda_graph=cuda_graph))
    sim.fail = 1
    with pytest.raises(
        vs.Error, match=r"artcnn: TensorRT failed on a frame: Error Code 1: Cuda Runtime \(out of memory\)"
    ):
        planes_of(up, 0)
    expected = vsanime.artcnn(clip, MODEL, backend=F32)
    for n in range(6):
        same(up, expected, n)


def test_a_card_that_died_is_back_at_the_next_evaluation(cards: Cards) -> None:
    sim = cards()
    clip = noise_clip("GRAY8", 32, 32, frames=4)
    up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32"))
    sim.sim.fail_kernel(cudaError_t.cudaErrorIllegalAddress)
    with pytest.raises(vs.Error, match=r"artcnn: .*cudaErrorIllegalAddress.*evaluate the script again"):
        planes_of(up, 0)
    again = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT(precision="f32"))
    expected = vsanime.artcnn(clip, MODEL, backend=F32)
    for n in range(4):
        same(again, expected, n)


def test_frames_that_cannot_be_recorded_run_all_the_same(cards: Cards) -> None:
    sim = cards()
    sim.capturable = False
    clip = noise_clip("GRAY8", 32, 32, frames=5)
    up, expected = (vsanime.artcnn(clip, MODEL, backend=b) for b in (Backend.TensorRT(precision="f32"), F32))
    for n in range(5):
        same(up, expected, n)
    assert sim.sim.calls["cudaGraphLaunch"] == 0


def test_twenty_evaluations_leave_nothing_on_the_card(cards: Cards) -> None:
    sim = cards()
    clip = noise_clip("YUV420P8", 32, 32, frames=3)
    for _ in range(20):
        up = vsanime.artcnn(clip, MODEL, backend=Backend.TensorRT())
        planes_of(up, 2)
        del up
        gc.collect()
        assert sim.sim.cards[0].used == 0
    assert sim.alive == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "precision='int4'; 'fp16', 'bf16', 'f32' or 'auto' is needed"),
        ({"num_streams": 0}, "num_streams=0; 1 or more is needed"),
        ({"num_streams": None}, "num_streams=None; 1 or more is needed"),
        ({"flavour": "trt"}, "flavour='trt'; 'tensorrt' or 'tensorrt_rtx' is needed"),
        ({"flavour": "tensorrt"}, r"tensorrt cannot be loaded .*`pip install .vsanime\[tensorrt\].`"),
        ({"optimization_level": 9}, "optimization_level=9; 0 to 5 is needed"),
        ({"workspace": -1}, "workspace=-1; a positive number of MiB is needed"),
        ({"aux_streams": -1}, "aux_streams=-1; 0 or more is needed"),
        ({"cuda_graph": "no"}, "cuda_graph='no'; True or False is needed"),
        ({"precision": ["fp16"]}, r"precision=\['fp16'\]; 'fp16', 'bf16', 'f32' or 'auto' is needed"),
        ({"flavour": ["x"]}, r"flavour=\['x'\]; 'tensorrt' or 'tensorrt_rtx' is needed"),
        ({"engine_dir": 5}, "engine_dir=5 names no folder"),
        ({"engine_dir": "~nobody-of-that-name/x"}, "engine_dir='~nobody-of-that-name/x' names no folder"),
        ({"sizes": ((64.5, 64.0), (96.0, 80.0), (128.0, 96.0))}, "sizes=.*smallest, the most usual and the largest"),
    ],
)
def test_options_that_cannot_be_had(cards: Cards, options: dict[str, object], message: str) -> None:
    sim = cards()
    with pytest.raises(vs.Error, match=f"artcnn: {message}"):
        vsanime.artcnn(noise_clip("GRAY8", 32, 32), MODEL, backend=Backend.TensorRT(**options))
    assert sim.builds == 0


def test_bf16_needs_a_card_that_computes_it(cards: Cards) -> None:
    cards().sim.cards[0].capability = (7, 5)
    with pytest.raises(vs.Error, match=r"precision='bf16': Simulated 0 \(compute capability 7.5\) computes no bf16"):
        vsanime.artcnn(noise_clip("GRAY8", 32, 32), MODEL, backend=Backend.TensorRT(precision="bf16"))
    vsanime.artcnn(noise_clip("GRAY8", 32, 32), MODEL, backend=Backend.TensorRT(precision="fp16"))


def test_cards_older_than_turing_are_left_to_openvino(cards: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    cards().sim.cards[0].capability = (6, 1)
    for installed in ("tensorrt", "tensorrt_rtx"):
        for module in (flavours, backend_module):
            monkeypatch.setattr(module, "is_installed", lambda name, installed=installed: name == installed)
        assert Backend.auto() == Backend.OpenVINO()


def test_the_default_backend_is_tensorrt_where_there_is_a_card(cards: Cards) -> None:
    assert Backend.auto() == Backend.OpenVINO()
    cards(cards=0)
    assert Backend.auto() == Backend.OpenVINO()
    cards()
    assert Backend.auto() == Backend.TensorRT()


# What a graph and its tiles have to be


def test_graphs_are_open_in_size_where_engines_serve_many() -> None:
    one = Backend.TensorRT().traits("fp16")
    assert (one.exact_linear, one.body, one.bytewise, one.any_size, one.least_tile) == (
        True,
        "float16",
        True,
        False,
        (1, 1),
    )
    many = Backend.TensorRT(sizes=((64, 48), (96, 80), (128, 96))).traits("f32")
    assert (many.exact_linear, many.body, many.any_size, many.least_tile) == (False, "float32", True, (64, 48))
    assert Backend.TensorRT().traits("bf16").body == "bfloat16"


def test_lanes_are_streams_of_every_card() -> None:
    assert Backend.TensorRT().lanes_for(1) == 2
    assert Backend.TensorRT(num_streams=3, device_id=[0, 2]).lanes_for(1) == 6


@pytest.mark.parametrize(
    ("precision", "bits", "is_float", "anchored", "chosen"),
    [
        ("auto", 12, False, True, "fp16"),
        ("auto", 13, False, True, "f32"),
        ("auto", 8, True, True, "f32"),
        ("auto", 8, False, False, "f32"),
        ("bf16", 16, True, False, "bf16"),
    ],
)
def test_half_precision_is_for_coarse_codes_of_networks_with_exact_averages(
    precision: str, bits: int, is_float: bool, anchored: bool, chosen: str
) -> None:
    work = Workload(
        width=64, height=48, radius=7, features=8, anchored=anchored, out_channels=1, output_bits=bits,
        output_float=is_float,
    )  # fmt: skip
    assert Backend.TensorRT(precision=precision).precision_for(work) == chosen


def test_tiles_follow_from_the_memory_of_the_smallest_card(simulate: Callable[..., CudaSim]) -> None:
    """Four layers are alive in each of two lanes, with two bytes a value in half precision."""
    simulate(cards=2).cards[1].limit = RESERVE_BYTES + 2 * 4 * 100 * 1920 * 256 * 2
    backend = Backend.TensorRT(device_id=[0, 1])
    work = Workload(
        width=1920, height=1080, radius=7, features=256, anchored=True, out_channels=1, output_bits=8,
        output_float=False,
    )  # fmt: skip
    assert backend.tile_for(work, "fp16") == (1920, 1080)
    assert backend.tile_for(work, "fp16", fit=True) == (1920, 100)
    assert backend.tile_for(work, "f32", fit=True) == (1920, 50)


@pytest.mark.parametrize("lanes", [1, 2])
def test_kernels_are_kept_after_each_lanes_first_frame(
    cards: Cards, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    """They are compiled on the way to it; to look every time would cost every frame."""
    kept: list[LoadedEngine] = []
    monkeypatch.setattr(LoadedEngine, "keep_kernels", lambda engine: kept.append(engine))
    cards()
    backend = Backend.TensorRT(precision="f32", num_streams=lanes, cuda_graph=False)
    up = vsanime.artcnn(noise_clip("GRAY8", 64, 48, frames=8), MODEL, backend=backend)
    for _ in up.frames(prefetch=lanes):
        pass
    assert 1 <= len(kept) <= lanes
