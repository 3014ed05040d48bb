"""Chroma: resampled as zimg does it, reconstructed as the model's contract says, siting right to a hundredth pixel."""

from __future__ import annotations

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support import tolerances
from tests.support.clips import clip_of, format_of, linear_chroma, noise, noise_clip, planes_of, props_of
from tests.support.reference import assert_codes_match, decode, encode, run_plain
from tests.support.weightfiles import path_of, third_party
from vsanime import Backend

F32 = Backend.OpenVINO(precision="f32")
BACKENDS = {"openvino": F32, "onnxruntime": Backend.ONNXRuntime()}
MODEL = "C4F16_VA"
CHROMA = "C4F32_Chroma_VA"
SUBSAMPLED = ["YUV420P8", "YUV420P10", "YUV422P8", "YUV422P16", "YUV420PS", "YUV420PH"]


@pytest.mark.parametrize("name", [*SUBSAMPLED, "YUV444P8"])
@pytest.mark.parametrize("location", range(6))
def test_resampled_chroma_is_zimgs(name: str, location: int) -> None:
    """zimg doubling the whole clip keeps its siting; our chroma, made without luma, has to be the same."""
    clip = noise_clip(name, 32, 20, _Matrix=1, _Range=0)
    if "444" not in name:
        clip = clip.std.SetFrameProps(_ChromaLocation=location)
    ours = planes_of(vsanime.artcnn(clip, MODEL, backend=F32))
    zimg = planes_of(clip.resize.Spline36(64, 40))
    for plane in (1, 2):
        if clip.format.sample_type == vs.FLOAT:
            limit = tolerances.ZIMG_FLOAT if clip.format.bits_per_sample == 32 else 2**-10
            assert np.abs(ours[plane].astype(float) - zimg[plane].astype(float)).max() <= limit
        else:
            assert np.array_equal(ours[plane], zimg[plane])


@pytest.mark.parametrize("full", [0, 1], ids=["limited", "full"])
@pytest.mark.parametrize(("source", "depth"), [("YUV420P8", 10), ("YUV420P8", "single"), ("YUV420P10", 8),
                                              ("YUV420P16", "half"), ("YUV420PS", 16)])  # fmt: skip
def test_resampled_chroma_in_another_depth_is_zimgs(source: str, depth: int | str, full: int) -> None:
    clip = noise_clip(source, 32, 20, _Matrix=1, _Range=full, _ChromaLocation=0)
    up = vsanime.artcnn(clip, MODEL, depth=depth, backend=F32)
    # zimg in float, then codes by the standard's formula: its own way from depth to depth rounds more than once.
    ours, single = planes_of(up), planes_of(clip.resize.Spline36(64, 40, format=vs.YUV420PS))
    for plane in (1, 2):
        expected = encode(single[plane], up.format, bool(full), chroma=True)
        if up.format.sample_type == vs.FLOAT:
            limit = tolerances.ZIMG_FLOAT if up.format.bits_per_sample == 32 else 2**-10
            assert np.abs(ours[plane].astype(float) - expected.astype(float)).max() <= limit
        else:
            assert_codes_match(ours[plane], expected, 0.01 if up.format.bits_per_sample < 16 else 0.2)


@pytest.mark.parametrize("location", range(6))
@pytest.mark.parametrize("slope", [(0.002, 0.0), (0.0, 0.002)], ids=["across", "down"])
@pytest.mark.parametrize("size", [None, (160, 96), (150, 90)], ids=["2x", "exact", "1.5x of odd"])
def test_resampled_ramps_stay_in_place(location: int, slope: tuple[float, float], size: tuple[int, int] | None) -> None:
    """A ramp over the picture is the same ramp after doubling, seen where the output's siting puts its samples."""
    width, height = 80, 48
    clip = linear_chroma("YUV420P16", width, height, location, slope)
    wanted = dict(zip(("width", "height"), size, strict=True)) if size else {}
    up = vsanime.artcnn(clip, MODEL, backend=F32, **wanted)
    assert props_of(up)["_ChromaLocation"] == location
    assert (
        ramp_error(planes_of(up)[1], (up.width, up.height), (width, height), location, slope) < tolerances.SITING_PIXELS
    )


