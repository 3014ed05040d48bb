"""Measures how well line art is colored from key frames, on clips of known colors, against copying and motion alone.

The line art is extracted here in a fixed way, not by `vsanime.lineart`, so that figures stay comparable when that
changes. Ink is the larger of two measures of luma (Rec. 601): 3 times the black top-hat, closed by a disc of 7 pixels
at a short side of 288 and in proportion; and 16 times the distance of luma below 36, because black in drawings is ink,
thick lines and pupils too. The result is clipped and inverted to black on white.
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

# A pixel counts as changed if red, green or blue differs from the nearest key by more 8-bit codes than this.
CHANGED_CODES = 16
# A pixel is off the lines if the nearest line pixel is further away; rims of lines are hard for other reasons.
OFF_LINES = 3  # pixels
_INK = 128
_DISC, _DISC_SIDE, _GAIN = 7, 288, 3
_BLACK, _BLACK_GAIN = 36, 16


@dataclass(frozen=True)
class Clip:
    """A clip as line art and in its true colors.

    Attributes:
        name: name of the file.
        lines: line art, 255 is paper: frames, height, width.
        colours: true RGB: frames, height, width, 3.
    """

    name: str
    lines: Bytes
    colours: Bytes


# A function that returns the colored frame of a number.
type Coloring = Callable[[int], Bytes]


@dataclass(frozen=True)
class Figures:
    """The quality of a method on one clip.

    Attributes:
        psnr: PSNR in dB from the mean squared error over all frames: of all pixels, changed pixels, and changed
            pixels off the lines.
        ssim: mean SSIM over the same three sets of pixels.
        warp: warp error divided by that of the truth; 1 means as stable as the truth.
    """

    psnr: tuple[float, float, float]
    ssim: tuple[float, float, float]
    warp: float


def line_art(picture: Bytes) -> Bytes:
    """Return thin dark lines and black areas of a picture as black ink on white.

    Args:
        picture: RGB: height, width, 3.
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
    """Return a clip of RGB frames with their line art."""
    return Clip(name, np.stack([line_art(picture) for picture in pictures]), np.stack(pictures))


def keys_every(count: int, every: int) -> list[int]:
    """Return the frame numbers of the keys: 0 and every n-th; frames after the last key are not measured.

    Raises:
        VsanimeError: there are not two keys with frames between them.
    """
    keys = list(range(0, count, every))
    if every < 2 or len(keys) < 2:
        raise VsanimeError(f"{count} frames with keys every {every}; two keys with frames between them are needed")
    return keys


def around(keys: Sequence[int], number: int) -> tuple[int, int, int]:
    """Return the last key up to a frame, the first key from it on, and the nearer of the two (the first on a tie)."""
    before = max(key for key in keys if key <= number)
    after = min(key for key in keys if key >= number)
    return before, after, before if number - before <= after - number else after


# Methods -------------------------------------------------------------------------------------------------------------


def baselines(clip: Clip, keys: Sequence[int]) -> dict[str, Coloring]:
    """Return the methods that the filter has to beat, by name: copies of keys, and warps by direct flow."""
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
        return fill(clip.lines[number], blend(matched), matched.errors.min(axis=0))  # the filter with steps=False

    return {
        "nearest key": copied,
        "nearest key, moved": moved,
        "both keys, moved and blended": lambda number: blend(found(number)),
        "the same, segments filled": filled,
    }


class _Matches:
    """The matches of both keys to a frame; the last frame's are cached, because several methods need them."""

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
    """The measurements of a clip with keys at one distance.

    Attributes:
        pixels: fractions of all pixels that have changed, and that have changed and lie off the lines.
        figures: quality by method.
        truth_warp: warp error of the truth as a fraction of full scale.
        results: colored frames between keys, by method and frame number.
    """

    pixels: tuple[float, float]
    figures: dict[str, Figures]
    truth_warp: float
    results: dict[str, dict[int, Bytes]]


def measure(clip: Clip, keys: Sequence[int], methods: dict[str, Coloring], advance: Callable[[], None]) -> Outcome:
    """Measure every method on every frame between keys.

    Args:
        clip: clip with its true colors.
        keys: frame numbers of the keys, as `keys_every` returns them.
        methods: methods by name.
        advance: function called after each frame.

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
    """Return the masks of all pixels, of those that differ from the nearest key, and of these those off the lines."""
    cv2 = opencv()
    changed = cv2.absdiff(truth, near).max(axis=2) > CHANGED_CODES
    paper = np.where(line < _INK, 0, 255).astype(np.uint8)
    off = cv2.distanceTransform(paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > OFF_LINES
    return np.ones(line.shape, np.bool_), changed, changed & off


class _Sums:
    """The sums of squared errors and of SSIM so far, over three sets of pixels."""

    def __init__(self) -> None:
        self._squares, self._alike, self._pixels = np.zeros(3), np.zeros(3), np.zeros(3)

    def add(self, result: Bytes, truth: Bytes, masks: tuple[Mask, Mask, Mask]) -> None:
        """Add a frame to the sums."""
        squares = np.square((result.astype(np.float64) - truth) / 255).mean(axis=2)
        alike = _similarity(result, truth)
        self._squares += [squares[mask].sum() for mask in masks]
        self._alike += [alike[mask].sum() for mask in masks]
        self._pixels += [mask.sum() for mask in masks]

    def figures(self, warp: float) -> Figures:
        """Return the figures over all frames; NaN for an empty set of pixels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            whole, changed, off = np.minimum(-10 * np.log10(self._squares / self._pixels), HIGHEST_PSNR)
            likeness = self._alike / self._pixels
        alike = (float(likeness[0]), float(likeness[1]), float(likeness[2]))
        return Figures((float(whole), float(changed), float(off)), alike, warp)


def _similarity(result: Bytes, truth: Bytes) -> NDArray[np.float64]:
    """Return the SSIM map (Wang et al. 2004), height and width, averaged over red, green and blue."""
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
    """Return the warp error of the truth, and each method's divided by it; key frames are the truth's in both."""
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
