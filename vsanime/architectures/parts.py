"""Pieces from which networks with several inputs and shared weights are written as plain ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from vsanime.architectures.writer import IR_VERSION, OPSET, Array, NetWriter

# A dimension of an input or output: a number, or the name of one that is free.
type Dimension = int | str


class PartWriter(NetWriter):
    """Writes layers by the names of their weights; what is used twice is stored once.

    Args:
        weights: arrays by name, as a state-dict has them.
        leak: slope of leaky ReLU below nought.
    """

    def __init__(self, weights: Mapping[str, Array], leak: float) -> None:
        super().__init__()
        self.arrays = weights
        self._leak = leak
        self._stored: set[str] = set()
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    # Ends

    def input(self, name: str, *shape: Dimension) -> str:
        """Declares an f32 input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, name: str, *shape: Dimension) -> str:
        """Declares a tensor an f32 output under its own name."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def model(self) -> onnx.ModelProto:
        """The checked model."""
        graph = helper.make_graph(self._nodes, "net", self._inputs, self._outputs, self._weights)
        model = helper.make_model(
            graph, producer_name="vsanime", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    # Constants

    def stored(self, name: str, value: Array | float | Sequence[int]) -> str:
        """A constant, once however often it is asked for."""
        if name not in self._stored:
            self._stored.add(name)
            self.constant(name, value)
        return name

    def number(self, value: float) -> str:
        """A single f32."""
        return self.stored(f"number_{value!r}", np.array(float(value)))

    def integers(self, *values: int) -> str:
        """A list of int64."""
        return self.stored("integers_" + "_".join(map(str, values)), np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """A single int64."""
        return self.stored(f"integer_{value}", np.array(value, np.int64))

    # Layers

    def layer(self, name: str, x: str, *, stride: int = 1, dilation: int = 1) -> str:
        """Adds a convolution, padded with zeros so that the size stays or is divided by the stride."""
        weight = self.arrays[f"{name}.weight"]
        kernel = list(weight.shape[2:])
        inputs = [x, self.stored(f"{name}.weight", weight)]
        if f"{name}.bias" in self.arrays:
            inputs.append(self.stored(f"{name}.bias", self.arrays[f"{name}.bias"]))
        more: dict[str, Any] = {"dilations": [dilation] * 2} if dilation > 1 else {}
        pads = [dilation * (kernel[0] // 2)] * 4
        return self.node("Conv", inputs, kernel_shape=kernel, pads=pads, strides=[stride] * 2, **more)

    def leaky(self, x: str) -> str:
        """Adds leaky ReLU."""
        return self.node("LeakyRelu", [x], alpha=self._leak)

    def active(self, name: str, x: str, *, stride: int = 1) -> str:
        """Adds a convolution and leaky ReLU."""
        return self.leaky(self.layer(name, x, stride=stride))

    def chain(self, name: str, x: str, count: int, *, stride: int = 1) -> str:
        """Adds `name.0` to `name.(count - 1)`, all with leaky ReLU; the stride is the first one's."""
        for i in range(count):
            x = self.active(f"{name}.{i}", x, stride=1 if i else stride)
        return x

    # Shapes

    def joined(self, *tensors: str, axis: int = 1, name: str | None = None) -> str:
        """Adds a concatenation, of channels unless said otherwise."""
        return self.node("Concat", list(tensors), name, axis=axis)

    def sliced(self, x: str, start: int, end: int, *, axis: int = 1, name: str | None = None) -> str:
        """Adds a slice, of channels unless said otherwise."""
        return self.node("Slice", [x, self.integers(start), self.integers(end), self.integers(axis)], name)

    def reshaped(self, x: str, *shape: int, name: str | None = None) -> str:
        """Adds a change of shape: 0 keeps the dimension in that place, one -1 is what is left."""
        return self.node("Reshape", [x, self.integers(*shape)], name)

    def size(self, x: str, axis: int) -> str:
        """Adds the length of an axis, a single int64."""
        return self.node("Gather", [self.node("Shape", [x]), self.integer(axis)], axis=0)

    def nearest(self, x: str, times: int, *, name: str | None = None) -> str:
        """Adds an enlargement by repetition."""
        scales = self.stored(f"times_{times}", np.array([1.0, 1.0, times, times]))
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", scales], name, **modes)
