"""The frame properties that say how planes are meant, written even where the source left them to defaults."""

from __future__ import annotations

import vapoursynth as vs

from vsanime.spec import Family, FrameSpec


def meaning(spec: FrameSpec) -> dict[str, int]:
    """Range and matrix as frame properties."""
    return {"_Range": int(spec.range)} | ({} if spec.matrix is None else {"_Matrix": spec.matrix})


def finished(clip: vs.VideoNode, spec: FrameSpec, aspect: dict[str, int] | None = None) -> vs.VideoNode:
    """`clip` with range, matrix and siting said on its frames.

    Args:
        clip: new frames.
        spec: what the source's frames are; without a siting `_ChromaLocation` goes.
        aspect: a new sample aspect ratio.
    """
    props = meaning(spec) | (aspect or {})
    if spec.chroma_location is not None:
        props["_ChromaLocation"] = int(spec.chroma_location)
    elif spec.format.family is not Family.RGB:
        clip = clip.std.RemoveFrameProps(["_ChromaLocation"])
    return clip.std.SetFrameProps(**props)
