"""Defines the bundled Color Transform Network in torch: it colors line art from two keys warped onto it by flow.

For each pixel it blends the two warped keys and the color that attention copies from anywhere in the keys, and adds a
residual. Untrained it returns the prior blend of the warped keys. Its layers are described in
`vsanime.architectures.colornet.onnx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.colornet.onnx import CELL, LEAK, LEAST_WEIGHT, MULTIPLE, TAPS, UNASKED, WAVES, colour
from vsanime.architectures.limit import clamp_unit
from vsanime.architectures.weights import arrays, rebuild_by_names
from vsanime.errors import VsanimeError

WIDTH = 24
_SLIMMEST, _WIDEST = 8, 128
_LIKENESS = 7.0  # logit of a cell's own position before training: about the logarithm of the number of cells


@dataclass(frozen=True)
class Colored:
    """The outputs of the network, each B, 3, H, W.

    Attributes:
        colour: RGB in [0, 1].
        weights: blend weights of the first warped key, the second and the copied color; they sum to 1.
        copied: RGB that attention copied.
        residual: RGB that is added to the blend.
    """

    colour: torch.Tensor
    weights: torch.Tensor
    copied: torch.Tensor
    residual: torch.Tensor

    @property
    def inner_colors(self) -> tuple[torch.Tensor, ...]:
        """The colors that inner layers predict, for the latent loss."""
        return (self.copied,)


class ColorNet(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The bundled Color Transform Network.

    Args:
        width: channels at full size, an even number from 8 to 128.
    """

    multiple = MULTIPLE

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        if not _SLIMMEST <= width <= _WIDEST or width % 2:
            raise VsanimeError(f"colour: width is an even number from {_SLIMMEST} to {_WIDEST}, not {width}")
        self.width = width
        half, quarter, eighth = 3 * width // 2, 2 * width, 3 * width
        self.lines = LineEncoder(width)
        self.colours = ColorEncoder(width)
        depth = 2 * width
        self.query, self.key = nn.Conv2d(eighth, depth, 1), nn.Conv2d(eighth, depth, 1)
        for name in ("query_down", "query_across", "key_down", "key_across"):
            setattr(self, name, nn.Linear(2 * len(WAVES), depth, bias=False))
        seen = 6 + 2 + 2 + 3  # warped keys, errors, prior, difference of the warped keys
        self.evidence = nn.ModuleDict(
            {"by2": _conv(1 + seen, width, 2), "by4": _conv(width, half, 2), "by8": _conv(half, quarter, 2)}
        )
        copied = 3 + quarter
        self.decoder = nn.ModuleDict(
            {
                "by8": _chain(eighth + copied + quarter, eighth, eighth),
                "to_by4": nn.Conv2d(eighth, quarter, 1),
                "by4": _conv(quarter + quarter + half, quarter),
                "to_by2": nn.Conv2d(quarter, half, 1),
                "by2": _conv(half + half + width, half),
                "to_full": nn.Conv2d(half, width, 1),
                "full": _chain(width + seen + 3, width, width),
                "head": _conv(width, 6),
            }
        )
        self.enlargement = nn.ModuleList([_conv(eighth, eighth), nn.Conv2d(eighth, TAPS * CELL**2, 1)])
        one_hot = torch.eye(TAPS).reshape(TAPS, 1, 3, 3).repeat(3, 1, 1, 1)
        self.register_buffer("neighbours", one_hot, persistent=False)
        initialize(self)

    def forward(
        self,
        line: torch.Tensor,
        key_lines: torch.Tensor,
        key_colours: torch.Tensor,
        warped: torch.Tensor,
        errors: torch.Tensor,
        prior: torch.Tensor,
    ) -> Colored:
        """Run the network on values in [0, 1]; H and W are multiples of 16.

        Args:
            line: line art of the target, B, 1, H, W.
            key_lines: line art of the keys, B, K, 1, H, W.
            key_colours: RGB of the keys, B, K, 3, H, W.
            warped: both keys warped onto the target, B, 2, 3, H, W.
            errors: line error of each warped key, B, 2, 1, H, W.
            prior: blend weights of the warped keys without a network, B, 2, 1, H, W.
        """
        features, values = self.keys(key_lines, key_colours)
        lines = self.lines(line)
        attended = self.attended(lines[3], features, values)
        evidence = self._evidence(line, warped.flatten(1, 2), errors.flatten(1, 2), prior.flatten(1, 2))
        deep = _run(self.decoder["by8"], torch.cat([lines[3], attended, evidence[3]], 1))
        copied = self._enlarged(deep, attended[:, :3])
        x = self._merged("by4", deep, lines[2], evidence[2])
        x = self._merged("by2", x, lines[1], evidence[1])
        x = lines[0] + _double(self.decoder["to_full"](x))
        x = _run(self.decoder["full"], torch.cat([x, evidence[0], copied], 1))
        return _mix(self.decoder["head"](x).float(), prior.flatten(1, 2), warped, copied.float())

    def keys(self, key_lines: torch.Tensor, key_colours: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features, B, K, d, N, and values, B, K, c, N, of each key independently; N = H * W / 64."""
        count, keys = key_lines.shape[:2]
        lines, colours = key_lines.flatten(0, 1), key_colours.flatten(0, 1)
        features = self._placed("key", self.lines(lines)[3])
        values = torch.cat([functional.avg_pool2d(colours, CELL), self.colours(colours, lines)], 1)
        return tuple(x.flatten(2).unflatten(0, (count, keys)) for x in (features, values))

    def attended(self, eighth: torch.Tensor, features: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the values that attention copies from all cells of all keys.

        Args:
            eighth: line features of the target, B, C, H / 8, W / 8.
            features: features of the keys, B, K, d, N.
            values: values of the keys, B, K, c, N.

        Returns:
            B, c, H / 8, W / 8.
        """
        queries = self._placed("query", eighth).flatten(2).transpose(1, 2)
        keys, found = (x.permute(0, 1, 3, 2).flatten(1, 2) for x in (features, values))
        # All three need one type: under autocast the averaged colors are f32.
        attended = functional.scaled_dot_product_attention(queries, keys.to(queries.dtype), found.to(queries.dtype))
        return attended.transpose(1, 2).unflatten(2, eighth.shape[2:])

    def _placed(self, kind: str, eighth: torch.Tensor) -> torch.Tensor:
        """Return the projected features plus the projected positions, B, d, H / 8, W / 8."""
        height, width = eighth.shape[2:]
        waves = torch.tensor(WAVES, device=eighth.device)

        def place(name: str, count: int) -> torch.Tensor:
            numbers = torch.arange(count, device=eighth.device, dtype=torch.float32)
            phases = (2 * numbers + 1 - count)[:, None] / height * waves
            projected: torch.Tensor = getattr(self, f"{kind}_{name}")(torch.cat([phases.sin(), phases.cos()], 1))
            return projected.T

        found: torch.Tensor = getattr(self, kind)(eighth)
        return found + place("down", height)[None, :, :, None] + place("across", width)[None, :, None, :]

    def _evidence(
        self, line: torch.Tensor, warped: torch.Tensor, errors: torch.Tensor, prior: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return warped keys, line errors, prior and key difference, at 1, 1/2, 1/4 and 1/8 of the size."""
        full = torch.cat([warped, errors, prior, (warped[:, :3] - warped[:, 3:]).abs()], 1)
        half = _leaky(self.evidence["by2"](torch.cat([line, full], 1)))
        quarter = _leaky(self.evidence["by4"](half))
        return [full, half, quarter, _leaky(self.evidence["by8"](quarter))]

    def _merged(self, level: str, x: torch.Tensor, lines: torch.Tensor, evidence: torch.Tensor) -> torch.Tensor:
        """Return features at twice the size, joined with lines and evidence of that size."""
        large = _double(self.decoder[f"to_{level}"](x))
        return _leaky(self.decoder[level](torch.cat([large, lines, evidence], 1)))

    def _enlarged(self, deep: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Return the cells' colors at full size; each pixel is a convex mixture of its cell and the eight around it."""
        logits = self.enlargement[1](_leaky(self.enlargement[0](deep)))
        shares = functional.pixel_shuffle(logits, CELL).softmax(1)
        padded = functional.pad(cells, (1,) * 4, mode="replicate")
        around = functional.conv2d(padded, self.neighbours.to(padded.dtype), groups=3)
        large = functional.interpolate(around, scale_factor=CELL, mode="nearest").unflatten(1, (3, TAPS))
        return (large * shares[:, None]).sum(2)


class LineEncoder(nn.Module):  # type: ignore[misc,unused-ignore]
    """A U-Net over line art, shared by target and keys; a feature at 1/8 of the size sees more than 100 pixels.

    Args:
        width: channels at full size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half, quarter, eighth, deep = 3 * width // 2, 2 * width, 3 * width, 4 * width
        self.stem = _conv(1, width)
        self.by2 = _chain(width, half, half, stride=2)
        self.by4 = _chain(half, quarter, quarter, stride=2)
        self.by8 = _chain(quarter, eighth, eighth, stride=2)
        self.by16 = _chain(eighth, deep, deep, deep, stride=2)
        self.back = nn.Conv2d(deep, eighth, 1)
        self.last = _conv(eighth, eighth)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return features at 1, 1/2, 1/4 and 1/8 of the size of line art N, 1, H, W."""
        full = _leaky(self.stem(x))
        half = _run(self.by2, full)
        quarter = _run(self.by4, half)
        eighth = _run(self.by8, quarter)
        joined = eighth + _double(self.back(_run(self.by16, eighth)))
        return [full, half, quarter, _leaky(self.last(joined))]


class ColorEncoder(nn.Module):  # type: ignore[misc,unused-ignore]
    """The encoder of learned values, copied along with RGB; it has no norm, since one would remove the absolute color.

    Args:
        width: channels at half size; 2 * width come out at 1/8.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.by2 = _conv(4, width, 2)
        self.by4 = _chain(width, 3 * width // 2, 3 * width // 2, stride=2)
        self.by8 = _conv(3 * width // 2, 2 * width, 2)

    def forward(self, colours: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
        """Return N, 2 * width, H / 8, W / 8 of RGB N, 3, H, W and its line art N, 1, H, W."""
        x = _leaky(self.by2(torch.cat([colours, lines], 1)))
        found: torch.Tensor = self.by8(_run(self.by4, x))
        return found


def initialize(net: ColorNet) -> None:
    """Initialize with He weights; attention prefers similar lines and near positions, head and enlargement are zero."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, LEAK, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    # Queries and keys start with equal projections, so that equal features match.
    near = (_LIKENESS / (net.query.out_channels**0.5 * 2 * len(WAVES))) ** 0.5
    with torch.no_grad():
        net.key.weight.copy_(net.query.weight)
        for axis in ("down", "across"):
            nn.init.normal_(getattr(net, f"query_{axis}").weight, std=near)
            getattr(net, f"key_{axis}").weight.copy_(getattr(net, f"query_{axis}").weight)
    for layer in (net.decoder["head"], net.enlargement[1]):
        nn.init.zeros_(layer.weight)


def _mix(head: torch.Tensor, prior: torch.Tensor, warped: torch.Tensor, copied: torch.Tensor) -> Colored:
    """Return the blend of the three pictures plus the residual, with its weights and parts."""
    unasked = functional.pad((prior.float() + LEAST_WEIGHT).log(), (0, 0, 0, 0, 0, 1), value=UNASKED)
    weights = (head[:, :3] + unasked).softmax(1)
    residual = head[:, 3:]
    pictures = torch.cat([warped.float(), copied[:, None]], 1)
    total = (weights[:, :, None] * pictures).sum(1) + residual
    return Colored(clamp_unit(total), weights, copied, residual)


def _conv(into: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, stride, padding=1)


def _chain(into: int, *widths: int, stride: int = 1) -> nn.ModuleList:
    """Return consecutive convolutions; only the first has the stride."""
    pairs = zip((into, *widths), widths, strict=False)
    return nn.ModuleList(_conv(a, b, 1 if i else stride) for i, (a, b) in enumerate(pairs))


def _run(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = _leaky(layer(x))
    return x


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, LEAK)


def _double(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


NETS: tuple[type[nn.Module], ...] = (ColorNet,)


def to_onnx(net: ColorNet) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    return colour(arrays(net))


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX."""
    return rebuild_by_names(proto, ColorNet, "lines.stem.weight", ColorNet, to_onnx)


def make(network: Any) -> ColorNet:
    """Make an untrained network from a recipe's [network]."""
    return ColorNet(network.width)
