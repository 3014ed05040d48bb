"""Makes patches of photographs and of a style: sample i of step s is a function of the seed, s and i alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.errors import VsanimeError
from vsanime.training.data.draws import Drawn, lay, shrink_to
from vsanime.training.data.entries import Picture
from vsanime.training.data.pictures import Library, find_place, read_pixels
from vsanime.training.recipes.stylization import StyleRecipe
from vsanime.training.style.edges import smooth_edges

# Makes the seeds of validation differ from those of samples, whose last number is an index in a batch.
_VALIDATION = 0x57A1
_TRIES = 20  # pictures drawn to find an opaque one
_GRAY = 128  # background of transparent pictures if no opaque picture of the style is found


@dataclass(frozen=True)
class Patches:
    """One patch of each kind, RGB in [-1, 1], shape (3, height, width).

    Attributes:
        photo: photograph, the input of the generator.
        style: picture of the style.
        smooth: the picture of the style with blurred edges.
    """

    photo: Floats
    style: Floats
    smooth: Floats


class StyleSampler:
    """Makes samples; it can be sent to other processes, and reads pictures on demand.

    Args:
        recipe: recipe of the run.
        pictures: all pictures of the run.
        places: file or folder of each source, photographs first.
        roots: folders below which folders of pictures with blurred edges are searched.
    """

    def __init__(
        self, recipe: StyleRecipe, pictures: Sequence[Picture], places: Sequence[Path], roots: Sequence[Path]
    ) -> None:
        self._arguments = (recipe, list(pictures), list(places), list(roots))
        self._recipe = recipe
        self._library = Library(places, gray=False, cache=recipe.data.cache)
        self._smooth = [find_place(source.smooth, roots) if source.smooth else None for source in recipe.styles]
        numbers = range(len(recipe.photos)), range(len(recipe.photos), len(recipe.sources))
        self._sets = {
            held: tuple(Drawn(recipe.sources, [p for p in pictures if p.held_out == held], kind) for kind in numbers)
            for held in (False, True)
        }

    def __reduce__(self) -> tuple[type[StyleSampler], tuple[object, ...]]:
        """Pickle the arguments only, so that another process starts without decoded pictures."""
        return StyleSampler, self._arguments

    def batch(self, step: int, size: int) -> tuple[Floats, Floats]:
        """Return the samples of a step.

        Returns:
            Photographs, (N, 3, height, width), and pairs of pictures of the style, original and with blurred edges,
            (N, 2, 3, height, width).
        """
        samples = [self.sample(step, i) for i in range(size)]
        styles = [np.stack([s.style, s.smooth]) for s in samples]
        return np.stack([s.photo for s in samples]), np.stack(styles)

    def sample(self, step: int, index: int) -> Patches:
        """Return sample `index` of `step`."""
        training, data = self._recipe.training, self._recipe.data
        patch = data.init_patch if step < training.init_steps else data.patch
        return self._drawn([training.seed, step, index], patch, held_out=False)

    def validation(self, index: int) -> Patches:
        """Return sample `index` of held-out pictures."""
        return self._drawn(
            [self._recipe.training.seed, index, _VALIDATION, 0], self._recipe.validation.patch, held_out=True
        )

    def calibration(self, index: int) -> Patches:
        """Return sample `index` for measuring the weights of losses, from pictures that are trained on."""
        return self._drawn([self._recipe.training.seed, index, _VALIDATION, 1], self._recipe.data.patch, held_out=False)

    def _drawn(self, seed: list[int], patch: int, *, held_out: bool) -> Patches:
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        photo = self._photo(rng, patch, held_out)
        style, smooth = self._style(rng, patch, held_out)
        return Patches(_as_floats(photo), _as_floats(style), _as_floats(smooth))

    def _photo(self, rng: np.random.Generator, patch: int, held_out: bool) -> Bytes:
        photos, _ = self._sets[held_out]
        pixels = self._library.read(photos.draw(rng))[..., :3]
        data = self._recipe.data
        most = min(pixels.shape[:2]) / patch
        fit = rng.random() < data.fit_share
        shrink = most if fit else rng.uniform(1.0, max(1.0, min(data.shrink_most, most)))
        side = min(round(patch * shrink), *pixels.shape[:2])
        y, x = _corner(rng, pixels, side)
        return _mirror(rng, shrink_to(pixels[y : y + side, x : x + side], (patch, patch)))

    def _style(self, rng: np.random.Generator, patch: int, held_out: bool) -> tuple[Bytes, Bytes]:
        """Return a patch of the style, and the same with blurred edges."""
        _, styles = self._sets[held_out]
        picture = styles.draw(rng)
        pixels = self._library.read(picture)
        y, x = _corner(rng, pixels, patch)
        style = pixels[y : y + patch, x : x + patch]
        mirror = rng.random() < 0.5
        if pixels.shape[2] == 4:
            style = lay(style, self._behind(rng, patch, styles))
        place = self._smooth[picture.source - len(self._recipe.photos)]
        if place is None or pixels.shape[2] == 4:
            smooth = smooth_edges(style)
        else:
            smooth = _pair(place / picture.name, pixels)[y : y + patch, x : x + patch]
        return (style[:, ::-1], smooth[:, ::-1]) if mirror else (style, smooth)

    def _behind(self, rng: np.random.Generator, patch: int, styles: Drawn) -> Bytes:
        """Return a patch of an opaque picture of the style, or gray if none is found."""
        for _ in range(_TRIES):
            pixels = self._library.read(styles.draw(rng))
            if pixels.shape[2] == 3:
                y, x = _corner(rng, pixels, patch)
                return _mirror(rng, pixels[y : y + patch, x : x + patch])
        return np.full((patch, patch, 3), _GRAY, np.uint8)


def check_split(recipe: StyleRecipe, pictures: Sequence[Picture]) -> None:
    """Check that photographs and pictures of the style both have some to train on and some held out.

    Raises:
        VsanimeError: one of these is empty.
    """
    for kind, first, last in (("photos", 0, len(recipe.photos)), ("styles", len(recipe.photos), len(recipe.sources))):
        for held, what in ((False, "to train on"), (True, "held out")):
            if not any(first <= p.source < last and p.held_out == held for p in pictures):
                raise VsanimeError(
                    f"none of the pictures of [[{kind}]] is {what}; add pictures that look different, or change "
                    f"data.held_out ({recipe.data.held_out:g})"
                )


def _corner(rng: np.random.Generator, pixels: Bytes, side: int) -> tuple[int, int]:
    y, x = (int(rng.integers(n - side + 1)) for n in pixels.shape[:2])
    return y, x


def _mirror(rng: np.random.Generator, pixels: Bytes) -> Bytes:
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def _pair(path: Path, pixels: Bytes) -> Bytes:
    """Read the picture with blurred edges that belongs to a picture of the style.

    Raises:
        VsanimeError: it is missing or has another size.
    """
    try:
        smooth = read_pixels(path)[..., :3]
    except VsanimeError as error:
        raise VsanimeError(f"{path}, the partner of a picture of the style: {error}") from None
    if smooth.shape[:2] != pixels.shape[:2]:
        raise VsanimeError(
            f"{path} is {smooth.shape[1]}x{smooth.shape[0]} and its partner {pixels.shape[1]}x{pixels.shape[0]}; "
            "make both by `vsanime prepare animegan`"
        )
    return smooth


def _as_floats(pixels: Bytes) -> Floats:
    """Convert codes of shape (height, width, 3) to values in [-1, 1] of shape (3, height, width)."""
    return np.ascontiguousarray((pixels.astype(np.float32) / np.float32(127.5) - 1).transpose(2, 0, 1))
