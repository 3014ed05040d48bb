"""What errors of filters advise makes the call succeed that was refused: code, arguments, words, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vapoursynth as vs

import vsanime
from tests.support.advice import followed, is_command, left_out, message_of, needed, run, snippets
from tests.support.clips import clip_of, format_of, noise_clip, planes_of
from tests.support.lineanimation import animation, colour_clip, line_clip
from tests.support.networks import artcnn_like
from tests.support.sketches import random_state
from vsanime import Backend
from vsanime.cli import main
from vsanime.models.store import available

# Each call costs a newcomer's time, and says nothing about the machine.
pytestmark = pytest.mark.long

LUMA, COLOR = "C4F16_VA", "ESPCN_7_SLIM_VA"
FAST = Backend.ONNXRuntime()  # is ready sooner with large networks

doubled = partial(vsanime.artcnn, model=LUMA)
by_rgb = partial(vsanime.waifu2x, model=COLOR)
drawn = partial(vsanime.animegan, backend=FAST)
colored = partial(vsanime.colorize, model="flow")


def plain(name: str = "YUV420P8", width: int = 32, height: int = 24, frames: int = 1, **props: int) -> vs.VideoNode:
    """Noise without any property but those."""
    clip = noise_clip(name, width, height, frames).std.RemoveFrameProps()
    return clip.std.SetFrameProps(**props) if props else clip


def spliced(*clips: vs.VideoNode) -> vs.VideoNode:
    return vs.core.std.Splice(list(clips), mismatch=True)


def lines(frames: int = 3) -> vs.VideoNode:
    return line_clip(animation(range(frames))[0])


def colors(frames: int = 3) -> vs.VideoNode:
    return colour_clip(animation(range(frames))[1])


@dataclass(frozen=True)
class Case:
    """A call that is refused.

    Attributes:
        call: a filter.
        given: makes its arguments.
        subject: the argument that advice calls `clip`.
        count: how many things are advised.
    """

    call: Callable[..., Any]
    given: Callable[[], dict[str, Any]]
    subject: str = "clip"
    count: int = 1


def of(call: Callable[..., Any], clip: Callable[[], vs.VideoNode], count: int = 1, **more: Any) -> Case:
    return Case(call, lambda: {"clip": clip(), **more}, count=count)


ALPHA_FILTERS = {
    "artcnn": doubled, "artcnn_chroma": vsanime.artcnn_chroma, "waifu2x": by_rgb, "animegan": drawn,
    "lineart": vsanime.lineart, "mark_scenes": vsanime.mark_scenes,
}  # fmt: skip
BAD_MATRICES = {0: 1, 3: 1, 8: 2, 10: 2, 11: 1, 12: 2, 13: 2, 14: 2, 15: 1}
VARYING = {
    "depth": (lambda: spliced(plain(), plain("YUV420P10"))),
    "subsampling": (lambda: spliced(plain("YUV422P8"), plain("YUV444P8", _Matrix=9))),
    "RGB after YUV": (lambda: spliced(plain(), plain("RGB24", _Matrix=0))),
    "YUV after RGB": (lambda: spliced(plain("RGB24", _Matrix=0), plain("YUV420P8"))),
    "RGB without a matrix": (lambda: spliced(plain("RGB24"), plain("RGB48"))),
    "gray after YUV": (lambda: spliced(plain("YUV444P16", _Matrix=1), plain("GRAY8"))),
    "YUV after gray": (lambda: spliced(plain("GRAYH"), plain("YUV420P8"))),
    "an unusual format": (lambda: spliced(plain("YUV410P12"), plain("YUV420P8"))),
    "size": (lambda: spliced(plain(), plain(width=64, height=48))),
    "size and format": (lambda: spliced(plain(), plain("YUV444P10", 64, 48))),
}
DIFFERENT = {
    "full after untagged": ("YUV420P8", {}, {"_Range": 1}, 2),
    "untagged after full": ("YUV420P8", {"_Range": 1}, {}, 2),
    "limited RGB": ("RGB24", {}, {"_Range": 0}, 2),
    "a matrix after none": ("YUV420P8", {}, {"_Matrix": 9}, 2),
    "no matrix after one": ("YUV420P8", {"_Matrix": 1}, {}, 2),
    "another matrix": ("YUV444PS", {"_Matrix": 5}, {"_Matrix": 7}, 2),
    "another siting of 4:1:1": ("YUV411P8", {"_ChromaLocation": 1}, {"_ChromaLocation": 0}, 2),
    "a siting after none": ("YUV420P8", {}, {"_ChromaLocation": 2}, 2),
    "another siting": ("YUV422P16", {"_ChromaLocation": 1}, {"_ChromaLocation": 0}, 2),
    "several": ("YUV420P8", {"_Range": 0}, {"_Range": 1, "_Matrix": 9, "_ChromaLocation": 2}, 2),
    "interlaced": ("YUV420P8", {}, {"_FieldBased": 1}, 1),
}


def two_parts(name: str, first: dict[str, int], second: dict[str, int]) -> vs.VideoNode:
    return plain(name, **first) + plain(name, **second)


def no_alpha(name: str = "YUV420P8") -> vs.VideoNode:
    return plain(name).std.SetFrameProps(_Alpha=3)


KEYED: dict[str, Callable[[], dict[str, Any]]] = {
    "colorize": lambda: {"references": colors(1), "keys": [0]},
    "distance_field": dict,
}
CASES: dict[str, Case] = {
    **{f"alpha of {name}": of(call, no_alpha) for name, call in ALPHA_FILTERS.items()},
    "alpha of distance_field": Case(vsanime.distance_field, lambda: {"lineart": no_alpha("GRAY8")}, "lineart"),
    "alpha of a reference": Case(
        colored, lambda: {"lineart": lines(), "references": colors(1).std.SetFrameProps(_Alpha=1), "keys": [0]},
        "references",
    ),
    **{f"varying {name}": of(by_rgb, make) for name, make in VARYING.items()},
    **{
        f"frames that differ: {name}": of(by_rgb, partial(two_parts, form, first, second), count)
        for name, (form, first, second, count) in DIFFERENT.items()
    },
    "frames of gray that differ": of(doubled, lambda: two_parts("GRAY8", {"_Matrix": 1}, {"_Matrix": 9}), 2),
    "frames of matrices that are not converted": of(
        doubled, lambda: two_parts("YUV420P8", {"_Matrix": 1}, {"_Matrix": 14})
    ),
    **{
        f"matrix {matrix} of {name}": of(call, partial(plain, "YUV444P8", _Matrix=matrix), count)
        for name, call in (("waifu2x", by_rgb), ("animegan", drawn))
        for matrix, count in (BAD_MATRICES if name == "waifu2x" else {14: 2}).items()
    },
    "matrix of references": Case(
        colored,
        lambda: {"lineart": lines(), "references": plain("YUV444P8", 96, 64, _Matrix=10), "keys": [0]},
        "references", 2,
    ),
    "interlaced": of(doubled, lambda: plain(_FieldBased=2)),
    "a range that is none": of(doubled, lambda: plain(_Range=7)),
    "a siting that is none": of(doubled, lambda: plain(_ChromaLocation=9)),
    "RGB for luma": of(doubled, lambda: plain("RGB24")),
    "float RGB for luma": of(doubled, lambda: plain("RGBS", _Matrix=0)),
    "chroma of 4:4:4": of(partial(doubled), lambda: plain("YUV444P8"), chroma="C4F32_Chroma_VA"),
    "chroma of gray": of(partial(doubled), lambda: plain("GRAY8"), chroma="C4F32_Chroma_VA"),
    "chroma of 4:1:0": of(partial(doubled), lambda: plain("YUV410P8"), chroma="C4F32_Chroma_VA"),
    "tiles of animegan": of(partial(vsanime.animegan, backend=FAST), plain, tiles=2),
    "tiles of a small picture": of(
        partial(vsanime.animegan, backend=FAST), lambda: plain("GRAY8", 9, 6), tiles=2
    ),
    "scenes without marks": of(partial(vsanime.animegan, backend=FAST), plain, brightness="scene"),
    "backend that is none": of(doubled, plain, backend="openvino"),
    "backend's class": of(by_rgb, plain, backend=Backend.OpenVINO),
    "backend of colorize": Case(
        vsanime.colorize,
        lambda: {"lineart": lines(), "references": colors(1), "keys": [0], "model": "flow", "backend": 3},
    ),
    **{
        f"line art in {name} for {call}": Case(
            {"colorize": colored, "distance_field": vsanime.distance_field}[call],
            partial(lambda name, call: {"lineart": plain(name, 96, 64)} | KEYED[call](), name, call), "lineart", 2,
        )
        for name in ("RGB24", "RGB48", "RGBS", "YUV420P8", "YUV444P16", "YUV420PS")
        for call in ("colorize", "distance_field")
    },
    "scenes of line art": Case(
        colored, lambda: {"lineart": lines(), "scenes": "marked"} | KEYED["colorize"](), "lineart", 2
    ),
    **{
        f"keys of {count} in {length}": Case(
            colored, partial(lambda length, n: {"lineart": lines(length), "references": colors(n)}, length, count)
        )
        for length, count in ((3, 1), (3, 2), (3, 3), (1, 1), (12, 5), (12, 12))
    },
    "a scene without a reference": Case(
        colored, lambda: {"lineart": lines(), "scenes": [2]} | KEYED["colorize"](), count=2
    ),
    **{
        f"encoder and {name}": of(vsanime.encoder_args, partial(plain, name))
        for name in ("RGB24", "RGBS", "YUV420PS", "YUV444PH", "GRAYS", "YUV410PS", "YUV410P8", "YUV411P8", "YUV440P16")
    },
    **{
        f"encoder and a code of {prop}": of(vsanime.encoder_args, partial(plain, "YUV420P8", **{prop: 99}))
        for prop in ("_Matrix", "_Primaries", "_Transfer")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_code_and_arguments_that_are_advised_make_the_call_succeed(case: str) -> None:
    one = CASES[case]
    given = one.given()
    message = message_of(lambda: one.call(**given))
    found = snippets(message)
    assert len(found) == one.count, message
    for snippet in found:
        run(partial(one.call, **follow_all(one, snippet, given)))


def follow_all(one: Case, snippet: str, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments after advice, and after what is advised next, if a clip is refused for several reasons."""
    again = followed(snippet, given, one.subject)
    if "tiles" in given:
        again.pop("tiles", None)  # which are to be left out where a size is advised
    for _ in range(3):
        try:
            run(partial(one.call, **again))
        except vs.Error as error:
            message = str(error).strip().splitlines()[-1]
            code = next((part for part in snippets(message) if part.startswith("clip.")), None)
            assert code is not None, message
            assert code != snippet, message
            again = followed(code, again, one.subject)
    return again


