"""Tiles and lanes for a clip: what fits into memory, in numbers; whole clips are in `test_gpu_lanes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of
from vsanime.backends.base import Workload
from vsanime.backends.onnxruntime import ONNXRuntime
from vsanime.errors import TooLittleMemory, VsanimeError
from vsanime.graphs.inspect import NetFacts
from vsanime.pipeline.arguments import smaller_tile
from vsanime.pipeline.network import Network
from vsanime.pipeline.run import Job, Tiling, _compile, _fitting, _lanes, _plan, _shrink, _workload
from vsanime.pipeline.tiles import plan_tiles
from vsanime.spec import (
    ChromaLocation,
    Family,
    FrameSpec,
    GraphTraits,
    PlaneFormat,
    PlanesGraph,
    Range,
    SampleType,
)

PLAN = plan_tiles((1000, 800), (1000, 800), (7, 7), (2, 2))


def fit(needed: int, available: int, tiles: str | None = "auto", lanes: int = 1) -> tuple[int, int]:
    error = TooLittleMemory("the network", needed, available)
    return _fitting(PLAN, (7, 7), Tiling(tiles, None, None), error, lanes, (1, 1))


@pytest.mark.parametrize(
    ("needed", "available", "share"), [(100, 50, 0.45), (100, 99, 0.891), (100, 100, 0.5), (9, 12, 0.5)]
)
def test_a_tile_that_fits_takes_nine_tenths_of_what_is_there(needed: int, available: int, share: float) -> None:
    """Half of it where a card refused what it had said it had."""
    assert fit(needed, available) == (1000, int(800 * share))
    assert fit(needed, available) == smaller_tile((1000, 800), (7, 7), share)


@pytest.mark.parametrize(("lanes", "ending"), [(1, "as would `tiles='auto'`"), (2, "and `num_streams=1` needs less")])
def test_tiles_are_advised_where_they_are_left_to_the_user(lanes: int, ending: str) -> None:
    with pytest.raises(VsanimeError) as caught:
        fit(100, 50, tiles=None, lanes=lanes)
    assert "`tilesize=(1000, 360)` would fit" in str(caught.value)
    assert str(caught.value).endswith(ending)


def test_no_tile_is_advised_where_none_would_do() -> None:
    with pytest.raises(VsanimeError, match=r"no tile is that small$"):
        fit(10**9, 1)


@pytest.mark.parametrize(
    ("share", "smallest", "tile"),
    [
        (0.5, (1, 1), (100, 30)),
        (0.5, (1, 40), (75, 40)),
        (0.1, (1, 1), None),
        (0.4, (1, 60), (40, 60)),
        (0.4, (41, 60), None),
        (0.5, (1, 61), None),
    ],
)
def test_smaller_tiles_stay_wide_as_long_as_they_can(
    share: float, smallest: tuple[int, int], tile: tuple[int, int] | None
) -> None:
    assert smaller_tile((100, 60), (7, 7), share, smallest) == tile


FACTS = NetFacts(
    scale=2, radius=7, multiple=1, in_channels=1, out_channels=1, parameters=1, features=64, linear_path=False
)


def plane_format(subsampling: tuple[int, int], bits: int = 8) -> PlaneFormat:
    return PlaneFormat(Family.YUV, SampleType.INTEGER if bits < 32 else SampleType.FLOAT, bits, *subsampling)


def job(
    size: tuple[int, int] = (100, 60),
    facts: NetFacts = FACTS,
    source: tuple[int, int] = (0, 0),
    made: tuple[int, int] = (0, 0),
    planes: Sequence[int] = (0,),
    reach: tuple[int, int] | None = None,
    bits: int = 10,
    steady: bool = False,
) -> Job:
    """A pass over a clip that nobody looks at."""
    spec = FrameSpec(plane_format(source), *size, Range.LIMITED, 1, ChromaLocation.LEFT)
    model: Any = SimpleNamespace(name="a network")
    clip: Any = None
    whole = Job(
        "test", clip, spec, Network(model, facts, steady=steady), plane_format(made), plane_format((0, 0), bits),
        ((0,), planes), lambda width, height, _: PlanesGraph(b"%d %d" % (width, height), (), (), False),
    )  # fmt: skip
    return whole if reach is None else replace(whole, reach=reach)


@dataclass
class Small:
    """A backend with memory for so many pixels of a tile, and what it was told.

    Attributes:
        pixels: as many as fit.
        suggested: the tile that suits it best.
        least: the smallest tile that its engines serve.
        fits: what `tile_for` was told.
        tried: the graphs that it was to compile, and how many lanes.
    """

    pixels: int = 10**9
    suggested: tuple[int, int] = (100, 60)
    least: tuple[int, int] = (1, 1)
    fits: list[bool] = field(default_factory=list)
    tried: list[tuple[bytes, int]] = field(default_factory=list)

    def precision_for(self, work: Workload) -> str:
        assert work.radius == 7
        return "f32"

    def traits(self, precision: str) -> GraphTraits:
        assert precision == "f32"
        return GraphTraits(least_tile=self.least)

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:
        assert (work.width, work.height, precision) == (100, 60, "f32")
        self.fits.append(fit)
        return self.suggested

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> str:
        assert (graph.title, precision, threads) == ("a network", "f32", vs.core.num_threads)
        self.tried.append((graph.onnx, lanes))
        width, height = map(int, graph.onnx.split())
        if width * height > self.pixels:
            raise TooLittleMemory("the network", width * height, self.pixels)
        return "an engine"


@pytest.mark.parametrize(
    ("radius", "wanted", "lanes"), [(None, None, 1), (None, 3, 3), (7, None, 5), (7, 3, 3), (None, "none", 5)]
)
def test_whole_frames_run_in_one_lane_unless_several_are_asked_for(
    radius: int | None, wanted: int | str | None, lanes: int
) -> None:
    """A backend that has no such option decides by itself."""

    class Fixed:
        def lanes_for(self, threads: int) -> int:
            assert threads == vs.core.num_threads
            asked = getattr(self, "num_streams", None)
            return asked if isinstance(asked, int) else 5

    backend: Any = Fixed()
    if wanted != "none":
        backend.num_streams = wanted
    assert _lanes(backend, replace(FACTS, radius=radius)) == lanes


@pytest.mark.parametrize(("tiles", "fit"), [("auto", True), (None, False), ((1, 1), False)])
def test_a_frame_that_fits_is_compiled_once(tiles: Any, fit: bool) -> None:
    backend: Any = Small()
    plan, graph, engine = _compile(job(), backend, Tiling(tiles), 3)
    assert (plan.width, plan.height, engine) == (100, 60, "an engine")
    assert graph.onnx == b"100 60"
    assert (backend.fits, backend.tried) == ([fit], [(b"100 60", 3)])


def test_tiles_shrink_until_they_fit() -> None:
    """Nine tenths of what there is, and balanced: 40 rows are two strips of 37."""
    backend: Any = Small(pixels=5000)
    plan, _, _ = _compile(job(), backend, Tiling("auto"), 1)
    assert [onnx for onnx, _ in backend.tried] == [b"100 60", b"100 37"]
    assert (len(plan.columns), len(plan.rows)) == (1, 2)


def test_tiles_that_cannot_shrink_are_refused_with_what_was_short() -> None:
    """The grid of the network makes as large a tile of what should fit."""
    wide = replace(FACTS, multiple=64)
    backend: Any = Small(pixels=8000)
    with pytest.raises(VsanimeError) as caught:
        _compile(job((100, 60), wide), backend, Tiling("auto"), 1)
    short = str(TooLittleMemory("the network", 128 * 64, 8000))
    assert str(caught.value).startswith(f"{short}; smaller tiles cannot be had: the network's grid makes tiles of (")
    assert str(caught.value).endswith(" no smaller than those before")
    assert len(backend.tried) == 1


def test_other_refusals_are_told_as_they_are() -> None:
    class Refusing(Small):
        def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> str:
            if self.tried:
                raise VsanimeError("the network has an operator that nobody knows")
            return super().compile(graph, precision, lanes, threads)

    refusing: Any = Refusing(pixels=1)
    refusing.tried.append((b"", 0))
    with pytest.raises(VsanimeError, match=r"^the network has an operator that nobody knows$"):
        _compile(job(), refusing, Tiling("auto"), 1)
    later: Any = Refusing(pixels=5000)
    with pytest.raises(VsanimeError, match=r"; smaller tiles cannot be had: the network has an operator that nobody"):
        _compile(job(), later, Tiling("auto"), 1)


@pytest.mark.parametrize(
    ("tiling", "suggested", "least", "tile", "counts"),
    [
        (Tiling(), (100, 60), (1, 1), (100, 60), (1, 1)),
        (Tiling(), (100, 40), (1, 1), (100, 37), (1, 2)),
        (Tiling(), (60, 60), (1, 1), (57, 60), (2, 1)),
        (Tiling(), (60, 40), (58, 38), (58, 38), (2, 2)),
        (Tiling("auto"), (60, 40), (58, 38), (58, 38), (2, 2)),
        (Tiling("auto"), (60, 40), (58, 1), (58, 37), (2, 2)),
        (Tiling("auto"), (60, 40), (1, 38), (57, 38), (2, 2)),
        (Tiling(None, (50, 30)), (60, 40), (58, 38), (50, 30), (3, 3)),
        (Tiling((2, 2)), (60, 40), (99, 59), (64, 44), (2, 2)),
    ],
)
def test_tiles_of_the_backends_choice_are_as_large_as_its_engines_need(
    tiling: Tiling,
    suggested: tuple[int, int],
    least: tuple[int, int],
    tile: tuple[int, int],
    counts: tuple[int, int],
) -> None:
    plan, overlap = _plan(job(), tiling, GraphTraits(least_tile=least), suggested)
    assert (plan.width, plan.height) == tile
    assert (len(plan.columns), len(plan.rows)) == counts
    assert overlap == (7, 7)


@pytest.mark.parametrize(
    ("made", "planes", "reach", "overlap"),
    [
        ((0, 0), (0, 1, 2), (0, 0), (7, 7)),
        ((1, 1), (0,), (0, 0), (7, 7)),
        ((1, 0), (1, 2), (0, 0), (8, 7)),
        ((0, 1), (1, 2), (0, 0), (7, 8)),
        ((1, 1), (0, 1, 2), (3, 2), (10, 10)),
        ((2, 1), (2, 1, 0), (0, 0), (8, 8)),
        ((2, 0), (1,), (2, 3), (12, 10)),
    ],
)
def test_what_is_kept_of_a_tile_has_whole_chroma_samples(
    made: tuple[int, int], planes: Sequence[int], reach: tuple[int, int], overlap: tuple[int, int]
) -> None:
    plan, found = _plan(job(made=made, planes=planes, reach=reach), Tiling((2, 2)), GraphTraits(), (1, 1))
    assert found == overlap
    across, down = (1 << s if any(planes) else 1 for s in made)
    assert all(span.inner_start % across == 0 for span in plan.columns)
    assert all(span.inner_start % down == 0 for span in plan.rows)
    subsampled = [made if plane else (0, 0) for plane in planes]
    assert _shrink(job(made=made, planes=planes)) == subsampled


@pytest.mark.parametrize(
    ("multiple", "block", "source", "grid"),
    [
        (1, 1, (0, 0), (1, 1)),
        (1, 2, (0, 0), (2, 2)),
        (4, 2, (1, 1), (4, 4)),
        (1, 1, (1, 0), (2, 1)),
        (1, 1, (0, 1), (1, 2)),
        (1, 2, (2, 1), (4, 2)),
        (1, 2, (0, 2), (2, 4)),
    ],
)
def test_tiles_begin_on_the_grid_of_blocks_and_chroma(
    multiple: int, block: int, source: tuple[int, int], grid: tuple[int, int]
) -> None:
    """Tiles of 49 pixels of overlap 7 begin every 35, or what the grid makes of that."""
    whole = job((200, 200), replace(FACTS, multiple=multiple), source)
    plan, _ = _plan(whole, Tiling(None, (49, 49)), GraphTraits(block=block), (1, 1))
    for spans, step in zip((plan.columns, plan.rows), grid, strict=True):
        tile = 49 + (200 - 49) % step
        assert [span.start for span in spans[:2]] == [0, (tile - 14) // step * step]


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_the_work_is_described(steady: bool, linear: bool, bits: int) -> None:
    facts = replace(FACTS, linear_path=linear, out_channels=3)
    assert _workload(job((100, 60), facts, bits=bits, steady=steady)) == Workload(
        width=100,
        height=60,
        radius=7,
        features=64,
        anchored=steady or linear,
        out_channels=3,
        output_bits=bits,
        output_float=bits == 32,
    )


def test_lanes_are_no_more_than_frames_and_the_new_clip_is_larger_by_the_scale() -> None:
    clip = noise_clip("GRAY8", 20, 12, frames=2)
    made = vsanime.artcnn(clip, "C4F16_VA", backend=ONNXRuntime(num_streams=9))
    assert (made.width, made.height, made.num_frames) == (40, 24, 2)
    assert planes_of(made, 1)[0].shape == (24, 40)


def test_several_lanes_are_one_warning_and_one_frame_is_none(caplog: pytest.LogCaptureFixture) -> None:
    before = vs.core.core.num_threads
    try:
        vs.core.core.num_threads = 2
        for frames in (1, 2):
            vsanime.artcnn(noise_clip("GRAY8", 20, 12, frames), "C4F16_VA", backend=ONNXRuntime(num_streams=2))
    finally:
        vs.core.core.num_threads = before
    assert [message for message in caplog.messages if "can keep every thread busy" in message] == [
        "artcnn: 2 lanes on core.num_threads=2 can keep every thread busy and other filters waiting; set "
        "`vs.core.num_threads=3` or `num_streams=1`"
    ]
