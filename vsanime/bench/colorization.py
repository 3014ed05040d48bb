"""How well line art is coloured from key frames: of a clip whose colours are known, against copying and motion alone.

Line art is made here, always in the same way and not by `vsanime.lineart`, so that figures stay comparable whatever
that becomes: of luma (Rec. 601) the black top-hat, closed by a disc of 7 pixels at a short side of 288 and in
proportion, times 3; or, where that is more, how far luma is below 36, times 16, since what is black is ink in drawings,
thick lines and pupils too; clipped, and turned to black on white.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Mask
from vsanime.bench.metrics import HIGHEST_PSNR, SSIM_WINDOW
from vsanime.bench.style import follow, warp_error
from vsanime.errors import VsanimeError
from vsanime.motion.fill import fill
from vsanime.motion.match import Matched, blend, match
from vsanime.optional import opencv

# A pixel has changed if red, green or blue differ by more codes from the nearest key.
CHANGED_CODES = 16
# And lies off the lines if the nearest pixel of one is further away; rims of lines are hard for reasons of their own.
OFF_LINES = 3  # pixels
_INK = 128
_DISC, _DISC_SIDE, _GAIN = 7, 288, 3
_BLACK, _BLACK_GAIN = 36, 16


@dataclass(frozen=True)
class Clip:
    """What is coloured, and what it should become.

    Attributes:
        name: of the file.
        lines: count, height, width.
        colours: count, height, width, 3.
    """

    name: str
    lines: Bytes
    colours: Bytes


# Gives the colours of a frame by its number.
type Colouring = Callable[[int], Bytes]


@dataclass(frozen=True)
class Figures:
    """How near a method came.

    Attributes:
        psnr: in dB, of all squares together; over whole frames, changed pixels, and those off the lines.
        ssim: mean over the same pixels.
        warp: warp error over that of the truth; 1 is as steady as the truth.
    """

    psnr: tuple[float, float, float]
    ssim: tuple[float, float, float]
    warp: float


def line_art(picture: Bytes) -> Bytes:
    """Dark thin lines of a picture and what is black, as ink on white paper.

    Args:
        picture: height, width, 3.
    """
    cv2 = opencv()
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    side = 2 * round(_DISC * min(luma.shape) / _DISC_SIDE / 2 - 0.5) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, side), max(3, side)))
    hat = cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, disc)
    ink = np.maximum(hat.astype(np.int32) * _GAIN, (_BLACK - luma.astype(np.int32)) * _BLACK_GAIN)
    line: Bytes = 255 - np.minimum(ink, 255).astype(np.uint8)
    return line


def clip_of(name: str, pictures: Sequence[Bytes]) -> Clip:
    """A clip and its line art."""
    return Clip(name, np.stack([line_art(picture) for picture in pictures]), np.stack(pictures))


def keys_every(count: int, every: int) -> list[int]:
    """Numbers of the keys: 0 and each `every`-th; frames after the last are not looked at.

    Raises:
        VsanimeError: there are not two.
    """
    keys = list(range(0, count, every))
    if every < 2 or len(keys) < 2:
        raise VsanimeError(f"{count} frames with keys every {every}; two keys with frames between them are needed")
    return keys


def around(keys: Sequence[int], number: int) -> tuple[int, int, int]:
    """The key before a frame or at it, the one after or at it, and the nearer of the two (the former, if both are)."""
    before = max(key for key in keys if key <= number)
    after = min(key for key in keys if key >= number)
    return before, after, before if number - before <= after - number else after


# Methods -------------------------------------------------------------------------------------------------------------


def baselines(clip: Clip, keys: Sequence[int]) -> dict[str, Colouring]:
    """What the filter has to beat, by name: copying, one leap of motion, both keys blended, the same filled."""
    found = _Matches(clip, keys)

    def copied(number: int) -> Bytes:
        copy: Bytes = clip.colours[around(keys, number)[2]]
        return copy

    def moved(number: int) -> Bytes:
        before, _, near = around(keys, number)
        warped: Bytes = found(number).warped[0 if near == before else 1]
        return warped

    def filled(number: int) -> Bytes:
        matched = found(number)
        return fill(clip.lines[number], blend(matched), matched.errors.min(axis=0))  # as the filter does without steps

    return {
        "nearest key": copied,
        "nearest key, moved": moved,
        "both keys, moved and blended": lambda number: blend(found(number)),
        "the same, segments filled": filled,
    }


class _Matches:
    """Both keys moved onto a frame; the last frame's are remembered, since several methods ask."""

    def __init__(self, clip: Clip, keys: Sequence[int]) -> None:
        self._clip, self._keys = clip, keys
        self._last: tuple[int, Matched] | None = None

    def __call__(self, number: int) -> Matched:
        if self._last is None or self._last[0] != number:
            lines, colours = self._clip.lines, self._clip.colours
            pair = around(self._keys, number)[:2]
            self._last = number, match(lines[number], [lines[k] for k in pair], [colours[k] for k in pair])
        return self._last[1]


