"""Whole filters on a simulated card give what ONNX Runtime gives: in tiles, in any order, reload after reload."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of
from tests.support.cudasim import MIB, CudaSim, cudaError_t
from tests.support.simbackend import SimBackend
from vsanime import Backend

type Simulate = Callable[..., CudaSim]


def rgb_clip() -> vs.VideoNode:
    return noise_clip("YUV444P8", 46, 34, frames=3).resize.Point(format=vs.RGB24, matrix_in=1)


ROOT = Path(__file__).parents[2]

# One thread for inference, as the simulated network has: the sums are taken in the same order.
CPU = Backend.ONNXRuntime(num_streams=1, num_threads=1)


def same(a: vs.VideoNode, b: vs.VideoNode, n: int = 0) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(planes_of(a, n), planes_of(b, n), strict=True))


@pytest.fixture
def sim(simulate: Simulate) -> Iterator[CudaSim]:
    """A card whose clips are gone before it is asked for leaks."""
    yield simulate(when="late", seed=1)
    gc.collect()


@pytest.mark.parametrize("name", ["GRAY8", "YUV420P8", "YUV420P10", "GRAY16", "GRAYS"])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_artcnn_equals_onnx_runtime(sim: CudaSim, name: str, cuda_graph: bool) -> None:
    clip = noise_clip(name, 46, 34, frames=5)
    up = vsanime.artcnn(clip, "C4F16_VA", backend=SimBackend(sim=sim, cuda_graph=cuda_graph))
    expected = vsanime.artcnn(clip, "C4F16_VA", backend=CPU)
    assert all(same(up, expected, n) for n in range(5))


@pytest.mark.parametrize("name", ["RGB24", "YUV420P8"])
def test_networks_of_several_planes_equal_onnx_runtime(sim: CudaSim, name: str) -> None:
    clip = noise_clip(name, 46, 34, frames=3) if name != "RGB24" else rgb_clip()
    up = vsanime.waifu2x(clip, 0, 2, backend=SimBackend(sim=sim))
    expected = vsanime.waifu2x(clip, 0, 2, backend=CPU)
    assert all(same(up, expected, n) for n in range(3))


def test_tiles_equal_whole(sim: CudaSim) -> None:
    clip = noise_clip("YUV420P8", 130, 98)
    backend = SimBackend(sim=sim)
    whole = vsanime.artcnn(clip, "C4F16_VA", backend=backend, tiles=1)
    for tiling in ({"tiles": 2}, {"tiles": (3, 1)}, {"tilesize": (96, 80)}):
        assert same(vsanime.artcnn(clip, "C4F16_VA", backend=backend, **tiling), whole), tiling


@pytest.mark.parametrize("when", ["late", "threads"])
@pytest.mark.parametrize(("lanes", "cards"), [(1, 1), (2, 1), (4, 2)])
def test_order_of_requests_changes_nothing(simulate: Simulate, when: str, lanes: int, cards: int) -> None:
    sim = simulate(when=when, cards=cards)
    clip = noise_clip("YUV420P8", 48, 36, frames=11)
    linear = vsanime.artcnn(clip, "C4F16_VA", backend=CPU)
    expected = [planes_of(linear, n) for n in range(11)]
    up = vsanime.artcnn(clip, "C4F16_VA", backend=SimBackend(sim=sim, num_streams=lanes, device_id=tuple(range(cards))))
    for order in (range(11), range(10, -1, -1), random.Random(0).sample(range(11), 11), [5, 5, 0, 5]):
        futures = [(n, up.get_frame_async(n)) for n in order]
        for n, future in futures:
            with future.result() as frame:
                assert all(np.array_equal(frame[p], expected[n][p]) for p in range(3))
    del up
    gc.collect()


def test_a_frame_that_fails_is_one_error_and_the_next_script_recovers(simulate: Simulate) -> None:
    sim = simulate()
    clip = noise_clip("GRAY8", 40, 24, frames=3)
    up = vsanime.artcnn(clip, "C4F16_VA", backend=SimBackend(sim=sim))
    planes_of(up, 0)
    sim.fail_kernel(cudaError_t.cudaErrorLaunchFailure)
    with pytest.raises(vs.Error, match=r"artcnn: CUDA could not .*cudaErrorLaunchFailure.*evaluate the script again"):
        up.get_frame(1)
    again = vsanime.artcnn(clip, "C4F16_VA", backend=SimBackend(sim=sim))
    with pytest.raises(vs.Error, match="artcnn: the engine was closed"):
        up.get_frame(2)
    assert all(same(again, vsanime.artcnn(clip, "C4F16_VA", backend=CPU), n) for n in range(3))
    del up, again
    gc.collect()


def test_too_little_memory_is_told_when_the_script_is_evaluated(simulate: Simulate) -> None:
    sim = simulate(memory=100 * MIB)
    with pytest.raises(vs.Error, match=r"artcnn: the network with 2 streams on card 0 needs .* MiB of video memory"):
        vsanime.artcnn(noise_clip("GRAY8", 40, 24, frames=2), "C4F16_VA", backend=SimBackend(sim=sim))
    assert sim.calls["cudaMalloc"] == 0


def test_fewer_streams_are_advised_where_there_are_several(simulate: Simulate) -> None:
    sim = simulate(memory=100 * MIB)
    clip = noise_clip("GRAY8", 40, 24, frames=2)
    messages = []
    for lanes in (2, 1):
        with pytest.raises(vs.Error) as caught:
            vsanime.artcnn(clip, "C4F16_VA", backend=SimBackend(sim=sim, num_streams=lanes))
        messages.append(str(caught.value))
    assert messages[0].endswith(", and `num_streams=1` needs less")
    assert "num_streams" not in messages[1]


@pytest.mark.parametrize("what", ["simulated", "openvino"])
def test_engines_are_closed_with_their_script(what: str) -> None:
    """In a process of its own; see `reloading.py`."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.support.reloading", what],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "VSANIME_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