def test_red_lines_of_rgb_are_still_lines_once_they_are_gray() -> None:
    """The first plane of RGB is red: the lines would vanish."""
    red = clip_of([[np.full((64, 96), 255, np.uint8) for _ in range(3)]], format_of("RGB24"), _Matrix=0)
    frame = [plane.copy() for plane in planes_of(red)]
    for plane in frame[1:]:
        plane[30:33] = 0
    red = clip_of([frame], format_of("RGB24"), _Matrix=0)
    for call in (vsanime.distance_field, partial(colored, references=colors(1), keys=[0])):
        message = message_of(lambda call=call: call(lineart=red))
        gray = planes_of(followed(snippets(message)[-1], {"lineart": red}, "lineart")["lineart"])[0]
        assert gray[30:33].max() < 100
        assert gray[:30].min() >= 235  # white of limited range, which the frame says


def test_line_art_of_untagged_yuv_has_white_paper_once_it_is_gray() -> None:
    """Its luma is of limited range, and gray line art that says no range is taken for full."""
    drawing = line_clip(animation([0])[0]).resize.Point(format=vs.YUV420P8, matrix=6, range=0)
    untagged = drawing.std.RemoveFrameProps()
    message = message_of(lambda: colored(untagged, references=colors(1), keys=[0]))
    gray = followed(snippets(message)[-1], {"lineart": untagged}, "lineart")["lineart"]
    found = planes_of(colored(gray, references=colors(1), keys=[0]))
    expected = planes_of(colored(lines(1), references=colors(1), keys=[0]))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    field = planes_of(vsanime.distance_field(gray, depth="single"))[0]
    assert abs(field - planes_of(vsanime.distance_field(lines(1), depth="single"))[0]).max() == 0


