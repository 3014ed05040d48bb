"""Draws clips of every format from a fixed seed, and describes the frames of clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from .facts import Facts, digest

type Array = NDArray[Any]

_FAMILIES = {"GRAY": (vs.GRAY, 0, 0), "YUV420P": (vs.YUV, 1, 1), "YUV422P": (vs.YUV, 1, 0), "YUV444P": (vs.YUV, 0, 0)}
_FLOATS = {"H": 16, "S": 32}


def find_format(name: str) -> vs.VideoFormat:
    """Return the format of a name such as "YUV420P10", "GRAYH" or "RGB24"."""
    if name.startswith("RGB"):
        return vs.core.get_video_format(getattr(vs, name))
    prefix = next(prefix for prefix in _FAMILIES if name.startswith(prefix))
    family, width, height = _FAMILIES[prefix]
    depth = name.removeprefix(prefix)
    if depth in _FLOATS:
        return vs.core.query_video_format(family, vs.FLOAT, _FLOATS[depth], width, height)
    return vs.core.query_video_format(family, vs.INTEGER, int(depth), width, height)


def draw_clip(
    name: str, size: tuple[int, int] = (48, 32), frames: int = 2, *, alpha: bool = False, seed: int = 0, **props: int
) -> vs.VideoNode:
    """Return a clip of shapes that move over a soft background, with a little noise.

    Args:
        name: of the format.
        size: width and height in pixels.
        frames: length of the clip.
        alpha: attach a mask that hides the lower left quarter and half of what lies beside it.
        seed: decides what is drawn.
        props: properties of every frame.
    """
    form = find_format(name)
    clip = clip_of([_draw_planes(form, size, n, seed) for n in range(frames)], form, **props)
    if not alpha:
        return clip
    gray = find_format(f"GRAY{_name_depth(form)}")
    top = 1.0 if form.sample_type == vs.FLOAT else (1 << form.bits_per_sample) - 1
    mask = np.full((size[1], size[0]), top, np.float64)
    mask[size[1] // 2 :, : size[0] // 2] = 0
    mask[: size[1] // 2, : size[0] // 2] = top / 2
    masks = clip_of([[mask.astype(_dtype(gray))]] * frames, gray, _Range=1)
    return clip.std.ClipToProp(masks, prop="_Alpha")


def clip_of(frames: Sequence[Sequence[Array]], form: vs.VideoFormat, **props: int) -> vs.VideoNode:
    """Return a clip whose frames hold given planes."""
    height, width = frames[0][0].shape
    blank = vs.core.std.BlankClip(None, width, height, form.id, length=len(frames), fpsnum=24000, fpsden=1001)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made = f.copy()
        for index, plane in enumerate(frames[n]):
            np.asarray(made[index])[:] = plane
        return made

    clip = blank.std.ModifyFrame(blank, fill)
    return clip.std.SetFrameProps(**props) if props else clip


def draw_lines(size: tuple[int, int] = (96, 64), frames: int = 9) -> tuple[vs.VideoNode, vs.VideoNode]:
    """Return line art of a face that moves, on twos, and the same frames painted, as GRAY8 and RGB24."""
    width, height = size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    lines, painted = [], []
    for n in range(frames):
        step = n // 2
        line = np.full((height, width), 255, np.uint8)
        color = np.empty((3, height, width), np.uint8)
        color[:] = np.array([150, 190, 230], np.uint8)[:, None, None]
        for x, y, radius, fill in (
            (0.3 + 0.03 * step, 0.5, 0.32, (240, 200, 170)),
            (0.25 + 0.03 * step, 0.4, 0.08, (40, 90, 160)),
            (0.75 - 0.01 * step, 0.6, 0.2, (200, 40, 60)),
        ):
            distance = np.hypot(columns - x * width, rows - y * height) - radius * height
            color[:, distance < 0] = np.array(fill, np.uint8)[:, None]
            edge = np.abs(distance) < 1.2
            line[edge], color[:, edge] = 0, 20
        lines.append([line])
        painted.append(list(color))
    gray, rgb = find_format("GRAY8"), find_format("RGB24")
    return clip_of(lines, gray, _Range=1), clip_of(painted, rgb)


def describe(facts: Facts, name: str, clip: vs.VideoNode) -> None:
    """Record a clip's format, and the planes and properties of all its frames."""
    facts.add(f"{name}: clip", f"{clip.format} {clip.width}x{clip.height} {clip.num_frames} frames {clip.fps}")
    for n, frame in enumerate(clip.frames(close=True)):
        for plane in range(frame.format.num_planes):
            facts.add_bytes(f"{name}: frame {n} plane {plane}", np.asarray(frame[plane]).tobytes())
        facts.add(f"{name}: frame {n} properties", _describe_props(frame))


def _describe_props(frame: vs.VideoFrame) -> str:
    return ", ".join(f"{key}={_describe_value(value)}" for key, value in sorted(dict(frame.props).items()))


def _describe_value(value: object) -> str:
    if isinstance(value, vs.VideoFrame):
        planes = [digest(np.asarray(value[plane]).tobytes()) for plane in range(value.format.num_planes)]
        return f"{value.format.name} {value.width}x{value.height} [{'; '.join(planes)}] ({_describe_props(value)})"
    return repr(value)


def _draw_planes(form: vs.VideoFormat, size: tuple[int, int], n: int, seed: int) -> list[Array]:
    rng = np.random.default_rng([seed, n])
    planes = []
    for index in range(form.num_planes):
        width, height = size
        if index:
            width, height = width >> form.subsampling_w, height >> form.subsampling_h
        rows, columns = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
        value = 0.2 + 0.5 * (columns + index * rows) / (1 + index)
        for x, y, radius, level in ((0.3 + 0.05 * n, 0.4, 0.25, 0.9), (0.7, 0.6 - 0.04 * n, 0.2, 0.1 + 0.2 * index)):
            value[np.hypot(columns - x, rows - y) < radius] = level
        value = np.clip(value + 0.05 * rng.standard_normal(value.shape), 0, 1)
        if form.sample_type == vs.FLOAT:
            chroma = form.color_family == vs.YUV and index > 0
            planes.append((value - (0.5 if chroma else 0)).astype(_dtype(form)))
        else:
            planes.append(np.round(value * ((1 << form.bits_per_sample) - 1)).astype(_dtype(form)))
    return planes


def _name_depth(form: vs.VideoFormat) -> str:
    if form.sample_type == vs.FLOAT:
        return {16: "H", 32: "S"}[form.bits_per_sample]
    return str(form.bits_per_sample)


def _dtype(form: vs.VideoFormat) -> str:
    if form.sample_type == vs.FLOAT:
        return "float16" if form.bits_per_sample == 16 else "float32"
    return "uint8" if form.bits_per_sample == 8 else "uint16"
