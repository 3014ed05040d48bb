"""A frame property of any type and size is a value that means something, or one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
from tests.support.lineanimation import colour_clip, line_clip
from vsanime import Backend
from vsanime.video.clips import first_frame
from vsanime.video.frameprops import describe_value
from vsanime.video.properties import sample_aspect
from vsanime.video.scenes import marked_starts

CPU = Backend.OpenVINO(precision="f32")


def frame() -> vs.VideoFrame:
    return vs.core.std.BlankClip(width=8, height=8).get_frame(0)


VALUES: dict[str, Callable[[], Any]] = {
    "text": lambda: "bt709",
    "text of digits": lambda: "1",
    "long text": lambda: "\x1b[2J" + "a" * 100_000,
    "bytes": lambda: b"\xff\x00\x80",
    "list": lambda: [1, 1],
    "long list": lambda: [1] * 1000,
    "float": lambda: 1.0,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "huge": lambda: 1 << 62,
    "tiny": lambda: -(1 << 62),
    "frame": frame,
}
READ = ("_Range", "_Matrix", "_ChromaLocation", "_FieldBased")


def with_prop(clip: vs.VideoNode, name: str, value: Any, since: int = 0) -> vs.VideoNode:
    """Return the clip with a property of any type on its frames from one on."""

    def put(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        changed = f.copy()
        if n >= since:
            changed.props[name] = value
        return changed

    return clip.std.ModifyFrame(clip, put)


def one_line(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(vs.Error) as error:
        call()
    # VapourSynth puts the way there above what is raised where a frame is made.
    *_, text = str(error.value).splitlines()
    assert text.isprintable(), ascii(text)
    assert len(text) < 400
    for word in words:
        assert word in text


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("kind", VALUES)
def test_on_the_first_frame(name: str, kind: str) -> None:
    clip = with_prop(noise_clip("YUV420P8", 16, 16), name, VALUES[kind]())
    one_line(lambda: vsanime.artcnn_chroma(clip, backend=CPU), "artcnn_chroma: ", f"the frame property {name} is ")


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("kind", ["text", "list", "huge", "frame"])
def test_on_a_later_frame(name: str, kind: str) -> None:
    clip = with_prop(noise_clip("YUV420P8", 16, 16, frames=3), name, VALUES[kind](), since=1)
    made = vsanime.artcnn_chroma(clip, backend=CPU)
    made.get_frame(0).close()
    one_line(lambda: made.get_frame(1), f"the frame property {name} is ")


FILTERS: dict[str, Callable[[vs.VideoNode], object]] = {
    "artcnn": lambda clip: vsanime.artcnn(clip, backend=CPU),
    "waifu2x": lambda clip: vsanime.waifu2x(clip, model="ESPCN_7_SLIM_VA", backend=CPU),
    "animegan": lambda clip: vsanime.animegan(clip, backend=CPU),
    "lineart": lambda clip: vsanime.lineart(clip, backend=CPU),
    "mark_scenes": vsanime.mark_scenes,
    "encoder_args": lambda clip: vsanime.encoder_args(clip, "x265"),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("function", FILTERS)
def test_in_every_filter(name: str, function: str) -> None:
    clip = with_prop(noise_clip("YUV420P8", 16, 16), name, "text")
    one_line(lambda: FILTERS[function](clip), f"{function}: ", f"the frame property {name} is the text 'text'")


@pytest.mark.parametrize("name", ["_Range", "_FieldBased"])
def test_in_colorize(name: str) -> None:
    lines, colours = np.full((48, 64), 255, np.uint8), np.full((48, 64, 3), 128, np.uint8)
    bad_lines = with_prop(line_clip([lines]), name, [1, 1])
    one_line(
        lambda: vsanime.colorize(bad_lines, colour_clip([colours]), keys=[0]), "colorize: ", f"{name} is a list of 2"
    )
    bad_colours = with_prop(colour_clip([colours]), name, [1, 1])
    one_line(
        lambda: vsanime.colorize(line_clip([lines]), bad_colours, keys=[0]), "colorize: ", f"{name} is a list of 2"
    )


@pytest.mark.parametrize("name", ["_SARNum", "_SARDen"])
@pytest.mark.parametrize("kind", VALUES)
def test_sample_aspect(name: str, kind: str) -> None:
    clip = with_prop(noise_clip("YUV420P8", 16, 16, _SARNum=4, _SARDen=3), name, VALUES[kind]())
    one_line(lambda: vsanime.artcnn(clip, width=48, height=16, backend=CPU), f"the frame property {name} is ")
    one_line(lambda: vsanime.encoder_args(clip, "x265"), f"the frame property {name} is ")


@pytest.mark.parametrize("aspect", [((1 << 31) - 1, 1), (1, (1 << 31) - 1), ((1 << 31) - 1, (1 << 31) - 3), (-1, 2)])
def test_a_sample_aspect_fits_into_a_property(aspect: tuple[int, int]) -> None:
    clip = noise_clip("YUV420P8", 1922, 16)
    spec, _ = first_frame(clip)
    new = sample_aspect({"_SARNum": aspect[0], "_SARDen": aspect[1]}, spec, (7, 65536))
    clip.std.SetFrameProps(**new)
    assert all(0 < value < 1 << 63 for value in new.values())


@pytest.mark.parametrize("mark", ["_SceneChangePrev", "_SceneChangeNext"])
@pytest.mark.parametrize("kind", VALUES)
def test_scene_marks(mark: str, kind: str) -> None:
    clip = with_prop(noise_clip("YUV420P8", 16, 16, frames=3, _SceneChangePrev=0), mark, VALUES[kind](), since=1)
    one_line(
        lambda: vsanime.animegan(clip, backend=CPU, brightness="scene"),
        "animegan: frame 1: ",
        f"frame property {mark} is ",
    )


def test_scene_marks_that_are_numbers_still_are() -> None:
    clip = noise_clip("YUV420P8", 16, 16, frames=3, _SceneChangePrev=0)
    assert marked_starts(with_prop(clip, "_SceneChangePrev", 1, since=2)) == [0, 2]


ENCODERS = (
    "_Primaries",
    "_Transfer",
    "MasteringDisplayPrimariesX",
    "MasteringDisplayMaxLuminance",
    "ContentLightLevelMax",
    "ContentLightLevelAverage",
)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("kind", VALUES)
def test_what_encoders_are_told(name: str, kind: str) -> None:
    clip = with_prop(noise_clip("YUV420P10", 16, 16, ContentLightLevelMax=1000), name, VALUES[kind]())
    if name.startswith("Mastering") and kind in ("float", "list", "long list", "huge", "tiny"):
        assert "master-display" not in str(vsanime.encoder_args(clip, "x265"))  # numbers, but not all that it takes
        return
    one_line(lambda: vsanime.encoder_args(clip, "x265"), "encoder_args: ", f"the frame property {name} is ")


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", ["_Transfer", "_Primaries", "_VsanimeDoubts", "_VsanimeGain", "_DurationNum"])
def test_properties_that_are_passed_on_or_our_own(name: str, kind: str) -> None:
    """Frames come, whatever is there."""
    lines, colours = np.full((48, 64), 255, np.uint8), np.full((48, 64, 3), 128, np.uint8)
    value = VALUES[kind]()
    line_art, reference = with_prop(line_clip([lines]), name, value), with_prop(colour_clip([colours]), name, value)
    vsanime.colorize(line_art, reference, keys=[0], model="flow", backend=CPU).get_frame(0).close()


@pytest.mark.parametrize("kind", ["text", "float", "bytes", "frame", "NaN"])
def test_the_old_name_of_the_range(kind: str) -> None:
    """VapourSynth shows it as `_Range` if it is a number, and else can neither read nor hide it."""
    clip = with_prop(noise_clip("YUV420P8", 16, 16), "_ColorRange", VALUES[kind]())
    one_line(lambda: vsanime.artcnn(clip, backend=CPU), "artcnn: the frame property _ColorRange is no whole number")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\x1b[2J", r"the text 'a\x1b[2J'"),
        (b"\xff", r"the text b'\xff'"),
        ("a" * 50, f"the text '{'a' * 40}'..."),
        ([1, 2], "a list of 2"),
        (1.5, "the number 1.5"),
        (None, "a NoneType"),
    ],
)
def test_values_are_described_in_one_line(value: object, shown: str) -> None:
    assert describe_value(value) == shown
