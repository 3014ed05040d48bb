"""Colours one drawing from two keys: motion first, then a network where there is one, then the frame's own size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vsanime.motion.match import Matched, blend, match

type Array = NDArray[Any]
type Floats = NDArray[np.float32]
type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawing:
    """Line art at two sizes; 255 is paper.

    Attributes:
        line: height, width at which motion is looked for and a network works.
        full: at the frame's size.
    """

    line: Bytes
    full: Bytes


@dataclass(frozen=True)
class Key:
    """A reference.

    Attributes:
        number: its place among the references.
        drawing: its line art.
        colours: height, width, 3 at the smaller size.
        full: at the frame's size, in codes of the output's depth.
    """

    number: int
    drawing: Drawing
    colours: Bytes
    full: Array


@dataclass(frozen=True)
class Mix:
    """What a picture is put together from.

    Attributes:
        weights: 3, height, width, sum 1: of the two moved keys and of what was copied. 2 where nothing was.
        copied: height, width, 3 in [0, 1]; what was copied from the keys by likeness. None for nothing.
        residual: height, width, 3, what is added to all of it. None for nothing.
    """

    weights: Floats
    copied: Floats | None = None
    residual: Floats | None = None


class Mixer(Protocol):
    """Decides how two moved keys are mixed."""

    def mix(self, line: Bytes, keys: Sequence[Key], matched: Matched) -> Mix:
        """The mixture for a drawing.

        Args:
            line: its line art.
            keys: the two references.
            matched: both moved onto it.
        """


class ByMotion:
    """Mixes keys by how far things moved and how well lines fit, without any network."""

    def mix(self, line: Bytes, keys: Sequence[Key], matched: Matched) -> Mix:  # noqa: ARG002 - see `Mixer`
        """See `Mixer`."""
        return Mix(matched.prior)


def painted(drawing: Drawing, keys: Sequence[Key], mixer: Mixer, peak: float) -> Array:
    """A drawing in colours: height, width, 3 in the codes of `Key.full`.

    Args:
        drawing: line art.
        keys: the two references, of a single one twice the same.
        mixer: decides how they are mixed.
        peak: the code of white.
    """
    lines, colours = [key.drawing.line for key in keys], [key.colours for key in keys]
    matched = match(drawing.line, lines, colours)
    mixed = mixer.mix(drawing.line, keys, matched)
    dtype = keys[0].full.dtype
    if drawing.full.shape == drawing.line.shape and dtype == np.uint8:
        if isinstance(mixer, ByMotion):
            return blend(matched)
        return codes(composed(mixed, matched.warped, peak), peak, dtype)
    raise NotImplementedError


def composed(mixed: Mix, moved: Array, peak: float) -> Floats:
    """Moved keys and what was copied, by their weights, and the residual: height, width, 3 in codes.

    Args:
        mixed: see there.
        moved: 2, height, width, 3; the moved keys, in codes.
        peak: the code of white.
    """
    weights = mixed.weights[..., None]
    total: Floats = weights[0] * moved[0] + weights[1] * moved[1]
    if mixed.copied is not None:
        total += (weights[2] * mixed.copied) * np.float32(peak)
    if mixed.residual is not None:
        total += mixed.residual * np.float32(peak)
    return total


def codes(values: Floats, peak: float, dtype: np.dtype[Any]) -> Array:
    """Values rounded to codes; of floats, clipped."""
    if dtype == np.float32:
        return np.clip(values, 0, peak)
    whole: Array = np.clip(np.rint(values), 0, peak).astype(dtype)
    return whole
