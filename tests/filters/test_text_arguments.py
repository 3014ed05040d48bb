"""Arguments as `vspipe -a` gives them, as text, mean what numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip, planes_of
from vsanime import Backend

F32 = Backend.OpenVINO(precision="f32")
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("artcnn", {"width": "48", "height": b"36", "depth": "10", "planes": "0", "tta": "0"},
     {"width": 48, "height": 36, "depth": 10, "planes": 0, "tta": False}),
    ("artcnn", {"width": np.int64(48), "depth": 10.0, "tiles": "2x1", "overlap": "7"},
     {"width": 48, "depth": 10, "tiles": (2, 1), "overlap": 7}),
    ("artcnn", {"tta": "1", "tilesize": "24x18"}, {"tta": True, "tilesize": (24, 18)}),
    ("artcnn_chroma", {"planes": "1"}, {"planes": 1}),
    ("waifu2x", {"noise": "-1", "scale": b"2", "model": b"ESPCN_7_SLIM_VA", "depth": "half", "tta": "false"},
     {"noise": -1, "scale": 2, "model": "ESPCN_7_SLIM_VA", "depth": "half", "tta": False}),
    ("lineart", {"sigma": "1.5", "threshold": b"0.02", "gain": "30", "depth": "16"},
     {"sigma": 1.5, "threshold": 0.02, "gain": 30, "depth": 16}),
    ("mark_scenes", {"threshold": ".2"}, {"threshold": 0.2}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "texts", "numbers"), CASES)
def test_text_makes_the_same_frames_as_numbers(name: str, texts: dict[str, Any], numbers: dict[str, Any]) -> None:
    clip = noise_clip("YUV420P8", 32, 24, frames=1)
    backend = {} if name == "mark_scenes" else {"backend": F32}
    model = {"model": "C4F16_VA"} if name == "artcnn" else {}
    function = getattr(vsanime, name)
    found, expected = (function(clip, **(backend | model | given)) for given in (texts, numbers))
    assert (found.format.id, found.width, found.height) == (expected.format.id, expected.width, expected.height)
    for one, other in zip(planes_of(found), planes_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_keys_scenes_and_formats_of_colorize_may_be_text() -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("scipy")
    lines = noise_clip("GRAY8", 48, 36, frames=4, _Range=1)
    colors = noise_clip("YUV444P8", 48, 36, frames=2)
    texts: dict[str, Any] = {
        "keys": "0,3", "scenes": "0,2", "format": "yuv420p8", "work_size": "36", "steps": "0", "steady": "false",
        "temporal": "0",
    }  # fmt: skip
    numbers: dict[str, Any] = {
        "keys": [0, 3], "scenes": [0, 2], "format": vs.YUV420P8, "work_size": 36, "steps": False, "steady": False,
        "temporal": False,
    }  # fmt: skip
    made = [vsanime.colorize(lines, colors, model="flow", **given) for given in (texts, numbers)]
    again = vsanime.colorize(
        lines, {"0": colors[0], np.int64(3): colors[1]}, model="flow", **(numbers | {"keys": None})
    )
    for n in (1, 2):
        expected = planes_of(made[1], n)
        for clip in (made[0], again):
            for one, other in zip(planes_of(clip, n), expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_keys_given_in_any_order_are_those_of_the_references() -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("scipy")
    lines = noise_clip("GRAY8", 48, 36, frames=4, _Range=1)
    colors = noise_clip("YUV444P8", 48, 36, frames=2)
    made = vsanime.colorize(lines, colors, keys=["3", np.int64(0)], model="flow", format=vs.YUV444P8)
    for frame, key in ((3, 0), (0, 1)):
        for one, other in zip(planes_of(made, frame), planes_of(colors, key), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda clip: vsanime.artcnn(clip, "C4F32_VX"), r"no model is named 'C4F32_VX'; did you mean C4F32_VA, "),
        (lambda clip: vsanime.artcnn(clip, chroma="C4F32_Chroma_V"), r"did you mean C4F32_Chroma_VA, "),
        (lambda clip: vsanime.artcnn_chroma(clip, "C4F32_Chroma_V"), r"did you mean C4F32_Chroma_VA, "),
        (lambda clip: vsanime.waifu2x(clip, 1, model="upconv_8_art"), r"'upconv_8_art'; did you mean upconv_7_art, "),
        (lambda clip: vsanime.waifu2x(clip, model="vgg_8_photo"), r"did you mean vgg_7_photo, "),
        (lambda clip: vsanime.animegan(clip, "Hayo"), r"did you mean Hayao, "),
        (lambda clip: vsanime.waifu2x(clip, 1, model="drrn"), r"noise=1 with model='drrn', which has no such level"),
        (lambda clip: vsanime.waifu2x(clip, 1, model="C4F32"), r"model='C4F32' is for another task \(double_luma\)"),
        (lambda clip: vsanime.artcnn(clip, chroma="C4F32"), r"chroma='C4F32' is for another task \(double_luma\)"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_answered_with_the_nearest_three(call: Any, message: str) -> None:
    with pytest.raises(vs.Error, match=message) as refused:
        call(noise_clip("YUV420P8", 16, 16))
    if "did you mean" in message:
        names = str(refused.value).partition("did you mean ")[2].partition("?")[0]
        assert len(names.replace(" or ", ", ").split(", ")) == 3
        assert "`vsanime models list` shows all" in str(refused.value)
    assert len(str(refused.value)) < 250
