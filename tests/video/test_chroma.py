"""Where chroma samples of one frame lie among those of another, in numbers; filters' tests compare pictures."""

from __future__ import annotations

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of, noise_clip, planes_of, props_of
from vsanime.coding import chroma_coding
from vsanime.spec import ChromaLocation, Family, PlaneFormat, Range, SampleType
from vsanime.video.chroma import ChromaGrid, join_planes, plane_of, resample, source_window
from vsanime.video.clips import plane_format

LEFT, CENTER, TOP_LEFT, BOTTOM = (
    ChromaLocation.LEFT,
    ChromaLocation.CENTER,
    ChromaLocation.TOP_LEFT,
    ChromaLocation.BOTTOM,
)


@pytest.mark.parametrize(
    ("source", "target", "window"),
    [
        (ChromaGrid(64, 48, (1, 1), CENTER), ChromaGrid(128, 96, (1, 1), CENTER), (0, 0, 32, 24)),
        (ChromaGrid(64, 48, (1, 1), LEFT), ChromaGrid(64, 48, (1, 1), LEFT), (0, 0, 32, 24)),
        (ChromaGrid(64, 48, (1, 1), LEFT), ChromaGrid(128, 96, (1, 1), LEFT), (0.125, 0, 32, 24)),
        (ChromaGrid(64, 48, (1, 1), TOP_LEFT), ChromaGrid(64, 48, (1, 1), BOTTOM), (0.25, 0.5, 32, 24)),
        (ChromaGrid(64, 48, (1, 0), LEFT), ChromaGrid(64, 48, (0, 0)), (0.25, 0, 32, 48)),
        (ChromaGrid(64, 48, (1, 1), LEFT), ChromaGrid(192, 96, (0, 1), LEFT), (0.25, 0, 32, 24)),
        (ChromaGrid(64, 48, (2, 0), LEFT), ChromaGrid(64, 48, (1, 0), LEFT), (0.25, 0, 16, 48)),
        (ChromaGrid(64, 48, (0, 0)), ChromaGrid(33, 25, (1, 1), CENTER), (0, 0, 64 * 32 / 33, 48 * 24 / 25)),
    ],
)
def test_windows_show_the_same_picture_edge_to_edge(
    source: ChromaGrid, target: ChromaGrid, window: tuple[float, float, float, float]
) -> None:
    assert source_window(source, target) == pytest.approx(window)


@pytest.mark.parametrize("value", [0.0, 0.3, -0.5])
@pytest.mark.parametrize("full", [Range.LIMITED, Range.FULL])
@pytest.mark.parametrize(
    ("source", "target"), [(8, 8), (8, 10), (10, 16), (16, 8), (8, 32), (32, 10), (32, 16.5), (10, 16.5)]
)
def test_flat_chroma_keeps_its_value_in_any_depth(source: float, target: float, full: Range, value: float) -> None:
    """16.5 is a half float."""

    def form_of(bits: float) -> PlaneFormat:
        kind = SampleType.INTEGER if bits in (8, 10, 16) else SampleType.FLOAT
        return PlaneFormat(Family.YUV, kind, int(bits), 1, 1)

    before, after = form_of(source), form_of(target)
    coding, wanted = chroma_coding(before, full), chroma_coding(after, full)
    code = value * coding.span + coding.zero
    code = code if coding.peak is None else min(round(code), coding.peak)
    gray = {8: "GRAY8", 10: "GRAY10", 16: "GRAY16", 32: "GRAYS", 16.5: "GRAYH"}
    plane = clip_of([[np.full((12, 16), code, coding.dtype)]], format_of(gray[source]), _Range=1)
    grids = ChromaGrid(32, 24, (1, 1)), ChromaGrid(64, 48, (1, 1))
    made = resample(plane, (before, grids[0]), (after, grids[1]), full)
    assert (made.width, made.height, made.format.id) == (32, 24, format_of(gray[target]).id)
    expected = (code - coding.zero) / coding.span * wanted.span + wanted.zero
    off = np.abs(planes_of(made)[0].astype(float) - min(max(expected, 0), wanted.peak or 9) if wanted.peak else
                 planes_of(made)[0].astype(float) - expected)  # fmt: skip
    # Half a code of rounding; of half floats a 2048th.
    assert off.max() <= (0.51 if wanted.peak else 5e-4 if target == 16.5 else 1e-6)


@pytest.mark.parametrize(("subsampling", "size"), [((0, 0), (64, 48)), ((1, 0), (32, 48)), ((0, 1), (64, 24))])
def test_planes_are_as_large_as_the_targets(subsampling: tuple[int, int], size: tuple[int, int]) -> None:
    form = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1)
    target = PlaneFormat(Family.YUV, SampleType.INTEGER, 8, *subsampling)
    plane = noise_clip("GRAY8", 16, 12)
    grids = ChromaGrid(32, 24, (1, 1)), ChromaGrid(64, 48, subsampling)
    made = resample(plane, (form, grids[0]), (target, grids[1]), Range.LIMITED)
    assert (made.width, made.height) == size


def test_planes_are_taken_apart_and_put_together() -> None:
    clip = noise_clip("YUV420P8", 16, 12, own=4)
    planes = [plane_of(clip, number) for number in range(3)]
    assert all(np.array_equal(planes_of(plane)[0], planes_of(clip)[n]) for n, plane in enumerate(planes))
    again = join_planes(plane_format(clip.format), planes[0], planes[1:])
    assert again.format.id == vs.YUV420P8
    assert all(np.array_equal(a, b) for a, b in zip(planes_of(again), planes_of(clip), strict=True))
    assert props_of(again)["own"] == 4
    assert join_planes(plane_format(planes[0].format), planes[0], []) is planes[0]
    assert plane_of(planes[1], 0) is planes[1]
