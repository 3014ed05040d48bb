"""Colours one drawing from two keys: motion first, then a network where there is one, then the frame's own size."""

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

# Weights are compared by their logarithms: 0 has none. The networks trained here add the latter to their prior.
_UNHEARD, _LEAST_PRIOR = np.float32(1e-9), np.float32(1e-4)
# Short side of the map of doubts.
_TOLD_SIDE = 288


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


class Motion:
    """Both keys moved onto a drawing; what nobody asks for is not looked for."""

    def __init__(self, drawing: Drawing, keys: Sequence[Key], leads: Leads) -> None:
        """Keeps all for then.

        Args:
            drawing: line art.
            keys: the two references, of a single one twice the same.
            leads: tells for each where steps from drawing to drawing lead, None where there are none.
        """
        self._drawing, self._keys, self._leads = drawing, keys, leads

    @cached_property
    def small(self) -> Matched:
        """By the motion between the smaller pictures."""
        lines = [key.drawing.line for key in self._keys]
        return match(self._drawing.line, lines, [key.colours for key in self._keys], self._led)

    @cached_property
    def large(self) -> Matched:
        """By that at the frame's size. Colours are not moved, which may be deep."""
        lines = [key.drawing.full for key in self._keys]
        nothing = np.zeros((*self._drawing.full.shape, 3), np.uint8)
        return match(self._drawing.full, lines, [nothing] * len(lines), self._led)

    @cached_property
    def _led(self) -> Sequence[Led | None]:
        return self._leads()


@dataclass(frozen=True)
class Mix:
    """What a picture is put together from.

    Attributes:
        weights: 3, height, width, sum 1: of the two moved keys and of what was copied. 2 where nothing was; None where
            no key was moved, and the residual is the picture.
        copied: height, width, 3 in [0, 1]; what was copied from the keys by likeness. None for nothing.
        residual: height, width, 3, what is added to all of it. None for nothing.
    """

    weights: Floats | None
    copied: Floats | None = None
    residual: Floats | None = None


class Mixer(Protocol):
    """Decides how two moved keys are mixed."""

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:
        """The mixture for a drawing.

        Args:
            line: its line art.
            keys: the two references.
            motion: both moved onto it.
        """