def ramp_error(
    plane: np.ndarray, size: tuple[int, int], source: tuple[int, int], location: int, slope: tuple[float, float]
) -> float:
    """Shift of a chroma plane against the source's ramp, in luma pixels of the output, edges left out.

    The mean, because Spline36 itself ripples along a ramp by a hundredth of a pixel.
    """
    across = (0.0, 0.5, 0.0, 0.5, 0.0, 0.5)[location]
    down = (0.5, 0.5, 0.0, 0.0, 1.0, 1.0)[location]
    step_w, step_h = size[0] // plane.shape[1], size[1] // plane.shape[0]
    x = ((np.arange(plane.shape[1]) * step_w + (across if step_w > 1 else 0)) + 0.5) * source[0] / size[0] - 0.5
    y = ((np.arange(plane.shape[0]) * step_h + (down if step_h > 1 else 0)) + 0.5) * source[1] / size[1] - 0.5
    ramp = 0.5 + slope[0] * (x[None] - source[0] / 2) + slope[1] * (y[:, None] - source[1] / 2)
    error = abs((plane / 65535 - ramp)[12:-12, 12:-12].mean())
    return float(error / max(slope) * (size[0] / source[0] if slope[0] else size[1] / source[1]))


def reconstructed(name: str, frames: list[np.ndarray], form: vs.VideoFormat, full: bool, location: int) -> np.ndarray:
    """Reference chroma at luma size, [2, h, w] around 0: zimg's bilinear in float, then the plain network."""
    single = vs.core.query_video_format(vs.YUV, vs.FLOAT, 32, form.subsampling_w, form.subsampling_h)
    values = [decode(p, form, full, chroma=i > 0).astype(np.float32) for i, p in enumerate(frames)]
    whole = clip_of([values], single, _Matrix=1, _ChromaLocation=location).resize.Bilinear(format=vs.YUV444PS)
    y, cb, cr = planes_of(whole)
    picture = np.stack([y, cb + 0.5, cr + 0.5])[None]
    return run_plain(path_of(name), picture)[0] - 0.5


@pytest.mark.parametrize("name", SUBSAMPLED)
@pytest.mark.parametrize("full", [0, 1], ids=["limited", "full"])
@pytest.mark.parametrize("location", range(6))
def test_reconstruction_equals_the_reference(name: str, full: int, location: int) -> None:
    assert_reconstruction_equals_the_reference(CHROMA, name, full, location)


@pytest.mark.parametrize("model", third_party("C4F32_Chroma"))
@pytest.mark.parametrize("name", SUBSAMPLED)
def test_reconstruction_by_third_party_weights_equals_the_reference(model: str, name: str) -> None:
    assert_reconstruction_equals_the_reference(model, name, full=0, location=2)


def assert_reconstruction_equals_the_reference(model: str, name: str, full: int, location: int) -> None:
    form = format_of(name)
    frames = noise(form, 30, 22)
    clip = clip_of(frames, form, _Range=full, _ChromaLocation=location, _Matrix=1)
    target = format_of(name.replace("420", "444").replace("422", "444"))
    expected = reconstructed(model, frames[0], form, bool(full), location)
    for backend in BACKENDS.values():
        result = vsanime.artcnn_chroma(clip, model, backend=backend)
        assert result.format.id == target.id
        assert "_ChromaLocation" not in props_of(result)
        found = planes_of(result)
        assert np.array_equal(found[0], frames[0][0])
        for plane in (1, 2):
            wanted = encode(expected[plane - 1], target, bool(full), chroma=True)
            if form.sample_type == vs.FLOAT:
                limit = tolerances.ZIMG_FLOAT if form.bits_per_sample == 32 else 2**-10
                assert np.abs(found[plane].astype(float) - wanted.astype(float)).max() <= limit
            else:
                share = tolerances.F32_CODES16_DIFFER if form.bits_per_sample == 16 else 0.001
                assert_codes_match(
                    found[plane], wanted, share + 2 / wanted.size, 3 if form.bits_per_sample == 16 else 1
                )


