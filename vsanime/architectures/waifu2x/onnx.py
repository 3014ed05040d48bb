"""Writes waifu2x's UpConv_7 and VGG_7 as plain ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isclose

import onnx

from vsanime.architectures.base import Imported
from vsanime.architectures.deduce import check_layer, describe, describe_widths
from vsanime.architectures.layers import Layer, check_chain
from vsanime.architectures.writer import NetWriter
from vsanime.errors import VsanimeError

# The networks convolve without padding; replicating this many border pixels first keeps the size.
MARGIN = 7
# Slope and number of layers of every network of the family.
LEAK = 0.1
LAYERS = 7
# The slope is stored with at least 6 digits.
_SLOPE_TOLERANCE = 1e-4
_LEAKY = f"leaky ReLU of slope {LEAK}"


def upconv(layers: Sequence[Layer]) -> onnx.ModelProto:
    """Return an UpConv_7: replicated margin, 3x3 convolutions with leaky ReLU, a transposed one (4x4, stride 2).

    Raises:
        VsanimeError: if the shapes are not those of UpConv_7, or do not fit together.
    """
    *convs, last = layers
    check_chain([*convs, Layer(last.weight.transpose(1, 0, 2, 3))])
    if len(convs) != LAYERS - 1 or last.weight.shape[2:] != (4, 4):
        raise VsanimeError(
            f"{len(convs)} convolutions and a transposed one of {last.weight.shape[2:]}; UpConv_7 has 6 and one of 4x4"
        )
    writer = NetWriter(leak=LEAK)
    x = _valid(writer, convs)
    x = writer.conv_transpose(x, f"conv{len(convs)}", last, stride=2, pad=3)
    return writer.finish(x, (convs[0].weight.shape[1], last.weight.shape[1]), 2, shuffle=False)


def vgg(layers: Sequence[Layer]) -> onnx.ModelProto:
    """Return a VGG_7: replicated margin, seven valid 3x3 convolutions, leaky ReLU after all but the last.

    Raises:
        VsanimeError: if the shapes are not those of VGG_7, or do not fit together.
    """
    check_chain(layers)
    if len(layers) != LAYERS or any(layer.weight.shape[2:] != (3, 3) for layer in layers):
        raise VsanimeError(f"{len(layers)} convolutions; VGG_7 has 7 of 3x3")
    writer = NetWriter(leak=LEAK)
    x = writer.conv(_valid(writer, layers[:-1]), f"conv{len(layers) - 1}", layers[-1], pad=0)
    return writer.finish(x, (layers[0].weight.shape[1], layers[-1].weight.shape[0]), 1)


def _valid(writer: NetWriter, layers: Sequence[Layer]) -> str:
    margin = [0, 0, MARGIN, MARGIN]
    x = writer.node("Pad", ["input", writer.constant("margin", margin * 2)], mode="edge")
    for i, layer in enumerate(layers):
        x = writer.activation(writer.conv(x, f"conv{i}", layer, pad=0), "leaky")
    return x


@dataclass(frozen=True)
class Step:
    """One convolution of a chain, as its file describes it.

    Attributes:
        layer: weights and biases; [in, out, kernel, kernel] for a transposed convolution.
        transposed: whether it is a transposed convolution.
        stride: pixels from one window to the next along each axis.
        pad: padding in pixels on each side.
        slope: slope of the leaky ReLU that follows; None for no activation.
    """

    layer: Layer
    transposed: bool = False
    stride: int = 1
    pad: int = 0
    slope: float | None = None

    @property
    def kernel(self) -> tuple[int, ...]:
        """Height and width of the kernel."""
        return self.layer.weight.shape[2:]

    def __str__(self) -> str:
        into, out = self.layer.weight.shape[:2] if self.transposed else self.layer.weight.shape[1::-1]
        kind = "transposed convolution" if self.transposed else "convolution"
        after = "no activation" if self.slope is None else f"slope {self.slope:g}"
        size = "x".join(map(str, self.kernel))
        return f"a {size} {kind} {into} to {out}, stride {self.stride}, padding {self.pad}, {after}"


def waifu2x(steps: Sequence[Step]) -> Imported:
    """Return the UpConv_7 or VGG_7 of a chain, with its summary.

    Raises:
        VsanimeError: if it is neither; the message says which layer differs.
    """
    for i, step in enumerate(steps):
        check_layer(i, step.layer, step.transposed)
    if len(steps) != LAYERS:
        raise VsanimeError(f"{len(steps)} convolutions one after another; UpConv_7 and VGG_7 have {LAYERS}")
    for i, step in enumerate(steps[:-1]):
        if step.transposed or _geometry(step) != ((3, 3), 1, 0) or not _leaks(step):
            raise VsanimeError(
                f"layer {i} is {step}; UpConv_7 and VGG_7 have 3x3 convolutions without padding, slope {LEAK}"
            )
    last = steps[-1]
    layers = [step.layer for step in steps]
    if last.slope is None and last.transposed and _geometry(last) == ((4, 4), 2, 3):
        bias = last.layer.bias
        # Most formats cannot omit a bias and store zeros.
        layers[-1] = last.layer if bias is not None and bias.any() else replace(last.layer, bias=None)
        return describe(
            upconv(layers), "upconv_7", f"UpConv_7, {describe_widths(layers[:-1])}, scale 2", layers, _LEAKY
        )
    if last.slope is None and not last.transposed and _geometry(last) == ((3, 3), 1, 0):
        return describe(vgg(layers), "vgg_7", f"VGG_7, {describe_widths(layers[:-1])}, scale 1", layers, _LEAKY)
    raise VsanimeError(
        f"the last layer is {last}; UpConv_7 ends in a 4x4 transposed convolution, stride 2, padding 3, "
        "VGG_7 in a 3x3 convolution without padding, neither with an activation"
    )


def _geometry(step: Step) -> tuple[tuple[int, ...], int, int]:
    return step.kernel, step.stride, step.pad


def _leaks(step: Step) -> bool:
    return step.slope is not None and isclose(step.slope, LEAK, abs_tol=_SLOPE_TOLERANCE)
