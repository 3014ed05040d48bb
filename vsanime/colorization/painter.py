"""Color one drawing from two keys: by motion, then by a network if there is one, then at the frame's own size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from vsanime.arrays import Array, Bytes, Floats
from vsanime.motion.chained import Led
from vsanime.motion.enlarge import enlarge
from vsanime.motion.fill import fill
from vsanime.motion.match import Matched, blend, match
from vsanime.motion.smooth import doubts
from vsanime.motion.warp import warp
from vsanime.optional import opencv

type Leads = Callable[[], Sequence[Led | None]]

# Limits for logarithms of weights, since 0 has none. The networks trained here add the latter to their prior.
_UNHEARD, _LEAST_PRIOR = np.float32(1e-9), np.float32(1e-4)
# Largest short side of the uncertainty map, in pixels.
_TOLD_SIDE = 288


@dataclass(frozen=True)
class Drawing:
    """Line art at two sizes; 255 is paper.

    Attributes:
        line: array of height, width at the size at which motion is searched and a network works.
        full: array of height, width at the frame's size.
    """

    line: Bytes
    full: Bytes


@dataclass(frozen=True)
class Key:
    """A reference picture and its line art.

    Attributes:
        number: index of the reference.
        drawing: line art of the reference.
        colours: array of height, width, 3 at the smaller size.
        full: array of height, width, 3 at the frame's size, in codes of the output's depth.
    """

    number: int
    drawing: Drawing
    colours: Bytes
    full: Array


class Motion:
    """Both keys moved onto a drawing, computed on first use."""

    def __init__(self, drawing: Drawing, keys: Sequence[Key], leads: Leads) -> None:
        """Store the inputs; motion is computed on first use.

        Args:
            drawing: line art of the frame.
            keys: the two references; the same one twice if there is only one.
            leads: returns the chained motion to each key, None where there is none.
        """
        self._drawing, self._keys, self._leads = drawing, keys, leads

    @cached_property
    def small(self) -> Matched:
        """Return both keys moved by the motion between the smaller pictures."""
        lines = [key.drawing.line for key in self._keys]
        return match(self._drawing.line, lines, [key.colours for key in self._keys], self._led)

    @cached_property
    def large(self) -> Matched:
        """Return the motion at the frame's size, without moved colors, whose depth may exceed 8 bits."""
        lines = [key.drawing.full for key in self._keys]
        nothing = np.zeros((*self._drawing.full.shape, 3), np.uint8)
        return match(self._drawing.full, lines, [nothing] * len(lines), self._led)

    @cached_property
    def _led(self) -> Sequence[Led | None]:
        return self._leads()


@dataclass(frozen=True)
class Mix:
    """The parts that a picture is composed of.

    Attributes:
        weights: array of 3, height, width, sum 1: weights of the two moved keys and of `copied`; 2 planes without
            `copied`. None if no key was moved and the residual is the picture.
        copied: array of height, width, 3 in [0, 1] with colors copied from the keys by similarity, or None.
        residual: array of height, width, 3 that is added to the weighted sum, or None.
    """

    weights: Floats | None
    copied: Floats | None = None
    residual: Floats | None = None


class Mixer(Protocol):
    """A method that decides how two moved keys are mixed."""

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:
        """Return the mixture for a drawing.

        Args:
            line: line art of the drawing, height and width.
            keys: the two references.
            motion: both references moved onto the drawing.
        """


class ByMotion:
    """A mixer without a network: weights follow how far things moved and how well lines fit."""

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        """See `Mixer`."""
        return Mix(motion.small.prior)


class Refiner(Protocol):
    """A network that changes a mixed picture, given both keys."""

    def refine(self, line: Bytes, keys: Sequence[Key], colours: Floats) -> Floats:
        """Return the refined picture as an array of height, width, 3 in [0, 1].

        Args:
            line: line art of the drawing, height and width.
            keys: the two references.
            colours: mixed picture, height, width, 3 in [0, 1].
        """


