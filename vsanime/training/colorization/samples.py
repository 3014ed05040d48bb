"""Training samples of line colorization: sample i of step s is a function of the seed, s and i alone."""

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

_SCENES = 1 << 31  # synthetic scenes that are trained on; those of higher numbers are for validation
# Keeps the seeds of validation apart from those of samples, whose second number is a step.
_VALIDATION = 0x7FFF_FFFF
_TRIES = 4  # for a place where something moves and lines are to be seen
_LEAST_CHANGED = 0.01  # share of the pixels that differ from the nearer key by more than 16 codes
_CHANGED = 16  # codes
_LEAST_INK = 0.003  # share of the pixels that are darker than half
_MOST_SHRUNK = 2.0  # frames of prepared shots are at most so many times as high as the crop


@dataclass(frozen=True)
class Sampling:
    """What samples are like.

    Attributes:
        size: width and height of the crop that the network sees, in pixels.
        span: most frames from the key before to the key after; 2 at least.
        one_sided: share of the samples that have one key only, given twice.
        distances: whether distance maps are made, which the network after Shi et al. needs and others do not.
        prepared: share of the samples that are from prepared shots, where there are any.
        mirror: whether every other sample is mirrored.
    """

    size: tuple[int, int]
    span: int = 24
    one_sided: float = 0.15
    distances: bool = False
    prepared: float = 0.3
    mirror: bool = True


@dataclass(frozen=True)
class Triplet:
    """A target between two keys.

    Attributes:
        lines: key before, target, key after: 3, height, width.
        colours: of the same: 3, height, width, 3.
        distances: of the same, 3, height, width in [0, 1]; None where nobody wants them.
    """

    lines: Bytes
    colours: Bytes
    distances: Floats | None = None

    def changed(self) -> float:
        """Share of the target's pixels that neither key has in the same place."""
        before, target, after = self.colours
        nearest = cv2.min(_difference(target, before), _difference(target, after))
        return float(np.mean(nearest > _CHANGED))


class ShotSamples:
    """Makes samples, from synthetic scenes and from prepared shots.

    Args:
        seed: of the run.
        sampling: what samples are like.
        synthetic: draws scenes; None for prepared shots only.
        shots: prepared ones.

    Raises:
        VsanimeError: there is nothing to make samples of, or the crop is larger than the frames.
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
        """The samples of a step, one over the other.

        Raises:
            VsanimeError: a picture cannot be read any more.
        """
        # Batches are made side by side in processes already; threads on top would only be in each other's way.
        cv2.setNumThreads(1)
        made = [self.sample(step, index) for index in range(size)]
        return {name: np.stack([sample[name] for sample in made]) for name in made[0]}

    def sample(self, step: int, index: int) -> dict[str, Floats]:
        """One sample, as networks take it: see `as_sample`."""
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, step, index]))
        return as_sample(self.triplet(rng, 0))

    def validation(self, number: int) -> dict[str, Floats]:
        """One sample for validation, the same in every run, of a scene that is not trained on."""
        rng = np.random.default_rng(np.random.SeedSequence([_VALIDATION, number]))
        return as_sample(self.triplet(rng, _SCENES))

    def triplet(self, rng: np.random.Generator, first_scene: int) -> Triplet:
        """Three frames in which something moves, cropped and mirrored alike.

        Args:
            rng: what to draw from.
            first_scene: number from which on synthetic scenes are drawn.
        """
        sampling = self._sampling
        prepared = bool(self._shots) and (self._synthetic is None or rng.random() < sampling.prepared)
        for _ in range(_TRIES):
            found = self._of_shot(rng) if prepared else self._of_scene(rng, first_scene)
            found = _cropped(rng, found, sampling)
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
    """What a network is given, in [0, 1], channels first.

    Returns:
        `line` (1, H, W), `truth` (3, H, W), `key_lines` (2, 1, H, W), `key_colours` (2, 3, H, W), and how the keys fit:
        `warped` (2, 3, H, W), `errors` and `prior` (2, 1, H, W); `distance` (1, H, W) and `key_distances` (2, 1, H, W)
        where there are distance maps.
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
    """Drawings to train on, and drawings that validation alone sees.

    Decided by the digest of a figure's name, so that drawings that come or go move no others, and all drawings of one
    figure are on one side. Of two figures or more, one at least is on either side; a single one is trained on.

    Args:
        drawings: all of them.
        share: about what part is held out; 0 for nothing.
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
    """Prepared shots to train on, and shots that validation alone sees: about the share, but one at least of either.

    Args:
        shots: two or more.
        share: about what part is held out.
    """
    ordered = sorted(shots, key=lambda shot: (_place_of(shot.name), shot.name))
    many = min(max(1, round(share * len(ordered))), len(ordered) - 1)
    held = {shot.path for shot in ordered[:many]}
    return [s for s in shots if s.path not in held], [s for s in shots if s.path in held]


def _figure(drawing: Drawing) -> str:
    """Who is drawn: `sylvie_blue_smile` and `sylvie_green_normal` are one, `pepper_run_01` and `pepper_jump_01` too.

    Folders that a name has taken up (`animals__bugs__caterpillar`) are no part of it. No two backdrops are one, and no
    two drawings whose names say nothing (`0001`, `IMG_0001`).
    """
    file = drawing.files[0]
    if drawing.backdrop:
        return file.name
    whole = file.stem.rsplit("__", 1)[-1] or file.stem
    first = find_words(whole)[:1]
    return first[0] if has_word([whole]) and normalize(whole).startswith(first[0]) else whole


def _place_of(name: str) -> float:
    """Between 0 and 1, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def _places(rng: np.random.Generator, frames: int, span: int) -> tuple[int, int, int]:
    """Key, target and key in a shot of so many frames."""
    between = int(rng.integers(2, min(span, frames - 1) + 1))
    before = int(rng.integers(frames - between))
    return before, before + int(rng.integers(1, between)), before + between


def _one_sided(rng: np.random.Generator, triplet: Triplet) -> Triplet:
    """With one of the keys on both sides, as at the end of a scene."""
    one = 0 if rng.random() < 0.5 else 2
    order = [one, 1, one]
    distances = None if triplet.distances is None else triplet.distances[order]
    return Triplet(triplet.lines[order], triplet.colours[order], distances)


def _cropped(rng: np.random.Generator, triplet: Triplet, sampling: Sampling) -> Triplet:
    """The same crop of all pictures, all of them mirrored or none."""
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
    """All pictures smaller by one factor, so that a crop shows a good part of a large frame.

    Distance maps are relative to the height and need no more than that.
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
    """The largest of the three channels' differences in codes."""
    red, green, blue = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _unit(codes: Bytes) -> Floats:
    return codes * np.float32(1 / 255)


def _planes(picture: Bytes) -> Floats:
    """Height, width, 3 in codes as 3, height, width in [0, 1]."""
    return _unit(np.moveaxis(picture, -1, 0))
