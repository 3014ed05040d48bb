"""Defines the Color Transform Network after Shi et al. 2020 (arXiv 2003.10685) in torch, at full width.

Target and keys are matched by distance maps at a quarter of the size; masks decide how much of a key's color keeps its
position, and the style of the keys sets the norms of the trunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from vsanime.architectures.color_transform.onnx import BLOCKS, MULTIPLE, NORM_EPSILON, STYLE_EPSILON, colour_transform
from vsanime.architectures.weights import arrays, rebuild_by_names
from vsanime.errors import VsanimeError

WIDTH = 64


@dataclass(frozen=True)
class Transformed:
    """The outputs of the network, each B, 3, H, W.

    Attributes:
        colour: RGB in (0, 1).
        similar: RGB predicted from the similarity layer alone, not limited.
        middle: RGB predicted from the last block of the trunk, not limited.
    """

    colour: torch.Tensor
    similar: torch.Tensor
    middle: torch.Tensor

    @property
    def inner_colors(self) -> tuple[torch.Tensor, ...]:
        """The colors that inner layers predict, for the latent loss."""
        return self.similar, self.middle


class ColorTransform(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The Color Transform Network of the paper; 14,670,601 weights at full width.

    Args:
        width: channels at full size, an even number from 8 to 128; 64 for full width.
    """

    multiple = MULTIPLE

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        if not 8 <= width <= 128 or width % 2:
            raise VsanimeError(f"document: width is an even number from 8 to 128, not {width}")
        self.width = width
        channels, depth, style = 4 * width, width // 2, 8 * width
        self.lines, self.distances, self.colours = _encoder(1, width), _encoder(1, width), _encoder(3, width)
        self.match = nn.Conv2d(channels, depth, 1)  # shared by target and keys
        self.value, self.out = nn.Conv2d(channels, depth, 1), nn.Conv2d(depth, channels, 1)
        self.mask_m, self.mask_n = (nn.Conv2d(2 * channels, channels, 3, padding=1) for _ in range(2))
        sizes = (4, width, 2 * width, 4 * width, style, style)
        self.embedder = nn.ModuleList(
            nn.Conv2d(a, b, 3, 2 if i else 1, padding=1) for i, (a, b) in enumerate(pairwise(sizes))
        )
        self.style = nn.ModuleList(nn.Linear(style, style) for _ in range(2))
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(channels, channels, kernel, padding=kernel // 2) for kernel in (1, 3, 1))
            for _ in range(BLOCKS)
        )
        ends = (channels, channels, 2 * width, width)
        self.decoder = nn.ModuleList(_Normed(a, b) for a, b in pairwise(ends))
        self.last = spectral_norm(nn.Conv2d(width, 3, 3, padding=1))
        self.to_similar, self.to_middle = nn.Conv2d(channels, 3, 1), nn.Conv2d(channels, 3, 1)

    def forward(
        self,
        line: torch.Tensor,
        distance: torch.Tensor,
        key_lines: torch.Tensor,
        key_distances: torch.Tensor,
        key_colours: torch.Tensor,
    ) -> Transformed:
        """Run the network on values in [0, 1]; H and W are multiples of 4.

        Args:
            line: line art of the target, B, 1, H, W.
            distance: distance of every pixel to the nearest line, B, 1, H, W.
            key_lines: line art of the keys, B, K, 1, H, W.
            key_distances: distance maps of the keys, B, K, 1, H, W.
            key_colours: RGB of the keys, B, K, 3, H, W.
        """
        count = key_lines.shape[:2]

        def of_keys(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(0, count)

        distances = of_keys(_run(self.distances, key_distances.flatten(0, 1)))
        colours = of_keys(_run(self.colours, key_colours.flatten(0, 1)))
        similar = self.similar(_run(self.distances, distance), distances, colours)
        embedded = torch.cat([key_lines, key_colours], 2).flatten(0, 1)
        for layer in self.embedder:
            embedded = functional.relu(layer(embedded))
        style = of_keys(embedded.mean((2, 3))).mean(1)
        style = self.style[1](functional.relu(self.style[0](style)))
        x = _run(self.lines, line) + similar
        for block in self.blocks:
            x = _block(block, x, style)
        return Transformed(
            torch.sigmoid(self._decoded(x).float()), _enlarge(self.to_similar(similar)), _enlarge(self.to_middle(x))
        )

    def similar(self, target: torch.Tensor, distances: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        """Run the similarity color-transform layer.

        Args:
            target: features of the target's distance map, B, C, h, w.
            distances: features of the keys' distance maps, B, K, C, h, w.
            colours: features of the keys' colors, B, K, C, h, w.

        Returns:
            B, C, h, w.
        """
        beside = torch.cat([target[:, None].expand_as(distances), distances], 2).flatten(0, 1)
        m, n = (torch.sigmoid(mask(beside)).unflatten(0, distances.shape[:2]) for mask in (self.mask_m, self.mask_n))
        masked = m * colours
        matched = self.matched(target, distances, masked)[:, None]
        return (n * masked + (1 - n) * matched).mean(1)

    def matched(self, target: torch.Tensor, distances: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Return the features that attention copies from all positions of all keys, B, C, h, w; see `similar`."""
        queries = self.match(target).flatten(2).transpose(1, 2)

        def over_all(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
            projected = layer(x.flatten(0, 1)).flatten(2).unflatten(0, x.shape[:2])
            return projected.transpose(2, 3).flatten(1, 2)

        keys, values = over_all(self.match, distances), over_all(self.value, masked)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        found: torch.Tensor = self.out(attended.transpose(1, 2).unflatten(2, target.shape[2:]))
        return found

    def _decoded(self, x: torch.Tensor) -> torch.Tensor:
        for i, layer in enumerate(self.decoder):
            x = layer(functional.interpolate(x, scale_factor=2, mode="nearest") if i else x)
        found: torch.Tensor = self.last(x)
        return found


class _Normed(nn.Module):  # type: ignore[misc,unused-ignore]
    """A convolution with spectral norm, followed by instance norm and ReLU."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv2d(into, out, 3, stride, padding=1))
        self.norm = nn.InstanceNorm2d(out, NORM_EPSILON, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layer: N, into, H, W to N, out, H, W, or half of that size."""
        return functional.relu(self.norm(self.conv(x)))


def _encoder(planes: int, width: int) -> nn.ModuleList:
    return nn.ModuleList([_Normed(planes, width), _Normed(width, 2 * width, 2), _Normed(2 * width, 4 * width, 2)])


def _run(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _block(layers: nn.ModuleList, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Run a residual block whose norms are set by the style: its first half shifts, its second half scales."""
    shift, scale = style[:, :, None, None].chunk(2, 1)
    y = x
    for i, layer in enumerate(layers):
        y = functional.instance_norm(layer(y), eps=STYLE_EPSILON) * scale + shift
        y = functional.relu(y) if i < len(layers) - 1 else y
    return functional.relu(x + y)


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x.float(), scale_factor=4, mode="nearest")


NETS: tuple[type[nn.Module], ...] = (ColorTransform,)


def to_onnx(net: ColorTransform) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    return colour_transform(arrays(net))


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    return rebuild_by_names(proto, ColorTransform, "embedder.0.weight", ColorTransform, to_onnx)


def make(network: Any) -> ColorTransform:
    """Make an untrained network from a recipe's [network]."""
    return ColorTransform(network.width)