# Figures -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What was found on a clip with keys at some distance.

    Attributes:
        pixels: shares of all pixels that had changed, and of those that had and lie off the lines.
        figures: by method.
        truth_warp: the warp error of the truth, of full scale.
        results: by method and number, frames between keys.
    """

    pixels: tuple[float, float]
    figures: dict[str, Figures]
    truth_warp: float
    results: dict[str, dict[int, Bytes]]


def measure(clip: Clip, keys: Sequence[int], methods: dict[str, Colouring], advance: Callable[[], None]) -> Outcome:
    """Every method on every frame between keys.

    Args:
        clip: with its truth.
        keys: as `keys_every` gives them.
        methods: by name.
        advance: called after each frame.

    Raises:
        VsanimeError: a frame is too small for SSIM, or scikit-image is not installed.
    """
    if min(clip.lines.shape[1:]) < SSIM_WINDOW:
        raise VsanimeError(f"{clip.name}: frames of {clip.lines.shape[1:]}; {SSIM_WINDOW} pixels are the least")
    sums = {name: _Sums() for name in methods}
    results: dict[str, dict[int, Bytes]] = {name: {} for name in methods}
    counts = np.zeros(3)
    for number in range(keys[-1]):
        if number in keys:
            continue
        truth = clip.colours[number]
        masks = _masks(truth, clip.colours[around(keys, number)[2]], clip.lines[number])
        counts += [mask.sum() for mask in masks]
        for name, colouring in methods.items():
            results[name][number] = colouring(number)
            sums[name].add(results[name][number], truth, masks)
        advance()
    truth_warp, warps = _warp_errors(clip, keys, results)
    figures = {name: sums[name].figures(warps[name]) for name in methods}
    return Outcome((counts[1] / counts[0], counts[2] / counts[0]), figures, truth_warp, results)


def _masks(truth: Bytes, near: Bytes, line: Bytes) -> tuple[Mask, Mask, Mask]:
    """Everything; what differs from the nearest key; and of that what lies off the lines."""
    cv2 = opencv()
    changed = cv2.absdiff(truth, near).max(axis=2) > CHANGED_CODES
    paper = np.where(line < _INK, 0, 255).astype(np.uint8)
    off = cv2.distanceTransform(paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > OFF_LINES
    return np.ones(line.shape, np.bool_), changed, changed & off


class _Sums:
    """Squares and similarities so far, over three sets of pixels."""

    def __init__(self) -> None:
        self._squares, self._alike, self._pixels = np.zeros(3), np.zeros(3), np.zeros(3)

    def add(self, result: Bytes, truth: Bytes, masks: tuple[Mask, Mask, Mask]) -> None:
        """One more frame."""
        squares = np.square((result.astype(np.float64) - truth) / 255).mean(axis=2)
        alike = _similarity(result, truth)
        self._squares += [squares[mask].sum() for mask in masks]
        self._alike += [alike[mask].sum() for mask in masks]
        self._pixels += [mask.sum() for mask in masks]

    def figures(self, warp: float) -> Figures:
        """Over all frames; NaN where no pixel was in a set."""
        with np.errstate(invalid="ignore", divide="ignore"):
            whole, changed, off = np.minimum(-10 * np.log10(self._squares / self._pixels), HIGHEST_PSNR)
            likeness = self._alike / self._pixels
        alike = (float(likeness[0]), float(likeness[1]), float(likeness[2]))
        return Figures((float(whole), float(changed), float(off)), alike, warp)


def _similarity(result: Bytes, truth: Bytes) -> NDArray[np.float64]:
    """SSIM of Wang et al. 2004 around each pixel, mean over red, green and blue."""
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise VsanimeError('SSIM is scikit-image\'s: `pip install "vsanime[quality]"`') from None
    _, every = structural_similarity(
        result,
        truth,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
        full=True,
    )
    alike: NDArray[np.float64] = every.mean(axis=2)
    return alike


def _warp_errors(
    clip: Clip, keys: Sequence[int], results: dict[str, dict[int, Bytes]]
) -> tuple[float, dict[str, float]]:
    """Of the truth, and of each method over that; keys are the truth's own frames in both."""
    truth = [_unit(picture) for picture in clip.colours[: keys[-1] + 1]]
    motion = follow(truth)
    of_truth = warp_error(truth, motion)
    ratios = {}
    for name, made in results.items():
        shown = [_unit(made[n]) if n in made else truth[n] for n in range(len(truth))]
        ratios[name] = warp_error(shown, motion) / of_truth if of_truth else float("nan")
    return of_truth, ratios


def _unit(picture: Bytes) -> NDArray[np.float32]:
    return picture.astype(np.float32) / np.float32(255)
