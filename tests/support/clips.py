"""Synthetic clips, and clips made of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

type Array = NDArray[Any]


def format_of(name: str) -> vs.VideoFormat:
    """A format by its name, `YUV420P14` and other unusual ones included."""
    if name.startswith("RGB"):
        return vs.core.get_video_format(getattr(vs, name))
    families = {"GRAY": (vs.GRAY, 0, 0), "420": (vs.YUV, 1, 1), "422": (vs.YUV, 1, 0), "444": (vs.YUV, 0, 0),
                "411": (vs.YUV, 2, 0), "440": (vs.YUV, 0, 1), "410": (vs.YUV, 2, 2)}  # fmt: skip
    for key, (family, sub_w, sub_h) in families.items():
        if key in name:
            rest = name.split(key)[1].removeprefix("P")
            sample, bits = {"H": (vs.FLOAT, 16), "S": (vs.FLOAT, 32)}.get(rest, (vs.INTEGER, 0))
            return vs.core.query_video_format(family, sample, bits or int(rest), sub_w, sub_h)
    raise ValueError(name)


def dtype_of(form: vs.VideoFormat) -> str:
    if form.sample_type == vs.FLOAT:
        return "float16" if form.bits_per_sample == 16 else "float32"
    return "uint8" if form.bits_per_sample == 8 else "uint16"


def noise(form: vs.VideoFormat, width: int, height: int, frames: int = 1, seed: int = 0) -> list[list[Array]]:
    """Smooth noise over the whole range of codes, frame by frame, plane by plane."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(frames):
        planes = []
        for p in range(form.num_planes):
            w, h = (width >> form.subsampling_w, height >> form.subsampling_h) if p else (width, height)
            coarse = rng.random((h // 3 + 2, w // 3 + 2)).repeat(3, 0).repeat(3, 1)[:h, :w]
            value = 0.7 * coarse + 0.3 * rng.random((h, w))
            if form.sample_type == vs.FLOAT:
                planes.append((value - (0.5 if p else 0)).astype(dtype_of(form)))
            else:
                planes.append(np.round(value * ((1 << form.bits_per_sample) - 1)).astype(dtype_of(form)))
        result.append(planes)
    return result


def clip_of(frames: Sequence[Sequence[Array]], form: vs.VideoFormat, **props: int) -> vs.VideoNode:
    """A clip whose frames hold these planes."""
    height, width = frames[0][0].shape
    blank = vs.core.std.BlankClip(None, width, height, form.id, length=len(frames), fpsnum=24000, fpsden=1001)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made = f.copy()
        for p, plane in enumerate(frames[n]):
            np.asarray(made[p])[:] = plane
        return made

    clip = blank.std.ModifyFrame(blank, fill)
    return clip.std.SetFrameProps(**props) if props else clip


def noise_clip(name: str, width: int, height: int, frames: int = 1, seed: int = 0, **props: int) -> vs.VideoNode:
    """Noise as a clip."""
    form = format_of(name)
    return clip_of(noise(form, width, height, frames, seed), form, **props)


def planes_of(clip: vs.VideoNode, n: int = 0) -> list[Array]:
    """Copies of the planes of a frame."""
    with clip.get_frame(n) as frame:
        return [np.asarray(frame[p]).copy() for p in range(frame.format.num_planes)]


def props_of(clip: vs.VideoNode, n: int = 0) -> dict[str, Any]:
    """The properties of a frame."""
    with clip.get_frame(n) as frame:
        return dict(frame.props)


def linear_chroma(name: str, width: int, height: int, location: int, slope: tuple[float, float]) -> vs.VideoNode:
    """A limited-range YUV clip whose chroma rises linearly over the luma grid, sampled where the siting says.

    Written out from the definition of `_ChromaLocation`, apart from the package's own table.
    """
    form = format_of(name)
    across = {0: 0.0, 1: 0.5, 2: 0.0, 3: 0.5, 4: 0.0, 5: 0.5}[location] if form.subsampling_w else 0.0
    down = {0: 0.5, 1: 0.5, 2: 0.0, 3: 0.0, 4: 1.0, 5: 1.0}[location] if form.subsampling_h else 0.0
    w, h = width >> form.subsampling_w, height >> form.subsampling_h
    x = np.arange(w) * (1 << form.subsampling_w) + across
    y = np.arange(h) * (1 << form.subsampling_h) + down
    ramp = 0.5 + slope[0] * (x[None, :] - width / 2) + slope[1] * (y[:, None] - height / 2)
    chroma = np.round(ramp * 65535).astype(np.uint16)
    luma = np.full((height, width), 30000, np.uint16)
    return clip_of([[luma, chroma, chroma]], form, _ChromaLocation=location, _Range=0, _Matrix=1)
