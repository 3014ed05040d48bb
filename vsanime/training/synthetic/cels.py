"""Draws random cels and backdrops: closed shapes with flat colors, cel shading, and outlines or none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vsanime.arrays import Bytes, Doubles
from vsanime.training.synthetic.drawings import premultiply, resize, straight

_OVER = 2  # oversampling factor in width and height
_INK = (24, 18, 26)  # color of outlines, nearly black


def draw_cel(rng: np.random.Generator, size: int) -> Bytes:
    """Draw a figure of one to four overlapping bodies, with patches, shadows and outlines at random.

    Args:
        rng: random generator.
        size: width and height of the picture in pixels.

    Returns:
        RGBA codes, shape (size, size, 4).
    """
    side = _OVER * size
    cel = np.zeros((side, side, 4), np.uint8)
    outline = int(rng.integers(1, 4)) * _OVER if rng.random() < 0.75 else 0
    bodies = int(rng.integers(1, 5))
    spread = 0.22 if bodies > 1 else 0.05
    for _ in range(bodies):
        centre = side * (0.5 + rng.uniform(-spread, spread, 2))
        radius = side * rng.uniform(0.14, 0.26 if bodies > 1 else 0.42)
        _body(cel, rng, _close(rng, centre, radius), radius, outline)
    return straight(resize(premultiply(cel), size, size))


def _body(cel: Bytes, rng: np.random.Generator, shape: Doubles, radius: float, outline: int) -> None:
    """Draw one closed shape with its patches, stripes, shadow, eyes and outline onto a cel."""
    mask = np.zeros(cel.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_as_pixels(shape)], 255)
    base = rng.integers(30, 256, 3)
    paint = np.empty((*mask.shape, 3), np.uint8)
    paint[:] = base
    centre = shape.mean(0)
    for _ in range(int(rng.integers(0, 5))):
        place = centre + rng.uniform(-0.7, 0.7, 2) * radius
        patch = _close(rng, place, radius * rng.uniform(0.1, 0.5))
        cv2.fillPoly(paint, [_as_pixels(patch)], _colour(rng))
        if outline and rng.random() < 0.8:
            cv2.polylines(paint, [_as_pixels(patch)], True, _INK, max(1, outline // 2), cv2.LINE_AA)
    if rng.random() < 0.4:
        _stripes(paint, rng, centre, radius)
    if rng.random() < 0.6:
        _shade(paint, rng, shape, radius)
    if rng.random() < 0.3:
        _eyes(paint, centre, radius * rng.uniform(0.12, 0.25), _colour(rng))
    if outline:
        cv2.polylines(paint, [_as_pixels(shape)], True, _INK, 2 * outline, cv2.LINE_AA)
    seen = mask > 0
    cel[seen, :3] = paint[seen]
    cel[seen, 3] = 255


def _shade(paint: Bytes, rng: np.random.Generator, shape: Doubles, radius: float) -> None:
    """Darken a shape outside its own shifted copy, with a hard edge, as on cels, or a soft one."""
    away = rng.uniform(-0.5, 0.5, 2) * radius
    lit = np.zeros(paint.shape[:2], np.uint8)
    cv2.fillPoly(lit, [_as_pixels(shape + away)], 255)
    if rng.random() < 0.35:
        lit = np.asarray(cv2.blur(lit, (int(radius / 2) | 1, int(radius / 2) | 1)), np.uint8)
    dark = np.array(rng.uniform(0.55, 0.9, 3))
    factor = dark + (1 - dark) * (lit[..., None] / np.float32(255))
    paint[:] = (paint * factor).astype(np.uint8)


def _stripes(paint: Bytes, rng: np.random.Generator, centre: Doubles, radius: float) -> None:
    colour = _colour(rng)
    way = rng.uniform(0, np.pi)
    along = np.array([np.cos(way), np.sin(way)])
    across = np.array([-along[1], along[0]])
    width = max(2, int(radius * rng.uniform(0.06, 0.2)))
    for place in np.arange(-1, 1, rng.uniform(0.3, 0.6)) * radius:
        ends = [centre + across * place + along * (sign * radius * 1.5) for sign in (-1, 1)]
        first, last = (tuple(map(int, end)) for end in ends)
        cv2.line(paint, first, last, colour, width, cv2.LINE_AA)


def _eyes(paint: Bytes, centre: Doubles, radius: float, iris: tuple[int, int, int]) -> None:
    for side in (-1, 1):
        x, y = int(centre[0] + side * 1.6 * radius), int(centre[1])
        axes = (max(2, int(radius)), max(2, int(1.4 * radius)))
        cv2.ellipse(paint, (x, y), axes, 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.ellipse(
            paint, (x, y), (max(1, axes[0] * 2 // 3), max(1, axes[1] * 2 // 3)), 0, 0, 360, iris, -1, cv2.LINE_AA
        )
        cv2.circle(paint, (x, y), max(1, axes[0] // 3), _INK, -1, cv2.LINE_AA)
        cv2.ellipse(paint, (x, y), axes, 0, 180, 360, _INK, max(1, int(radius / 4)), cv2.LINE_AA)


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Draw a flat color or vertical gradient with shapes in front, as opaque RGBA of shape (height, width, 4)."""
    top, bottom = rng.integers(60, 256, (2, 3))
    ramp = np.linspace(0, 1, height)[:, None, None]
    paint = np.repeat((top * (1 - ramp) + bottom * ramp).astype(np.uint8), width, 1)
    if rng.random() < 0.25:
        paint[:] = top.astype(np.uint8)
    outline = int(rng.integers(1, 3)) if rng.random() < 0.6 else 0
    for _ in range(int(rng.integers(0, 9))):
        if rng.random() < 0.5:
            shape = _close(rng, rng.uniform(0, 1, 2) * (width, height), height * rng.uniform(0.08, 0.5))
        else:
            x, y = rng.uniform(-0.1, 0.9, 2) * (width, height)
            w, h = rng.uniform(0.08, 0.5, 2) * height
            shape = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        cv2.fillPoly(paint, [_as_pixels(shape)], _colour(rng), cv2.LINE_AA)
        if outline:
            cv2.polylines(paint, [_as_pixels(shape)], True, _INK, outline, cv2.LINE_AA)
    return np.dstack([paint, np.full((height, width), 255, np.uint8)])


def _close(rng: np.random.Generator, centre: Doubles, radius: float) -> Doubles:
    """Return the points (x, y) of a closed curve around a center, smooth or with corners, shape (points, 2)."""
    corners = int(rng.integers(3, 9))
    if rng.random() < 0.3:
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = rng.uniform(0.6, 1.2, corners)
    else:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        reach = np.ones(48)
        for k in range(2, 6):
            reach += rng.normal(0, 0.22 / k) * np.cos(k * angles + rng.uniform(0, 6.3))
    around = np.stack([np.cos(angles) * rng.uniform(0.7, 1.1), np.sin(angles)], -1)
    return np.asarray(centre + radius * reach[:, None] * around)


def _as_pixels(shape: Doubles) -> NDArray[np.int32]:
    return np.rint(shape).astype(np.int32)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = rng.integers(30, 256, 3)
    return int(r), int(g), int(b)
