"""Read reference pictures into a clip of one frame per key, from a clip, or from pictures and clips by frame number."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from vsanime.coding import check_matrix
from vsanime.errors import VsanimeError, quote, quote_path
from vsanime.media.pictures import open_picture
from vsanime.spec import Family, FrameSpec
from vsanime.values import parse_whole, parse_wholes
from vsanime.video.advice import conform_code
from vsanime.video.alpha import ALPHA, check_alpha, lay_on_white
from vsanime.video.clips import check_same, first_frame, guess_matrix
from vsanime.video.properties import write_properties

type Picture = str | os.PathLike[str] | vs.VideoNode
type Sources = vs.VideoNode | Mapping[int, Picture]
type Size = tuple[int, int]


@dataclass(frozen=True)
class References:
    """The pictures that colors are taken from.

    Attributes:
        clip: one frame per key, all in one format, with matrix, range and siting set.
        keys: frame numbers in the line art that they belong to, ascending.
        spec: format and color properties of the frames.
        props: properties of the first frame.
    """

    clip: vs.VideoNode
    keys: tuple[int, ...]
    spec: FrameSpec
    props: Mapping[str, Any]


def read_references(references: Sources, keys: Sequence[int] | None, size: Size, length: int) -> References:
    """Return the references, ordered by their frames.

    Args:
        references: a color clip, or picture files and one-frame clips by the number of their frame.
        keys: frame numbers in the line art of the clip's frames; None if `references` is a mapping, which has them.
        size: width and height of the line art in pixels.
        length: number of frames of the line art.

    Raises:
        VsanimeError: a reference is not a picture or clip, or does not fit the line art.
    """
    if isinstance(references, Mapping):
        if keys is not None:
            raise VsanimeError("keys are given twice: references have their frames' numbers already; leave keys out")
        given = dict(zip(_read_keys(list(references), length), references.values(), strict=True))
        numbers = sorted(given)
        clip = _join([(n, _open(n, given[n])) for n in numbers], size)
    elif isinstance(references, vs.VideoNode):
        clip, numbers = _pick(references, keys, length)
        _check_size("the references are", (clip.width, clip.height), size)
    else:
        raise VsanimeError(
            f"references={type(references).__name__}; a colour clip, or a mapping of frame numbers to picture files or "
            "one-frame clips is needed"
        )
    try:
        spec, props = first_frame(clip)
        check_matrix(spec.matrix)
    except VsanimeError as error:
        raise VsanimeError(f"the references: {error}") from None
    if spec.format.family is Family.GRAY:
        raise VsanimeError("the references are gray; colour pictures, RGB or YUV, are needed")
    return References(write_properties(_check(clip, spec, numbers), spec), tuple(numbers), spec, props)


def _pick(clip: vs.VideoNode, keys: Sequence[int] | None, length: int) -> tuple[vs.VideoNode, list[int]]:
    """Return the frames of a clip that are references, in order, and their frame numbers in the line art."""
    if keys is None:
        raise VsanimeError(
            f"keys are missing: which of the {length} frames of line art the references are of, such as "
            f"`keys={_example(clip.num_frames, length)}`"
        )
    given = _read_keys(keys, length)
    numbers = sorted(given)
    if clip.num_frames == len(given):
        places = sorted(range(len(given)), key=given.__getitem__)
    elif clip.num_frames == length:
        places = numbers
    else:
        raise VsanimeError(
            f"the references have {clip.num_frames} frames; {len(given)}, one a key, or {length}, one for every frame "
            "of line art, are needed"
        )
    if places == list(range(clip.num_frames)):
        return clip, numbers
    return vs.core.std.Splice([clip[place] for place in places]), numbers


def _example(count: int, length: int) -> str:
    """Return an example of evenly spaced frame numbers for references, as text.

    Args:
        count: number of references; if it is `length` or more, an example of up to two frames is given.
        length: number of frames of the line art.
    """
    count = min(2, length) if count >= length else count
    step = length // count
    return f"[{', '.join(str(i * step) for i in range(count))}]" if count <= 4 else f"range(0, {count * step}, {step})"


def _read_keys(keys: object, length: int) -> list[int]:
    """Return frame numbers in the order in which they were given.

    Raises:
        VsanimeError: there is none, or one is outside the line art or given twice.
    """
    one = parse_whole(keys)
    numbers = [one] if one is not None else parse_wholes(keys, length)
    good = {n for n in numbers or () if 0 <= n < length}
    if not numbers or len(good) < len(numbers):
        raise VsanimeError(f"keys={quote(keys)}; one or more different frame numbers, 0 to {length - 1}, are needed")
    return numbers


def _check(clip: vs.VideoNode, spec: FrameSpec, keys: Sequence[int]) -> vs.VideoNode:
    """Return the frames, on white where they are transparent; refuse frames whose format differs from the first one's.

    Args:
        clip: the references.
        spec: format and color properties of the first reference.
        keys: frame numbers in the line art that they belong to, for messages.
    """

    def check(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        whose = f"colorize: the reference of frame {keys[n]}"
        try:
            check_same(n, f.props, spec)
        except VsanimeError as error:
            raise vs.Error(f"{whose} differs from the first: {error}") from None
        if ALPHA not in f.props:
            return f
        return lay_on_white(f, check_alpha(whose, f.props[ALPHA], (f.width, f.height)), spec)

    return clip.std.ModifyFrame(clip, check)


def _join(pictures: Sequence[tuple[int, vs.VideoNode]], size: Size) -> vs.VideoNode:
    """Return single frames as one clip.

    Raises:
        VsanimeError: a clip has more than one frame, another size than the line art, or another format than the first.
    """
    first, model = pictures[0]
    for number, clip in pictures:
        if clip.num_frames != 1:
            raise VsanimeError(f"the reference of frame {number} has {clip.num_frames} frames; 1 is needed: `clip[0]`")
        _check_size(f"the reference of frame {number} is", (clip.width, clip.height), size)
        if clip.format.id != model.format.id:
            guess = guess_matrix(*size)
            raise VsanimeError(
                f"the reference of frame {number} is {clip.format.name}, that of frame {first} {model.format.name}; "
                f"references of one format are needed (pictures are RGB24): {conform_code(clip, model, guess)}"
            )
    return vs.core.std.Splice([clip for _, clip in pictures])


def _check_size(whose: str, found: Size, wanted: Size) -> None:
    # `first_frame` refuses variable sizes or formats.
    if 0 not in found and found != wanted:
        raise VsanimeError(f"{whose} {found[0]}x{found[1]}, the line art {wanted[0]}x{wanted[1]}; one size is needed")


def _open(number: int, source: Picture) -> vs.VideoNode:
    """Return a reference as a clip; a picture file is decoded when its frame is requested."""
    if isinstance(source, vs.VideoNode):
        return source
    try:
        path = Path(os.fsdecode(source))
    except Exception:  # not a path; a class may raise anything in `__fspath__`
        raise VsanimeError(
            f"the reference of frame {number} is {type(source).__name__}; a picture file or a one-frame clip is needed"
        ) from None
    height, width = _read(number, path).shape[:2]
    blank = vs.core.std.BlankClip(None, width, height, vs.RGB24, 1, keep=True)

    # Decode on request, so that a hundred references do not stay in memory.
    def decoded(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001 - VapourSynth calls it so
        frame = f.copy()
        try:
            samples = _read(number, path)
            _check_size(
                f"the reference of frame {number}, {quote_path(path)}, is now", samples.shape[1::-1], (width, height)
            )
        except VsanimeError as error:
            raise vs.Error(f"colorize: {error}") from None
        for plane in range(3):
            np.asarray(frame[plane])[:] = samples[..., plane]
        return frame

    return blank.std.ModifyFrame(blank, decoded).std.SetFrameProps(_Range=vs.RANGE_FULL)


def _read(number: int, path: Path) -> NDArray[np.uint8]:
    """Read a picture as an array of height, width, 3, upright, on white where it is transparent.

    Raises:
        VsanimeError: Pillow is not installed, or cannot read the file.
    """
    try:
        with open_picture(path) as picture:
            from PIL import Image, ImageOps

            upright = ImageOps.exif_transpose(picture)
            if upright.has_transparency_data:
                paper = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(paper, upright.convert("RGBA"))
            return np.asarray(upright.convert("RGB"))
    except VsanimeError as error:
        raise VsanimeError(f"the reference of frame {number}, {quote_path(path)}: {error}") from None
