"""Luma through trained weights, against plain ONNX in ONNX Runtime, for every depth, range and subsampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support import tolerances
from tests.support.clips import clip_of, format_of, noise, noise_clip, planes_of, props_of
from tests.support.reference import assert_codes_match, dihedral_mean, double, run_plain
from tests.support.weightfiles import RANDOM_R, bundled, model_of, path_of, third_party
from vsanime import Backend

MODEL = "C4F16_VA"
BACKENDS = {"openvino": Backend.OpenVINO(precision="f32"), "onnxruntime": Backend.ONNXRuntime()}


def check(found: np.ndarray, expected: np.ndarray, form: vs.VideoFormat) -> None:
    if form.sample_type == vs.FLOAT:
        limit = tolerances.F32_REORDERED if form.bits_per_sample == 32 else 2**-11
        assert np.abs(found.astype(np.float64) - expected.astype(np.float64)).max() <= limit
    elif form.bits_per_sample > 12:
        share = tolerances.F32_CODES16_DIFFER * 2.0 ** (form.bits_per_sample - 16)
        assert_codes_match(found, expected, share, tolerances.F32_CODES16_MAX)
    else:
        # The bound is of 8 and 10 bits. At 12 rounding edges lie four times as close: 3 of 6,256 codes were seen.
        share = tolerances.F32_CODES_DIFFER * 2.0 ** max(form.bits_per_sample - 10, 0)
        # Of some thousand codes one may differ.
        assert_codes_match(found, expected, share + 2 / found.size)


FORMATS = [
    *(f"GRAY{depth}" for depth in (8, 9, 10, 12, 14, 16, "H", "S")),
    *(f"YUV{sub}P{depth}" for sub in (420, 422, 444) for depth in (8, 10, 12, 16, "H", "S")),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("full", [0, 1], ids=["limited", "full"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_luma_equals_the_reference(name: str, full: int, backend: str) -> None:
    form = format_of(name)
    frames = noise(form, 46, 34)
    up = vsanime.artcnn(clip_of(frames, form, _Range=full), MODEL, backend=BACKENDS[backend])
    assert (up.format.id, up.width, up.height) == (form.id, 92, 68)
    gray = format_of(f"GRAY{name.split('P')[-1] if 'P' in name else name.removeprefix('GRAY')}")
    expected = double(path_of(MODEL), frames[0][0], gray, gray, bool(full))
    check(planes_of(up)[0], expected, form)


@pytest.mark.parametrize("source", ["YUV420P8", "YUV420P10", "YUV444PS", "GRAY16"])
@pytest.mark.parametrize("depth", [8, 10, 12, 16, "half", "single"])
@pytest.mark.parametrize("full", [0, 1], ids=["limited", "full"])
def test_depth_ends_the_graph(source: str, depth: int | str, full: int) -> None:
    form = format_of(source)
    frames = noise(form, 24, 18)
    up = vsanime.artcnn(clip_of(frames, form, _Range=full), MODEL, depth=depth, backend=BACKENDS["openvino"])
    target = format_of(f"GRAY{ {'half': 'H', 'single': 'S'}.get(str(depth), depth) }")
    assert up.format.bits_per_sample == target.bits_per_sample
    assert up.format.sample_type == target.sample_type
    gray = format_of(source.replace("YUV420P", "GRAY").replace("YUV444P", "GRAY"))
    expected = double(path_of(MODEL), frames[0][0], gray, target, bool(full))
    check(planes_of(up)[0], expected, target)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [
    *bundled(task="double_luma"), RANDOM_R,
    *third_party("C4F16", "C4F32", "C4F32_DS", "C4F16_DS", "R8F64", "R8F64_DS"),
])  # fmt: skip
def test_every_doubler_equals_the_reference(model: str, backend: str) -> None:
    form = format_of("YUV420P8")
    frames = noise(form, 62, 58)
    up = vsanime.artcnn(clip_of(frames, form), model_of(model), backend=BACKENDS[backend])
    gray = format_of("GRAY8")
    expected = double(path_of(model), frames[0][0], gray, gray, False)
    check(planes_of(up)[0], expected, gray)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (2, 3), (15, 14), (33, 47)])
def test_small_and_odd_sizes(width: int, height: int) -> None:
    form = format_of("GRAY8")
    frames = noise(form, width, height)
    for backend in BACKENDS.values():
        up = vsanime.artcnn(clip_of(frames, form), MODEL, backend=backend)
        expected = double(path_of(MODEL), frames[0][0], form, form, False)
        assert_codes_match(planes_of(up)[0], expected, 2 / expected.size)


@pytest.mark.parametrize("name", ["YUV444P8", "YUV422P10"])
def test_odd_heights_where_the_format_allows_them(name: str) -> None:
    form = format_of(name)
    frames = noise(form, 26, 17)
    up = vsanime.artcnn(clip_of(frames, form), MODEL, backend=BACKENDS["openvino"])
    assert (up.width, up.height) == (52, 34)
    gray = format_of(f"GRAY{form.bits_per_sample}")
    expected = double(path_of(MODEL), frames[0][0], gray, gray, False)
    check(planes_of(up)[0], expected, gray)


def test_gray16_and_grays_agree_as_descale_workflows_expect() -> None:
    """GRAY16 full range and GRAYS of the same picture give the same picture."""
    form16, form_s = format_of("GRAY16"), format_of("GRAYS")
    codes = noise(form16, 40, 30)
    values = [[codes[0][0].astype(np.float32) / 65535]]
    backend = BACKENDS["openvino"]
    from16 = planes_of(vsanime.artcnn(clip_of(codes, form16, _Range=1), MODEL, backend=backend))[0] / 65535
    from_s = planes_of(vsanime.artcnn(clip_of(values, form_s, _Range=1), MODEL, backend=backend))[0]
    assert np.abs(from16 - from_s).max() < 1 / 65535


def test_a_path_is_a_model(tmp_path: Path) -> None:
    odd = tmp_path / "mein Netz 漢字.onnx"
    odd.write_bytes(path_of(MODEL).read_bytes())
    clip = noise_clip("YUV420P8", 32, 24)
    by_name, by_path = (planes_of(vsanime.artcnn(clip, model)) for model in (MODEL, str(odd)))
    assert all(np.array_equal(a, b) for a, b in zip(by_name, by_path, strict=True))


def test_doubling_twice_for_a_size_beyond_twice() -> None:
    """3x: two doublings through 16 bits, then zimg; the reference does the same in double precision."""
    form = format_of("GRAY8")
    frames = noise(form, 24, 20)
    up = vsanime.artcnn(clip_of(frames, form), MODEL, width=72, height=60, backend=BACKENDS["openvino"])
    wide = format_of("GRAY16")
    net = path_of(MODEL)
    twice = double(net, double(net, frames[0][0], form, wide, False), wide, wide, False)
    expected = clip_of([[twice]], wide, _Range=0).resize.Spline36(72, 60, format=vs.GRAY8)
    # A 16-bit code of difference before the downscale moves few 8-bit codes.
    assert_codes_match(planes_of(up)[0], planes_of(expected)[0], 0.002)


def test_whole_doublings_use_no_resampler() -> None:
    form = format_of("GRAY8")
    frames = noise(form, 20, 16)
    up = vsanime.artcnn(clip_of(frames, form), MODEL, width=80, height=64, backend=BACKENDS["openvino"])
    wide, net = format_of("GRAY16"), path_of(MODEL)
    expected = double(net, double(net, frames[0][0], form, wide, False), wide, form, False)
    assert_codes_match(planes_of(up)[0], expected, 0.002)


def test_width_alone_keeps_the_proportions() -> None:
    up = vsanime.artcnn(noise_clip("YUV420P8", 128, 72), MODEL, width=192)
    assert (up.width, up.height) == (192, 108)
    assert "_SARNum" not in props_of(up)


def test_a_stretched_output_changes_the_sample_aspect_ratio() -> None:
    clip = noise_clip("YUV420P8", 72, 48, _SARNum=32, _SARDen=27)
    kept = props_of(vsanime.artcnn(clip, MODEL))
    assert (kept["_SARNum"], kept["_SARDen"]) == (32, 27)
    square = props_of(vsanime.artcnn(clip, MODEL, width=128, height=72))
    assert (square["_SARNum"], square["_SARDen"]) == (1, 1)


def test_tta_is_the_mean_of_eight() -> None:
    """In single float, whatever the backend's rule: no linear path is kept apart in eight networks at once."""
    form = format_of("GRAYS")
    plane = noise(form, 30, 22)[0][0].astype(np.float32)
    expected = dihedral_mean(lambda turned: run_plain(path_of("C4F32_VA"), turned), plane[None, None])
    (found,) = planes_of(vsanime.artcnn(clip_of([[plane]], form), "C4F32_VA", tta=True))
    np.testing.assert_allclose(found, expected[0, 0], atol=tolerances.F32_REORDERED)
