"""Makes training samples of line colorization: sample i of step s is a function of the seed, s and i alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vsanime.arrays import Bytes, Floats
from vsanime.errors import VsanimeError
from vsanime.motion.distance import field
from vsanime.motion.match import match
from vsanime.training.data.names import find_words, has_word, normalize
from vsanime.training.data.shots import ShotFolder
from vsanime.training.synthetic.drawings import Drawing
from vsanime.training.synthetic.scenes import SCENE_FRAMES, SyntheticShots

_SCENES = 1 << 31  # number of synthetic scenes that are trained on; those of higher numbers are for validation
# Makes the seeds of validation differ from those of samples, whose second number is a step.
_VALIDATION = 0x7FFF_FFFF
_TRIES = 4  # attempts to find a crop with motion and lines
_LEAST_CHANGED = 0.01  # fraction of the pixels that differ from both keys by more than 16 codes
_CHANGED = 16  # codes
_LEAST_INK = 0.003  # fraction of the pixels that are darker than half
_MOST_SHRUNK = 2.0  # shrunk frames of prepared shots are up to this many times as large as the smallest that fit


@dataclass(frozen=True)
class Sampling:
    """Settings of samples.

    Attributes:
        size: width and height of the crop that the network sees, in pixels.
        span: greatest distance in frames from the key before to the key after; at least 2.
        one_sided: fraction of the samples that have one key only, which is given twice.
        distances: whether to make distance maps, which only the network after Shi et al. needs.
        prepared: fraction of the samples that are from prepared shots, if there are any.
        mirror: whether half of the samples, at random, are mirrored.
    """

    size: tuple[int, int]
    span: int = 24
    one_sided: float = 0.15
    distances: bool = False
    prepared: float = 0.3
    mirror: bool = True


@dataclass(frozen=True)
class Triplet:
    """A target and its keys: key before, target, key after.

    Attributes:
        lines: line art in codes, shape (3, height, width); 255 is paper.
        colours: RGB codes, shape (3, height, width, 3).
        distances: distance maps in [0, 1], shape (3, height, width); None if they are not needed.
    """

    lines: Bytes
    colours: Bytes
    distances: Floats | None = None

    def changed(self) -> float:
        """Return the fraction of the target's pixels that differ from both keys at the same position."""
        before, target, after = self.colours
        nearest = cv2.min(_difference(target, before), _difference(target, after))
        return float(np.mean(nearest > _CHANGED))


