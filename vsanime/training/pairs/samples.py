"""Makes pairs of patches: sample i of step s is a function of the seed, s and i alone, in any process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.sections import Shares
from vsanime.training.data import degrade
from vsanime.training.data.clips import ClipStore, Shrink
from vsanime.training.data.degrade import Kernel
from vsanime.training.data.draws import Drawn, lay, shrink_to
from vsanime.training.data.entries import Picture, as_record
from vsanime.training.data.pictures import LUMA, Library
from vsanime.training.recipes.pairs import Recipe
from vsanime.training.recipes.reader import to_table

# Pixels of the large picture around each patch, so that kernels and JPEG blocks have the surroundings; a multiple of 16
# plus room for a grid's phase.
MARGIN = 48
_TRIES = 6  # pictures drawn before a flat patch is accepted
_VALIDATION, _CLIP_CHOICE = 0x5A1, 0xC11B  # make these seeds differ from those of samples, which have three numbers
_CLIPS_AT_HAND, _STEPS_PER_CLIP = 8, 50


@dataclass(frozen=True)
class Sample:
    """The input of the network, and its target.

    Attributes:
        low: input in [0, 1], shape (planes, height, width).
        high: target in [0, 1], shape (planes, scale * height, scale * width).
    """

    low: Floats
    high: Floats


class Sampler:
    """Makes samples; it can be sent to other processes, and reads pictures on demand.

    Args:
        recipe: recipe of the run.
        pictures: all pictures of the run.
        places: file or folder of each source.
        folder: folder of encoded clips.
        scale: scale factor of the network, 1 or 2.
    """

    def __init__(
        self, recipe: Recipe, pictures: Sequence[Picture], places: Sequence[Path], folder: Path, scale: int
    ) -> None:
        self._arguments = (recipe, list(pictures), list(places), folder, scale)
        self._recipe = recipe
        self._data = recipe.data
        self._scale = scale
        numbers = range(len(recipe.sources))
        self._sets = {
            held: Drawn(recipe.sources, [p for p in pictures if p.held_out == held], numbers) for held in (False, True)
        }
        self._library = Library(places, gray=recipe.data.planes == "luma", cache=recipe.data.cache)
        self._clips = {held: self._clip_store(folder, held) for held in (False, True)}

    def __reduce__(self) -> tuple[type[Sampler], tuple[object, ...]]:
        """Pickle the arguments only, so that another process starts without decoded pictures."""
        return Sampler, self._arguments

    def sample(self, step: int, index: int) -> Sample:
        """Return sample `index` of `step`."""
        rng = np.random.default_rng(np.random.SeedSequence([self._recipe.training.seed, step, index]))
        if rng.random() < self._recipe.degradation.h264.share:
            number = self._clip_at(step, int(rng.integers(_CLIPS_AT_HAND)))
            return self._from_clip(rng, number, held_out=False, patch=self._data.patch)
        region = self._region(rng, held_out=False, patch=self._data.patch)
        return self._degraded(rng, region, self._data.patch)

    def batch(self, step: int, size: int) -> tuple[Floats, Floats]:
        """Return inputs and targets of a step, each of shape (N, planes, height, width)."""
        samples = [self.sample(step, i) for i in range(size)]
        return np.stack([s.low for s in samples]), np.stack([s.high for s in samples])

    def validation(self, case: str, index: int) -> Sample:
        """Return sample `index` of held-out pictures.

        Args:
            case: kernel that halves, or "degraded" for the degradation of training.
            index: number of the sample.
        """
        seed = [self._recipe.training.seed, index, _VALIDATION, _VALIDATION]
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        patch = self._recipe.validation.patch
        if case == "degraded":
            if rng.random() < self._recipe.degradation.h264.share:
                return self._from_clip(rng, index, held_out=True, patch=patch)
            return self._degraded(rng, self._region(rng, held_out=True, patch=patch), patch)
        region = self._region(rng, held_out=True, patch=patch)
        siting = _pick(self._recipe.degradation.sitings, rng)
        low = self._shrunk(region, degrade.KERNELS[case], 1.0, siting)
        return self._finished(low, region, patch, sharpen=0.0)  # the target is the unchanged picture

    # Cutting

    def draw_region(self, rng: np.random.Generator, height: int, width: int, *, held_out: bool) -> Floats:
        """Return a clean region of a random picture, shrunk, rotated, mirrored and inverted at random.

        Held-out pictures are only shrunk. Edges are repeated if the picture is too small.
        """
        pixels = self._library.read(self._sets[held_out].draw(rng))
        quarters = int(rng.integers(4)) if self._data.turn and not held_out else 0
        before = (width, height) if quarters % 2 else (height, width)
        shrink = self._shrink_factor(rng, pixels, before)
        size = [round(n * shrink) for n in before]
        y, x = (int(rng.integers(max(1, n - m + 1))) for n, m in zip(pixels.shape, size, strict=False))
        codes = shrink_to(_opaque(_cut(pixels, y, x, size[0], size[1]), rng), before)
        return self._varied(rng, codes, quarters, held_out=held_out)

    def _varied(self, rng: np.random.Generator, codes: Bytes, quarters: int, *, held_out: bool) -> Floats:
        """Rotate by quarter turns, and mirror and invert at random, but for held-out pictures; return values."""
        if self._data.turn and not held_out:
            codes = np.rot90(codes, quarters)
            codes = codes[:, ::-1] if rng.random() < 0.5 else codes
        if not held_out and rng.random() < self._data.invert:
            codes = 255 - codes
        return np.ascontiguousarray(degrade.from_codes(codes).transpose(2, 0, 1))

    def _region(self, rng: np.random.Generator, *, held_out: bool, patch: int) -> Floats:
        """Return a patch with its margin, rotated, mirrored and inverted at random."""
        codes = self._crop(rng, held_out=held_out, patch=patch)
        return self._varied(rng, codes, int(rng.integers(4)), held_out=held_out)

    def _crop(self, rng: np.random.Generator, *, held_out: bool, patch: int) -> Bytes:
        """Return a patch with its margin in codes, shape (height, width, channels); a flat one is drawn again."""
        for _ in range(_TRIES):
            pixels = self._library.read(self._sets[held_out].draw(rng))
            shrink = self._shrink_factor(rng, pixels, (patch, patch))
            side = round(patch * shrink)
            places = self._places(rng, pixels, side)
            steps = [_steepness(pixels[y : y + side, x : x + side], shrink) for y, x in places]
            best = self._choice(rng, steps)
            if steps[best] >= self._data.flat:
                break
        y, x = places[best]
        margin = round(MARGIN * shrink)
        around = _cut(pixels, y - margin, x - margin, side + 2 * margin, side + 2 * margin)
        return shrink_to(_opaque(around, rng), (patch + 2 * MARGIN,) * 2)

    def _choice(self, rng: np.random.Generator, steps: Sequence[float]) -> int:
        """Return the index of the steepest position, as often as `data.best_share` says, and otherwise 0."""
        return int(np.argmax(steps)) if rng.random() < self._data.best_share else 0

    def _shrink_factor(self, rng: np.random.Generator, pixels: Bytes, size: tuple[int, int]) -> float:
        """Draw the factor by which a picture is shrunk, 1 for most; at least a patch of `size` remains."""
        if rng.random() >= self._data.shrink_share:
            return 1.0
        most = min(self._data.shrink_most, min(n / m for n, m in zip(pixels.shape, size, strict=False)))
        return float(rng.uniform(1.0, most)) if most > 1 else 1.0

    def _places(self, rng: np.random.Generator, pixels: Bytes, side: int) -> list[tuple[int, int]]:
        """Draw `data.crops` top left corners (y, x) of a patch within the picture."""
        room = [max(0, n - side) for n in pixels.shape[:2]]
        if not self._data.grid:
            return [(int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))) for _ in range(self._data.crops)]
        rows, columns = (n // side + 1 for n in room)
        # The numbers of rows and columns alone determine the order of cells, so at most `grid_cap` are ever used.
        cells = np.random.default_rng([rows, columns]).permutation(rows * columns)[: self._data.grid_cap]
        drawn = cells[rng.integers(len(cells), size=self._data.crops)]
        return [(int(cell) // columns * side, int(cell) % columns * side) for cell in drawn]

    # Degrading

    def _degraded(self, rng: np.random.Generator, region: Floats, patch: int) -> Sample:
        settings = self._recipe.degradation
        kernel, width = self._kernel(rng)
        low = self._shrunk(region, kernel, width, _pick(settings.sitings, rng))
        return self._finished(self._spoiled(rng, low), region, patch, settings.sharpen)

    def _kernel(self, rng: np.random.Generator) -> tuple[Kernel, float]:
        name = _pick(self._recipe.degradation.kernels, rng)
        kernel = degrade.random_kernel(rng) if name == "random" else degrade.KERNELS[name]
        return kernel, float(rng.uniform(*self._recipe.degradation.width))

    def _shrunk(self, region: Floats, kernel: Kernel, width: float, siting: str) -> Floats:
        """Return the halved picture; for chroma, YCbCr of full size with chroma halved and doubled again."""
        if self._data.planes == "chroma":
            ycbcr = degrade.to_ycbcr(region)
            small = degrade.subsample(ycbcr[1:], kernel, siting, width)
            if self._recipe.degradation.round_input:
                # As in clips: samples are codes, but chroma resampled from them is not.
                small = degrade.round_chroma(small)
                ycbcr[:1] = degrade.from_codes(degrade.to_codes(ycbcr[:1]))
            return np.concatenate([ycbcr[:1], degrade.double_bilinear(small, siting)])
        return degrade.halve(region, kernel, width) if self._scale == 2 else region

    def _spoiled(self, rng: np.random.Generator, low: Floats) -> Floats:
        """Apply blur, noise and JPEG, each as often as the recipe says."""
        low = self._softened(rng, low)
        if rng.random() < self._recipe.degradation.jpeg.share:
            low = self._compressed(rng, low)
        return low

    def _softened(self, rng: np.random.Generator, low: Floats) -> Floats:
        return self._draw_soften(rng)(low)

    def _draw_soften(self, rng: np.random.Generator) -> Callable[[Floats], Floats]:
        """Return a function that applies a blur and a level of noise drawn now; the noise itself differs per call."""
        settings = self._recipe.degradation
        sigma = float(rng.uniform(*settings.blur)) if rng.random() < settings.blur_share else 0.0
        noise = float(rng.uniform(*settings.noise)) if rng.random() < settings.noise_share else 0.0

        def soften(low: Floats) -> Floats:
            low = degrade.blur(low, sigma) if sigma else low
            return degrade.add_noise(low, noise, rng) if noise else low

        return soften

    def _compressed(self, rng: np.random.Generator, low: Floats) -> Floats:
        """Apply JPEG at a random phase of its grid; the skipped border is later cut off with the margin."""
        settings = self._recipe.degradation.jpeg
        if settings.levels:
            qualities = degrade.noise_level_qualities(_pick(settings.levels, rng), rng)
        else:
            qualities = [int(rng.integers(settings.quality[0], settings.quality[1] + 1))]
        y, x = (int(n) for n in rng.integers(0, 16, 2))  # 16: the block grid of chroma at half size
        half_chroma = bool(rng.random() < settings.half_chroma)
        part = low[:, y:, x:]
        for quality in qualities:
            part = degrade.jpeg(part, quality, half_chroma=half_chroma)
        low = low.copy()
        low[:, y:, x:] = part
        return low

    def _finished(self, low: Floats, region: Floats, patch: int, sharpen: float) -> Sample:
        """Cut the margins off, round the input, and return it with its target."""
        settings = self._recipe.degradation
        target = degrade.to_ycbcr(region)[1:] if self._data.planes == "chroma" else region
        if sharpen:
            target = degrade.sharpen(target, sharpen)
        inner = MARGIN // self._scale
        size = patch // self._scale
        low = low[:, inner : inner + size, inner : inner + size]
        if settings.round_input and self._data.planes != "chroma":
            low = degrade.from_codes(degrade.to_codes(low))
        high = target[:, MARGIN : MARGIN + patch, MARGIN : MARGIN + patch]
        return Sample(np.ascontiguousarray(low), np.ascontiguousarray(high))

    # Clips

    def _clip_store(self, folder: Path, held_out: bool) -> ClipStore:
        def draw(rng: np.random.Generator, height: int, width: int) -> Floats:
            return self.draw_region(rng, height, width, held_out=held_out)

        def draw_shrink(rng: np.random.Generator) -> Shrink:
            kernel, width = self._kernel(rng)
            soften = self._draw_soften(rng)
            return lambda picture: soften(degrade.halve(picture, kernel, width))

        name = f"{'held-out' if held_out else 'train'}-{self._clip_key()}"
        # Held-out clips have seeds of their own.
        seed = self._recipe.training.seed + (held_out << 32)
        return ClipStore(folder / name, self._recipe.degradation.h264, seed, draw, draw_shrink)

    def _clip_key(self) -> str:
        """Return a digest of all that clips depend on, so that those of other recipes or pictures are not used."""
        table = to_table(self._recipe)
        table["data"].pop("cache")
        pictures = [as_record(p) for held in self._sets for group in self._sets[held].groups for p in group]
        said = json.dumps([table["data"], table["degradation"], table["sources"], table["training"]["seed"], pictures])
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def _clip_at(self, step: int, place: int) -> int:
        """Return the number of one of the few clips of some steps; decoding one for each sample would take longest."""
        seed = [self._recipe.training.seed, step // _STEPS_PER_CLIP, place, _CLIP_CHOICE]
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        return int(rng.integers(self._recipe.degradation.h264.clips))

    def _from_clip(self, rng: np.random.Generator, number: int, *, held_out: bool, patch: int) -> Sample:
        settings = self._recipe.degradation
        clip = self._clips[held_out].clip(number)
        size = patch // 2
        height, width = clip.coded.shape[1:]
        for _ in range(_TRIES):
            frame = int(rng.integers(len(clip.clean)))
            corners = rng.integers(0, (height - size + 1, width - size + 1), (self._data.crops, 2)).tolist()
            shown = clip.clean[frame, ..., None]
            steps = [_steepness(shown[2 * y : 2 * y + patch, 2 * x : 2 * x + patch], 1.0) for y, x in corners]
            best = self._choice(rng, steps)
            if steps[best] >= self._data.flat:
                break
        y, x = corners[best]
        low = degrade.from_codes(clip.coded[frame, None, y : y + size, x : x + size])
        clean = degrade.from_codes(clip.clean[frame, None])
        target = degrade.sharpen(clean, settings.sharpen) if settings.sharpen else clean
        return Sample(low, np.ascontiguousarray(target[:, 2 * y : 2 * y + patch, 2 * x : 2 * x + patch]))


def _pick(odds: Shares, rng: np.random.Generator) -> str:
    shares = np.array([share for _, share in odds])
    return odds[int(rng.choice(len(odds), p=shares / shares.sum()))][0]


def _cut(pixels: Bytes, y: int, x: int, height: int, width: int) -> Bytes:
    """Return a region of a picture; edges are repeated beyond it."""
    top, left = max(0, -y), max(0, -x)
    # At least one pixel of the picture, to be repeated.
    y0, x0 = min(max(0, y), pixels.shape[0] - 1), min(max(0, x), pixels.shape[1] - 1)
    inside = pixels[y0 : max(y + height, y0 + 1), x0 : max(x + width, x0 + 1)]
    bottom, right = height - top - inside.shape[0], width - left - inside.shape[1]
    if not (top or left or bottom or right):
        return inside
    return np.pad(inside, [(top, bottom), (left, right), (0, 0)], mode="edge")


def _opaque(pixels: Bytes, rng: np.random.Generator) -> Bytes:
    """Lay a transparent picture on a random color."""
    channels = pixels.shape[2]
    if channels in (1, 3):
        return pixels
    return lay(pixels, rng.integers(0, 256, channels - 1).astype(np.float32))


def _steepness(pixels: Bytes, shrink: float) -> float:
    """Return the mean difference of neighboring pixels, in codes, of a patch that is yet to be shrunk by a factor.

    Only every fourth row and column is measured.
    """
    step = max(1, round(shrink))
    rows, columns = _gray(pixels[:: 4 * step, ::step]), _gray(pixels[::step, :: 4 * step])
    return float(np.abs(np.diff(rows, axis=1)).mean() + np.abs(np.diff(columns, axis=0)).mean()) / 2


def _gray(pixels: Bytes) -> Floats:
    """Return luma in codes, with transparent pictures on middle gray."""
    values = pixels.astype(np.float32)
    if values.shape[2] in (2, 4):
        alpha = values[..., -1:] / np.float32(255)
        values = values[..., :-1] * alpha + np.float32(128) * (1 - alpha)
    luma: Floats = values @ LUMA if values.shape[2] == 3 else values[..., 0]
    return luma
