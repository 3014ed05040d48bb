"""Checks the arguments that several filters share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Literal

from vsanime.errors import VsanimeError
from vsanime.graphs.inspect import NetFacts
from vsanime.spec import Family, FrameSpec, PlaneFormat, SampleType

type Planes = int | Sequence[int] | None
type Pair = tuple[int, int]
type Size = int | Pair | None
type Tiles = Size | Literal["auto"]


# Rows and columns of results that a tile should give at least, or nearly all of its work is overlap.
_LEAST_INNER = 16


def wanted_planes(planes: Planes, form: PlaneFormat, default: Sequence[int]) -> frozenset[int]:
    """The planes to process.

    Raises:
        VsanimeError: a plane the clip has not, or one named twice.
    """
    if planes is None:
        return frozenset(default)
    count = 1 if form.family is Family.GRAY else 3
    given = [planes] if isinstance(planes, int) else list(planes)
    bad = [p for p in given if not isinstance(p, int) or isinstance(p, bool) or not 0 <= p < count]
    if bad or len(set(given)) != len(given):
        raise VsanimeError(f"planes={planes!r}; different numbers from 0 to {count - 1} are needed for this clip")
    return frozenset(given)


def wanted_format(depth: int | str | None, form: PlaneFormat) -> PlaneFormat:
    """The output's format.

    Args:
        depth: 8 to 16, "half", "single", or None to keep the input's.
        form: the input's format.

    Raises:
        VsanimeError: another depth.
    """
    if depth is None:
        return form
    if depth in ("half", "single"):
        return replace(form, sample_type=SampleType.FLOAT, bits=16 if depth == "half" else 32)
    if isinstance(depth, Integral) and not isinstance(depth, bool) and 8 <= depth <= 16:
        return replace(form, sample_type=SampleType.INTEGER, bits=int(depth))
    raise VsanimeError(f"depth={depth!r}; 8 to 16, 'half' or 'single' is needed")


def wanted_size(width: int | None, height: int | None, spec: FrameSpec, scale: int) -> Pair:
    """The output's size; one of the two alone keeps the proportions.

    Raises:
        VsanimeError: a size that the format cannot have, or one that is not larger than the input.
    """
    if width is None and height is None:
        return spec.width * scale, spec.height * scale
    step_w, step_h = 1 << spec.format.subsampling_w, 1 << spec.format.subsampling_h
    if width is None:
        assert height is not None
        width = max(1, round(spec.width * height / spec.height / step_w)) * step_w
    if height is None:
        height = max(1, round(spec.height * width / spec.width / step_h)) * step_h
    for name, value, step in (("width", width, step_w), ("height", height, step_h)):
        if not isinstance(value, int) or value < 1:
            raise VsanimeError(f"{name}={value!r}; a positive number of pixels is needed")
        if value % step:
            raise VsanimeError(
                f"{name}={value} does not suit the clip's chroma subsampling; a multiple of {step} is needed"
            )
    if width <= spec.width and height <= spec.height:
        raise VsanimeError(
            f"{width}x{height} is no larger than the clip's {spec.width}x{spec.height}; "
            f"there is nothing to double, use `clip.resize.Spline36({width}, {height})`"
        )
    return width, height


def doublings(source: Pair, wanted: Pair) -> int:
    """How often a picture has to be doubled until neither side is too small; at least once.

    Args:
        source: width and height of the picture.
        wanted: width and height that are needed.
    """
    passes = 1
    while source[0] << passes < wanted[0] or source[1] << passes < wanted[1]:
        passes += 1
    return passes


def wanted_tile(
    tiles: Tiles, tilesize: Size, overlap: Size, facts: NetFacts, extra: Pair, frame: Pair, suggested: Pair
) -> tuple[Pair, Pair]:
    """Size and overlap of the tiles.

    Args:
        tiles: how many, each way or (across, down); "auto" for the backend's choice.
        tilesize: their size, overlap included.
        overlap: pixels on each side, or None for what the network sees.
        facts: the network's.
        extra: pixels that are seen beyond the network's radius, by chroma upsampling, each way.
        frame: width and height of what is tiled.
        suggested: the backend's choice where the user has none.

    Raises:
        VsanimeError: both given, values below 1, or a network that must see the whole frame.
    """
    if isinstance(tiles, str):
        if tiles != "auto":
            raise VsanimeError(f"tiles={tiles!r}; a number from 1 up, two of them, or 'auto' is needed")
        if tilesize is not None:
            raise VsanimeError(f"tiles='auto' and tilesize={tilesize!r}; give one of them")
        tiles = None
    if tiles is not None and tilesize is not None:
        raise VsanimeError(f"tiles={tiles!r} and tilesize={tilesize!r}; give one of them")
    asked = tiles is not None or tilesize is not None
    if facts.radius is None:
        if asked and _pair("tiles", tiles if tiles is not None else tilesize) != (1, 1):
            raise VsanimeError(
                "the network depends on the whole frame at once, so tiles would change the picture; leave them out"
            )
        return frame, (0, 0)
    margin = (
        (facts.radius + extra[0], facts.radius + extra[1]) if overlap is None else _pair("overlap", overlap, least=0)
    )
    if tiles is not None:
        count = _pair("tiles", tiles)
        return (_split(frame[0], count[0], margin[0]), _split(frame[1], count[1], margin[1])), margin
    if tilesize is not None:
        return _pair("tilesize", tilesize), margin
    return (_balanced(frame[0], suggested[0], margin[0]), _balanced(frame[1], suggested[1], margin[1])), margin


def smaller_tile(tile: Pair, margin: Pair, share: float, smallest: Pair = (1, 1)) -> Pair | None:
    """A tile of about a share of another's area, as wide as that if it can be; None where little else than overlap
    would be left of it.

    Args:
        tile: width and height, overlap included.
        margin: overlap on each side.
        share: less than 1.
        smallest: width and height that it may not fall short of.
    """
    least = [max(side, 2 * m + _LEAST_INNER) for side, m in zip(smallest, margin, strict=True)]
    height = int(tile[1] * share)
    if height >= least[1]:
        return tile[0], height
    width = int(tile[0] * tile[1] * share / least[1])
    return (width, least[1]) if least[1] <= tile[1] and least[0] <= width <= tile[0] else None


def _balanced(length: int, tile: int, margin: int) -> int:
    """The smallest tile of which no more are needed than of the suggested one: the last would only repeat work."""
    if tile >= length or tile <= 2 * margin:
        return tile
    count = -(-(length - 2 * margin) // (tile - 2 * margin))
    return -(-(length - 2 * margin) // count) + 2 * margin


def _split(length: int, count: int, margin: int) -> int:
    return length if count == 1 else -(-length // count) + 2 * margin


def _pair(name: str, value: Size, least: int = 1) -> Pair:
    pair = (value, value) if isinstance(value, int) else value
    good = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not good or any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in pair or ()):
        raise VsanimeError(f"{name}={value!r}; a number from {least} up, or two of them, is needed")
    assert pair is not None
    return pair[0], pair[1]
