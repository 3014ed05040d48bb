"""Transparency and what hides under it, sample by sample; `test_hidden_color` has whole filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests.support.clips import clip_of, format_of, planes_of, props_of
from vsanime.spec import Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.alpha import (
    alpha_of,
    check_alpha,
    clip_on_white,
    fill_from_edge,
    fill_hidden,
    in_depth,
    resize_alpha,
    with_alpha,
    with_sure_ends,
)
from vsanime.video.clips import plane_format

type Array = NDArray[Any]


def gray(values: Any, name: str = "GRAY8", **props: int) -> vs.VideoNode:
    """A clip of one frame, or of one for each of several pictures."""
    planes = np.array(values, {"GRAY8": np.uint8, "GRAY16": np.uint16, "GRAYH": np.float16}.get(name, np.float32))
    return clip_of([[plane] for plane in (planes if planes.ndim == 3 else planes[None])], format_of(name), **props)


def filled(planes: Array, visible: NDArray[np.bool_], backgrounds: list[float], distance: int) -> Array:
    """Rings of neighbors' means, then means of blocks of 2, 4, 8 and so on, from the words of the documentation."""
    height, width = visible.shape
    known = visible.copy()
    values = np.where(visible, planes, 0).astype(np.float64)
    if not visible.any():
        return np.broadcast_to(np.array(backgrounds)[:, None, None], planes.shape)
    for _ in range(distance):
        before, had = values.copy(), known.copy()
        for y in range(height):
            for x in range(width):
                window = np.s_[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                if not had[y, x] and had[window].any():
                    values[:, y, x] = [plane[window][had[window]].mean() for plane in before]
                    known[y, x] = True
    left, size = ~known, 1
    means = np.where(known, values, 0)
    while left.any():
        size *= 2
        rows, columns = -(-height // size), -(-width // size)
        smaller, had = np.zeros((len(planes), rows, columns)), np.zeros((rows, columns), bool)
        full = np.zeros(known.shape, bool)
        for y in range(rows):
            for x in range(columns):
                block = np.s_[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
                if known[block].any():
                    smaller[:, y, x] = [plane[block][known[block]].mean() for plane in means]
                    had[y, x] = True
        means, known = smaller, had
        full = had.repeat(size, 0).repeat(size, 1)[:height, :width] & left
        values[:, full] = means.repeat(size, 1).repeat(size, 2)[:, :height, :width][:, full]
        left &= ~full
    return np.where(visible, planes, values)


@pytest.mark.parametrize("distance", [0, 1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (13, 8), (17, 21)])
@pytest.mark.parametrize("seed", range(3))
def test_hidden_samples_go_on_from_the_edge(size: tuple[int, int], distance: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    planes = rng.random((2, *size)).astype(np.float32)
    visible = np.zeros(size, bool)
    visible[rng.integers(size[0], size=2), rng.integers(size[1], size=2)] = True
    planes[:, ~visible] = np.nan
    found = fill_from_edge(planes, visible, [0.25, 0.75], distance)
    np.testing.assert_allclose(found, filled(planes, visible, [0.25, 0.75], distance), rtol=1e-5)
    codes = np.where(visible, planes * 255, 9).astype(np.uint8)
    expected = filled(codes, visible, [1, 2], distance)
    assert np.abs(fill_from_edge(codes, visible, [1, 2], distance) - expected).max() < 0.501


def test_fourteen_rings_are_filled_by_neighbors() -> None:
    planes = np.random.default_rng(2).random((1, 40, 12)).astype(np.float32)
    visible = np.zeros((40, 12), bool)
    visible[0] = True
    assert np.array_equal(fill_from_edge(planes, visible, [0]), fill_from_edge(planes, visible, [0], 14))
    assert not np.array_equal(fill_from_edge(planes, visible, [0]), fill_from_edge(planes, visible, [0], 15))
    assert not np.array_equal(fill_from_edge(planes, visible, [0]), fill_from_edge(planes, visible, [0], 13))


def test_halves_are_rounded_up() -> None:
    planes = np.array([[[10, 0, 11]]], np.uint8)
    assert fill_from_edge(planes, planes[0] > 0, [0]).tolist() == [[[10, 11, 11]]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("GRAY8", [127.5]),
        ("GRAYS", [0.5]),
        ("YUV420P8", [127.5, 128, 128]),
        ("YUV422P10", [511.5, 512, 512]),
        ("YUV444PS", [0.5, 0, 0]),
        ("RGB24", [127.5, 127.5, 127.5]),
        ("RGBS", [0.5, 0.5, 0.5]),
    ],
)
def test_frames_without_anything_visible_are_middle_gray(name: str, values: list[float]) -> None:
    form = format_of(name)
    clip = vs.core.std.BlankClip(None, 8, 4, form.id, 1)
    alpha = gray(np.zeros((4, 8)))
    found = planes_of(fill_hidden(clip, alpha))
    assert [plane[0, 0] for plane in found] == [
        int(value) if form.sample_type == vs.INTEGER else value for value in values
    ]
    assert all((plane == plane[0, 0]).all() for plane in found)


@pytest.mark.parametrize(
    ("name", "across", "down"), [("420P8", 2, 2), ("422P8", 2, 1), ("440P8", 1, 2), ("410P8", 4, 4)]
)
def test_chroma_is_visible_where_any_pixel_of_its_block_is(name: str, across: int, down: int) -> None:
    """Blocks with one visible pixel keep their chroma; others get it."""
    form = format_of(name)
    mask = np.zeros((8, 16), np.uint8)
    mask[7, 6] = 1
    shape = 8 // down, 16 // across
    chroma = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    luma = np.arange(128, dtype=np.uint8).reshape(8, 16)
    clip = clip_of([[luma, chroma, chroma + 1]], form)
    found = planes_of(fill_hidden(clip, gray(mask)))
    kept = chroma[7 // down, 6 // across]
    assert [set(plane.ravel().tolist()) for plane in found] == [{7 * 16 + 6}, {kept}, {kept + 1}]
    assert fill_hidden(clip, None) is clip
    assert all(
        np.array_equal(a, b) for a, b in zip(planes_of(fill_hidden(clip, gray(mask + 1))), planes_of(clip), strict=True)
    )


@pytest.mark.parametrize(
    ("family", "value_range", "white"),
    [
        (Family.YUV, Range.LIMITED, (235, 128)),
        (Family.YUV, Range.FULL, (255, 128)),
        (Family.RGB, Range.FULL, (255, 255)),
        (Family.RGB, Range.LIMITED, (235, 235)),
        (Family.GRAY, Range.LIMITED, (235, 235)),
    ],
)
def test_white_paper_is_mixed_in_by_how_transparent_a_sample_is(
    family: Family, value_range: Range, white: tuple[int, int]
) -> None:
    """Alpha of 0, 51, 102 and 255 over two pixels each: chroma of 4:2:2 lies under two."""
    name = {Family.YUV: "YUV422P8", Family.RGB: "RGB24", Family.GRAY: "GRAY8"}[family]
    form = format_of(name)
    alpha = np.array([[0, 0, 51, 51, 0, 102, 255, 255]] * 2, np.uint8)
    planes = [np.full((2, 8 >> (form.subsampling_w if p else 0)), 40, np.uint8) for p in range(form.num_planes)]
    clip = clip_of([planes], form, own=5).std.ClipToProp(gray(alpha), prop="_Alpha")
    spec = FrameSpec(plane_format(form), 8, 2, value_range, 1, None)
    found = clip_on_white(clip, gray(alpha), spec)
    for p, plane in enumerate(planes_of(found)):
        paper = white[min(p, 1)]
        share = (alpha.reshape(2, plane.shape[1], -1) / 255).mean(-1)
        assert np.array_equal(plane, np.floor(paper + (40 - paper) * share + 0.5))
    assert "_Alpha" not in props_of(found)
    assert props_of(found)["own"] == 5
    assert clip_on_white(clip, None, spec) is clip


def test_floats_on_white_are_not_rounded_and_hidden_ones_do_not_matter() -> None:
    luma = np.array([[np.nan, 0.3, 0.3, 1.5]], np.float32)
    alpha = gray([[0, 0.5, 2, 1]], "GRAYS")
    spec = FrameSpec(PlaneFormat(Family.GRAY, SampleType.FLOAT, 32), 4, 1, Range.FULL, 1, None)
    found = planes_of(clip_on_white(gray(luma, "GRAYS"), alpha, spec))[0]
    np.testing.assert_allclose(found, [[1, 0.65, 0.3, 1.5]], rtol=1e-6)


def test_transparency_is_a_clip_of_its_own() -> None:
    """Opaque where a later frame has none; in the depth of the first frame's."""
    pictures = [np.full((4, 6), value, np.uint8) for value in (10, 20, 30)]
    clip = gray(pictures)
    alpha = gray(np.stack(pictures).astype(np.uint16) * 100, "GRAY16")
    both = clip.std.ClipToProp(alpha, prop="_Alpha")
    shown = vs.core.std.Splice([both[0], clip[1], both[2]])
    with shown.get_frame(0) as frame:
        found = alpha_of("test", shown, dict(frame.props))
        assert alpha_of("test", shown, {}) is None
    assert found is not None
    assert (found.format.id, found.num_frames) == (vs.GRAY16, 3)
    assert [int(planes_of(found, n)[0][0, 0]) for n in range(3)] == [1000, 65535, 3000]
    assert props_of(found)["_Range"] == 1


def test_what_is_no_transparency_is_refused() -> None:
    def frame(name: str, width: int, height: int) -> vs.VideoFrame:
        return vs.core.std.BlankClip(None, width, height, format_of(name).id, 1).get_frame(0)

    good = frame("GRAY8", 6, 4)
    form = format_of("GRAY8")
    assert check_alpha("x", good, (6, 4)) is good
    assert check_alpha("x", good, (6, 4), form) is good
    for found, wanted, message in (
        (3, None, r"^x: _Alpha is int; a gray frame is needed, or none: `clip\.std\.RemoveFrameProps\('_Alpha'\)`$"),
        (frame("RGB24", 6, 4), None, r"^x: _Alpha is RGB24; a gray"),
        (frame("GRAY8", 6, 5), None, r"^x: _Alpha is 6x5; the frame's own 6x4 are needed$"),
        (frame("GRAY8", 7, 4), None, r"^x: _Alpha is 7x4; the"),
        (frame("GRAY16", 6, 4), form, r"^x: _Alpha is Gray16 where the first frame's is Gray8; one depth is needed$"),
    ):
        with pytest.raises(vs.Error, match=message):
            check_alpha("x", found, (6, 4), wanted)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (16, 65535)])
def test_transparency_of_another_depth_is_the_same(bits: int, top: int) -> None:
    form = PlaneFormat(Family.YUV, SampleType.INTEGER, bits, 1, 1)
    alpha = gray([[0, 51, 255, 102]])
    found = in_depth(alpha, form)
    assert found is not None
    assert found.format.bits_per_sample == bits
    assert planes_of(found)[0].tolist() == [[0, round(top / 5), top, round(top * 2 / 5)]]
    assert (found is alpha) == (bits == 8)
    assert in_depth(None, form) is None


def test_transparency_of_a_frame_is_replaced_or_taken_away() -> None:
    clip, alpha = gray(np.zeros((4, 6))), gray(np.full((4, 6), 9), _Matrix=9, own=1)
    found = with_alpha(clip, alpha)
    with found.get_frame(0) as frame:
        shown = frame.props["_Alpha"]
        assert isinstance(shown, vs.VideoFrame)
        assert np.asarray(shown[0])[0, 0] == 9
        assert dict(shown.props) == {"_Range": 1}
    assert "_Alpha" not in props_of(with_alpha(found, None))


@pytest.mark.parametrize(("name", "top"), [("GRAY8", 255), ("GRAY16", 65535), ("GRAYH", 1), ("GRAYS", 1)])
def test_scaled_transparency_is_exact_where_its_source_is_all_around(name: str, top: float) -> None:
    source = np.zeros((5, 9))
    source[:, 5:] = top
    source[0, 0] = top / 5
    muddled = gray(np.full((10, 18), top * 0.6), name)
    found = planes_of(with_sure_ends(muddled, gray(source, name)))[0]
    between = found[6, 9]
    assert between == planes_of(muddled)[0][0, 0]
    sure = found[::2, ::2]
    assert (sure[:, 6:] == top).all()
    assert (sure[2:, :4] == 0).all()
    assert (sure[:, 4:6] == between).all()
    assert (sure[:2, :2] == between).all()


@pytest.mark.parametrize(("name", "top"), [("GRAY8", 255), ("GRAYH", 1), ("GRAYS", 1)])
def test_resized_transparency_stays_between_its_ends(name: str, top: float) -> None:
    source = np.zeros((6, 12))
    source[:, 5:] = top
    found = resize_alpha(gray(source, name), (24, 12))
    assert (found.width, found.height, found.format.id) == (24, 12, format_of(name).id)
    plane = planes_of(found)[0]
    assert (plane.min(), plane.max()) == (0, top)
    assert 0 < plane[0, 10] < top or 0 < plane[0, 9] < top
