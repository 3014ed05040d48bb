"""Random cel-style pictures, drawn from a seed: outlines, flat fills, shadows, gradients, hatching, lettering."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch.nn import functional

SUPERSAMPLE = 3  # samples of the drawing per pixel, each way
CURVE_STEPS = 12  # straight pieces per spline span


@dataclass(frozen=True)
class Canvas:
    """A picture under construction, `SUPERSAMPLE` times its final size.

    Attributes:
        luma: samples, S, S, in [0, 1]; drawn on in place.
        rng: the only source of parameters.
        noise: the only source of texture.
    """

    luma: torch.Tensor
    rng: random.Random
    noise: torch.Generator

    @property
    def side(self) -> int:
        """Width and height in samples."""
        return int(self.luma.shape[0])

    def point(self, margin: float = 0.1) -> tuple[float, float]:
        """Pick a place, up to `margin` of the side outside the picture."""
        low, high = -margin * self.side, (1 + margin) * self.side
        return self.rng.uniform(low, high), self.rng.uniform(low, high)

    def paint(self, mask: torch.Tensor, tone: torch.Tensor | float) -> None:
        """Lay a tone, flat or a plane of S, S, over the samples that a mask in [0, 1] covers."""
        self.luma.add_(mask * (tone - self.luma))


def draw_picture(seed: int, size: int = 384) -> torch.Tensor:
    """Draw one picture.

    Args:
        seed: same seed, same picture.
        size: width and height in pixels.

    Returns:
        Luma, size, size, f32 in [0, 1].
    """
    side = size * SUPERSAMPLE
    canvas = Canvas(torch.zeros(side, side), random.Random(seed), torch.Generator().manual_seed(seed))
    canvas.luma.copy_(tone_plane(canvas).expand(side, side))
    painters = {draw_shape: 9, draw_line: 7, draw_strands: 3, draw_hatching: 2, draw_lettering: 2, draw_texture: 1}
    # Fewer things on a small picture, so that each keeps a size worth drawing.
    things = max(4, round(canvas.rng.randint(14, 40) * size / 384))
    for painter in canvas.rng.choices(list(painters), list(painters.values()), k=things):
        painter(canvas)
    return develop(canvas)


def develop(canvas: Canvas) -> torch.Tensor:
    """Bring the drawing to its final size: mostly anti-aliased, at times slightly soft, at times with hard edges."""
    kind = canvas.rng.random()
    samples = canvas.luma[None, None]
    if kind < 0.08:
        middle = SUPERSAMPLE // 2
        return canvas.luma[middle::SUPERSAMPLE, middle::SUPERSAMPLE].clamp(0, 1).contiguous()
    if kind < 0.35:
        samples = blur(samples, canvas.rng.uniform(0.5, 2.2))
    return functional.avg_pool2d(samples, SUPERSAMPLE)[0, 0].clamp(0, 1)


def blur(samples: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur N, 1, H, W by a Gaussian of `sigma` samples."""
    radius = math.ceil(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    padded = functional.pad(samples, (radius, radius, radius, radius), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


# Tones ----------------------------------------------------------------------------------------------------------


def tone_plane(canvas: Canvas) -> torch.Tensor:
    """Pick a tone: flat (1, 1), or a linear or radial gradient (S, S)."""
    rng = canvas.rng
    low, high = rng.random(), rng.random()
    kind = rng.random()
    if kind < 0.7:
        return torch.full((1, 1), low)
    axis = torch.linspace(0, 1, canvas.side)
    if kind < 0.9:
        angle = rng.uniform(0, 2 * math.pi)
        along = math.cos(angle) * axis[None, :] + math.sin(angle) * axis[:, None]
        along = (along - along.min()) / (along.max() - along.min())
    else:
        x, y = rng.random(), rng.random()
        along = torch.hypot(axis[None, :] - x, axis[:, None] - y) / rng.uniform(0.3, 1.2)
    return low + (high - low) * along.clamp(0, 1)


def ink(canvas: Canvas) -> float:
    """Pick the tone of a line: mostly near black, at times a coloured line, seldom a white one."""
    kind = canvas.rng.random()
    if kind < 0.7:
        return canvas.rng.uniform(0.0, 0.18)
    if kind < 0.9:
        return canvas.rng.uniform(0.1, 0.6)
    return canvas.rng.uniform(0.85, 1.0)


def pen(canvas: Canvas) -> float:
    """Pick the radius of a line in samples: 0.5 to about 5 pixels wide, thin ones more often."""
    return SUPERSAMPLE * 0.5 * (0.5 + 4.5 * canvas.rng.random() ** 2)


# Geometry -------------------------------------------------------------------------------------------------------


def spline(points: torch.Tensor, *, closed: bool) -> torch.Tensor:
    """Thread a Catmull-Rom spline through N, 2 points; returns the vertices of the curve, M, 2."""
    before, after = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    around = torch.cat([before, points, after])
    t = torch.arange(CURVE_STEPS, dtype=torch.float32)[None, :, None] / CURVE_STEPS
    a, b, c, d = (around[i : len(around) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, 2)
    return curve if closed else torch.cat([curve, points[-1:]])


def fill_mask(vertices: torch.Tensor, side: int) -> torch.Tensor:
    """Cover the inside of a closed polygon.

    Each edge adds, in each row of samples, a step at the place where it crosses; a sum along the row turns the steps
    into coverage, exact across and sampled down.

    Args:
        vertices: N, 2 as x, y in samples.
        side: width and height of the mask.

    Returns:
        side, side in [0, 1].
    """
    start, end = vertices, vertices.roll(-1, 0)
    rows = torch.arange(side, dtype=torch.float32)[None, :] + 0.5
    x0, y0, x1, y1 = start[:, :1], start[:, 1:], end[:, :1], end[:, 1:]
    down = (y0 <= rows) & (rows < y1)
    up = (y1 <= rows) & (rows < y0)
    edge, row = torch.nonzero(down | up, as_tuple=True)
    if len(edge) == 0:
        return torch.zeros(side, side)
    slope = (x1 - x0)[edge, 0] / (y1 - y0)[edge, 0]
    x = (x0[edge, 0] + (rows[0, row] - y0[edge, 0]) * slope).clamp(0, side)
    sign = down[edge, row].float() * 2 - 1
    column = x.floor()
    part = x - column
    steps = torch.zeros(side, side + 2)
    steps.index_put_((row, column.long()), sign * (1 - part), accumulate=True)
    steps.index_put_((row, column.long() + 1), sign * part, accumulate=True)
    return steps.cumsum(1)[:, :side].abs().clamp(0, 1)


def stroke_mask(vertices: torch.Tensor, radii: torch.Tensor, side: int) -> torch.Tensor:
    """Cover a line with round ends whose thickness varies along it.

    Args:
        vertices: N, 2 as x, y in samples.
        radii: N, in samples.
        side: width and height of the mask.

    Returns:
        side, side in [0, 1].
    """
    mask = torch.zeros(side, side)
    centres = torch.arange(side, dtype=torch.float32) + 0.5
    line, thickness = vertices.tolist(), radii.tolist()
    for (ax, ay), (bx, by), ra, rb in zip(line, line[1:], thickness, thickness[1:], strict=False):
        reach = max(ra, rb) + 1
        left, right = (min(max(int(v), 0), side) for v in (min(ax, bx) - reach, max(ax, bx) + reach + 1))
        top, bottom = (min(max(int(v), 0), side) for v in (min(ay, by) - reach, max(ay, by) + reach + 1))
        if left == right or top == bottom:
            continue
        dx, dy = bx - ax, by - ay
        x, y = centres[None, left:right] - ax, centres[top:bottom, None] - ay
        t = ((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6)).clamp(0, 1)
        distance = torch.hypot(x - t * dx, y - t * dy)
        window = mask[top:bottom, left:right]
        torch.maximum(window, (ra + (rb - ra) * t + 0.5 - distance).clamp(0, 1), out=window)
    return mask


def outline(canvas: Canvas) -> torch.Tensor:
    """Make a closed outline, smooth or with corners: M, 2 in samples."""
    rng = canvas.rng
    x, y = canvas.point()
    radius = canvas.side * (0.03 + 0.35 * rng.random() ** 2)
    squeeze, turn = rng.uniform(0.4, 1.0), rng.uniform(0, math.pi)
    corners = rng.randint(3, 12)
    wobble = rng.uniform(0.0, 0.5)
    points = []
    for i in range(corners):
        angle = 2 * math.pi * (i + rng.uniform(-0.25, 0.25)) / corners
        r = radius * (1 + rng.uniform(-wobble, wobble))
        u, v = r * math.cos(angle), r * squeeze * math.sin(angle)
        points.append((x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn)))
    vertices = torch.tensor(points)
    return vertices if corners < 5 or rng.random() < 0.25 else spline(vertices, closed=True)


def pressure(canvas: Canvas, count: int, radius: float) -> torch.Tensor:
    """Vary a pen's radius along a line: even, thinning to both ends, or to one."""
    t = torch.linspace(0, 1, count)
    kind = canvas.rng.random()
    if kind < 0.4:
        return torch.full((count,), radius)
    if kind < 0.8:
        return radius * (0.15 + 0.85 * torch.sin(math.pi * t))
    return radius * (1 - 0.9 * t)


# Things to draw -------------------------------------------------------------------------------------------------


def draw_shape(canvas: Canvas) -> None:
    """Fill an outline, put a shadow or a highlight inside it, and ink it."""
    vertices = outline(canvas)
    inside = fill_mask(vertices, canvas.side)
    canvas.paint(inside, tone_plane(canvas))
    if canvas.rng.random() < 0.5:
        # The cel painter's second tone: the same shape moved, cut off by the first.
        shift = torch.tensor([canvas.rng.uniform(-0.08, 0.08) * canvas.side for _ in range(2)])
        canvas.paint(inside * (1 - fill_mask(vertices + shift, canvas.side)), canvas.rng.random())
    if canvas.rng.random() < 0.8:
        closed = torch.cat([vertices, vertices[:2]])
        radii = pressure(canvas, len(closed), pen(canvas)).clamp(min=0.25 * SUPERSAMPLE)
        canvas.paint(stroke_mask(closed, radii, canvas.side), ink(canvas))


def draw_line(canvas: Canvas) -> None:
    """Draw one free curve or straight line."""
    rng = canvas.rng
    x, y = canvas.point()
    angle, step = rng.uniform(0, 2 * math.pi), rng.uniform(0.03, 0.2) * canvas.side
    bend = rng.choice((0.0, 0.4, 1.0))
    points = [(x, y)]
    for _ in range(rng.randint(1, 6)):
        angle += rng.uniform(-bend, bend)
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        points.append((x, y))
    curve = spline(torch.tensor(points), closed=False)
    canvas.paint(stroke_mask(curve, pressure(canvas, len(curve), pen(canvas)), canvas.side), ink(canvas))


def draw_strands(canvas: Canvas) -> None:
    """Draw a bundle of thin curves side by side, as in hair, cloth or grass."""
    rng = canvas.rng
    ends = torch.tensor([canvas.point() for _ in range(4)])
    spread = torch.tensor([[rng.uniform(-0.03, 0.03) * canvas.side for _ in range(2)] for _ in range(4)])
    tone, radius = ink(canvas), 0.4 * pen(canvas) + 0.2 * SUPERSAMPLE
    for i in range(rng.randint(3, 12)):
        jitter = torch.tensor([rng.uniform(-0.005, 0.005) * canvas.side for _ in range(2)])
        curve = spline(ends + i * spread + jitter, closed=False)
        canvas.paint(stroke_mask(curve, pressure(canvas, len(curve), radius), canvas.side), tone)


def draw_hatching(canvas: Canvas) -> None:
    """Fill an outline with parallel lines, 2 to 10 pixels apart, at times crossed."""
    rng = canvas.rng
    inside = fill_mask(outline(canvas), canvas.side)
    tone = ink(canvas)
    centres = torch.arange(canvas.side, dtype=torch.float32) + 0.5
    for _ in range(rng.choice((1, 1, 2))):
        angle = rng.uniform(0, math.pi)
        period = SUPERSAMPLE * rng.uniform(2, 10)
        half_width = period * rng.uniform(0.12, 0.4)
        across = math.cos(angle) * centres[None, :] + math.sin(angle) * centres[:, None] + rng.uniform(0, period)
        distance = (across.remainder(period) - period / 2).abs()
        canvas.paint(inside * (half_width + 0.5 - distance).clamp(0, 1), tone)


def draw_lettering(canvas: Canvas) -> None:
    """Write a few rows of marks that look like small lettering: short strokes in cells."""
    rng = canvas.rng
    left, top = canvas.point(margin=-0.05)
    cell = SUPERSAMPLE * rng.uniform(6, 22)
    radius = cell * rng.uniform(0.03, 0.09)
    mask = torch.zeros_like(canvas.luma)
    for row in range(rng.randint(1, 3)):
        for column in range(rng.randint(3, 10)):
            for _ in range(rng.randint(1, 4)):
                grid = [(rng.randint(0, 2) / 2, rng.randint(0, 3) / 3) for _ in range(rng.randint(2, 3))]
                points = torch.tensor(grid) * torch.tensor([0.7 * cell, cell])
                points += torch.tensor([left + column * cell, top + row * 1.4 * cell])
                curve = spline(points, closed=False) if rng.random() < 0.5 else points
                mark = stroke_mask(curve, torch.full((len(curve),), radius), canvas.side)
                torch.maximum(mask, mark, out=mask)
    canvas.paint(mask, ink(canvas))


def draw_texture(canvas: Canvas) -> None:
    """Lay a little soft noise over an outline's inside, as of paper or brush."""
    rng = canvas.rng
    cells = max(2, int(canvas.side / SUPERSAMPLE / rng.uniform(1.5, 8)))
    noise = torch.randn(1, 1, cells, cells, generator=canvas.noise)
    noise = functional.interpolate(noise, size=(canvas.side, canvas.side), mode="bilinear", align_corners=False)[0, 0]
    inside = fill_mask(outline(canvas), canvas.side)
    canvas.luma.add_(inside * noise * rng.uniform(0.01, 0.06)).clamp_(0, 1)
