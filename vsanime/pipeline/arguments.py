"""Checks and resolves the arguments that several filters share: planes, depth, output size, tiles and backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vsanime.backends import BackendProtocol
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.inspect import NetFacts
from vsanime.spec import Family, FrameSpec, PlaneFormat, SampleType
from vsanime.values import MOST_SIDE, Pair, parse_text, parse_whole, parse_wholes, read_pair, read_whole

type Planes = int | Sequence[int] | None
type Size = int | Pair | None
type Tiles = Size | Literal["auto"]

# Fewest rows and columns between the overlaps of a shrunken tile; below this nearly all of its work is overlap.
_LEAST_INNER = 16
_NEEDED_TILES = (
    "1 or more, or two such numbers, as far as the frame has pixels, such as 2 or (2, 1), or 'auto' is needed"
)
_NEEDED_OVERLAP = "0 or more, or two such numbers, less than half of a tile, such as 8 or (8, 4), is needed"


@dataclass(frozen=True)
class Tiling:
    """Tile arguments as the user gave them; pairs are (horizontal, vertical).

    Attributes:
        tiles: number of tiles; "auto" for tiles that fit into the available memory; None for the backend's choice.
        tilesize: width and height of a tile in pixels, overlap included; None if not given.
        overlap: pixels on each side of a tile; None for what the network sees.
    """

    tiles: Pair | Literal["auto"] | None = None
    tilesize: Pair | None = None
    overlap: Pair | None = None


def read_tiling(tiles: Tiles, tilesize: Size, overlap: Size) -> Tiling:
    """Return the tile arguments, checked as far as is possible without a network; see `Tiling` for their meaning.

    Raises:
        VsanimeError: a value is not a number of tiles or pixels, or both `tiles` and `tilesize` are given.
    """
    if tiles is not None and tilesize is not None:
        raise VsanimeError(f"tiles={quote(tiles)} and tilesize={quote(tilesize)}; give one of them")
    margin = None if overlap is None else read_pair("overlap", overlap, 0, needed=_NEEDED_OVERLAP)
    if tilesize is not None:
        return Tiling(None, read_pair("tilesize", tilesize, 1), margin)
    if tiles is None:
        return Tiling(overlap=margin)
    text = parse_text(tiles)
    if text == "auto":
        return Tiling("auto", overlap=margin)
    if text is not None and parse_whole(text) is None and parse_wholes(text, 2) is None:
        raise VsanimeError(f"tiles={quote(tiles)}; {_NEEDED_TILES}")
    return Tiling(read_pair("tiles", tiles, 1, needed=_NEEDED_TILES), overlap=margin)


def check_backend(backend: BackendProtocol | None) -> None:
    """Refuse an object that is not a backend, even where no network will run.

    Raises:
        VsanimeError: the value is something else, or the class of a backend instead of an instance.
    """
    # Looked up on the class, because an instance may raise anything on attribute access.
    if backend is not None and not hasattr(type(backend), "precision_for"):
        raise VsanimeError(f"backend={quote(backend)}; an instance such as `vsanime.Backend.OpenVINO()` is needed")


def resolve_planes(planes: Planes, form: PlaneFormat, default: Sequence[int]) -> frozenset[int]:
    """Return the indices of the planes to process.

    Args:
        planes: one index, a sequence or set of indices, or None for `default`.
        form: format of the clip.
        default: indices to use if none are given.

    Raises:
        VsanimeError: an index is not that of a plane of the clip, or is repeated.
    """
    if planes is None:
        return frozenset(default)
    count = 1 if form.family is Family.GRAY else 3
    one = parse_whole(planes)
    # `parse_wholes` refuses sets because they have no order, which planes do not need.
    listed = list(planes) if isinstance(planes, set | frozenset) else planes
    given = [one] if one is not None else parse_wholes(listed, count)
    if given is None or any(not 0 <= plane < count for plane in given) or len(set(given)) != len(given):
        raise VsanimeError(f"planes={quote(planes)}; different numbers from 0 to {count - 1} are needed for this clip")
    return frozenset(given)


def resolve_format(depth: int | str | None, form: PlaneFormat) -> PlaneFormat:
    """Return the output's format.

    Args:
        depth: 8 to 16 bits, "half", "single", or None to keep the input's depth.
        form: format of the input.

    Raises:
        VsanimeError: the depth is another value.
    """
    if depth is None:
        return form
    text = parse_text(depth)
    if text in ("half", "single"):
        return replace(form, sample_type=SampleType.FLOAT, bits=16 if text == "half" else 32)
    bits = read_whole("depth", depth, 8, 16, "8 to 16, 'half' or 'single' is needed")
    return replace(form, sample_type=SampleType.INTEGER, bits=bits)


def resolve_size(width: int | None, height: int | None, spec: FrameSpec, scale: int) -> Pair:
    """Return the output's width and height in pixels.

    Args:
        width: output width; None keeps the proportions.
        height: output height; None keeps the proportions.
        spec: facts about the input's frames.
        scale: factor to scale by if neither width nor height is given.

    Raises:
        VsanimeError: the format cannot have this size, or the size is not larger than the input's.
    """
    if width is None and height is None:
        return spec.width * scale, spec.height * scale
    step_w, step_h = 1 << spec.format.subsampling_w, 1 << spec.format.subsampling_h
    across, down = _read_side("width", width, step_w), _read_side("height", height, step_h)
    if across is None:
        assert down is not None
        across = _side_in_proportion("height", down, "width", (spec.width, spec.height), step_w)
    if down is None:
        down = _side_in_proportion("width", across, "height", (spec.height, spec.width), step_h)
    if across <= spec.width and down <= spec.height:
        raise VsanimeError(
            f"{across}x{down} is no larger than the clip's {spec.width}x{spec.height}; "
            f"there is nothing to double, use `clip.resize.Spline36({across}, {down})`"
        )
    return across, down


def _read_side(name: str, value: object, step: int) -> int | None:
    """Return a side of the output in pixels, or None if it was not given.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.
        step: number of pixels that the side must be a multiple of, because of chroma subsampling.

    Raises:
        VsanimeError: the value is not such a number of pixels.
    """
    if value is None:
        return None
    side = read_whole(name, value, 1, MOST_SIDE, f"a positive number of pixels, at most {MOST_SIDE}, is needed")
    if side % step:
        raise VsanimeError(f"{name}={side} does not suit the clip's chroma subsampling; a multiple of {step} is needed")
    return side


def _side_in_proportion(given: str, side: int, name: str, source: Pair, step: int) -> int:
    """Return the length of the missing side that keeps the proportions, in pixels.

    Args:
        given: name of the side that was given.
        side: length of that side in pixels.
        name: name of the missing side.
        source: lengths of the clip's sides in pixels: the missing one, then the given one.
        step: number of pixels that the missing side must be a multiple of, because of chroma subsampling.

    Raises:
        VsanimeError: the missing side would be too long.
    """
    other = max(1, round(source[0] * side / source[1] / step)) * step
    if other > MOST_SIDE:
        raise VsanimeError(
            f"{given}={side} makes the {name} {other} pixels in proportion; {MOST_SIDE} at most is needed"
        )
    return other


def doublings(source: Pair, wanted: Pair) -> int:
    """Return how many times a picture must be doubled until neither side is too small; at least once.

    Args:
        source: width and height of the picture in pixels.
        wanted: smallest acceptable width and height in pixels.
    """
    passes = 1
    while source[0] << passes < wanted[0] or source[1] << passes < wanted[1]:
        passes += 1
    return passes


def resolve_tile(
    tiles: Tiles, tilesize: Size, overlap: Size, facts: NetFacts, extra: Pair, frame: Pair, suggested: Pair
) -> tuple[Pair, Pair]:
    """Return the size and the overlap of the tiles, each as (horizontal, vertical) in pixels.

    Args:
        tiles: number of tiles, each way or (across, down); None or "auto" for the backend's choice.
        tilesize: size of a tile in pixels, overlap included; None if not given.
        overlap: pixels on each side of a tile, or None for what the network sees.
        facts: facts about the network.
        extra: pixels that chroma upsampling sees beyond the network's radius, (horizontal, vertical).
        frame: width and height of the frame that is tiled.
        suggested: width and height of the backend's choice.

    Raises:
        VsanimeError: a value is not a number, there are more tiles than pixels, the overlap leaves no tiles, or the
            network must see the whole frame.
    """
    tiling = read_tiling(tiles, tilesize, overlap)
    count = tiling.tiles if isinstance(tiling.tiles, tuple) else None
    if facts.radius is None:
        if (count or tiling.tilesize or (1, 1)) != (1, 1) or (tiling.overlap or (0, 0)) != (0, 0):
            raise VsanimeError(
                "the network depends on the whole frame at once, so tiles would change the picture; leave tiles, "
                "tilesize and overlap out"
            )
        return frame, (0, 0)
    exact = (facts.radius + extra[0], facts.radius + extra[1])
    margin = exact if tiling.overlap is None else tiling.overlap
    _check_tiling(tiling, exact, frame)
    if count is not None:
        return (_split(frame[0], count[0], margin[0]), _split(frame[1], count[1], margin[1])), margin
    if tiling.tilesize is not None:
        return tiling.tilesize, margin
    return (_balance(frame[0], suggested[0], margin[0]), _balance(frame[1], suggested[1], margin[1])), margin


def _check_tiling(tiling: Tiling, exact: Pair, frame: Pair) -> None:
    """Refuse more tiles than there are pixels, and an overlap that leaves nothing of a tile.

    Args:
        tiling: tile arguments as the user gave them.
        exact: overlap with which tiles do not change the result, (horizontal, vertical).
        frame: width and height of the frame that is tiled.

    Raises:
        VsanimeError: the tiling is impossible; the message names the largest useful overlap.
    """
    count = tiling.tiles if isinstance(tiling.tiles, tuple) else (1, 1)
    if any(number > side for number, side in zip(count, frame, strict=True)):
        raise VsanimeError(
            f"tiles={_format_pair(count)} are more than a frame of {frame[0]}x{frame[1]} has pixels; fewer are needed"
        )
    if tiling.overlap is None:
        return
    sizes = tiling.tilesize or frame
    most = [_largest_overlap(*each, max(frame)) for each in zip(frame, count, sizes, exact, strict=True)]
    if any(given > limit for given, limit in zip(tiling.overlap, most, strict=True)):
        given, limit, seen = (_format_pair(pair) for pair in (tiling.overlap, most, exact))
        raise VsanimeError(
            f"overlap={given} leaves nothing between the overlaps of {_format_tiles(tiling)} a frame of "
            f"{frame[0]}x{frame[1]}; the largest that is of use is {limit}, and None takes {seen}, with which tiles "
            "change nothing"
        )


def _largest_overlap(length: int, count: int, size: int, exact: int, longest: int) -> int:
    """Return the largest overlap in pixels along one axis that still allows the requested tiles.

    Args:
        length: length of the frame in pixels.
        count: number of tiles.
        size: length of a tile in pixels.
        exact: overlap that is used if the user gives none; always allowed if tiles are not given by size.
        longest: length of the frame's longer side, the limit on an axis that is not cut: a single number given for both
            axes may be meant for the other one.
    """
    if size < length:
        return (size - 1) // 2
    return max(exact, longest - 1 if count == 1 else (length - -(-length // count) - 1) // 2)


def _format_tiles(tiling: Tiling) -> str:
    """Return the requested tiles as part of a message, to be followed by the frame's size."""
    if tiling.tilesize is not None:
        return f"tiles of {tiling.tilesize[0]}x{tiling.tilesize[1]} pixels on"
    return f"{tiling.tiles[0]}x{tiling.tiles[1]} tiles of" if isinstance(tiling.tiles, tuple) else "tiles of"


