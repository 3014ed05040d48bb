"""What fully transparent pixels hide has no say in what is seen, in any filter, format or depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray
from PIL import Image

import vsanime
from tests.support.clips import clip_of, dtype_of, format_of, noise, planes_of, props_of
from tests.support.lineanimation import animation, colour_clip, line_clip
from vsanime import Backend
from vsanime.cli.doubling import upscale
from vsanime.video.alpha import fill_from_edge, fill_hidden
from vsanime.video.brightness import GAIN

type Array = NDArray[Any]
type Filter = Callable[[vs.VideoNode], vs.VideoNode]

F32 = Backend.OpenVINO(precision="f32")
FAST = Backend.ONNXRuntime()  # is ready sooner with large networks
WIDTH, HEIGHT = 48, 40
GRAY, YUV = ("GRAY8", "GRAYS"), ("YUV420P8", "YUV422P10", "YUV444P16", "YUV420PH", "YUV444PS", "YUV410P8")
RGB = ("RGB24", "RGB48", "RGBH", "RGBS")
LUMA, COLOR = "C4F16_VA", "ESPCN_7_SLIM_VA"
# What filters do that keep `_Alpha`, by every way that pixels take through them; and formats.
FILTERS: dict[str, tuple[Filter, tuple[str, ...]]] = {
    "artcnn": (lambda c: vsanime.artcnn(c, LUMA, backend=F32), (*GRAY, *YUV)),
    "artcnn to a size": (lambda c: vsanime.artcnn(c, LUMA, width=72, depth=16, backend=F32), ("YUV420P8", "GRAY8")),
    "artcnn of one plane": (lambda c: vsanime.artcnn(c, LUMA, planes=1, backend=F32), ("YUV420P8", "YUV444PS")),
    "artcnn with chroma": (
        lambda c: vsanime.artcnn(c, LUMA, chroma="C4F32_Chroma_VA", backend=F32), ("YUV420P8", "YUV422P10")
    ),
    "artcnn_chroma": (lambda c: vsanime.artcnn_chroma(c, backend=F32), ("YUV420P8", "YUV422P10", "YUV420PH")),
    "artcnn_chroma of one plane": (lambda c: vsanime.artcnn_chroma(c, planes=2, backend=F32), ("YUV420P8",)),
    "waifu2x": (lambda c: vsanime.waifu2x(c, model=COLOR, backend=F32), (*GRAY, *YUV, *RGB)),
    "waifu2x without tint": (
        lambda c: vsanime.waifu2x(c, model=COLOR, tint="correct", backend=F32), ("YUV420P8", "RGB24")
    ),
    "upscale": (lambda c: upscale(c, COLOR, width=2 * WIDTH + 8, depth=8, backend=F32), ("RGB24", "YUV420P8")),
    "upscale of luma": (lambda c: upscale(c, LUMA, width=72, depth=8, backend=F32), ("YUV420P8",)),
    "animegan": (lambda c: vsanime.animegan(c, backend=FAST), ("GRAY8", "YUV420P8", "RGB24", "RGBS")),
    "animegan by scenes": (
        lambda c: vsanime.animegan(c.std.SetFrameProps(_SceneChangePrev=1), brightness="scene", backend=FAST),
        ("RGB24",),
    ),
    "animegan of a smaller picture": (
        lambda c: vsanime.animegan(c, work_size=(24, 20), strength=0.5, backend=FAST), ("RGB24",)
    ),
    "lineart": (lambda c: vsanime.lineart(c, backend=F32), ("GRAY8", "YUV420P8", "YUV444PS", "RGB24")),
    "lineart with a wide pen": (lambda c: vsanime.lineart(c, sigma=6, backend=F32), ("RGB24",)),
    "distance_field": (vsanime.distance_field, ("GRAY8", "GRAY16", "GRAYH")),
}  # fmt: skip
CASES = [(name, form) for name, (_, forms) in FILTERS.items() for form in forms]
# Public functions that give no clip, or none with a picture of its own.
OTHERS = {"encoder_args", "mark_scenes", "colorize"}


def doubled_luma(clip: vs.VideoNode) -> vs.VideoNode:
    return vsanime.artcnn(clip, LUMA, width=100, backend=F32)


def upscaled_color(clip: vs.VideoNode) -> vs.VideoNode:
    return upscale(clip, COLOR, width=100, depth=8, backend=F32)


def disc(depth: int = 8) -> Array:
    """Transparency of a disc: opaque inside, half transparent at its edge, a lone faint pixel, nothing elsewhere."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(y - 18, x - 21)
    alpha = np.clip((15 - away) / 4, 0, 1)
    alpha[36, 44] = 2 / 255
    return np.round(alpha * ((1 << depth) - 1)).astype(np.uint8 if depth == 8 else np.uint16)


