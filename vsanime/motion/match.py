"""Both keys moved onto a frame, how well each fits, and the blend of the two that needs no network.

Everything is told from the pictures: no frame number enters, so that a drawing that is shown twice comes out the same
twice, and a drawing that is a key's comes out as that key. How far between the keys a frame lies is told from how far
things moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.motion.extra import opencv
from vsanime.motion.flow import SMALLEST, flow, flow_back
from vsanime.motion.warp import warp
from vsanime.motion.windows import mean

# Half the sides of the two windows over which misfit is averaged: one for the line at hand, one for what it belongs to.
_LINE, _PART = 0.004, 0.02  # of the height
# What is hidden in a key has no place to come from: motion leads into something else, and from there back elsewhere. In
# blank paper lines cannot tell. At this distance between there and the pixel doubt is half of its most. Both keys
# blended, 12 and 24 frames apart: 0.4 and 0.5 dB on changed pixels of an eye that opens, 0.0 on Prologue, which hides
# little, -0.06 on a run before a pan.
_ASTRAY = 0.02  # of the height
_DOUBT = 0.05
# How much a misfit counts: at this error a key weighs 1/e of what it would otherwise.
_TOLERATED = 0.0225
# Lengths of motion are averaged over this window, and have the mean of the picture added to this share. A key counts
# by the other's length, a little damped: in proportion, frames beside a key were given too little of the other.
_FAR = 0.03  # of the height, half the side
_WHOLE = 0.3
_LEAST = 0.05  # pixels: what stands still in one key may yet be hidden in it
_DAMPED = 0.8


@dataclass(frozen=True)
class Matched:
    """Two keys on a frame.

    Attributes:
        warped: 2, height, width, 3; the colours of both moved onto the frame.
        errors: 2, height, width in [0, 1]; how badly the moved line art fits the frame's, and motion there and back.
        prior: 2, height, width, sum 1; weights by which `blend` mixes the two.
        flows: 2, height, width, 2; how far right and down in the key a pixel of the frame comes from, in pixels.
    """

    warped: NDArray[np.uint8]
    errors: NDArray[np.float32]
    prior: NDArray[np.float32]
    flows: NDArray[np.float32]


def match(
    line: NDArray[np.uint8], key_lines: Sequence[NDArray[np.uint8]], key_colours: Sequence[NDArray[np.uint8]]
) -> Matched:
    """Move two keys onto a frame.

    Args:
        line: line art of the frame, height and width; 255 is paper.
        key_lines: that of the two keys; of a single one, twice the same.
        key_colours: their pictures, height, width, 3.

    Raises:
        VsanimeError: there are not two keys, the sizes differ, or OpenCV is not installed.
    """
    _check(line, key_lines, key_colours)
    first = flow(line, key_lines[0])
    single = np.array_equal(key_lines[0], key_lines[1])
    flows = np.stack([first, first if single else flow(line, key_lines[1])])
    warped = np.stack([warp(colour, found) for colour, found in zip(key_colours, flows, strict=True)])
    error = _errors(line, key_lines[0], first)
    errors = np.stack([error, error if single else _errors(line, key_lines[1], flows[1])])
    same = np.array([np.array_equal(line, key) for key in key_lines])
    return Matched(warped, errors, _prior(errors, flows, same), flows)


def blend(matched: Matched) -> NDArray[np.uint8]:
    """The keys mixed by the prior weights alone: the flow baseline; height, width, 3."""
    first, second = matched.warped.astype(np.float32)
    mixed = second + matched.prior[0, ..., None] * (first - second)
    codes: NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return codes


def _errors(line: NDArray[np.uint8], key: NDArray[np.uint8], found: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a moved key is to be doubted, in [0, 1].

    Mean difference of the two line pictures around each pixel, of a small and a large window, halved; and how far from
    the pixel the motion there and back ends.
    """
    if np.array_equal(line, key):
        return np.zeros(line.shape, np.float32)
    difference = opencv().absdiff(line, warp(key, found)).astype(np.float32) / np.float32(255)
    missed = found + warp(flow_back(key, line), found)
    astray = mean(np.hypot(missed[..., 0], missed[..., 1]), _LINE)
    doubt = _DOUBT * astray / (astray + _ASTRAY * line.shape[0])
    misfit = (mean(difference, _LINE) + mean(difference, _PART)) / 2
    errors: NDArray[np.float32] = np.clip(misfit + doubt, 0, 1).astype(np.float32)
    return errors


def _prior(errors: NDArray[np.float32], flows: NDArray[np.float32], same: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weights of the two keys: the nearer one weighs more, and one whose lines do not fit less."""
    if same.any():  # the drawing is a key's: that key alone
        weights = same.astype(np.float32)[:, None, None] * np.ones_like(errors)
    else:
        lengths = [np.hypot(found[..., 0], found[..., 1]) for found in flows]
        far = np.stack([mean(length, _FAR) + _WHOLE * length.mean() + _LEAST for length in lengths])
        # The better of the two fits perfectly, so that two bad ones are still weighed against each other.
        misfit = (errors - errors.min(axis=0)) / _TOLERATED
        weights = far[::-1] ** _DAMPED * np.exp(-misfit)
    prior: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return prior


def _check(
    line: NDArray[np.uint8], key_lines: Sequence[NDArray[np.uint8]], key_colours: Sequence[NDArray[np.uint8]]
) -> None:
    if len(key_lines) != 2 or len(key_colours) != 2:
        raise VsanimeError(
            f"{len(key_lines)} keys' lines and {len(key_colours)} keys' colours; two of each are needed "
            "(a single key is given twice)"
        )
    if line.ndim != 2 or min(line.shape) < SMALLEST:
        raise VsanimeError(f"line art of shape {line.shape}; height and width, {SMALLEST} or more, are needed")
    for key in key_lines:
        if key.shape != line.shape:
            raise VsanimeError(f"a key's line art of shape {key.shape}; the frame's, {line.shape}, is needed")
    for colour in key_colours:
        if colour.shape != (*line.shape, 3):
            raise VsanimeError(f"a key's colours of shape {colour.shape}; {(*line.shape, 3)} is needed")