@dataclass(frozen=True)
class Painted:
    """A drawing in colors.

    Attributes:
        colours: array of height, width, 3 in the codes of `Key.full`.
        doubts: uncertainty of the colors (`vsanime.motion.smooth.doubts`), at a short side of 288 pixels at most; None
            if it was not requested or no key was moved.
    """

    colours: Array
    doubts: Bytes | None


@dataclass(frozen=True)
class Painter:
    """The method and options by which drawings are colored.

    Attributes:
        mixer: decides how two moved keys are mixed.
        peak: code of white.
        refiner: network that changes the result; None for none.
        large_motion: search motion at the frame's own size, even if a network works at a smaller one.
        segments: give regions that are closed by lines one color where motion fails.
        doubts: return the uncertainty of colors, if keys are moved.
    """

    mixer: Mixer
    peak: float
    refiner: Refiner | None = None
    large_motion: bool = True
    segments: bool = False
    doubts: bool = False

    def paint(self, drawing: Drawing, keys: Sequence[Key], leads: Leads) -> Painted:
        """Color a drawing.

        Args:
            drawing: line art of the frame.
            keys: the two references; the same one twice if there is only one.
            leads: see `Motion`.
        """
        motion = Motion(drawing, keys, leads)
        mixed = self.mixer.mix(drawing.line, keys, motion)
        if self.refiner is not None:
            mixed = self._refined(self.refiner, mixed, drawing.line, keys, motion)
        result = self._mixed(drawing, keys, motion, mixed)
        if self.segments:
            result = fill_regions(drawing, result, motion.small, self.peak)
        # Motion says nothing about a picture for which no key was moved.
        told = self.doubts and mixed.weights is not None
        return Painted(result, _small(doubts(motion.small)) if told else None)

    def _mixed(self, drawing: Drawing, keys: Sequence[Key], motion: Motion, mixed: Mix) -> Array:
        """Return the moved and mixed keys as codes at the frame's size."""
        dtype = keys[0].full.dtype
        if drawing.full.shape != drawing.line.shape:
            mixed, moved = self._at_full_size(drawing, keys, motion, mixed)
        elif mixed.weights is None:
            moved = []
        elif dtype == np.uint8:
            if isinstance(self.mixer, ByMotion) and self.refiner is None:
                return blend(motion.small)
            moved = list(motion.small.warped)
        else:
            moved = [warp(key.full, found) for key, found in zip(keys, motion.small.flows, strict=True)]
        return codes(compose(mixed, moved, self.peak), self.peak, dtype)

    def _refined(self, refiner: Refiner, mixed: Mix, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:
        """Return the mixture with the refiner's change added to its residual."""
        white = np.float32(255)
        colours = compose(mixed, [] if mixed.weights is None else motion.small.warped, white) / white
        # The refiner sees colors clipped to [0, 1]; the change also removes what lay beyond that range.
        change = refiner.refine(line, keys, np.clip(colours, 0, 1)) - colours
        return replace(mixed, residual=change if mixed.residual is None else mixed.residual + change)

    def _at_full_size(
        self, drawing: Drawing, keys: Sequence[Key], motion: Motion, mixed: Mix
    ) -> tuple[Mix, list[Array]]:
        """Return the mixture at the frame's size, and the keys moved there."""
        height, width = drawing.full.shape
        weights, moved = None, []
        if mixed.weights is not None:
            if self.large_motion:
                weights = reweight(mixed.weights, motion.small.prior, motion.large.prior, drawing)
                flows: Sequence[Floats] = list(motion.large.flows)
            else:
                scale = np.array([width / drawing.line.shape[1], height / drawing.line.shape[0]], np.float32)
                flows = [_resize(found, (width, height)) * scale for found in motion.small.flows]
                weights = _enlarge_planes(mixed.weights, drawing)
                weights /= weights.sum(axis=0)
            moved = [warp(key.full, found) for key, found in zip(keys, flows, strict=True)]
        copied = None if mixed.copied is None else enlarge(mixed.copied, drawing.line, drawing.full)
        residual = None if mixed.residual is None else enlarge(mixed.residual, drawing.line, drawing.full)
        return Mix(weights, copied, residual), moved


def reweight(weights: Floats, prior: Floats, large_prior: Floats, drawing: Drawing) -> Floats:
    """Return weights at the frame's size: those of the motion found there, changed as the mixer changed the small ones.

    The difference of the logarithms is what is enlarged. A mixer that keeps to the motion thus keeps to the better
    motion, which is worth up to 1.3 dB where keys are 24 frames apart.

    Args:
        weights: mixer's weights, 2 or 3, height, width.
        prior: weights from motion alone at the smaller size, 2, height, width.
        large_prior: weights from motion alone at the frame's size, 2, height, width.
        drawing: line art of the frame.
    """
    logits = np.log(np.maximum(weights, _UNHEARD))
    logits[:2] -= np.log(prior + _LEAST_PRIOR)
    large = _enlarge_planes(logits, drawing)
    large[:2] += np.log(large_prior + _LEAST_PRIOR)
    shares = np.exp(large - large.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def _enlarge_planes(planes: Floats, drawing: Drawing) -> Floats:
    """Return planes enlarged to the frame's size along its lines."""
    large = enlarge(np.ascontiguousarray(planes.transpose(1, 2, 0)), drawing.line, drawing.full)
    return np.ascontiguousarray(large.transpose(2, 0, 1))


def fill_regions(drawing: Drawing, colours: Array, matched: Matched, peak: float) -> Array:
    """Give every closed region in which no key's lines fit one color; see `fill`.

    Args:
        drawing: line art of the frame.
        colours: array of height, width, 3 in codes.
        matched: the moved keys.
        peak: code of white.
    """
    errors = matched.errors.min(axis=0)
    if drawing.full.shape != drawing.line.shape:
        errors = _resize(errors, (drawing.full.shape[1], drawing.full.shape[0]))
    if colours.dtype == np.uint8:
        return fill(drawing.full, colours, errors)
    # Colors are counted in 8-bit codes; pixels that are not filled keep their depth.
    coarse = np.rint(colours * np.float32(255 / peak)).astype(np.uint8)
    flat = fill(drawing.full, coarse, errors)
    changed = (flat != coarse).any(axis=-1, keepdims=True)
    return np.where(changed, codes(flat * np.float32(peak / 255), peak, colours.dtype), colours)


def _small(plane: Bytes) -> Bytes:
    """Return a map averaged down to a short side of 288 pixels at most, small enough for a frame property."""
    height, width = plane.shape
    share = _TOLD_SIDE / min(height, width)
    if share >= 1:
        return plane
    cv2 = opencv()
    size = (round(width * share), round(height * share))
    small: Bytes = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return small


def _resize(picture: Floats, size: tuple[int, int]) -> Floats:
    cv2 = opencv()
    large: Floats = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return large


def compose(mixed: Mix, moved: Sequence[Array] | Array, peak: float | np.float32) -> Floats:
    """Return the weighted sum of moved keys and copied colors plus the residual, as height, width, 3 in codes.

    Args:
        mixed: weights, copied colors and residual.
        moved: the two moved keys, height, width, 3 in codes; empty if the mixture has no weights.
        peak: code of white.
    """
    total: Floats = np.zeros((), np.float32)
    if mixed.weights is not None:
        weights = mixed.weights[..., None]
        total = weights[0] * moved[0] + weights[1] * moved[1]
        if mixed.copied is not None:
            total += (weights[2] * mixed.copied) * np.float32(peak)
    if mixed.residual is not None:
        total = total + mixed.residual * np.float32(peak)
    return total


def codes(values: Floats, peak: float, dtype: np.dtype[Any]) -> Array:
    """Return values clipped to [0, peak] and, for integer types, rounded."""
    if dtype == np.float32:
        return np.clip(values, 0, peak)
    whole: Array = np.clip(np.rint(values), 0, peak).astype(dtype)
    return whole