def hidden(planes: list[Array], form: vs.VideoFormat, alpha: Array, value: Any) -> list[Array]:
    """Planes with another value in every sample that shows at no visible pixel."""
    result = []
    for p, plane in enumerate(planes):
        down, across = (1 << form.subsampling_h, 1 << form.subsampling_w) if p else (1, 1)
        rows, columns = np.nonzero(alpha)
        shown = np.zeros(plane.shape, bool)
        shown[rows // down, columns // across] = True
        result.append(np.where(shown, plane, value(plane) if callable(value) else np.array(value).astype(plane.dtype)))
    return result


def garbage(plane: Array) -> Array:
    """Noise over all codes; of floats with infinities and NaN."""
    rng = np.random.default_rng(plane.size)
    if plane.dtype.kind == "u":
        return rng.integers(0, np.iinfo(plane.dtype).max, plane.shape, plane.dtype, endpoint=True)
    return rng.choice(np.array([np.nan, np.inf, -3, 60000], plane.dtype), plane.shape)


def transparent(name: str, values: list[Any], mask: Array | None = None, depth: int = 8) -> vs.VideoNode:
    """The same noise under a disc, in a frame for each of the values that are hidden beyond it."""
    form, mask = format_of(name), disc(depth) if mask is None else mask
    gray = clip_of([[mask]] * len(values), vs.core.query_video_format(vs.GRAY, vs.INTEGER, depth), _Range=1)
    (planes,) = noise(form, WIDTH, HEIGHT, seed=4)
    frames = [hidden(planes, form, mask, value) for value in values]
    return clip_of(frames, form).std.ClipToProp(gray, prop="_Alpha")


def alpha_of(clip: vs.VideoNode, n: int = 0) -> Array:
    return planes_of(clip.std.PropToClip("_Alpha"), n)[0]


def assert_seen_alike(clip: vs.VideoNode, other: vs.VideoNode | None = None) -> None:
    """All frames are equal wherever they are not fully transparent, as are those of the other clip if there is one."""
    seen = alpha_of(clip)
    assert (seen > 0).any()
    frames = [(one, n) for one in (clip, other) if one is not None for n in range(one.num_frames)]
    for one, n in frames[1:]:
        np.testing.assert_array_equal(alpha_of(one, n), seen)
        assert_planes_alike(planes_of(one, n), planes_of(clip), seen, clip.format)


def assert_planes_alike(planes: list[Array], others: list[Array], seen: Array, form: vs.VideoFormat) -> None:
    for p, (found, expected) in enumerate(zip(planes, others, strict=True)):
        down, across = (1 << form.subsampling_h, 1 << form.subsampling_w) if p else (1, 1)
        height, width = found.shape
        shown = (seen > 0).reshape(height, down, width, across).any((1, 3))
        assert np.isfinite(found[shown]).all()
        np.testing.assert_array_equal(found[shown], expected[shown])


def test_every_public_filter_is_tried() -> None:
    public = {name for name in vsanime.__all__ if callable(getattr(vsanime, name)) and name.islower()}
    assert {name.split()[0] for name in FILTERS} - {"upscale"} == public - OTHERS


@pytest.mark.parametrize(("name", "form"), CASES)
def test_hidden_color_changes_nothing_that_is_seen(name: str, form: str) -> None:
    found = FILTERS[name][0](transparent(form, [0, 1, garbage]))
    assert_seen_alike(found)
    assert len({props_of(found, n).get(GAIN) for n in range(3)}) == 1


@pytest.mark.parametrize("name", ["GRAYS", "GRAYH", "GRAY8", "GRAY16"])
@pytest.mark.parametrize("scale", [doubled_luma, upscaled_color])
def test_transparency_stays_between_transparent_and_opaque(name: str, scale: Filter) -> None:
    """Spline36 overshoots at edges."""
    form = format_of(name)
    peak = 1 if form.sample_type == vs.FLOAT else (1 << form.bits_per_sample) - 1
    step = np.where(np.arange(WIDTH) < 20, peak, 0).repeat(HEIGHT).reshape(WIDTH, HEIGHT).T.astype(dtype_of(form))
    clip = clip_of(noise(format_of("YUV444P8"), WIDTH, HEIGHT), format_of("YUV444P8"))
    made = scale(clip.std.ClipToProp(clip_of([[step]], form), prop="_Alpha"))
    found = alpha_of(made)
    assert found.dtype == dtype_of(made.get_frame(0).props["_Alpha"].format)
    assert found.min() == 0
    assert found.max() == (1 if found.dtype.kind == "f" else np.iinfo(found.dtype).max)
    assert ((found > 0.1 * found.max()) & (found < 0.9 * found.max())).any()


@pytest.mark.parametrize("name", ["artcnn", "waifu2x", "animegan", "lineart"])
def test_fully_transparent_frames_tell_nothing(name: str) -> None:
    clip = transparent("YUV420P8", [0, 255, garbage], mask=np.zeros((HEIGHT, WIDTH), np.uint8))
    made = FILTERS[name][0](clip)
    for n in (1, 2):
        for found, expected in zip(planes_of(made, n), planes_of(made), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["artcnn", "artcnn_chroma", "waifu2x", "animegan", "lineart"])
def test_opaque_clips_come_out_as_those_without_transparency(name: str) -> None:
    clip = transparent("YUV420P8", [0], mask=np.full((HEIGHT, WIDTH), 255, np.uint8))
    for found, expected in zip(
        planes_of(FILTERS[name][0](clip)),
        planes_of(FILTERS[name][0](clip.std.RemoveFrameProps(["_Alpha"]))),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_clips_without_transparency_stay_the_clips_that_they_are() -> None:
    clip = clip_of(noise(format_of("YUV420P8"), 16, 16), format_of("YUV420P8"))
    assert fill_hidden(clip, None) is clip


@pytest.mark.parametrize("depth", [8, 10, 16])
@pytest.mark.parametrize("form", ["RGB24", "YUV420P10", "RGBS"])
def test_transparency_may_have_a_depth_of_its_own(form: str, depth: int) -> None:
    clip = transparent(form, [0, garbage], depth=depth)
    filled = fill_hidden(clip, clip.std.PropToClip("_Alpha"))
    for found, expected in zip(planes_of(filled), planes_of(filled, 1), strict=True):
        np.testing.assert_array_equal(found, expected)
    # A faint pixel is no hidden one, of whatever depth.
    assert_seen_alike(filled, clip)


def test_a_chroma_sample_shows_where_any_pixel_of_its_block_does() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[3, 4] = 1
    chroma = np.arange(16, dtype=np.uint8).reshape(4, 4)
    form = format_of("YUV420P8")
    clip = clip_of([[np.zeros((8, 8), np.uint8), chroma, chroma + 100]], form)
    mask = clip_of([[alpha]], format_of("GRAY8"))
    _, u, v = planes_of(fill_hidden(clip, mask))
    # One sample is seen, that of the block of rows 2 and 3, columns 4 and 5; all else goes by it.
    assert (u == chroma[1, 2]).all()
    assert (v == chroma[1, 2] + 100).all()


# The fill by itself


def filled(plane: Array, visible: Any, background: float = 99, **more: int) -> Array:
    return fill_from_edge(plane[None], np.asarray(visible, bool), [background], **more)[0]


def test_what_is_visible_stays_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    for dtype in (np.uint8, np.uint16, np.float16, np.float32):
        plane = (rng.random((23, 31)) * (1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max)).astype(dtype)
        visible = rng.random((23, 31)) > 0.7
        found = filled(plane, visible)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found[visible], plane[visible])
        # Means lie between what they are means of.
        assert found.min() >= plane[visible].min()
        assert found.max() <= plane[visible].max()


def test_rings_are_means_of_neighbors() -> None:
    plane = np.array([[3, 10, 0, 0, 0, 0, 21]], np.uint8)
    for distance in (2, 3, 14):
        assert filled(plane, plane > 0, distance=distance).tolist() == [[3, 10, 10, 10, 21, 21, 21]]
    assert filled(np.array([[10, 0, 21]], np.uint8), [[True, False, True]]).tolist() == [[10, 16, 21]]
    assert filled(np.array([[8, 0], [5, 0]], np.uint8), [[True, False], [True, False]]).tolist() == [[8, 7], [5, 7]]


@pytest.mark.parametrize("seed", range(4))
def test_rings_are_those_that_are_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    planes, visible = rng.random((3, 12, 17)), rng.random((12, 17)) > 0.96
    visible[5, 9] = True
    expected, known = np.where(visible, planes, 0), visible.copy()
    while not known.all():
        ring = {}
        for y, x in zip(*np.nonzero(~known), strict=True):
            rows, columns = slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2)
            if known[rows, columns].any():
                ring[y, x] = [plane[rows, columns][known[rows, columns]].mean() for plane in expected]
        for (y, x), values in ring.items():
            expected[:, y, x], known[y, x] = values, True
    found = fill_from_edge(planes.astype(np.float32), visible, [0.5] * 3, distance=17)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_far_from_the_edge_is_a_mean_of_blocks() -> None:
    plane = np.zeros((64, 70), np.uint8)
    plane[:, :4], plane[:, 64:] = 200, 40
    found = filled(plane, plane > 0, distance=2)
    assert (found[:, :6] == 200).all()
    assert (found[:, 62:] == 40).all()
    assert (found[:, 6:32] == 200).all()  # blocks of up to 32 hold nothing else
    assert filled(np.array([[9, 0, 0, 0, 0, 4]], np.uint8), [[1, 0, 0, 0, 0, 1]], distance=0).tolist() == [
        [9, 9, 9, 9, 4, 4]
    ]


