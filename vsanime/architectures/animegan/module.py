"""Defines AnimeGANv2's generator in torch, as its author trains it in TensorFlow.

Every convolution pads by reflection and is followed by a layer norm over channels, height and width, so that every
pixel depends on the whole picture. The names of the weights are those of the published PyTorch weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.animegan.onnx import LEAK, TF_EPSILON, TORCH_EPSILON, animegan
from vsanime.architectures.animegan.reading import weights_of
from vsanime.architectures.blocks import in_turn
from vsanime.architectures.weights import arrays
from vsanime.errors import VsanimeError

__all__ = ["NETS", "TF_EPSILON", "TORCH_EPSILON", "UPSAMPLES", "Generator", "from_onnx", "make", "to_onnx"]

_BLOCKS = 4
_EXPANSION = 2


def double_as_tf(x: torch.Tensor) -> torch.Tensor:
    """Double a picture as TensorFlow 1 does: sample i moves to 2i, and the mean of samples i and i + 1 to 2i + 1.

    The last row and column are repeated. In ONNX this is `Resize`, linear, asymmetric.

    Args:
        x: N, C, H, W.

    Returns:
        N, C, 2H, 2W.
    """
    height, width = x.shape[2:]
    nearest = functional.interpolate(functional.pad(x, (0, 1, 0, 1), mode="replicate"), scale_factor=2)
    return functional.avg_pool2d(nearest, 2, stride=1)[:, :, : 2 * height, : 2 * width]


def double_by_corners(x: torch.Tensor) -> torch.Tensor:
    """Double a picture with aligned corner samples: N, C, H, W to N, C, 2H, 2W."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def double_by_centers(x: torch.Tensor) -> torch.Tensor:
    """Double a picture with aligned picture edges: N, C, H, W to N, C, 2H, 2W."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


# Sample positions of the two up-samplings.
UPSAMPLES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tf": double_as_tf,  # styles trained in TensorFlow, and ours
    "align": double_by_corners,  # styles trained in PyTorch
    "half": double_by_centers,  # ports of the PyTorch styles
}


class Residual(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """An inverted residual block: a 1x1 convolution widens, a depthwise one filters, and a 1x1 one narrows again.

    The input is added if it has as many channels as the output.

    Args:
        into: input channels.
        out: output channels.
        epsilon: term added to the variance in the norms.
    """

    def __init__(self, into: int, out: int, epsilon: float) -> None:
        super().__init__()
        wide = _EXPANSION * into
        self.adds = into == out
        self.layers = nn.Sequential(
            normalize(into, wide, 1, epsilon=epsilon),
            normalize(wide, wide, groups=wide, bias=True, epsilon=epsilon),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.GroupNorm(1, out, epsilon),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block: N, into, H, W to N, out, H, W."""
        return x + self.layers(x) if self.adds else self.layers(x)


class Generator(nn.Module):  # type: ignore[misc,unused-ignore]
    """AnimeGANv2's generator, 2,143,552 weights.

    Args:
        upsample: key of `UPSAMPLES`.
        epsilon: term added to the variance in the norms, `TF_EPSILON` or `TORCH_EPSILON`.
    """

    margin = 0
    scale = 1
    multiple = 4

    def __init__(self, upsample: str = "tf", *, epsilon: float = TF_EPSILON) -> None:
        super().__init__()
        if upsample not in UPSAMPLES:
            raise VsanimeError(f"AnimeGAN: upsample is one of {', '.join(UPSAMPLES)}, not {upsample!r}")
        if not 0 < epsilon < 1:
            raise VsanimeError(f"AnimeGAN: epsilon is above 0 and below 1, not {epsilon!r}")
        self.upsample = upsample
        self.epsilon = epsilon
        self.recompute = False

        def block(*layers: tuple[int, int, int, int]) -> nn.Sequential:
            return nn.Sequential(*(normalize(*layer, epsilon=epsilon) for layer in layers))

        self.block_a = block((3, 32, 7, 1), (32, 64, 3, 2), (64, 64, 3, 1))
        self.block_b = block((64, 128, 3, 2), (128, 128, 3, 1))
        self.block_c = nn.Sequential(
            normalize(128, 128, epsilon=epsilon),
            *(Residual(into, 256, epsilon) for into in (128, *[256] * (_BLOCKS - 1))),
            normalize(256, 128, epsilon=epsilon),
        )
        self.block_d = block((128, 128, 3, 1), (128, 128, 3, 1))
        self.block_e = block((128, 64, 3, 1), (64, 64, 3, 1), (64, 32, 7, 1))
        self.out_layer = nn.Sequential(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh())
        initialize(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network.

        Args:
            x: N, 3, H, W, RGB in [-1, 1]; H and W multiples of 4, 8 or more.

        Returns:
            N, 3, H, W, RGB in (-1, 1).
        """
        double = UPSAMPLES[self.upsample]
        down = [*self.block_a, *self.block_b, *self.block_c]
        return in_turn(
            [*down, double, *self.block_d, double, *self.block_e, self.out_layer], x, recompute=self.recompute
        )


def normalize(
    into: int, out: int, kernel: int = 3, stride: int = 1, *, groups: int = 1, bias: bool = False, epsilon: float
) -> nn.Sequential:
    """Make a reflection padding, convolution, layer norm and leaky ReLU.

    Args:
        into: input channels.
        out: output channels.
        kernel: taps along each axis.
        stride: 1, or 2 to halve the size, with padding at the right and bottom only, as in TensorFlow.
        groups: `into` for a depthwise convolution.
        bias: whether the convolution has a bias.
        epsilon: term added to the variance in the norm.
    """
    half = kernel // 2
    pad = (half,) * 4 if stride == 1 else (0, half, 0, half)
    return nn.Sequential(
        nn.ReflectionPad2d(pad),
        nn.Conv2d(into, out, kernel, stride, groups=groups, bias=bias),
        nn.GroupNorm(1, out, epsilon),
        nn.LeakyReLU(LEAK),
    )


def initialize(net: Generator) -> None:
    """Initialize convolutions with He weights by fan-in, as the author does, and zero biases; norms stay neutral."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


NETS: tuple[type[nn.Module], ...] = (Generator,)


def to_onnx(net: Generator) -> onnx.ModelProto:
    """Return the generator as plain ONNX, from [0, 1] to [0, 1]."""
    return animegan(arrays(net), net.upsample, net.epsilon)


def from_onnx(proto: onnx.ModelProto) -> Generator:
    """Return the generator of our ONNX or of another exporter's; reading the weights checks the graph."""
    weights = weights_of(proto)
    net = Generator(weights.upsample, epsilon=weights.epsilon)
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.arrays.items()})
    return net


def make(network: Any) -> Generator:
    """Make an untrained generator from a recipe's [network]."""
    return Generator(network.upsample)