@pytest.mark.parametrize(("form", "other"), [("RGB24", "YUV420P8"), ("YUV420P8", "RGB24"), ("YUV444P8", "YUV420P10")])
@pytest.mark.parametrize("tags", [{}, {"_Matrix": 9, "_Range": 1, "_ChromaLocation": 2}])
def test_references_of_two_formats_become_one(form: str, other: str, tags: dict[str, int]) -> None:
    first, second = plain(form, 96, 64), plain(other, 96, 64)
    first, second = (
        clip.std.SetFrameProps(**(tags if clip.format.color_family == vs.YUV else {"_Matrix": 0}))
        for clip in (first, second)
    )
    message = message_of(lambda: colored(lines(), {0: first, 2: second}))
    (code,) = snippets(message)
    run(lambda: colored(lines(), {0: first, 2: eval(code, {"clip": second, "vs": vs})}))


def test_clips_in_gpu_memory_are_brought_back_by_a_function_that_is_there() -> None:
    """It cannot be called without a card."""
    assert vs.core.std.GPUDownload.signature.startswith("clip:vnode")


def test_of_several_frames_one_is_a_reference() -> None:
    message = message_of(lambda: colored(lines(), {1: colors(3)}))
    (code,) = snippets(message)
    run(lambda: colored(lines(), {1: eval(code, {"clip": colors(3)})}))


