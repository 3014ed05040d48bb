"""Records frames of every public filter: planes and properties, in many formats and with every kind of argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

import vsanime

from .clips import describe, draw_clip, draw_lines
from .facts import Facts
from .networks import import_networks

# One inference thread, so that sums are taken in the same order in every run.
_F32 = vsanime.Backend.OpenVINO(precision="f32", num_streams=1, num_threads=1)
_AUTO = vsanime.Backend.OpenVINO(num_streams=1, num_threads=1)
_BF16 = vsanime.Backend.OpenVINO(precision="bf16", num_streams=1, num_threads=1)
_LANES = vsanime.Backend.OpenVINO(precision="f32", num_streams=2, num_threads=2)
_ORT = vsanime.Backend.ONNXRuntime(num_streams=1, num_threads=1)

type Case = tuple[str, Callable[[], vs.VideoNode]]


def collect(facts: Facts) -> None:
    """Record the frames of every case, and the arguments for encoders."""
    vs.core.num_threads = 3  # one more than lanes
    # Optical flow sums in threads, too.
    try:
        import cv2

        cv2.setNumThreads(1)
    except ImportError:
        pass
    networks = import_networks(facts)
    for cases in (_artcnn(), _chroma(), _waifu2x(), _animegan(), _lineart(networks), _fields(), _colorize(networks)):
        for name, make in cases:
            facts.attempt(name, partial(_describe, facts, make))
    facts.attempt("colorize, pictures as references", partial(_paint_from_pictures, facts))
    for encoder in ("x264", "x265", "ffmpeg"):
        facts.attempt(f"encoder_args {encoder}", partial(_describe_encoder, facts, encoder))


def _describe(facts: Facts, make: Callable[[], vs.VideoNode], name: str) -> None:
    describe(facts, name, make())


def _call(filter_: str, form: str, clip: dict[str, Any] | None = None, /, **arguments: Any) -> Case:
    """Return a case: a public filter on a drawn clip of a format."""
    options = {key: value for key, value in arguments.items() if key != "backend"}
    backend = arguments.setdefault("backend", _F32)
    said = [f"{key}={value!r}" for key, value in {**(clip or {}), **options}.items()]
    if backend is not _F32:
        said.append(f"{type(backend).__name__} {backend.precision} {backend.num_streams}")
    name = ", ".join([f"{filter_} {form}", *said])
    if filter_ in ("distance_field", "mark_scenes"):
        del arguments["backend"]

    def make() -> vs.VideoNode:
        result: vs.VideoNode = getattr(vsanime, filter_)(draw_clip(form, **(clip or {})), **arguments)
        return result

    return name, make


def _artcnn() -> Iterator[Case]:
    small = {"model": "C4F16_VA"}
    forms = ("YUV420P8", "YUV420P10", "YUV420P16", "YUV422P8", "YUV444P8", "YUV444P12", "GRAY8", "GRAY16")
    for form in (*forms, "YUV420PH", "YUV444PS", "GRAYH", "GRAYS"):
        yield _call("artcnn", form, **small)
    for model in ("C4F32_VA", "C4F32_DS_VA", "C4F32_BOX_VA", "C4F16_BOX_VA", "C4F32", "R8F64"):
        yield _call("artcnn", "YUV420P8", model=model)
    for depth in (8, 10, 16, "half", "single"):
        yield _call("artcnn", "YUV420P10", **small, depth=depth)
    yield _call("artcnn", "YUV420P8", chroma="C4F32_Chroma_VA", **small)
    yield _call("artcnn", "YUV422P10", chroma="C4F32_Chroma_VA", depth=16, **small)
    for planes in (0, [1, 2], [0, 1]):
        yield _call("artcnn", "YUV420P8", chroma="C4F32_Chroma_VA", planes=planes, **small)
    yield _call("artcnn", "YUV420P8", tta=True, **small)
    for tiling in ({"tiles": 2}, {"tiles": (1, 2)}, {"tilesize": 32}, {"tiles": 2, "overlap": 4}, {"tiles": "auto"}):
        yield _call("artcnn", "YUV420P8", **small, **tiling)
    for size in ({"width": 72}, {"width": 192, "height": 128}, {"height": 96}, {"width": 120, "height": 64}):
        yield _call("artcnn", "YUV420P8", **small, **size)
    yield _call("artcnn", "YUV420P8", {"_Range": 1, "_Matrix": 5, "_ChromaLocation": 1}, **small)
    yield _call("artcnn", "YUV420P8", {"_SARNum": 4, "_SARDen": 3, "_ChromaLocation": 2}, width=144, height=64, **small)
    yield _call("artcnn", "YUV420P8", {"size": (46, 34)}, **small)
    yield _call("artcnn", "GRAY8", {"size": (45, 33)}, **small)
    for form in ("YUV420P8", "GRAY16", "YUV444PS"):
        yield _call("artcnn", form, {"alpha": True}, **small)
    for backend in (_AUTO, _BF16, _ORT):
        yield _call("artcnn", "YUV420P8", backend=backend, **small)
    yield _call("artcnn", "YUV420P10", {"frames": 7}, backend=_LANES, **small)


def _chroma() -> Iterator[Case]:
    for form in ("YUV420P8", "YUV420P10", "YUV422P16", "YUV420PH", "YUV422PS", "YUV444P8"):
        yield _call("artcnn_chroma", form)
    for planes in (1, [1, 2]):
        yield _call("artcnn_chroma", "YUV420P8", planes=planes)
    for location in range(6):
        yield _call("artcnn_chroma", "YUV420P8", {"_ChromaLocation": location})
    yield _call("artcnn_chroma", "YUV420P8", tiles=2)
    yield _call("artcnn_chroma", "YUV420P8", {"alpha": True})
    yield _call("artcnn_chroma", "YUV420P8", model="C4F32_Chroma")
    for backend in (_AUTO, _BF16, _ORT):
        yield _call("artcnn_chroma", "YUV420P8", backend=backend)


def _waifu2x() -> Iterator[Case]:
    slim = {"model": "ESPCN_7_SLIM_VA"}
    forms = ("RGB24", "RGB30", "RGB48", "RGBH", "RGBS", "YUV420P8", "YUV420P10", "YUV422P8", "YUV444P16", "YUV420PS")
    for form in (*forms, "GRAY8", "GRAYS"):
        yield _call("waifu2x", form, **slim)
    for depth in (8, 10, "half", "single"):
        yield _call("waifu2x", "RGB30", depth=depth, **slim)
    yield _call("waifu2x", "YUV420P8", tint="correct", **slim)
    yield _call("waifu2x", "RGB24", tta=True, **slim)
    for tiling in ({"tiles": 2}, {"tilesize": (40, 32)}, {"tiles": (2, 1), "overlap": (8, 0)}):
        yield _call("waifu2x", "YUV420P8", **slim, **tiling)
    for form in ("RGB24", "YUV420P8"):
        yield _call("waifu2x", form, {"alpha": True}, **slim)
    yield _call("waifu2x", "YUV420P8", {"_Range": 1, "_Matrix": 6, "_ChromaLocation": 1}, **slim)
    for noise, scale in ((-1, 2), (1, 2), (3, 1)):
        yield _call("waifu2x", "YUV420P8", noise=noise, scale=scale)
        yield _call("waifu2x", "RGB24", noise=noise, scale=scale, model="upconv_7_photo")
    yield _call("waifu2x", "RGB24", tint="correct", tiles=2)
    for backend in (_AUTO, _BF16, _ORT):
        yield _call("waifu2x", "YUV420P8", backend=backend, **slim)


def _animegan() -> Iterator[Case]:
    for form in ("YUV420P8", "YUV420P10", "YUV444P8", "RGB24", "RGB30", "RGBH", "RGBS", "GRAY8"):
        yield _call("animegan", form)
    yield _call("animegan", "YUV420P8", {"size": (46, 30)}, strength=0.5)
    yield _call("animegan", "RGB24", {"size": (64, 48)}, work_size=(32, 24), detail=0.7)
    yield _call("animegan", "YUV420P8", depth=10)
    yield _call("animegan", "YUV420P8", {"alpha": True})
    yield _call("animegan", "YUV420P8", tiles=2)
    for backend in (_AUTO, _BF16, _ORT):
        yield _call("animegan", "YUV420P8", {"frames": 1}, backend=backend)

    def by_scene() -> vs.VideoNode:
        clip = draw_clip("YUV420P8") + draw_clip("YUV420P8", seed=1).std.Invert()
        return vsanime.animegan(vsanime.mark_scenes(clip), brightness="scene", backend=_F32)

    yield "animegan, brightness by scene", by_scene


def _lineart(networks: dict[str, Path]) -> Iterator[Case]:
    options: dict[str, Any]
    for form in ("YUV420P8", "YUV420P10", "YUV444PS", "RGB24", "RGB48", "RGBS", "GRAY8", "GRAYH"):
        yield _call("lineart", form)
    for options in ({"sigma": 1.5}, {"threshold": 0.03, "gain": 5}, {"depth": 16}, {"depth": "single"}, {"tiles": 2}):
        yield _call("lineart", "YUV420P8", **options)
    yield _call("lineart", "RGB24", {"alpha": True})
    yield _call("lineart", "YUV420P8", backend=_ORT)
    if "sketchkeras" in networks:
        method = str(networks["sketchkeras"])
        for options in ({"padding": "zero"}, {"gain": "frame", "threshold": 0.1}, {"long_side": 32}):
            yield _call("lineart", "YUV420P8", {"frames": 1}, method=method, **options)


def _fields() -> Iterator[Case]:
    for form in ("GRAY8", "GRAY10", "GRAY16", "GRAYH", "GRAYS"):
        yield _call("distance_field", form)
    yield _call("distance_field", "GRAY8", {"alpha": True}, cap=0.1, threshold=0.3, depth="single")
    for form in ("YUV420P8", "RGB24", "GRAYS", "YUV444P16"):
        yield _call("mark_scenes", form, {"frames": 4}, threshold=0.01)
    yield _call("mark_scenes", "YUV420P8", {"alpha": True, "frames": 4})


def _colorize(networks: dict[str, Path]) -> Iterator[Case]:
    yuv, deep = vs.YUV420P8, vs.YUV444P10
    options: list[dict[str, Any]] = [
        *({"model": model, "steps": steps, "steady": steady} for model in ("flow", "Line_VA")
          for steps in (False, True) for steady in (False, True)),
        {"model": "flow", "fill": "segments"},
        {"model": "flow", "work_size": 48},
        {"model": "Line_VA", "work_size": 32, "format": yuv},
        {"model": "Line_VA", "work_size": "full", "fill": "segments"},
        {"model": "flow", "format": deep},
        {"model": "flow", "format": yuv, "depth": None},
        {"model": "flow", "depth": 16},
        {"model": "flow", "depth": "single"},
        {"model": "flow", "keys": [2, 6]},
        {"model": "flow", "scenes": [0, 5], "keys": [2], "no_reference": "nearest"},
        {"model": "flow", "scenes": [0, 5], "keys": [2], "no_reference": "passthrough", "format": yuv},
        {"model": "flow", "scenes": [0, 5], "keys": [2]},
        {"model": "flow", "scenes": "detect"},
        {"model": "Line_VA", "backend": _BF16},
        {"model": "Line_VA", "backend": _ORT},
        {"model": "Line_VA", "backend": _LANES},
    ]  # fmt: skip
    for kind in ("colour", "document"):
        if kind in networks:
            options.append({"model": str(networks[kind])})
    if "colour_temporal" in networks:
        options.append({"model": "flow", "temporal": str(networks["colour_temporal"])})
        options.append({"model": "Line_VA", "temporal": str(networks["colour_temporal"]), "format": yuv})
    for one in options:
        backend = one.get("backend", _F32)
        said = [f"{key}={value!r}" for key, value in one.items() if key != "backend"]
        if backend is not _F32:
            said.append(f"{type(backend).__name__} {backend.precision} {backend.num_streams}")
        yield f"colorize, {', '.join(said)}", partial(_paint, one)


def _paint(options: dict[str, Any]) -> vs.VideoNode:
    lines, painted = draw_lines()
    arguments = {"keys": [0, 8], "backend": _F32, **options}
    return vsanime.colorize(lines, painted, **arguments)


def _paint_from_pictures(facts: Facts, name: str) -> None:
    from PIL import Image

    lines, painted = draw_lines()
    references = {}
    for key in (0, 8):
        with painted.get_frame(key) as frame:
            picture = np.stack([np.asarray(frame[plane]) for plane in range(3)], -1)
        path = facts.work / f"key {key}.png"
        Image.fromarray(picture).save(path)
        references[key] = path
    describe(facts, name, vsanime.colorize(lines, references, model="flow", backend=_F32))


def _describe_encoder(facts: Facts, encoder: str, name: str) -> None:
    clips = {
        "plain 8 bits": draw_clip("YUV420P8"),
        "10 bits": draw_clip("YUV420P10", _Matrix=9, _Primaries=9, _Transfer=16, _ChromaLocation=2),
        "full range": draw_clip("YUV444P8", _Range=1, _Matrix=6, _SARNum=8, _SARDen=9),
        "gray": draw_clip("GRAY8"),
        "HDR10": draw_clip("YUV420P10", _Matrix=9, _Primaries=9, _Transfer=16).std.SetFrameProps(
            MasteringDisplayPrimariesX=[0.708, 0.17, 0.131],
            MasteringDisplayPrimariesY=[0.292, 0.797, 0.046],
            MasteringDisplayWhitePointX=0.3127,
            MasteringDisplayWhitePointY=0.329,
            MasteringDisplayMinLuminance=0.0001,
            MasteringDisplayMaxLuminance=1000.0,
            ContentLightLevelMax=1000,
            ContentLightLevelAverage=400,
        ),
    }
    for kind, clip in clips.items():
        facts.add(f"{name}, {kind}", vsanime.encoder_args(clip, encoder))
