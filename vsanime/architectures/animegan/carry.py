"""Initializes AnimeGANv2's generator so that it reproduces the photograph, soft and in color, from the start.

Six channels of every layer, R, G and B and their negatives, carry a quarter-size copy of the photograph; the others
keep their random weights. Leaky ReLU preserves the value of a pair: for x and -x, the outputs differ by 1.2 x. The
published initialization learns the copy in some hundred steps of twelve pictures, which take a GPU a minute and a CPU
hours.
"""

from __future__ import annotations

import torch
from torch import nn

from vsanime.architectures.animegan.module import Generator
from vsanime.architectures.animegan.onnx import LEAK

_PLANES = 3
_PAIRS = 2 * _PLANES
_LINEAR = 1 / 2  # a pair without activation differs by 2 x
_RECTIFIED = 1 / (1 + LEAK)
_GAIN = 0.5  # layer norm gives unit deviation; photographs on [-1, 1] have about half of that
_QUIET = 0.1  # factor of the random channels in the output


def carry_colors(net: Generator) -> None:
    """Change a fresh generator so that it returns the photograph, shrunk to a quarter of its size and doubled twice."""
    layers = [*net.block_a, *net.block_b, net.block_c[0]]
    first, down = layers[0], layers[1:]
    widening, residuals = net.block_c[1], list(net.block_c)[2:-1]
    with torch.no_grad():
        _pass_planes(first[1])
        for layer in (*down, widening.layers[0]):
            _pass_pairs(layer[1], _RECTIFIED)
        _pass_each(widening.layers[1][1])
        _pass_pairs(widening.layers[2], _RECTIFIED)
        for block in residuals:  # initially they add nothing
            block.layers[3].weight.zero_()
        _pass_pairs(net.block_c[-1][1], _LINEAR)  # residual blocks end without an activation
        for layer in (*net.block_d, *net.block_e):
            _pass_pairs(layer[1], _RECTIFIED)
        _show(net.out_layer[0])


def _taps(convolution: nn.Conv2d) -> torch.Tensor:
    """Return taps that copy the center, or average all taps if the convolution halves the size."""
    size = convolution.kernel_size[0]
    if convolution.stride[0] == 2:
        return torch.full((size, size), 1 / size**2)
    taps = torch.zeros(size, size)
    taps[size // 2, size // 2] = 1
    return taps


def _pass_planes(convolution: nn.Conv2d) -> None:
    """Turn R, G and B into pairs."""
    weight, taps = convolution.weight, _taps(convolution)
    weight[:_PAIRS] = 0
    for plane in range(_PLANES):
        weight[plane, plane], weight[_PLANES + plane, plane] = taps, -taps


def _pass_pairs(convolution: nn.Conv2d, factor: float) -> None:
    """Turn the differences of pairs into pairs."""
    weight, taps = convolution.weight, factor * _taps(convolution)
    weight[:_PAIRS] = 0
    for plane in range(_PLANES):
        for row, sign in ((plane, 1), (_PLANES + plane, -1)):
            weight[row, plane], weight[row, _PLANES + plane] = sign * taps, -sign * taps


def _pass_each(convolution: nn.Conv2d) -> None:
    """Pass pairs through a depthwise convolution; its second leaky ReLU in a row costs little accuracy."""
    convolution.weight[:_PAIRS, 0] = _taps(convolution)


def _show(convolution: nn.Conv2d) -> None:
    """Turn the differences of pairs into R, G and B."""
    weight = convolution.weight
    weight.mul_(_QUIET)
    weight[:, :_PAIRS] = 0
    for plane in range(_PLANES):
        weight[plane, plane], weight[plane, _PLANES + plane] = _GAIN, -_GAIN