@pytest.mark.parametrize("size", [{"width": 20}, {"width": 32, "height": 24}, {"height": 10}])
def test_a_size_that_is_no_larger_is_made_by_what_is_advised(size: dict[str, int]) -> None:
    clip = plain()
    message = message_of(lambda: doubled(clip, **size))
    (code,) = snippets(message)
    made = run(lambda: eval(code, {"clip": clip}))
    assert all(getattr(made, side) == length for side, length in size.items())


# Arguments that are to be left out


def rgb_file(folder: Path) -> str:
    onnx.save(artcnn_like(channels=3, planes=3), folder / "rgb.onnx")
    return str(folder / "rgb.onnx")


LEFT_OUT: dict[str, Callable[[Path], tuple[Callable[..., Any], dict[str, Any]]]] = {
    "tiles of animegan": lambda _: (partial(drawn, plain()), {"tiles": 2}),
    "noise of a file": lambda folder: (partial(vsanime.waifu2x, plain()), {"model": rgb_file(folder), "noise": 1}),
    "long_side of dog": lambda _: (partial(vsanime.lineart, plain()), {"long_side": 512}),
    "padding of dog": lambda _: (partial(vsanime.lineart, plain()), {"padding": "zero"}),
    "tiles and their size": lambda _: (partial(doubled, plain()), {"tiles": 1, "tilesize": 30}),
    "tiles of all and their size": lambda _: (partial(doubled, plain()), {"tiles": "auto", "tilesize": 30}),
    "keys beside a mapping": lambda _: (partial(colored, lines()), {"references": {0: colors(1)}, "keys": [0]}),
    "format and depth": lambda _: (
        partial(colored, lines(), colors(1), keys=[0]), {"format": vs.YUV420P8, "depth": 10}
    ),
    "temporal": lambda _: (partial(colored, lines(), colors(1), keys=[0]), {"temporal": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OUT)
def test_arguments_that_are_to_be_left_out_are_what_was_wrong(case: str, tmp_path: Path) -> None:
    call, given = LEFT_OUT[case](tmp_path)
    for again in left_out(message_of(lambda: call(**given)), given):
        run(partial(call, **again))


# Words and numbers that would do


@dataclass(frozen=True)
class Words:
    """A value that is refused.

    Attributes:
        call: the filter and all other arguments.
        argument: the name of the one that is wrong.
        value: a wrong value.
        beyond: what is named that is the first value that will not do.
        elsewhere: what takes weights, or another argument as well; it is tried elsewhere.
    """

    call: Callable[..., Any]
    argument: str
    value: Any
    beyond: Sequence[Any] = ()
    elsewhere: Sequence[Any] = ()


def on(call: Callable[..., Any], make: Callable[[], vs.VideoNode] = plain, **more: Any) -> Callable[..., Any]:
    """A filter on a clip that is made when it is called."""
    return lambda **arguments: call(make(), **more, **arguments)


def painted(**arguments: Any) -> vs.VideoNode:
    return colored(lines(), colors(1), **({"keys": [0]} | arguments))


luma, rgb, animated, sketched = map(on, (doubled, by_rgb, drawn, vsanime.lineart))
distances = on(vsanime.distance_field, partial(plain, "GRAY8"))
WORDS = {
    "depth": Words(luma, "depth", 7),
    "planes": Words(luma, "planes", 3),
    "planes of gray": Words(on(doubled, partial(plain, "GRAY8")), "planes", 1),
    "planes of artcnn_chroma": Words(on(vsanime.artcnn_chroma), "planes", 0),
    "tiles": Words(luma, "tiles", "all"),
    "number of tiles": Words(luma, "tiles", 0),
    "overlap": Words(partial(luma, tiles=1), "overlap", -1),
    "tilesize": Words(luma, "tilesize", 14),
    "width": Words(on(doubled, height=60), "width", 65),
    "scale": Words(rgb, "scale", 3, elsewhere=[1]),  # which wants noise=
    "tint": Words(rgb, "tint", "fix"),
    "model": Words(on(vsanime.waifu2x), "model", 7),
    "style": Words(animated, "style", 7),
    "strength": Words(animated, "strength", 2),
    "detail": Words(animated, "detail", -1),
    "brightness": Words(animated, "brightness", "frame", elsewhere=["scene"]),
    "method": Words(sketched, "method", "canny", elsewhere=["sketchkeras"]),
    "sigma": Words(sketched, "sigma", 0),
    "threshold": Words(sketched, "threshold", 2),
    "gain": Words(sketched, "gain", 0),
    "cap": Words(distances, "cap", 11, beyond=[0]),
    "threshold of distances": Words(distances, "threshold", 0, beyond=[0]),
    "threshold of scenes": Words(on(vsanime.mark_scenes, partial(plain, frames=2)), "threshold", 1, beyond=[0, 1]),
    "encoder": Words(on(vsanime.encoder_args), "encoder", "av1"),
    "fill": Words(painted, "fill", "all"),
    "no_reference": Words(painted, "no_reference", "all"),
    "steps": Words(painted, "steps", 2),
    "steady": Words(painted, "steady", 2),
    "work_size": Words(painted, "work_size", 3),
    "keys": Words(painted, "keys", [7]),
    "scenes": Words(partial(painted, no_reference="nearest"), "scenes", [9], elsewhere=["marked"]),
    "scenes by name": Words(partial(painted, no_reference="nearest"), "scenes", "all", elsewhere=["marked"]),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_and_numbers_that_are_named_will_do(case: str) -> None:
    one = WORDS[case]
    message = message_of(lambda: one.call(**{one.argument: one.value}))
    good = [value for value in needed(message) if value not in (*one.beyond, *one.elsewhere)]
    good += [name for name in ("x264", "x265", "ffmpeg") if one.argument == "encoder" and name in message]
    assert good, message
    for value in good:
        lists = one.argument in ("keys", "scenes") and isinstance(value, int)
        run(partial(one.call, **{one.argument: [value] if lists else value}))


@pytest.mark.parametrize("wrong", [{"format": "YUV"}, {"format": vs.GRAY8}])
def test_formats_that_are_named_will_do(wrong: dict[str, Any]) -> None:
    message = message_of(lambda: painted(**wrong))
    names = [word.strip(".,;") for word in message.split() if word.startswith("vs.")]
    assert names
    for name in names:
        run(lambda name=name: painted(format=eval(name, {"vs": vs})))


def test_a_format_whose_chroma_does_not_fit_has_others_named_that_do() -> None:
    odd = [clip.std.Crop(0, 1, 0, 1) for clip in (lines(), colors(1))]
    message = message_of(lambda: colored(*odd, keys=[0], format=vs.YUV420P8))
    assert "vs.YUV444P8 and RGB take any size" in message
    for form in (vs.YUV444P8, vs.RGB24):
        run(lambda form=form: colored(*odd, keys=[0], format=form))


# No package that the tests install holds them.
needs_vgg_7 = pytest.mark.skipif(not available("vgg_7_art_noise0"), reason="waifu2x's VGG_7 is not on this machine")


@pytest.mark.parametrize(
    ("given", "advised"),
    [
        ({"noise": 4}, [{"noise": n} for n in (-1, 0, 1, 2, 3)]),
        ({"scale": 1}, [{"noise": 0}, {"scale": 2}]),
        pytest.param({"model": "vgg_7_art"}, [{"noise": 0, "scale": 1}, {"noise": 3, "scale": 1}], marks=needs_vgg_7),
        pytest.param({"model": "vgg_7_art", "noise": 1}, [{"scale": 1}, {"model": "upconv_7_art"}], marks=needs_vgg_7),
    ],
)
def test_levels_of_noise_that_are_named_will_do(given: dict[str, Any], advised: list[dict[str, Any]]) -> None:
    message = message_of(lambda: vsanime.waifu2x(plain(), **given))
    for more in advised:
        for name, value in more.items():
            assert str(value) in message
            assert name in message
        run(lambda more=more: vsanime.waifu2x(plain(), **{**given, **more}))


def test_a_size_of_work_may_be_the_frames() -> None:
    message = message_of(lambda: animated(work_size=(64, 48)))
    size = next(word for word in message.split() if word[0].isdigit() and "x" in word)
    run(lambda: animated(work_size=tuple(map(int, size.split("x")))))


def test_pictures_as_large_as_is_said_are_large_enough() -> None:
    small = [clip.resize.Point(12, 40) for clip in (lines(), colors(1))]
    message = message_of(lambda: colored(*small, keys=[0]))
    width, height = map(int, message.split(";")[1].split()[0].split("x"))
    run(lambda: colored(*(clip.resize.Point(width, height) for clip in small), keys=[0]))
    message = message_of(lambda: drawn(plain("GRAY8", 4, 4)))
    width, height = map(int, message.split(";")[1].split()[0].split("x"))
    run(lambda: drawn(plain("GRAY8", width, height)))


# Names of models, and commands


def test_the_nearest_name_is_a_model() -> None:
    message = message_of(lambda: vsanime.artcnn(plain(), "C4F16_AV"))
    name = message.partition("did you mean ")[2].split()[0].strip(",?")
    assert name == "C4F16_VA"
    run(lambda: vsanime.artcnn(plain(), name))


def test_a_name_without_its_suffix_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "a model's name without .onnx" in message_of(lambda: vsanime.artcnn(plain(), "C4F16_VA.onnx"))
    run(lambda: vsanime.artcnn(plain(), "C4F16_VA"))


def written(command: str) -> str:
    """The file that `vsanime import` writes, once the command is run as it stands."""
    import shlex

    words = shlex.split(command)
    assert words[:2] == ["vsanime", "import"]
    assert main(words[1:]) == 0
    return words[words.index("-o") + 1] if "-o" in words else f"{Path(words[2]).stem}.onnx"


@pytest.mark.parametrize("name", ["style.onnx", "mein Stil.onnx"])
def test_a_style_on_another_range_is_imported_by_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.generators import as_pytorch, random_weights

    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(as_pytorch(random_weights()).SerializeToString())
    message = message_of(lambda: drawn(plain(), f"./{name}"))
    (command,) = snippets(message)
    run(lambda: drawn(plain(), written(command)))


def test_weights_of_another_format_are_imported_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import nets, writers

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.safetensors").write_bytes(writers.safetensors(nets.artcnn_c().arrays()))
    message = message_of(lambda: vsanime.artcnn(plain(), "./net.safetensors"))
    (command,) = snippets(message)
    run(lambda: vsanime.artcnn(plain(), written(command)))


@pytest.mark.long
def test_sketchkeras_is_imported_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import writers

    monkeypatch.chdir(tmp_path)
    clip = plain("YUV444P8", 48, 40)
    message = message_of(lambda: vsanime.lineart(clip, "sketchkeras"))
    command, *others = snippets(message)
    (tmp_path / "WEIGHTS.pth").write_bytes(writers.state_dict_zip(random_state()))
    written(command)
    for snippet in others:
        run(lambda snippet=snippet: vsanime.lineart(**followed(snippet, {"clip": clip}, "clip"), backend=FAST))
    monkeypatch.setenv("VSANIME_MODEL_PATH", str(tmp_path))
    run(lambda: vsanime.lineart(clip, "sketchkeras", backend=FAST))


def test_models_of_another_task_name_a_command_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    for call in (
        lambda: vsanime.artcnn(plain(), "C4F32_Chroma_VA"),
        lambda: vsanime.artcnn_chroma(plain(), LUMA),
        lambda: vsanime.waifu2x(plain(), model=LUMA),
        lambda: vsanime.animegan(plain(), LUMA),
        lambda: vsanime.colorize(lines(), colors(1), keys=[0], model=LUMA),
    ):
        message = message_of(call)
        for snippet in snippets(message):
            assert is_command(snippet)
            assert main(snippet.split()[1:]) == 0
        # Every name that is given as an example is listed.
        listed = capsys.readouterr().out
        for name in needed(message):
            assert name in listed or name == "flow"