def test_where_nothing_is_visible_the_background_is_all() -> None:
    planes = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    found = fill_from_edge(planes, np.zeros((3, 4), bool), [128, 7])
    assert (found == np.array([128, 7])[:, None, None]).all()


@pytest.mark.parametrize("name", ["YUV420P8", "YUV444P10", "YUV444PS", "GRAY16", "RGB24", "RGBH"])
def test_fully_transparent_pictures_become_gray(name: str) -> None:
    form = format_of(name)
    clip = clip_of(noise(form, 16, 16), form)
    first, *others = planes_of(fill_hidden(clip, vs.core.std.BlankClip(None, 16, 16, vs.GRAY8, 1)))
    peak = 1 if form.sample_type == vs.FLOAT else (1 << form.bits_per_sample) - 1
    assert abs(float(first[0, 0]) / peak - 0.5) < 0.003
    for plane in others:
        chroma = form.color_family == vs.YUV
        middle = 0 if form.sample_type == vs.FLOAT else 1 << (form.bits_per_sample - 1)
        assert (plane == (middle if chroma else first)).all()
        assert plane.dtype == dtype_of(form)


# Line art and what colors it lie on white paper


def on_transparency(form: int, alpha: Array, value: Any, ink: int = 0) -> vs.VideoNode:
    """Ink that is visible as `alpha` says, and a value under all that is hidden."""
    made = vs.core.get_video_format(form)
    plane = np.where(alpha > 0, ink, value).astype(dtype_of(made))
    mask = clip_of([[alpha]], format_of("GRAY8"))
    return clip_of([[plane] * made.num_planes], made, _Range=1).std.ClipToProp(mask, prop="_Alpha")


