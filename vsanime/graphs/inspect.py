"""What a plain ONNX network does to sizes: its scale, receptive-field radius and size multiple, read from its nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.graphs.linear import find_linear_path
from vsanime.graphs.network import Network, attributes, read_network, read_tail

# Long enough that the middle of a line never sees its ends: the widest net of this project has a radius of 134.
_LINE = 1536
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class NetFacts:
    """What the size of a frame has to do with a network.

    Attributes:
        scale: output pixels per input pixel, each way.
        radius: input pixels beyond its own that an output pixel depends on, each way; None if it depends on the
            whole frame (norms, attention, pooling over the frame), so that tiles would change the result.
        multiple: width and height must be multiples of this.
        in_channels: channels of the input.
        out_channels: channels of the output.
        parameters: number of trained values.
        features: channels of the widest layer: what memory a tile needs goes with it.
        linear_path: whether the linear path can be split off (see `precision`).
    """

    scale: int
    radius: int | None
    multiple: int
    in_channels: int
    out_channels: int
    parameters: int
    features: int
    linear_path: bool


class _WholeFrameError(Exception):
    """An operation reaches over the whole frame, or its reach is not known."""


class _SizeError(Exception):
    """The network cannot take a line of this length."""


@dataclass(frozen=True)
class _Line:
    """For each sample of one row (or column) of a tensor: the first and the last input sample it depends on."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.low)

    def take(self, index: NDArray[np.int64]) -> _Line:
        return _Line(self.low[index], self.high[index])


def inspect(proto: onnx.ModelProto) -> NetFacts:
    """Reads scale, radius, size multiple and channels from a plain ONNX.

    Raises:
        VsanimeError: one input and one output picture cannot be found, or no frame size up to a multiple of 64 works.
    """
    net = read_network(proto)
    multiple = next((m for m in _MULTIPLES if _works(net, m)), None)
    if multiple is None:
        raise VsanimeError(
            "the network takes no frame size that is a multiple of 1 to 64; it cannot be used as a filter"
        )
    out_channels, scale = _output_facts(proto, net, multiple)
    try:
        radius: int | None = max(_radius(net, axis, scale) for axis in (0, 1))
    except _WholeFrameError:
        radius = None
    tail = read_tail(net)
    return NetFacts(
        scale=scale,
        radius=radius,
        multiple=multiple,
        in_channels=net.in_channels,
        out_channels=out_channels,
        parameters=net.parameters(),
        features=max(_widths(net), default=1),
        linear_path=tail is not None and find_linear_path(net, tail) is not None,
    )


def _widths(net: Network) -> list[int]:
    """Output channels of every convolution."""
    weights = [(n.op_type, net.weights[n.input[1]]) for n in net.nodes if n.op_type in ("Conv", "ConvTranspose")]
    return [int(w.shape[0 if kind == "Conv" else 1]) for kind, w in weights]


