"""Move both keys onto a frame, measure how well each fits, and blend the two without a network.

Everything is computed from the pictures and no frame number is used, so that a drawing that is shown twice gives the
same result twice, and a drawing that is a key's gives that key. How far between the keys a frame lies is inferred from
how far things moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Floats
from vsanime.errors import VsanimeError
from vsanime.motion.chained import Led
from vsanime.motion.flow import SMALLEST, coarse_flow, flow, flow_by_steps
from vsanime.motion.warp import warp
from vsanime.motion.windows import mean
from vsanime.optional import opencv

# Half the sides of the two windows over which line error is averaged: one for a line, one for the part it belongs to.
_LINE, _PART = 0.004, 0.02  # of the height
# What is hidden in a key has no counterpart there: motion ends in something else, and motion back ends elsewhere. On
# blank paper line error cannot show that. At this forward-backward distance the error is half of its maximum. Gain with
# both keys blended, 12 and 24 frames apart: 0.4 and 0.5 dB on changed pixels of an eye that opens, 0.0 on Prologue,
# which hides little, -0.06 on a run before a pan.
_ASTRAY = 0.02  # of the height
_DOUBT = 0.05
# At this error a key's weight is 1/e of what it would otherwise be.
_TOLERATED = 0.0225
# Lengths of motion are averaged over this window, and this fraction of the picture's mean length is added. A key's
# weight is the other's length, damped by an exponent: in proportion, frames beside a key got too little of the other.
_FAR = 0.03  # of the height, half the side
_WHOLE = 0.3
_LEAST = 0.05  # pixels: what does not move in one key may still be hidden in it
_DAMPED = 0.8


@dataclass(frozen=True)
class Matched:
    """Two keys moved onto a frame.

    Attributes:
        warped: array of 2, height, width, 3; colors of both keys moved onto the frame.
        misfit: array of 2, height, width in [0, 1]; line error: mean differences between the moved line art and the
            frame's around each pixel, averaged over a small and a large window.
        astray: array of 2, height, width in [0, 1]; forward-backward error of motion.
        prior: array of 2, height, width, sum 1; weights by which `blend` mixes the two.
        flows: array of 2, height, width, 2; how far right and down in the key a pixel of the frame comes from, in
            pixels.
    """

    warped: Bytes
    misfit: Floats
    astray: Floats
    prior: Floats
    flows: Floats

    @property
    def errors(self) -> Floats:
        """The uncertainty of each key: 2, height, width in [0, 1]."""
        errors: Floats = np.minimum(self.misfit + self.astray, 1)
        return errors


def match(
    line: Bytes, key_lines: Sequence[Bytes], key_colours: Sequence[Bytes], led: Sequence[Led | None] = (None, None)
) -> Matched:
    """Move two keys onto a frame.

    Args:
        line: line art of the frame, height and width; 255 is paper.
        key_lines: line art of the two keys; the same one twice if there is only one.
        key_colours: pictures of the two keys, height, width, 3.
        led: chained motion from the frame to each key, at any size; None where there is none.

    Raises:
        VsanimeError: there are not two keys, the sizes differ, or OpenCV is not installed.
    """
    _check(line, key_lines, key_colours)
    first = _find(line, key_lines[0], led[0])
    single = np.array_equal(key_lines[0], key_lines[1]) and led[0] is led[1]
    found = [first, first if single else _find(line, key_lines[1], led[1])]
    flows, misfit, astray = (np.stack(parts) for parts in zip(*found, strict=True))
    warped = np.stack([warp(colour, motion) for colour, motion in zip(key_colours, flows, strict=True)])
    same = np.array([np.array_equal(line, key) for key in key_lines])
    return Matched(warped, misfit, astray, _prior(misfit + astray, flows, same), flows)


def blend(matched: Matched) -> Bytes:
    """Return the keys mixed by the prior weights alone, height, width, 3: the baseline without a network."""
    first, second = matched.warped.astype(np.float32)
    mixed = second + matched.prior[0, ..., None] * (first - second)
    codes: Bytes = np.rint(mixed).astype(np.uint8)
    return codes


def _find(line: Bytes, key: Bytes, led: Led | None) -> tuple[Floats, Floats, Floats]:
    """Return the motion to a key, its line error and its forward-backward error."""
    if np.array_equal(line, key):
        nothing = np.zeros(line.shape, np.float32)
        return flow(line, key), nothing, nothing
    if led is None:
        found = flow(line, key)
        astray = _there_and_back(line, key, found)
    else:
        found, far = flow_by_steps(line, key, led.flow)
        astray = _there_and_back(line, key, found)
        astray[far] = _along(led, line.shape)[far]
    difference = opencv().absdiff(line, warp(key, found)).astype(np.float32) / np.float32(255)
    misfit: Floats = (mean(difference, _LINE) + mean(difference, _PART)) / np.float32(2)
    return found, misfit, astray


def _there_and_back(line: Bytes, key: Bytes, found: Floats) -> Floats:
    missed = found + warp(coarse_flow(key, line), found)
    return _weigh_by_uncertainty(np.hypot(missed[..., 0], missed[..., 1]))


def _along(led: Led, size: tuple[int, ...]) -> Floats:
    """Return the summed forward-backward error of chained motion, at another size."""
    astray = _weigh_by_uncertainty(led.astray)
    if astray.shape == size:
        return astray
    large: Floats = opencv().resize(astray, (size[1], size[0]), interpolation=opencv().INTER_LINEAR)
    return large


def _weigh_by_uncertainty(missed: Floats) -> Floats:
    """Return forward-backward distances in pixels as errors in [0, _DOUBT]."""
    around = mean(missed, _LINE)
    doubt: Floats = np.float32(_DOUBT) * around / (around + np.float32(_ASTRAY * missed.shape[0]))
    return doubt


def _prior(errors: Floats, flows: Floats, same: NDArray[np.bool_]) -> Floats:
    """Return the weights of the two keys: the nearer key has more weight, and one whose lines do not fit less."""
    if same.any():  # the drawing is a key's: that key alone
        weights = same.astype(np.float32)[:, None, None] * np.ones_like(errors)
    else:
        lengths = [np.hypot(found[..., 0], found[..., 1]) for found in flows]
        far = np.stack([mean(length, _FAR) + _WHOLE * length.mean() + _LEAST for length in lengths])
        # Errors relative to the better key, so that two bad keys still differ in weight.
        misfit = (errors - errors.min(axis=0)) / _TOLERATED
        weights = far[::-1] ** _DAMPED * np.exp(-misfit)
    prior: Floats = (weights / weights.sum(axis=0)).astype(np.float32)
    return prior


def _check(line: Bytes, key_lines: Sequence[Bytes], key_colours: Sequence[Bytes]) -> None:
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
