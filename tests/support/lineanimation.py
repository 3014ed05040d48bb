"""Small drawings that move: line art and colours of every frame, as arrays and as clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from tests.support.clips import clip_of
from vsanime.motion.chained import Led, Steps
from vsanime.motion.match import Matched, match

type Array = NDArray[Any]

PALETTE = ((230, 190, 160), (60, 90, 200), (240, 230, 120))
OTHER = ((40, 200, 80), (200, 30, 60), (20, 20, 40))


def drawing(shift: float, size: tuple[int, int] = (96, 64), palette: Sequence[Any] = PALETTE) -> tuple[Array, Array]:
    """Line art (255 is paper) and colours of one frame, its figure `shift` pixels to the right."""
    width, height = size
    line = np.full((height, width), 255, np.uint8)
    colour = np.full((height, width, 3), palette[0], np.uint8)
    fine = 16  # OpenCV draws at 16ths of a pixel
    middle = (round((0.35 * width + shift) * fine), round(0.5 * height * fine))
    radius = round(0.28 * height * fine)
    corner = (middle[0] + round(0.1 * width * fine), middle[1] - radius // 2)
    opposite = (corner[0] + round(0.2 * width * fine), corner[1] + radius)
    more: dict[str, Any] = {"lineType": cv2.LINE_AA, "shift": 4}
    for target, inks in ((colour, palette[1:]), (line, (255, 255))):
        cv2.circle(target, middle, radius, inks[0], -1, **more)
        cv2.circle(target, middle, radius, 0, 1, **more)
        cv2.rectangle(target, corner, opposite, inks[1], -1, **more)
        cv2.rectangle(target, corner, opposite, 0, 1, **more)
    return line, colour


def animation(
    shifts: Sequence[float], size: tuple[int, int] = (96, 64), palette: Sequence[Any] = PALETTE
) -> tuple[list[Array], list[Array]]:
    """Line art and colours of several frames."""
    frames = [drawing(shift, size, palette) for shift in shifts]
    return [line for line, _ in frames], [colour for _, colour in frames]


def line_clip(lines: Sequence[Array], **props: int) -> vs.VideoNode:
    """Line art as GRAY8."""
    return clip_of([[line] for line in lines], vs.core.get_video_format(vs.GRAY8), **({"_Range": 1} | props))


def colour_clip(colours: Sequence[Array], **props: int) -> vs.VideoNode:
    """Colours as RGB24."""
    return clip_of([list(c.transpose(2, 0, 1)) for c in colours], vs.core.get_video_format(vs.RGB24), **props)


def picture_of(clip: vs.VideoNode, n: int) -> Array:
    """A frame of RGB: height, width, 3."""
    with clip.get_frame(n) as frame:
        return np.stack([np.asarray(frame[p]) for p in range(3)], axis=-1)


def keys_beside(keys: Sequence[int], n: int) -> tuple[list[int], list[int]]:
    """The key before frame n of a scene, or at it, and the one after or at it; empty for none."""
    return [key for key in keys if key <= n][-1:], [key for key in keys if key >= n][:1]


def led_by_hand(lines: Sequence[Array], keys: Sequence[int], n: int) -> list[Led | None]:
    """Where steps lead to from frame n of a scene: to the key before it and that after, or twice to the only one."""
    before, after = keys_beside(keys, n)
    first, last = (before or [0])[0], (after or [len(lines) - 1])[0]
    found = [Steps(np.stack(lines[first : last + 1]), key - first).to(n - first) for key in (*before, *after)]
    return [*found, *found][:2]


def matched_by_hand(lines: Sequence[Array], colours: Sequence[Array], keys: Sequence[int], n: int) -> Matched:
    """Both keys of frame n of a scene moved onto it, as documented."""
    before, after = keys_beside(keys, n)
    pair = [*before, *after, *before, *after][:2]
    return match(lines[n], [lines[k] for k in pair], [colours[k] for k in pair], led_by_hand(lines, keys, n))
