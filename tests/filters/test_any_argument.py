"""Whatever is given for an argument of a public filter, the answer is a clip or one line that says what is wrong."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest
import vapoursynth as vs

import vsanime
from tests.support import hostile
from tests.support.clips import noise_clip
from vsanime import Backend
from vsanime.arrays import Array
from vsanime.backends.base import HostLane, Workload, tile_within
from vsanime.spec import GraphTraits, PlanesGraph

# No value may keep a filter busy: the slowest takes half a second on a quiet machine.
MOST_SECONDS = 20.0


class IdleLane(HostLane):
    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:  # noqa: ARG002
        raise AssertionError("no frame is asked for")


class IdleEngine:
    def lanes(self) -> int:
        return 1

    def new_lane(self) -> IdleLane:
        return IdleLane()

    def close(self) -> None: ...


@dataclass(frozen=True)
class IdleBackend:
    """Compiles nothing, so that what a filter accepts costs no more than its graph."""

    def precision_for(self, work: Workload) -> str:  # noqa: ARG002
        return "f32"

    def traits(self, precision: str) -> GraphTraits:  # noqa: ARG002
        return GraphTraits()

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:  # noqa: ARG002
        return tile_within(work, bytes_per_value=4)

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002
        return 1

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> IdleEngine:  # noqa: ARG002
        return IdleEngine()


def parameters(name: str) -> list[str]:
    return list(inspect.signature(getattr(vsanime, name)).parameters)


FILTERS = [name for name in vsanime.__all__ if inspect.isfunction(getattr(vsanime, name))]
KINDS = {"encoder_args": list}
# Filters whose first argument is line art; they need the packages of the extra `colorize`.
ON_LINES = ("colorize", "distance_field")
# What else a filter may be called with so that other arguments count; these are swept then.
OTHERWISE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "lineart": ({"method": "sketchkeras"}, ["sigma", "threshold", "gain", "long_side", "padding", "tiles"]),
    "waifu2x": ({"scale": 1, "noise": 1, "model": "vgg_7_art"}, ["model", "noise", "scale"]),
    "colorize": ({"format": vs.YUV420P8, "scenes": [1], "no_reference": "nearest"}, ["keys", "depth", "temporal"]),
}
SWEPT = [(name, argument, False) for name in FILTERS for argument in parameters(name)] + [
    (name, argument, True) for name, (_, arguments) in OTHERWISE.items() for argument in arguments
]
BACKENDS = [kind for kind in vars(Backend).values() if inspect.isclass(kind)]
OPTIONS = [(kind, field.name) for kind in BACKENDS for field in fields(kind)]


def usual(name: str) -> dict[str, Any]:
    """Arguments with which a filter does its work, one of which is replaced."""
    if name in ON_LINES:
        pytest.importorskip("scipy")
        pytest.importorskip("cv2")
    clip = noise_clip("YUV420P8", 16, 16, frames=2)
    lines = noise_clip("GRAY8", 32, 32, frames=2, _Range=1)
    given: dict[str, dict[str, Any]] = {
        # Networks that travel with the package, where the default is another.
        "waifu2x": {"model": "ESPCN_7_SLIM_VA"},
        "colorize": {"references": noise_clip("YUV444P8", 32, 32), "keys": [0], "model": "flow"},
    }
    backend = {"backend": IdleBackend()} if "backend" in parameters(name) else {}
    return {parameters(name)[0]: lines if name in ON_LINES else clip} | given.get(name, {}) | backend


def call(name: str, arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with a filter's answer."""
    return hostile.answer(getattr(vsanime, name), arguments, KINDS.get(name, vs.VideoNode))


def faults(name: str, given: dict[str, Any], argument: str, values: Mapping[str, Any]) -> Iterator[str]:
    """What goes wrong where an argument has these values."""
    for what, value in values.items():
        start = time.perf_counter()
        wrong = call(name, given | {argument: value})
        if wrong is not None:
            yield f"{argument}={what}: {wrong}"
        if (seconds := time.perf_counter() - start) > MOST_SECONDS:
            yield f"{argument}={what}: {seconds:.1f} s"


@pytest.mark.parametrize("name", FILTERS)
def test_the_usual_arguments_are_right(name: str) -> None:
    made = getattr(vsanime, name)(**usual(name))
    assert isinstance(made, KINDS.get(name, vs.VideoNode))


def test_every_argument_is_swept() -> None:
    assert {"artcnn", "artcnn_chroma", "waifu2x", "animegan", "lineart", "distance_field", "colorize", "mark_scenes",
            "encoder_args"} <= set(FILTERS)  # fmt: skip
    assert {"OpenVINO", "ONNXRuntime", "TensorRT"} <= {kind.__name__ for kind in BACKENDS}
    assert len(SWEPT) * len(hostile.values()) > 9000


@pytest.mark.parametrize(("name", "argument", "otherwise"), SWEPT)
def test_any_value_is_taken_or_refused_in_one_line(name: str, argument: str, otherwise: bool) -> None:
    given = usual(name) | (OTHERWISE[name][0] if otherwise else {})
    assert list(faults(name, given, argument, hostile.values())) == []


def is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # as `Decimal("sNaN")` does, a class may raise anything
        return False
    return True