def stroke() -> Array:
    """A soft stroke across."""
    alpha = np.zeros((40, 64), np.uint8)
    alpha[18:22] = np.array([90, 255, 255, 140], np.uint8)[:, None]
    return alpha


@pytest.mark.parametrize("form", [vs.GRAY8, vs.GRAY16, vs.GRAYS])
@pytest.mark.parametrize("value", [0, 1, 200])
def test_distances_are_to_ink_on_paper(form: int, value: int) -> None:
    alpha = stroke()
    paper = clip_of([[255 - alpha]], format_of("GRAY8"), _Range=1)
    clip = on_transparency(form, alpha, value)
    found = vsanime.distance_field(clip, depth="single")
    np.testing.assert_array_equal(planes_of(found)[0], planes_of(vsanime.distance_field(paper, depth="single"))[0])
    np.testing.assert_array_equal(alpha_of(found), alpha)


def test_ink_of_limited_range_lies_on_its_own_white() -> None:
    alpha = stroke()
    limited = clip_of([[np.full_like(alpha, 16)]], format_of("GRAY8"), _Range=0)
    clip = limited.std.ClipToProp(clip_of([[alpha]], format_of("GRAY8")), prop="_Alpha")
    paper = clip_of([[255 - alpha]], format_of("GRAY8"), _Range=1)
    found, expected = (planes_of(vsanime.distance_field(c, depth="single"))[0] for c in (clip, paper))
    np.testing.assert_array_equal(found, expected)


