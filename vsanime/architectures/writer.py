"""Writes the networks of this project as plain ONNX from their weights; every importer ends in this form.

A plain network has the input `input`, 1 x channels x height x width, and the output `output`, both f32 with free height
and width; networks with several inputs declare their own. Layers are arrays, in the order in which a picture passes
them; every size is read from their shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.graphs.writer import ModelWriter

# The constants of SELU (Klambauer et al. 2017), as in every framework.
_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805

# A dimension of an input or output: a number, or the name of a free dimension.
type Dimension = int | str


class NetWriter(ModelWriter):
    """A builder of a plain network's graph; every method that adds a node returns the name of its output.

    Args:
        weights: arrays by state-dict name, for networks whose layers are written by name.
        leak: slope of leaky ReLU for negative values.
    """

    def __init__(self, weights: Mapping[str, Array] | None = None, leak: float = 0.0) -> None:
        super().__init__()
        self.arrays = weights or {}
        self._leak = leak
        self._stored: set[str] = set()

    def constant(self, name: str, value: Array | float | Sequence[int]) -> str:
        """Add a weight: int64 for integers, else f32."""
        array = np.asarray(value)
        kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
        return self.store(name, np.ascontiguousarray(array, kind).reshape(array.shape))

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        name = output or f"{op.lower()}{len(self._nodes)}"
        return self.add_node(op, inputs, name, None, attributes)

    def conv(self, x: str, name: str, layer: Layer, pad: int | None = None, *, stride: int = 1, groups: int = 1) -> str:
        """Add a convolution; `pad` is its zero padding in pixels, by default the padding that keeps the size."""
        kernel = list(layer.weight.shape[2:])
        around = kernel[0] // 2 if pad is None else pad
        # Omitted if they equal the defaults of ONNX.
        more: dict[str, Any] = {"strides": [stride] * 2} if stride > 1 else {}
        more |= {"group": groups} if groups > 1 else {}
        return self.node("Conv", self._parameters(x, name, layer), kernel_shape=kernel, pads=[around] * 4, **more)

    def conv_transpose(self, x: str, name: str, layer: Layer, stride: int, pad: int) -> str:
        """Add a transposed convolution."""
        kernel = list(layer.weight.shape[2:])
        inputs = self._parameters(x, name, layer)
        return self.node("ConvTranspose", inputs, kernel_shape=kernel, strides=[stride] * 2, pads=[pad] * 4)

    def activation(self, x: str, kind: str) -> str:
        """Add "relu", "silu" (x times its sigmoid, since this opset has no such operator), "leaky" or "selu"."""
        if kind == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if kind == "leaky":
            return self.leaky(x)
        if kind == "selu":
            return self.node("Selu", [x], alpha=_SELU_ALPHA, gamma=_SELU_GAMMA)
        return self.node("Relu", [x])

    def finish(self, x: str, planes: tuple[int, int], scale: int, *, shuffle: bool = True) -> onnx.ModelProto:
        """Clip `x` to [0, 1], shuffle it to `scale` times the size, and return the checked model.

        Args:
            x: last tensor.
            planes: channels of input and output.
            scale: output pixels per input pixel along each axis.
            shuffle: whether `x` still has `scale` squared channels per plane.
        """
        limits = [self.constant("clip.low", np.array(0.0)), self.constant("clip.high", np.array(1.0))]
        if scale > 1 and shuffle:
            self.node("DepthToSpace", [self.node("Clip", [x, *limits])], "output", blocksize=scale, mode="CRD")
        else:
            self.node("Clip", [x, *limits], "output")
        size = ("height", "width") if scale == 1 else ("out_height", "out_width")
        self.input("input", 1, planes[0], "height", "width")
        self.output("output", 1, planes[1], *size)
        return self.model()

    def _parameters(self, x: str, name: str, layer: Layer) -> list[str]:
        bias = [] if layer.bias is None else [self.constant(f"{name}.bias", layer.bias)]
        return [x, self.constant(f"{name}.weight", layer.weight), *bias]

    # Several inputs and outputs

    def input(self, name: str, *shape: Dimension) -> str:
        """Declare an f32 input."""
        return self.declare_input(name, "float32", shape)

    def output(self, name: str, *shape: Dimension) -> str:
        """Declare a tensor an f32 output under its own name."""
        return self.declare_output(name, "float32", shape)

    def model(self) -> onnx.ModelProto:
        """Return the checked model."""
        return self.build_model("net", producer_name="vsanime", full_check=True)

    # Constants

    def stored(self, name: str, value: Array | float | Sequence[int]) -> str:
        """Add a constant on the first call for a name, and return the name."""
        if name not in self._stored:
            self._stored.add(name)
            self.constant(name, value)
        return name

    def number(self, value: float) -> str:
        """Add an f32 scalar."""
        return self.stored(f"number_{value!r}", np.array(float(value)))

    def integers(self, *values: int) -> str:
        """Add an int64 vector."""
        return self.stored("integers_" + "_".join(map(str, values)), np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """Add an int64 scalar."""
        return self.stored(f"integer_{value}", np.array(value, np.int64))

    # Layers

    def layer(self, name: str, x: str, *, stride: int = 1, dilation: int = 1) -> str:
        """Add a convolution by name, with zero padding that keeps the size or divides it by the stride."""
        weight = self.arrays[f"{name}.weight"]
        kernel = list(weight.shape[2:])
        inputs = [x, self.stored(f"{name}.weight", weight)]
        if f"{name}.bias" in self.arrays:
            inputs.append(self.stored(f"{name}.bias", self.arrays[f"{name}.bias"]))
        more: dict[str, Any] = {"dilations": [dilation] * 2} if dilation > 1 else {}
        pads = [dilation * (kernel[0] // 2)] * 4
        return self.node("Conv", inputs, kernel_shape=kernel, pads=pads, strides=[stride] * 2, **more)

    def leaky(self, x: str) -> str:
        """Add a leaky ReLU."""
        return self.node("LeakyRelu", [x], alpha=self._leak)

    def active(self, name: str, x: str, *, stride: int = 1) -> str:
        """Add a convolution and a leaky ReLU."""
        return self.leaky(self.layer(name, x, stride=stride))

    def chain(self, name: str, x: str, count: int, *, stride: int = 1) -> str:
        """Add convolutions `name.0` to `name.(count - 1)`, each with leaky ReLU; only the first has the stride."""
        for i in range(count):
            x = self.active(f"{name}.{i}", x, stride=1 if i else stride)
        return x

    # Shapes

    def joined(self, *tensors: str, axis: int = 1, name: str | None = None) -> str:
        """Add a concatenation, by default of channels."""
        return self.node("Concat", list(tensors), name, axis=axis)

    def sliced(self, x: str, start: int, end: int, *, axis: int = 1, name: str | None = None) -> str:
        """Add a slice, by default of channels."""
        return self.node("Slice", [x, self.integers(start), self.integers(end), self.integers(axis)], name)

    def reshaped(self, x: str, *shape: int, name: str | None = None) -> str:
        """Add a reshape: 0 keeps the dimension at that position, -1 infers one."""
        return self.node("Reshape", [x, self.integers(*shape)], name)

    def size(self, x: str, axis: int) -> str:
        """Add the length of an axis as an int64 scalar."""
        return self.node("Gather", [self.node("Shape", [x]), self.integer(axis)], axis=0)

    def nearest(self, x: str, times: int, *, name: str | None = None) -> str:
        """Add an enlargement by repetition of pixels."""
        scales = self.stored(f"times_{times}", np.array([1.0, 1.0, times, times]))
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", scales], name, **modes)