def _works(net: Network, multiple: int) -> bool:
    """Whether lines of several odd and even multiples pass, each giving an output in proportion."""
    lengths = [multiple * k for k in (64 // multiple + 1, 64 // multiple + 2, 64 // multiple + 5)]
    try:
        return len({len(_trace(net, axis, n)) / n for n in lengths for axis in (0, 1)}) == 1
    except _SizeError:
        return False
    except _WholeFrameError:
        return True


def _radius(net: Network, axis: int, scale: int) -> int:
    line = _trace(net, axis, _LINE)
    index = np.arange(len(line))
    own = index // scale
    middle = (own > _LINE // 4) & (own < 3 * _LINE // 4)
    reach = max((own - line.low)[middle].max(), (line.high - own)[middle].max())
    if np.isinf(reach):
        raise _WholeFrameError("a norm, softmax or pooling over the frame")
    return int(reach)


def _output_facts(proto: onnx.ModelProto, net: Network, multiple: int) -> tuple[int, int]:
    """Output channels and scale, by ONNX shape inference on a fixed frame."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(proto)
    side = 64 * multiple
    for tensor in fixed.graph.input:
        if tensor.name == net.input:
            for dim, value in zip(tensor.type.tensor_type.shape.dim, (1, net.in_channels, side, side), strict=True):
                dim.dim_value = value
    for dim in fixed.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    del fixed.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True)
    shape = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[2] % side or shape[2] != shape[3] or shape[2] == 0:
        raise VsanimeError(
            f"a {side}x{side} frame gives an output of shape {shape}; a whole multiple of the size is needed"
        )
    return shape[1], shape[2] // side


def _trace(net: Network, axis: int, length: int) -> _Line:
    """Follows one row (axis 1) or column (axis 0) of the frame through the network."""
    index = np.arange(length, dtype=np.float64)
    lines = {net.input: _Line(index, index)}
    for node in net.nodes:
        given = [lines[name] for name in node.input if name in lines]
        if not given:
            continue
        rule = _RULES.get(node.op_type)
        if rule is None:
            raise _WholeFrameError(node.op_type)
        lines[node.output[0]] = rule(_Step(net, node, attributes(node), axis), given)
    return lines[net.output]


@dataclass(frozen=True)
class _Step:
    net: Network
    node: onnx.NodeProto
    given: dict[str, Any]
    axis: int

    def weight(self, position: int) -> NDArray[Any] | None:
        """The constant at an input position: None if left out; a whole-frame reach if computed while running."""
        name = self.node.input[position] if len(self.node.input) > position else ""
        if not name:
            return None
        if name not in self.net.weights:
            raise _WholeFrameError(f"{self.node.op_type} with a computed {name}")
        return self.net.weights[name]


def _merge(_: _Step, lines: list[_Line]) -> _Line:
    """Element-wise operations, and Concat over channels: everything that either side depends on."""
    lengths = {len(line) for line in lines} - {1}
    if len(lengths) > 1:
        raise _SizeError(lengths)

    def both(a: _Line, b: _Line) -> _Line:
        return _Line(np.minimum(a.low, b.low), np.maximum(a.high, b.high))

    return reduce(both, lines)


def _concat(step: _Step, lines: list[_Line]) -> _Line:
    if step.given["axis"] % 4 == 1:
        return _merge(step, lines)
    raise _WholeFrameError("Concat over space")


def _windows(line: _Line, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> _Line:
    """Every output sees `kernel` samples; padding depends on nothing."""
    low = np.pad(line.low, pads, constant_values=np.inf)
    high = np.pad(line.high, pads, constant_values=-np.inf)
    span = (kernel - 1) * dilation
    starts = np.arange(0, len(low) - span, stride)
    if not len(starts):
        raise _SizeError("shorter than the kernel")
    taps = starts[:, None] + dilation * np.arange(kernel)
    return _Line(low[taps].min(1), high[taps].max(1))


def _conv(step: _Step, lines: list[_Line]) -> _Line:
    weight = step.weight(1)
    assert weight is not None
    return _window_op(step, lines[0], int(weight.shape[2 + step.axis]))


def _pool(step: _Step, lines: list[_Line]) -> _Line:
    return _window_op(step, lines[0], int(step.given["kernel_shape"][step.axis]))


def _window_op(step: _Step, line: _Line, kernel: int) -> _Line:
    stride = step.given.get("strides", [1, 1])[step.axis]
    dilation = step.given.get("dilations", [1, 1])[step.axis]
    pads = step.given.get("pads", [0, 0, 0, 0])
    before, after = pads[step.axis], pads[2 + step.axis]
    mode = step.given.get("auto_pad", b"NOTSET")
    if mode in (b"SAME_UPPER", b"SAME_LOWER"):
        wanted = -(-len(line) // stride)
        total = max(0, (wanted - 1) * stride + (kernel - 1) * dilation + 1 - len(line))
        before = total // 2 if mode == b"SAME_UPPER" else total - total // 2
        after = total - before
    return _windows(line, kernel, stride, dilation, (before, after))


def _conv_transpose(step: _Step, lines: list[_Line]) -> _Line:
    weight = step.weight(1)
    assert weight is not None
    kernel = int(weight.shape[2 + step.axis])
    stride = step.given.get("strides", [1, 1])[step.axis]
    pads = step.given.get("pads", [0, 0, 0, 0])
    extra = step.given.get("output_padding", [0, 0])[step.axis]
    line = lines[0]
    low = np.full((len(line) - 1) * stride + kernel + extra, np.inf)
    high = -low
    for tap in range(kernel):
        spots = slice(tap, tap + (len(line) - 1) * stride + 1, stride)
        low[spots] = np.minimum(low[spots], line.low)
        high[spots] = np.maximum(high[spots], line.high)
    kept = slice(pads[step.axis], len(low) - pads[2 + step.axis])
    return _Line(low[kept], high[kept])


def _pad(step: _Step, lines: list[_Line]) -> _Line:
    pads = step.given["pads"] if "pads" in step.given else step.weight(1)
    assert pads is not None
    if len(pads) != 8:
        raise _WholeFrameError("Pad over named axes")
    before, after = int(pads[2 + step.axis]), int(pads[6 + step.axis])
    mode = step.given.get("mode", b"constant").decode()
    if mode == "constant":
        return _windows(lines[0], 1, 1, 1, (before, after))
    if mode not in ("edge", "reflect"):
        raise _WholeFrameError(f"Pad {mode}")
    index = np.pad(np.arange(len(lines[0])), (before, after), mode="edge" if mode == "edge" else "reflect")
    return lines[0].take(index)


def _depth_to_space(step: _Step, lines: list[_Line]) -> _Line:
    return lines[0].take(np.arange(len(lines[0])).repeat(step.given["blocksize"]))


def _space_to_depth(step: _Step, lines: list[_Line]) -> _Line:
    block = step.given["blocksize"]
    if len(lines[0]) % block:
        raise _SizeError("no multiple of the block")
    return _windows(lines[0], block, block, 1, (0, 0))


def _resize(step: _Step, lines: list[_Line]) -> _Line:
    scales = step.weight(1 if step.node.op_type == "Upsample" or len(step.node.input) == 2 else 2)
    if scales is None or len(scales) != 4:
        raise _WholeFrameError("Resize to a size")
    factor = float(scales[2 + step.axis])
    mode = step.given.get("mode", b"nearest").decode()
    reach = {"nearest": 0, "linear": 1, "cubic": 2}[mode]
    length = int(np.floor(len(lines[0]) * factor))
    # One sample to each side covers every convention for where sample centres lie.
    centre = np.arange(length) / factor
    first = np.clip(np.floor(centre) - reach, 0, len(lines[0]) - 1).astype(np.int64)
    last = np.clip(np.floor(centre) + reach, 0, len(lines[0]) - 1).astype(np.int64)
    return _Line(lines[0].low[first], lines[0].high[last])


def _whole_frame(_: _Step, lines: list[_Line]) -> _Line:
    """Norms and softmax: every sample depends on every other."""
    line = lines[0]
    return _Line(np.full(len(line), -np.inf), np.full(len(line), np.inf))


def _reduced(step: _Step, lines: list[_Line]) -> _Line:
    """Pooling over the frame: one sample that depends on everything (or a channel axis, which leaves space alone)."""
    axes = step.given.get("axes")
    if axes is None and len(step.node.input) > 1:
        axes = step.weight(1)
    if axes is not None and all(int(a) % 4 == 1 for a in axes):
        return lines[0]
    return _Line(np.full(1, -np.inf), np.full(1, np.inf))


def _slice(step: _Step, lines: list[_Line]) -> _Line:
    starts, ends, axes, steps = (step.weight(i) for i in range(1, 5))
    if starts is None or ends is None:
        raise _WholeFrameError("Slice without bounds")
    chosen = [int(a) % 4 for a in (axes if axes is not None else range(len(starts)))]
    if 2 + step.axis not in chosen:
        return lines[0]
    i = chosen.index(2 + step.axis)
    stride = int(steps[i]) if steps is not None else 1
    return lines[0].take(np.arange(len(lines[0]))[int(starts[i]) : int(ends[i]) : stride])


_ELEMENT_WISE = (
    *("Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu"),
    *("HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow"),
    *("Relu", "Round", "Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh"),
)
_RULES: dict[str, Callable[[_Step, list[_Line]], _Line]] = {
    **dict.fromkeys(_ELEMENT_WISE, _merge),
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "AveragePool": _pool,
    "MaxPool": _pool,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Resize": _resize,
    "Upsample": _resize,
    "Slice": _slice,
    **dict.fromkeys(
        ("InstanceNormalization", "GroupNormalization", "LayerNormalization", "MeanVarianceNormalization", "Softmax"),
        _whole_frame,
    ),
    **dict.fromkeys(
        ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"), _reduced
    ),
}
