"""Defines ArtCNN in torch: the C (speed) and R (quality) networks that double luma or reconstruct chroma."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.artcnn.onnx import artcnn_c, artcnn_r
from vsanime.architectures.blocks import Layer, in_turn
from vsanime.architectures.layers import Layer as Weights
from vsanime.architectures.weights import layer, list_convolutions, rebuild
from vsanime.errors import VsanimeError

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "silu": functional.silu,  # in R weights published after mid-2025
}

# The public suffixes mean the same network for other planes (_Chroma) or trained on other degradations.
VARIANT_NAME = re.compile(r"(?P<arch>[CR])(?P<depth>\d+)F(?P<filters>\d+)(?P<chroma>_Chroma)?(?P<rest>_\w+)?")


class ArtCNN(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The base of the C and R networks: first convolution, inner part, long skip, last convolution, depth-to-space.

    The skip starts before any activation, so the path around `inner` is linear.

    Args:
        filters: channels of every hidden layer.
        in_planes: planes of the input, 1 for luma, 3 for chroma reconstruction.
        out_planes: planes of the output, 1 for luma, 2 for chroma.
        scale: 2 doubles, 1 keeps the size.
        activation: key of `ACTIVATIONS`.
    """

    margin = 0

    def __init__(self, filters: int, in_planes: int, out_planes: int, scale: int, activation: str) -> None:
        super().__init__()
        self.recompute = False
        if min(filters, in_planes, out_planes) < 1:
            raise VsanimeError(
                f"ArtCNN: filters and planes are at least 1, not {filters}, {in_planes} and {out_planes}"
            )
        if scale not in (1, 2):
            raise VsanimeError(f"ArtCNN: scale is 1 or 2, not {scale}")
        if scale == 2 and out_planes != in_planes:
            raise VsanimeError(f"ArtCNN: scale 2 has as many planes out as in, not {out_planes} from {in_planes}")
        if activation not in ACTIVATIONS:
            raise VsanimeError(f"ArtCNN: activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        self.filters = filters
        self.scale = scale
        self.activation = activation
        self.first = conv3x3(in_planes, filters)
        self.inner_last = conv3x3(filters, filters)
        self.last = conv3x3(filters, out_planes * scale * scale)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        """Run the non-linear part up to, and excluding, `inner_last`: N, F, H, W to the same shape."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network without the final clip, so that training keeps its gradient outside [0, 1].

        Args:
            x: N, in_planes, H, W in [0, 1].

        Returns:
            N, out_planes, scale * H, scale * W, not clipped.
        """
        skip = self.first(x)
        planes = self.last(self.inner_last(self.inner(skip)) + skip)
        return functional.pixel_shuffle(planes, self.scale)


class ArtCNNC(ArtCNN):
    """The C architecture: a plain stack of convolutions, made for speed.

    Args:
        layers: number of inner convolutions with an activation (4 in C4F16).
        filters: channels of every hidden layer (16 in C4F16).
        in_planes: planes of the input.
        out_planes: planes of the output.
        scale: 2 doubles, 1 keeps the size.
        activation: `relu` in every public C network.
    """

    def __init__(
        self,
        layers: int = 4,
        filters: int = 16,
        *,
        in_planes: int = 1,
        out_planes: int = 1,
        scale: int = 2,
        activation: str = "relu",
    ) -> None:
        super().__init__(filters, in_planes, out_planes, scale, activation)
        self.inner_convs = nn.ModuleList(conv3x3(filters, filters) for _ in range(layers))
        initialize(self)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        """Run the inner convolutions, each with its activation."""
        act = ACTIVATIONS[self.activation]

        def activated(conv: nn.Conv2d) -> Layer:
            return lambda x: act(conv(x))

        return in_turn([activated(conv) for conv in self.inner_convs], x, recompute=self.recompute)


class ResidualBlock(nn.Module):  # type: ignore[misc,unused-ignore]
    """Three convolutions, the first two with activations, whose result is added to the block's input.

    Args:
        filters: input and output channels.
        activation: key of `ACTIVATIONS`.
    """

    def __init__(self, filters: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.conv0 = conv3x3(filters, filters)
        self.conv1 = conv3x3(filters, filters)
        self.conv2 = conv3x3(filters, filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block: N, F, H, W to the same shape."""
        act = ACTIVATIONS[self.activation]
        return self.conv2(act(self.conv1(act(self.conv0(x))))) + x


class ArtCNNR(ArtCNN):
    """The R architecture: residual blocks, made for quality.

    Args:
        blocks: number of residual blocks (8 in R8F64).
        filters: channels of every hidden layer (64 in R8F64).
        in_planes: planes of the input.
        out_planes: planes of the output.
        scale: 2 doubles, 1 keeps the size.
        activation: `relu` in files up to mid-2025, `silu` in later ones.
    """

    def __init__(
        self,
        blocks: int = 8,
        filters: int = 64,
        *,
        in_planes: int = 1,
        out_planes: int = 1,
        scale: int = 2,
        activation: str = "relu",
    ) -> None:
        super().__init__(filters, in_planes, out_planes, scale, activation)
        self.blocks = nn.ModuleList(ResidualBlock(filters, activation) for _ in range(blocks))
        initialize(self)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        """Run the residual blocks."""
        return in_turn(self.blocks, x, recompute=self.recompute)


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Make a 3x3 convolution with bias that keeps the size by zero padding."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def initialize(net: ArtCNN) -> None:
    """Initialize layers before an activation with He weights, others with Glorot weights, and biases with zero."""
    linear = ("first", "inner_last", "last", "conv2")
    for name, module in net.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if name.rpartition(".")[2] in linear:
            nn.init.xavier_uniform_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
    if net.last.out_channels < net.first.in_channels:
        _pass_chroma_through(net)


def _pass_chroma_through(net: ArtCNN) -> None:
    """Initialize a chroma network to return its input's Cb and Cr; learning that alone takes thousands of steps."""
    planes = net.last.out_channels
    with torch.no_grad():
        net.last.weight.zero_()
        net.inner_last.weight[:planes] = 0
        for plane in range(planes):
            net.first.weight[plane] = 0
            net.first.weight[plane, plane + 1, 1, 1] = 1
            net.last.weight[plane, plane, 1, 1] = 1


def build(name: str, *, activation: str = "relu") -> ArtCNN:
    """Build the untrained network of a variant name.

    Args:
        name: name as in the cards: `C4F16`, `C4F32_DS`, `R8F64_Chroma`.
        activation: `relu` or `silu`.

    Raises:
        VsanimeError: if the name is not one of an ArtCNN luma or chroma variant.

    Example:
        >>> sum(p.numel() for p in build("C4F16").parameters())
        12340
    """
    match = VARIANT_NAME.fullmatch(name)
    if match is None or "JPEG" in name:
        raise VsanimeError(f"ArtCNN: no luma or chroma variant is called {name!r}; names look like C4F32 or R8F64_DS")
    planes = {"in_planes": 3, "out_planes": 2, "scale": 1} if match["chroma"] else {}
    network = ArtCNNC if match["arch"] == "C" else ArtCNNR
    return network(int(match["depth"]), int(match["filters"]), activation=activation, **planes)


NETS: tuple[type[nn.Module], ...] = (ArtCNNC, ArtCNNR)


def to_onnx(net: ArtCNNC | ArtCNNR) -> onnx.ModelProto:
    """Return the network as plain ONNX."""
    if isinstance(net, ArtCNNC):
        inner, write = list(net.inner_convs), artcnn_c
    else:
        inner, write = [conv for block in net.blocks for conv in (block.conv0, block.conv1, block.conv2)], artcnn_r
    return write([layer(conv) for conv in (net.first, *inner, net.inner_last, net.last)], net.activation)


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Return the network of a plain ONNX, ours or the author's."""
    return rebuild(proto, _build_empty, to_onnx)


def _build_empty(kinds: Sequence[str], layers: Sequence[Weights]) -> tuple[nn.Module, list[nn.Module]]:
    """Return a network to be filled with weights, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    widths = [int(layer.weight.shape[0]) for layer in layers]
    scale = 2 if "DepthToSpace" in kinds else 1
    out = widths[-1] // scale**2
    activation = "silu" if "Sigmoid" in kinds else "relu"
    if kinds.count("Add") == 1:
        inner = len(widths) - 3
        c = ArtCNNC(inner, widths[0], in_planes=planes, out_planes=out, scale=scale, activation=activation)
        return c, [c.first, *c.inner_convs, c.inner_last, c.last]
    blocks = len(widths) // 3 - 1
    r = ArtCNNR(blocks, widths[0], in_planes=planes, out_planes=out, scale=scale, activation=activation)
    inner_convs = [conv for block in r.blocks for conv in list_convolutions(block)]
    return r, [r.first, *inner_convs, r.inner_last, r.last]


def make(network: Any, _planes: int) -> ArtCNN:
    """Make an untrained network from a recipe's [network]; the variant determines the planes."""
    return build(network.variant, activation=network.activation)