class ShotSamples:
    """Makes samples from synthetic scenes and from prepared shots.

    Args:
        seed: seed of the samples.
        sampling: settings of samples.
        synthetic: source of synthetic scenes; None for prepared shots only.
        shots: prepared shots.

    Raises:
        VsanimeError: there is nothing to make samples of, the span is not possible, or the crop is larger than frames.
    """

    def __init__(
        self, seed: int, sampling: Sampling, synthetic: SyntheticShots | None, shots: Sequence[ShotFolder] = ()
    ) -> None:
        if synthetic is None and not shots:
            raise VsanimeError("there are neither drawings nor prepared shots to make samples of; name one of them")
        if not 2 <= sampling.span < SCENE_FRAMES:
            raise VsanimeError(f"span={sampling.span}; 2 to {SCENE_FRAMES - 1} frames from key to key can be had")
        sizes = [] if synthetic is None else [("synthetic scenes", synthetic.size)]
        for name, size in [*sizes, *((str(shot.path), shot.size) for shot in shots)]:
            if size[0] < sampling.size[0] or size[1] < sampling.size[1]:
                crop = f"{sampling.size[0]}x{sampling.size[1]}"
                raise VsanimeError(f"a crop of {crop} is larger than {name}, {size[0]}x{size[1]}; lower data.size")
        self._seed = seed
        self._sampling = sampling
        self._synthetic = synthetic
        self._shots = list(shots)

    def batch(self, step: int, size: int) -> dict[str, Floats]:
        """Return the samples of a step, stacked by name.

        Raises:
            VsanimeError: a picture cannot be read any more.
        """
        # Batches are made in several processes already, which more threads would only slow down.
        cv2.setNumThreads(1)
        made = [self.sample(step, index) for index in range(size)]
        return {name: np.stack([sample[name] for sample in made]) for name in made[0]}

    def sample(self, step: int, index: int) -> dict[str, Floats]:
        """Return sample `index` of `step` in the form of `as_sample`."""
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, step, index]))
        return as_sample(self.triplet(rng, 0))

    def validation(self, number: int) -> dict[str, Floats]:
        """Return a sample for validation by its number, from scenes that are not trained on."""
        rng = np.random.default_rng(np.random.SeedSequence([_VALIDATION, number]))
        return as_sample(self.triplet(rng, _SCENES))

    def triplet(self, rng: np.random.Generator, first_scene: int) -> Triplet:
        """Return a target and its keys with motion between them, equally cropped and mirrored.

        Args:
            rng: random generator.
            first_scene: lowest number of synthetic scenes to draw from.
        """
        sampling = self._sampling
        prepared = bool(self._shots) and (self._synthetic is None or rng.random() < sampling.prepared)
        for _ in range(_TRIES):
            found = self._of_shot(rng) if prepared else self._of_scene(rng, first_scene)
            found = _crop(rng, found, sampling)
            if found.changed() >= _LEAST_CHANGED and np.mean(found.lines[1] < 128) >= _LEAST_INK:
                break
        return _one_sided(rng, found) if rng.random() < sampling.one_sided else found

    def _of_scene(self, rng: np.random.Generator, first_scene: int) -> Triplet:
        assert self._synthetic is not None
        scene = self._synthetic.scene(first_scene + int(rng.integers(_SCENES)))
        frames = [scene.frame(number) for number in _places(rng, SCENE_FRAMES, self._sampling.span)]
        lines, colours = (np.stack(pictures) for pictures in zip(*frames, strict=True))
        distances = np.stack([field(line) for line in lines]) if self._sampling.distances else None
        return Triplet(lines, colours, distances)

    def _of_shot(self, rng: np.random.Generator) -> Triplet:
        shot = self._shots[int(rng.integers(len(self._shots)))]
        places = _places(rng, len(shot.names), self._sampling.span)
        lines, colours = (np.stack(pictures) for pictures in zip(*map(shot.frame, places), strict=True))
        distances = None
        if self._sampling.distances:
            distances = _unit(np.stack([shot.distance(place) for place in places]))
        return _shrunk(rng, Triplet(lines, colours, distances), self._sampling.size)


def as_sample(triplet: Triplet) -> dict[str, Floats]:
    """Return a network's inputs and its target by name, in [0, 1], with channels first.

    Returns:
        `line` (1, H, W), `truth` (3, H, W), `key_lines` (2, 1, H, W), `key_colours` (2, 3, H, W); the keys moved to the
        target, `warped` (2, 3, H, W), with their `errors` and `prior` (2, 1, H, W); `distance` (1, H, W) and
        `key_distances` (2, 1, H, W) if there are distance maps.
    """
    before, target, after = triplet.lines
    matched = match(target, (before, after), (triplet.colours[0], triplet.colours[2]))
    made = {
        "line": _unit(target)[None],
        "truth": _planes(triplet.colours[1]),
        "key_lines": _unit(triplet.lines[::2])[:, None],
        "key_colours": np.stack([_planes(triplet.colours[0]), _planes(triplet.colours[2])]),
        "warped": np.stack([_planes(warped) for warped in matched.warped]),
        "errors": matched.misfit[:, None],
        "prior": matched.prior[:, None],
    }
    if triplet.distances is not None:
        made["distance"] = triplet.distances[1][None]
        made["key_distances"] = triplet.distances[::2][:, None]
    return {name: np.ascontiguousarray(part) for name, part in made.items()}


def hold_out(drawings: Sequence[Drawing], share: float) -> tuple[list[Drawing], list[Drawing]]:
    """Split drawings into those to train on and those for validation only.

    The digest of a figure's name decides, so that adding or removing drawings moves no others, and all drawings of one
    figure stay together. Of two or more figures, each side gets at least one; a single one is trained on.

    Args:
        drawings: all drawings.
        share: approximate fraction of figures to hold out; 0 for none.
    """
    figures = [_figure(drawing) for drawing in drawings]
    counts = Counter(figures)
    by_size = sorted(counts, key=lambda figure: (counts[figure], _place_of(figure), figure))
    held = {figure for figure in counts if _place_of(figure) < share}
    if share and not held:
        held = set(by_size[:1])
    held -= set(by_size[-1:]) if len(held) == len(counts) else set()
    kept = [drawing for drawing, figure in zip(drawings, figures, strict=True) if figure not in held]
    return kept, [drawing for drawing, figure in zip(drawings, figures, strict=True) if figure in held]


