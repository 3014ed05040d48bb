"""Defines the discriminators of AnimeGANv2 (pictures of a style or not) and of colorization (true colors or not).

Both have spectral norms. Every call in training mode runs one more power iteration toward the largest singular values,
so the output depends on the calls before; the vectors of the iteration are buffers, which checkpoints have to hold.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from vsanime.architectures.animegan.onnx import LEAK, TF_EPSILON
from vsanime.errors import VsanimeError

WIDTH = 32  # channels of the first convolution
PAIR_WIDTH = 64
_STD = 0.02  # standard deviation of initial weights


class Discriminator(nn.Sequential):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """AnimeGANv2's discriminator, 1,128,800 weights: seven convolutions with spectral norm and without biases.

    It takes RGB in [-1, 1], shape (N, 3, H, W) with H and W multiples of 4, and returns (N, 1, H / 4, W / 4): 1 for
    what belongs to the style, 0 for what does not.

    Args:
        width: channels of the first convolution; the others, but for the last, have multiples of it.
    """

    def __init__(self, width: int = WIDTH) -> None:
        if width < 1:
            raise VsanimeError(f"AnimeGAN: the discriminator's width is 1 or more, not {width}")
        super().__init__(
            *_layer(3, width),
            *_layer(width, 2 * width, stride=2),
            *_layer(2 * width, 4 * width, norm=True),
            *_layer(4 * width, 4 * width, stride=2),
            *_layer(4 * width, 8 * width, norm=True),
            *_layer(8 * width, 8 * width, norm=True),
            _convolution(8 * width, 1),
        )


class PairDiscriminator(nn.Sequential):  # type: ignore[misc,unused-ignore]
    """The discriminator of line colorization, 1,556,161 weights: five convolutions of stride 2 on lines and colors.

    It takes line art and RGB in [0, 1], shape (N, 4, H, W), and returns logits (N, 1, H / 32, W / 32), rounded up.

    Args:
        width: channels of the first convolution; the others, but for the last, have multiples of it.
    """

    def __init__(self, width: int = PAIR_WIDTH) -> None:
        sizes = (4, width, 2 * width, 4 * width, 8 * width, 1)
        layers: list[nn.Module] = []
        for into, out in pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(into, out, 3, 2, padding=1)), nn.LeakyReLU(LEAK)]
        super().__init__(*layers[:-1])


def _layer(into: int, out: int, *, stride: int = 1, norm: bool = False) -> list[nn.Module]:
    """Return a convolution, a layer norm over channels, height and width if `norm` is set, and a leaky ReLU."""
    norms = [nn.GroupNorm(1, out, TF_EPSILON)] if norm else []
    return [_convolution(into, out, stride), *norms, nn.LeakyReLU(LEAK)]


def _convolution(into: int, out: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d(into, out, 3, stride, padding=1, bias=False)
    nn.init.normal_(convolution.weight, std=_STD)
    normed: nn.Module = spectral_norm(convolution)
    return normed