def test_any_reference_is_taken_or_refused_in_one_line() -> None:
    given = usual("colorize") | {"keys": None}
    frame = given["references"]
    pictures = {what: {0: value} for what, value in hostile.values().items()}
    numbers = {what: {value: frame} for what, value in hostile.values().items() if is_hashable(value)}
    assert list(faults("colorize", given, "references", pictures)) == []
    assert list(faults("colorize", given, "references", numbers)) == []


@pytest.mark.parametrize(("kind", "option"), OPTIONS)
def test_any_option_of_a_backend_is_taken_or_refused_in_one_line(kind: type[Any], option: str) -> None:
    """Making a backend never fails; where it is used, the refusal is the filter's."""
    backends = {what: kind(**{option: value}) for what, value in hostile.values().items()}
    # The filter whose graph is the smallest.
    given = {"clip": noise_clip("GRAY8", 16, 16)}
    assert list(faults("lineart", given, "backend", backends)) == []


FORMATS = [form for form in vs.PresetVideoFormat if form != vs.NONE]
SIZES = [(1, 1), (2, 2), (4, 4), (3, 5), (16, 4)]
# Of how many clips one is taken, where a network's graph takes time.
EVERY = {"animegan": 31, "waifu2x": 7, "artcnn": 3, "artcnn_chroma": 3}


def small_clips() -> Iterator[tuple[str, vs.VideoNode]]:
    for form in map(vs.core.get_video_format, FORMATS):
        steps = 1 << form.subsampling_w, 1 << form.subsampling_h
        for width, height in SIZES:
            if not width % steps[0] and not height % steps[1]:
                yield f"{form.name} {width}x{height}", vs.core.std.BlankClip(None, width, height, form.id, length=1)


def changing_clips() -> Iterator[tuple[str, vs.VideoNode]]:
    first = vs.core.std.BlankClip(None, 16, 16, vs.YUV420P8, length=1)
    for what, form, size in (("format", vs.YUV444P8, 16), ("size", vs.YUV420P8, 32), ("both", vs.GRAYS, 8)):
        other = vs.core.std.BlankClip(None, size, size, form, length=1)
        yield f"another {what}", vs.core.std.Splice([first, other], mismatch=True)

    def fail(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        raise RuntimeError(f"no frame {n}\nbut two lines {f.format.name}")

    yield "frames that fail", first.std.ModifyFrame(first, fail)


@pytest.mark.parametrize("name", FILTERS)
def test_any_clip_is_taken_or_refused_in_one_line(name: str) -> None:
    """Of every format there is, and of sizes down to a pixel."""
    given = usual(name)
    wrong = [*faults(name, given, parameters(name)[0], dict(changing_clips()))]
    clips = dict(list(small_clips())[:: EVERY.get(name, 1)])
    wrong += faults(name, given, parameters(name)[0], clips)
    assert wrong == []


PROPERTIES = [
    "_Range", "_Matrix", "_ChromaLocation", "_FieldBased", "_SARNum", "_SARDen", "_Transfer", "_Primaries", "_Alpha",
    "_SceneChangePrev", "_SceneChangeNext", "MasteringDisplayPrimariesX", "MasteringDisplayMaxLuminance",
    "ContentLightLevelMax", "ContentLightLevelAverage",
]  # fmt: skip
# What frame properties can hold.
HELD = ["x", b"\xff", 1.5, float("nan"), float("inf"), -(1 << 63), [1, 2], ["a", "b"]]


@pytest.mark.parametrize("name", [name for name in FILTERS if name != "animegan"])
def test_any_frame_property_is_taken_or_refused_in_one_line(name: str) -> None:
    given = usual(name)
    given |= {"width": 64, "height": 32} if name == "artcnn" else {}
    argument = parameters(name)[0]
    clips = {
        f"{prop}={value!r}": given[argument].std.SetFrameProps(**{prop: value}) for prop in PROPERTIES for value in HELD
    }
    assert list(faults(name, given, argument, clips)) == []


@pytest.mark.parametrize("name", FILTERS)
def test_arguments_that_are_not_there_and_missing_ones_are_one_line(name: str) -> None:
    function, given = getattr(vsanime, name), usual(name)
    with pytest.raises(vs.Error, match=rf"^{name}: there is no argument dpeth; did you mean .*\?$"):
        function(**given, dpeth=8)
    with pytest.raises(vs.Error, match=rf"^{name}: missing a required argument: '{parameters(name)[0]}'$"):
        function()
    with pytest.raises(vs.Error, match=rf"^{name}: multiple values for argument '{parameters(name)[0]}'$"):
        function(given[parameters(name)[0]], **given)
    with pytest.raises(vs.Error, match=rf"^{name}: there is no argument a+\.\.\.; did you mean"):
        function(**given, **{"a" * hostile.LETTERS: 8})


def test_every_call_is_typed() -> None:
    """The checks leave a filter's signature as it is, for editors and for `vsanime process`."""
    kinds: list[Callable[..., Any]] = [getattr(vsanime, name) for name in FILTERS]
    assert all(inspect.signature(kind).return_annotation in ("vs.VideoNode", "list[str]") for kind in kinds)