def _format_pair(pair: Sequence[int]) -> str:
    """Return two numbers as a user would type them: one number if they are equal, else a pair."""
    return str(pair[0]) if pair[0] == pair[1] else f"({pair[0]}, {pair[1]})"


def smaller_tile(tile: Pair, margin: Pair, share: float, smallest: Pair = (1, 1)) -> Pair | None:
    """Return the width and height of a tile of about the given fraction of a tile's area.

    The width stays the same if possible. None is returned if little but overlap would be left of the tile.

    Args:
        tile: width and height in pixels, overlap included.
        margin: overlap on each side in pixels, (horizontal, vertical).
        share: fraction of the area to keep, below 1.
        smallest: smallest allowed width and height.
    """
    least = [max(side, 2 * m + _LEAST_INNER) for side, m in zip(smallest, margin, strict=True)]
    height = int(tile[1] * share)
    if height >= least[1]:
        return tile[0], height
    width = int(tile[0] * tile[1] * share / least[1])
    return (width, least[1]) if least[1] <= tile[1] and least[0] <= width <= tile[0] else None


def _balance(length: int, tile: int, margin: int) -> int:
    """Return the smallest tile length that needs no more tiles than the suggested one, to avoid repeated work."""
    if tile >= length or tile <= 2 * margin:
        return tile
    count = -(-(length - 2 * margin) // (tile - 2 * margin))
    return -(-(length - 2 * margin) // count) + 2 * margin


def _split(length: int, count: int, margin: int) -> int:
    return length if count == 1 else -(-length // count) + 2 * margin