@pytest.mark.parametrize("location", range(6))
def test_reconstruction_before_doubling_is_resampled_in_place(location: int) -> None:
    """chroma=MODEL: full-size chroma, then zimg to the output's chroma grid, siting included, done here by hand."""
    form = format_of("YUV420P8")
    frames = noise(form, 30, 22)
    clip = clip_of(frames, form, _Range=0, _ChromaLocation=location, _Matrix=1)
    full_size = reconstructed(CHROMA, frames[0], form, False, location).astype(np.float32)
    luma = np.zeros(full_size.shape[1:], np.float32)
    whole = clip_of([[luma, *full_size]], format_of("YUV444PS"), _Matrix=1, _Range=0)
    zimg = whole.resize.Spline36(60, 44, format=vs.YUV420P10, range=0, chromaloc=location)
    found = planes_of(vsanime.artcnn(clip, MODEL, chroma=CHROMA, depth=10, backend=F32))
    for plane in (1, 2):
        # Between the network and zimg ours goes through 16 bits.
        assert_codes_match(found[plane], planes_of(zimg)[plane], 0.02)


@pytest.mark.parametrize("planes", [[1], [2], 1])
def test_planes_left_out_of_reconstruction_are_resampled(planes: int | list[int]) -> None:
    clip = noise_clip("YUV420P8", 32, 24, _Matrix=1, _Range=0, _ChromaLocation=0)
    both, zimg = planes_of(vsanime.artcnn_chroma(clip, CHROMA)), planes_of(clip.resize.Spline36(format=vs.YUV444P8))
    found = planes_of(vsanime.artcnn_chroma(clip, CHROMA, planes=planes))
    made = [planes] if isinstance(planes, int) else planes
    for plane in (1, 2):
        assert np.array_equal(found[plane], both[plane] if plane in made else zimg[plane])


def test_planes_left_out_of_doubling_are_resampled() -> None:
    clip = noise_clip("YUV420P8", 32, 24, _Matrix=1, _Range=0, _ChromaLocation=0)
    zimg = planes_of(clip.resize.Spline36(64, 48))
    only_chroma = planes_of(vsanime.artcnn(clip, MODEL, planes=[1, 2]))
    assert all(np.array_equal(a, b) for a, b in zip(only_chroma, zimg, strict=True))
    only_luma, everything = planes_of(vsanime.artcnn(clip, MODEL, planes=0)), planes_of(vsanime.artcnn(clip, MODEL))
    assert all(np.array_equal(a, b) for a, b in zip(only_luma, everything, strict=True))
    assert not np.array_equal(only_luma[0], zimg[0])


@pytest.mark.parametrize(("name", "overlap"), [("YUV420P8", (8, 8)), ("YUV422P8", (8, 7))])
def test_tiles_overlap_by_what_the_network_sees_and_a_chroma_sample(name: str, overlap: tuple[int, int]) -> None:
    """Seven pixels, and one more along axes where a pixel may lie between two chroma samples."""
    clip = noise_clip(name, 64, 48)
    for axis in (0, 1):
        tile = [48, 40]
        tile[axis] = 2 * overlap[axis] + 1
        vsanime.artcnn_chroma(clip, "C4F32_Chroma_VA", tilesize=tuple(tile), backend=F32)
        tile[axis] -= 1
        with pytest.raises(vs.Error, match=f"overlap by {overlap[axis]} on each side, which leaves nothing"):
            vsanime.artcnn_chroma(clip, "C4F32_Chroma_VA", tilesize=tuple(tile), backend=F32)


@pytest.mark.parametrize("planes", [[1], [2], [0, 1], [0, 2]])
def test_each_chroma_plane_is_made_by_our_network_or_resampled(planes: list[int]) -> None:
    clip = noise_clip("YUV420P8", 32, 24, _Matrix=1, _Range=0, _ChromaLocation=0)

    def run(planes: list[int] | None) -> list[np.ndarray]:
        return planes_of(vsanime.artcnn(clip, MODEL, chroma="C4F32_Chroma_VA", planes=planes, backend=F32))

    made, zimg, found = run(None), planes_of(clip.resize.Spline36(64, 48)), run(planes)
    for plane in (1, 2):
        assert np.array_equal(found[plane], made[plane] if plane in planes else zimg[plane])
        assert not np.array_equal(made[plane], zimg[plane])
    if 0 not in planes:
        both, full = (planes_of(vsanime.artcnn_chroma(clip, planes=chosen, backend=F32)) for chosen in (planes, None))
        point = planes_of(clip.resize.Spline36(format=vs.YUV444P8))
        for plane in (1, 2):
            assert np.array_equal(both[plane], full[plane] if plane in planes else point[plane])
