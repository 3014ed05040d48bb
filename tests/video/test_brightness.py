"""Mean luma and gains of frames, in numbers; `test_animegan` has whole clips."""

from __future__ import annotations

import numpy as np
import pytest
import vapoursynth as vs

from tests.support.clips import clip_of, format_of, planes_of, props_of
from vsanime.coding import Coding, chroma_coding, luma_coding
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range, SampleType
from vsanime.video.brightness import GAIN, Scenes, apply_gain, match_brightness, mean_luma, widest

GRAY8, GRAY16 = (PlaneFormat(Family.GRAY, SampleType.INTEGER, bits) for bits in (8, 16))
HALF, SINGLE = (PlaneFormat(Family.YUV, SampleType.FLOAT, bits, 1, 1) for bits in (16, 32))
LIMITED8 = luma_coding(GRAY8, Range.LIMITED)


def codes(*values: float, dtype: str = "uint8") -> np.ndarray:
    return np.array([values], dtype)


def scale(plane: np.ndarray, gain: float, coding: Coding, wanted: Coding) -> list[float]:
    found = apply_gain(plane, gain, coding, wanted)
    assert found.dtype == wanted.dtype
    return found[0].tolist()


def test_scenes_are_measured_at_sixths() -> None:
    scenes = Scenes((0, 6, 7), 19)
    assert [scenes.measured(place) for place in (1, 3, 5)] == [[1, 6, 9], [3, 6, 13], [5, 6, 17]]
    assert scenes.of_frames() == [0] * 6 + [1] + [2] * 12


def test_results_wait_for_their_gain_in_the_widest_format() -> None:
    assert widest(GRAY8) == GRAY16
    assert widest(HALF) == SINGLE
    assert widest(SINGLE) == SINGLE


@pytest.mark.parametrize(
    ("family", "value_range", "planes", "luma"),
    [
        (Family.GRAY, Range.LIMITED, [[16, 235]], 0.5),
        (Family.GRAY, Range.FULL, [[0, 51]], 0.1),
        (Family.YUV, Range.LIMITED, [[235, 235], [16, 16], [240, 16]], 1.0),
        (Family.RGB, Range.FULL, [[255, 255], [0, 0], [0, 0]], 0.2126),
        (Family.RGB, Range.FULL, [[0, 0], [255, 0], [0, 0]], 0.3576),
        (Family.RGB, Range.FULL, [[0, 0], [0, 0], [255, 255]], 0.0722),
    ],
)
def test_mean_luma_is_a_fraction_of_white(
    family: Family, value_range: Range, planes: list[list[int]], luma: float
) -> None:
    spec = FrameSpec(PlaneFormat(family, SampleType.INTEGER, 8), 2, 1, value_range, 1, ChromaLocation.LEFT)
    assert mean_luma([codes(*plane) for plane in planes], spec) == pytest.approx(luma)


def test_gain_multiplies_what_is_above_black() -> None:
    assert scale(codes(16, 116, 0, 235), 0.5, LIMITED8, LIMITED8) == [16, 66, 8, 126]
    assert scale(codes(16, 17, 116), 1.5, LIMITED8, LIMITED8) == [16, 18, 166]  # 17.5 is rounded up


def test_what_a_gain_brings_above_white_ends_there_and_what_was_above_stays() -> None:
    assert scale(codes(220, 235, 250), 2.0, LIMITED8, LIMITED8) == [235, 235, 250]
    assert scale(codes(250, 0), 1.0, LIMITED8, LIMITED8) == [250, 0]


def test_codes_end_where_the_format_does() -> None:
    full = luma_coding(GRAY8, Range.FULL)
    assert scale(codes(0, 100, 255), 2.0, full, full) == [0, 200, 255]
    assert scale(codes(0, 16, 17), 2.0, LIMITED8, LIMITED8) == [0, 16, 18]


def test_depths_are_changed_by_their_spans() -> None:
    wide = luma_coding(GRAY16, Range.LIMITED)
    assert scale(codes(16, 235, 17), 1.0, LIMITED8, wide) == [4096, 60160, 4352]
    assert scale(codes(4096, 60160, 4223, 4224, dtype="uint16"), 1.0, wide, LIMITED8) == [16, 235, 16, 17]


def test_chroma_is_multiplied_about_its_middle() -> None:
    chroma = chroma_coding(PlaneFormat(Family.YUV, SampleType.INTEGER, 8, 1, 1), Range.LIMITED)
    assert scale(codes(128, 118, 148), 0.5, chroma, chroma) == [128, 123, 138]


def test_floats_are_neither_rounded_nor_clipped_to_codes() -> None:
    single = luma_coding(SINGLE, Range.FULL)
    found = scale(codes(-0.5, 0.25, 0.75, 1.5, dtype="float32"), 2.0, single, single)
    assert found == pytest.approx([-1.0, 0.5, 1.0, 1.5])
    assert scale(codes(0.3, dtype="float32"), 0.5, single, luma_coding(HALF, Range.FULL)) == pytest.approx(
        [0.15], abs=1e-4
    )


@pytest.mark.parametrize(
    ("made", "gain"), [(100, 1.5), (75, 2.0), (60, 2.0), (150, 1.0), (300, 0.5), (250, 0.6), (0, 1)]
)
def test_gain_of_a_scene_is_that_of_three_of_its_frames_within_limits(made: int, gain: float) -> None:
    """Frames 1, 3 and 5 of six are measured, in 10 bits of full range; all others are white here."""
    form = format_of("GRAY10")
    spec = FrameSpec(PlaneFormat(Family.GRAY, SampleType.INTEGER, 10), 8, 8, Range.FULL, 1, None)

    def clip(value: int) -> vs.VideoNode:
        frames = [[np.full((8, 8), value if n in (1, 3, 5) else 1023, np.uint16)] for n in range(6)]
        return clip_of(frames, form, _Range=0)

    found = match_brightness(clip(150), clip(made), (spec, spec, spec), Scenes((0,), 6))
    assert props_of(found, 2)[GAIN] == pytest.approx(gain)
    assert (planes_of(found, 3)[0] == round(made * gain)).all()
    assert (planes_of(found, 0)[0] == (1023 if gain >= 1 else np.floor(1023 * gain + 0.5))).all()


def test_gain_of_a_scene_is_measured_once() -> None:
    """The network runs for each frame that is measured."""
    form = format_of("GRAY8")
    spec = FrameSpec(PlaneFormat(Family.GRAY, SampleType.INTEGER, 8), 8, 8, Range.FULL, 1, None)
    plain = clip_of([[np.full((8, 8), 100, np.uint8)]] * 12, form, _Range=0)
    asked: list[int] = []

    def count(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        asked.append(n)
        return f

    bright = match_brightness(plain.std.ModifyFrame(plain, count), plain, (spec, spec, spec), Scenes((0, 6), 12))
    for n in (0, 11, 1, 10, 5, 6):
        bright.get_frame(n).close()
    assert sorted(asked) == [1, 3, 5, 7, 9, 11]