class ByMotion:
    """Mixes keys by how far things moved and how well lines fit, without any network."""

    def mix(self, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:  # noqa: ARG002 - see `Mixer`
        """See `Mixer`."""
        return Mix(motion.small.prior)


class Refiner(Protocol):
    """Changes a picture that was mixed, knowing both keys."""

    def refine(self, line: Bytes, keys: Sequence[Key], colours: Floats) -> Floats:
        """The picture that it makes of one: height, width, 3 in [0, 1].

        Args:
            line: its line art.
            keys: the two references.
            colours: height, width, 3 in [0, 1].
        """


@dataclass(frozen=True)
class Painted:
    """A drawing in colours.

    Attributes:
        colours: height, width, 3 in the codes of `Key.full`.
        doubts: where they are doubtful (`vsanime.motion.smooth.doubts`), at a short side of 288 at most; None where
            nobody asked, or no key was moved.
    """

    colours: Array
    doubts: Bytes | None


@dataclass(frozen=True)
class Painter:
    """How drawings are coloured.

    Attributes:
        mixer: decides how two moved keys are mixed.
        peak: the code of white.
        refiner: changes the result; None for nobody.
        large_motion: look for motion at the frame's own size, where a network works at a smaller one.
        segments: give regions that are closed by lines one colour where motion fails.
        doubts: tell where colours are doubtful, if keys are moved.
    """

    mixer: Mixer
    peak: float
    refiner: Refiner | None = None
    large_motion: bool = True
    segments: bool = False
    doubts: bool = False

    def paint(self, drawing: Drawing, keys: Sequence[Key], leads: Leads) -> Painted:
        """A drawing in colours.

        Args:
            drawing: line art.
            keys: the two references, of a single one twice the same.
            leads: see `Motion`.
        """
        motion = Motion(drawing, keys, leads)
        mixed = self.mixer.mix(drawing.line, keys, motion)
        if self.refiner is not None:
            mixed = self._refined(self.refiner, mixed, drawing.line, keys, motion)
        result = self._mixed(drawing, keys, motion, mixed)
        if self.segments:
            result = filled(drawing, result, motion.small, self.peak)
        # Of pictures that no key was moved for motion says nothing.
        told = self.doubts and mixed.weights is not None
        return Painted(result, _small(doubts(motion.small)) if told else None)

    def _mixed(self, drawing: Drawing, keys: Sequence[Key], motion: Motion, mixed: Mix) -> Array:
        """Both keys, moved and mixed."""
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
        return codes(composed(mixed, moved, self.peak), self.peak, dtype)

    def _refined(self, refiner: Refiner, mixed: Mix, line: Bytes, keys: Sequence[Key], motion: Motion) -> Mix:
        """The mixture, what the refiner changes added to it."""
        white = np.float32(255)
        colours = composed(mixed, [] if mixed.weights is None else motion.small.warped, white) / white
        # It sees colours that there are; what was beyond them is taken back with the rest.
        change = refiner.refine(line, keys, np.clip(colours, 0, 1)) - colours
        return replace(mixed, residual=change if mixed.residual is None else mixed.residual + change)

    def _at_full_size(
        self, drawing: Drawing, keys: Sequence[Key], motion: Motion, mixed: Mix
    ) -> tuple[Mix, list[Array]]:
        """The mixture at the frame's size, and the keys moved there."""
        height, width = drawing.full.shape
        weights, moved = None, []
        if mixed.weights is not None:
            if self.large_motion:
                weights = reweighted(mixed.weights, motion.small.prior, motion.large.prior, drawing)
                flows: Sequence[Floats] = list(motion.large.flows)
            else:
                scale = np.array([width / drawing.line.shape[1], height / drawing.line.shape[0]], np.float32)
                flows = [_resized(found, (width, height)) * scale for found in motion.small.flows]
                weights = _enlarged_planes(mixed.weights, drawing)
                weights /= weights.sum(axis=0)
            moved = [warp(key.full, found) for key, found in zip(keys, flows, strict=True)]
        copied = None if mixed.copied is None else enlarge(mixed.copied, drawing.line, drawing.full)
        residual = None if mixed.residual is None else enlarge(mixed.residual, drawing.line, drawing.full)
        return Mix(weights, copied, residual), moved


def reweighted(weights: Floats, prior: Floats, large_prior: Floats, drawing: Drawing) -> Floats:
    """Weights at the frame's size: by the motion found there, changed as the mixer changed those of the small picture.

    What is enlarged is how the logarithms differ. A mixer that keeps to motion keeps to the better motion so, which is
    worth up to 1.3 dB where keys are 24 frames apart.

    Args:
        weights: 2 or 3, height, width.
        prior: 2, height, width, what motion alone would have said.
        large_prior: likewise at the frame's size.
        drawing: line art.
    """
    logits = np.log(np.maximum(weights, _UNHEARD))
    logits[:2] -= np.log(prior + _LEAST_PRIOR)
    large = _enlarged_planes(logits, drawing)
    large[:2] += np.log(large_prior + _LEAST_PRIOR)
    shares = np.exp(large - large.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def _enlarged_planes(planes: Floats, drawing: Drawing) -> Floats:
    """Planes at the frame's size, along its lines."""
    large = enlarge(np.ascontiguousarray(planes.transpose(1, 2, 0)), drawing.line, drawing.full)
    return np.ascontiguousarray(large.transpose(2, 0, 1))


def filled(drawing: Drawing, colours: Array, matched: Matched, peak: float) -> Array:
    """Colours with one for every closed region of which no key's lines fit; see `fill`.

    Args:
        drawing: line art.
        colours: height, width, 3 in codes.
        matched: the keys, moved.
        peak: the code of white.
    """
    errors = matched.errors.min(axis=0)
    if drawing.full.shape != drawing.line.shape:
        errors = _resized(errors, (drawing.full.shape[1], drawing.full.shape[0]))
    if colours.dtype == np.uint8:
        return fill(drawing.full, colours, errors)
    # Colours are counted in codes of 8 bits; what no region's colour takes the place of keeps its depth.
    coarse = np.rint(colours * np.float32(255 / peak)).astype(np.uint8)
    flat = fill(drawing.full, coarse, errors)
    changed = (flat != coarse).any(axis=-1, keepdims=True)
    return np.where(changed, codes(flat * np.float32(peak / 255), peak, colours.dtype), colours)


def _small(plane: Bytes) -> Bytes:
    """A map that travels with a frame: smaller by area."""
    height, width = plane.shape
    share = _TOLD_SIDE / min(height, width)
    if share >= 1:
        return plane
    cv2 = opencv()
    size = (round(width * share), round(height * share))
    small: Bytes = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return small


def _resized(picture: Floats, size: tuple[int, int]) -> Floats:
    cv2 = opencv()
    large: Floats = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return large


def composed(mixed: Mix, moved: Sequence[Array] | Array, peak: float | np.float32) -> Floats:
    """Moved keys and what was copied, by their weights, and the residual: height, width, 3 in codes.

    Args:
        mixed: see there.
        moved: the two moved keys, height, width, 3 in codes; none where none is wanted.
        peak: the code of white.
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
    """Values rounded to codes; of floats, clipped."""
    if dtype == np.float32:
        return np.clip(values, 0, peak)
    whole: Array = np.clip(np.rint(values), 0, peak).astype(dtype)
    return whole
