"""Defines the filter behind `vsanime upscale`, which doubles a clip by the filter of its model and scales it."""

from __future__ import annotations

import vapoursynth as vs

from vsanime.backends import BackendProtocol
from vsanime.errors import VsanimeError, shorten
from vsanime.filters.artcnn import artcnn
from vsanime.filters.waifu2x import is_rgb, rgb_names, waifu2x, without_noise
from vsanime.models.cards import find, unknown_model, variants
from vsanime.models.store import as_path
from vsanime.pipeline.arguments import Tiles, doublings, resolve_format, resolve_size
from vsanime.video.alpha import alpha_of, resize_alpha, with_alpha
from vsanime.video.clips import first_frame, video_format
from vsanime.video.properties import sample_aspect

DEFAULT_MODEL = "C4F32_VA"


def upscale(
    clip: vs.VideoNode,
    model: str = DEFAULT_MODEL,
    *,
    noise: int | None = None,
    tint: str = "keep",
    chroma: str = "resample",
    width: int | None = None,
    height: int | None = None,
    depth: int | None = None,
    backend: BackendProtocol | None = None,
    tiles: Tiles = None,
) -> vs.VideoNode:
    """Double a clip by ArtCNN or waifu2x, whichever the model is for, and scale it to a size.

    Args:
        clip: source clip of a format that the filter takes.
        model: luma or RGB doubler, by name or path.
        noise: noise level for RGB models, 0 to 3; None to keep the noise.
        tint: tint for RGB models, "keep" or "correct".
        chroma: chroma model for luma models, or "resample".
        width: output width in pixels; None for the proportion to `height`, or twice the clip's.
        height: output height in pixels; None for the proportion to `width`, or twice the clip's.
        depth: bits of the output; the clip's if None.
        backend: backend that runs the network; the default one if None.
        tiles: number of tiles, as the filters take it.

    Raises:
        VsanimeError: an argument is for another kind of model, or the size is impossible.
        vs.Error: the filters reject the clip.
    """
    _check_name(model)
    if not is_rgb(model):
        if noise is not None or tint != "keep":
            raise VsanimeError(f"noise and tint are for RGB models such as upconv_7_art, not {shorten(model)}")
        return artcnn(clip, model, chroma=chroma, width=width, height=height, depth=depth, backend=backend, tiles=tiles)
    if chroma != "resample":
        raise VsanimeError(f"chroma={shorten(chroma)}: {shorten(model)} makes chroma itself; leave it out")
    spec, props = first_frame(clip)
    size = resolve_size(width, height, spec, 2)
    form = video_format(resolve_format(depth, spec.format))
    aspect = sample_aspect(props, spec, size)
    passes = doublings((clip.width, clip.height), size)
    exact = (clip.width << passes, clip.height << passes) == size
    level = -1 if noise is None else noise
    for i in range(passes):
        # 16 bits between passes, so that no precision is lost.
        bits = depth if exact and i == passes - 1 else 16
        clip = waifu2x(clip, level, model=model, tint=tint, depth=bits, backend=backend, tiles=tiles)
        # The first pass removed the noise; the next would only remove detail.
        level, model = -1, without_noise(model)
    if not exact:
        alpha = alpha_of("upscale", clip, first_frame(clip)[1]) if "_Alpha" in props else None
        clip = clip.resize.Spline36(*size, format=form.id).std.CopyFrameProps(clip)  # drops those that zimg adds
        clip = with_alpha(clip, None if alpha is None else resize_alpha(alpha, size))
    return clip.std.SetFrameProps(**aspect) if aspect else clip


def _check_name(model: str) -> None:
    """Raise an error for a name that neither filter knows, with suggestions from both.

    Raises:
        VsanimeError: no model has that name.
    """
    if as_path(model) is not None or is_rgb(model):
        return
    try:
        find(model)
    except VsanimeError:
        luma = [one.name for one in variants().values() if one.task == "double_luma"]
        raise unknown_model(model, [*luma, *rgb_names()]) from None