def hold_out_shots(shots: Sequence[ShotFolder], share: float) -> tuple[list[ShotFolder], list[ShotFolder]]:
    """Split prepared shots into those to train on and those for validation only, at least one each.

    Args:
        shots: two or more prepared shots.
        share: approximate fraction to hold out.
    """
    ordered = sorted(shots, key=lambda shot: (_place_of(shot.name), shot.name))
    many = min(max(1, round(share * len(ordered))), len(ordered) - 1)
    held = {shot.path for shot in ordered[:many]}
    return [s for s in shots if s.path not in held], [s for s in shots if s.path in held]


def _figure(drawing: Drawing) -> str:
    """Return the name of the figure of a drawing, which is equal for `sylvie_blue_smile` and `sylvie_green_normal`.

    Names of folders before the last `__` (`animals__bugs__caterpillar`) are ignored. Each backdrop is a figure of its
    own, and so is each drawing whose name is not specific (`0001`, `IMG_0001`).
    """
    file = drawing.files[0]
    if drawing.backdrop:
        return file.name
    whole = file.stem.rsplit("__", 1)[-1] or file.stem
    first = find_words(whole)[:1]
    return first[0] if has_word([whole]) and normalize(whole).startswith(first[0]) else whole


def _place_of(name: str) -> float:
    """Return a number in [0, 1) from the digest of a name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _places(rng: np.random.Generator, frames: int, span: int) -> tuple[int, int, int]:
    """Draw the frame numbers of key, target and key in a shot of `frames` frames, `span` apart at most."""
    between = int(rng.integers(2, min(span, frames - 1) + 1))
    before = int(rng.integers(frames - between))
    return before, before + int(rng.integers(1, between)), before + between


def _one_sided(rng: np.random.Generator, triplet: Triplet) -> Triplet:
    """Return a triplet with one of its keys on both sides, as at the end of a scene."""
    one = 0 if rng.random() < 0.5 else 2
    order = [one, 1, one]
    distances = None if triplet.distances is None else triplet.distances[order]
    return Triplet(triplet.lines[order], triplet.colours[order], distances)


def _crop(rng: np.random.Generator, triplet: Triplet, sampling: Sampling) -> Triplet:
    """Crop all pictures at one random position, and mirror all or none."""
    width, height = sampling.size
    x, y = (
        int(rng.integers(n - part + 1)) for n, part in zip(triplet.lines.shape[:0:-1], (width, height), strict=True)
    )
    across = slice(None, None, -1) if sampling.mirror and rng.random() < 0.5 else slice(None)

    def cut[T: (Bytes, Floats)](pictures: T) -> T:
        return np.ascontiguousarray(pictures[:, y : y + height, x : x + width][:, :, across])

    distances = None if triplet.distances is None else cut(triplet.distances)
    return Triplet(cut(triplet.lines), cut(triplet.colours), distances)


def _shrunk(rng: np.random.Generator, triplet: Triplet, crop: tuple[int, int]) -> Triplet:
    """Shrink all pictures by one random factor, so that a crop shows a large part of the frame.

    Values of distance maps are relative to the height, so they do not change.
    """
    height, width = triplet.lines.shape[1:]
    least = max(crop[0] / width, crop[1] / height)
    factor = min(1.0, least * float(np.exp(rng.uniform(0, np.log(_MOST_SHRUNK)))))
    size = (max(crop[0], round(width * factor)), max(crop[1], round(height * factor)))
    if size == (width, height):
        return triplet

    def shrink[T: (Bytes, Floats)](pictures: T) -> T:
        return np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])

    distances = None if triplet.distances is None else shrink(triplet.distances)
    return Triplet(shrink(triplet.lines), shrink(triplet.colours), distances)


def _difference(one: Bytes, other: Bytes) -> Bytes:
    """Return the largest absolute difference of the three channels in codes, shape (height, width)."""
    red, green, blue = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _unit(codes: Bytes) -> Floats:
    return codes * np.float32(1 / 255)


def _planes(picture: Bytes) -> Floats:
    """Convert codes of shape (height, width, 3) to values in [0, 1] of shape (3, height, width)."""
    return _unit(np.moveaxis(picture, -1, 0))