def cels() -> tuple[list[Array], list[Array], Array]:
    """Lines and colors of a drawing that moves, and where there is nothing but paper."""
    lines, colors = animation((0, 1, 2))
    return lines, colors, np.where(np.min(lines, axis=0) < 255, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("value", [0, 77])
def test_line_art_on_transparency_is_colored_as_that_on_paper(value: int) -> None:
    lines, colors, alpha = cels()
    references = colour_clip([colors[0]])
    expected = vsanime.colorize(line_clip(lines), references, keys=[0], model="flow")
    mask = clip_of([[alpha]] * 3, format_of("GRAY8"))
    other = line_clip([np.where(alpha > 0, line, value).astype(np.uint8) for line in lines])
    for policy in ({}, {"scenes": [1], "no_reference": "passthrough"}):
        expected = vsanime.colorize(line_clip(lines), references, keys=[0], model="flow", **policy)
        transparent = other.std.ClipToProp(mask, prop="_Alpha")
        found = vsanime.colorize(transparent, references, keys=[0], model="flow", **policy)
        assert "_Alpha" not in props_of(found, 2)
        for one, two in zip(planes_of(found, 2), planes_of(expected, 2), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("value", [0, 77])
@pytest.mark.parametrize("frames", [1, 3])
def test_references_on_transparency_lie_on_white_as_files_do(value: int, frames: int, tmp_path: Path) -> None:
    lines, colors, _ = cels()
    y, x = np.mgrid[: lines[0].shape[0], : lines[0].shape[1]]
    alpha = np.where(np.hypot(y - 40, x - 60) < 35, 255, 0).astype(np.uint8)
    picture = np.where(alpha[..., None] > 0, colors[0], value).astype(np.uint8)
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "key.png")
    expected = vsanime.colorize(line_clip(lines), {0: tmp_path / "key.png"}, model="flow")
    clip = colour_clip([picture] * frames).std.ClipToProp(clip_of([[alpha]] * frames, format_of("GRAY8")), "_Alpha")
    references: Any = ({"references": clip, "keys": [0]}, {"references": {0: clip[0]}})
    for given in references:
        found = vsanime.colorize(line_clip(lines), model="flow", **given)
        for n in (0, 1):
            assert "_Alpha" not in props_of(found, n)
            for one, two in zip(planes_of(found, n), planes_of(expected, n), strict=True):
                np.testing.assert_array_equal(one, two)


def test_a_reference_with_transparency_may_stand_beside_one_without() -> None:
    lines, colors, _ = cels()
    alpha = np.zeros(lines[0].shape, np.uint8)
    alpha[:, 40:] = 255
    mask = clip_of([[alpha]], format_of("GRAY8"))
    found = []
    for value in (0, 200):
        last = colour_clip([np.where(alpha[..., None] > 0, colors[2], value).astype(np.uint8)])
        keys = {0: colour_clip([colors[0]]), 2: last.std.ClipToProp(mask, prop="_Alpha")}
        found.append(planes_of(vsanime.colorize(line_clip(lines), keys, model="flow"), 1))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_cuts_are_not_found_in_what_is_hidden() -> None:
    clip = transparent("RGB24", [0, 255, 0])
    assert [props_of(vsanime.mark_scenes(clip), n)["_SceneChangePrev"] for n in range(3)] == [1, 0, 0]
    plain = clip.std.RemoveFrameProps(["_Alpha"])
    assert [props_of(vsanime.mark_scenes(plain), n)["_SceneChangePrev"] for n in range(3)] == [1, 1, 1]
