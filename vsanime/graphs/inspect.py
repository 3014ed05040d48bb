"""Reads the scale, receptive-field radius and size multiple of a plain ONNX network from its nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vsanime.errors import VsanimeError
from vsanime.graphs.limits import check_layers, check_settings, check_sizes, describe, guard, infer_sizes
from vsanime.graphs.network import Network, attributes, read_network, read_tail
from vsanime.graphs.passes.flatten import flatten
from vsanime.graphs.passes.linear import find_linear_path

# Long enough that the middle of a line never sees its ends: the widest network of this project has a radius of 134.
_LINE = 1536
# Largest number of samples of a line inside a network, which may be larger than the frame.
_MAX_LINE = 1 << 18
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class NetFacts:
    """Facts about how a network depends on the size of a frame.

    Attributes:
        scale: output pixels per input pixel along one axis.
        radius: input pixels beyond its own position that an output pixel depends on in each direction; None if it
            depends on the whole frame (norms, attention, pooling over the frame), so that tiles would change the
            result.
        multiple: number that width and height must be multiples of.
        in_channels: channels of the input.
        out_channels: channels of the output.
        parameters: number of trained values.
        features: channels of the widest layer, which a tile's memory is proportional to.
        linear_path: whether the linear path can be split off (see `vsanime.graphs.passes.linear`).
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
    """Error raised when an operation depends on the whole frame, or its reach is not known."""


class _SizeError(Exception):
    """Error raised when the network cannot process a line of this length."""


@dataclass(frozen=True)
class _Line:
    """The first and the last input sample that each sample of one row (or column) of a tensor depends on."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.low)

    def take(self, index: NDArray[np.int64]) -> _Line:
        return _Line(self.low[index], self.high[index])


@guard("the network cannot be understood")
def inspect(proto: onnx.ModelProto) -> NetFacts:
    """Return the scale, radius, size multiple and channels of a plain ONNX network.

    Raises:
        VsanimeError: there is not one input and one output picture, no frame size up to a multiple of 64 works, or the
            network is damaged, too large, or has settings that no network has.
    """
    proto = flatten(proto)
    check_settings(proto)
    net = read_network(proto)
    check_layers(net.nodes, _ELEMENT_WISE)
    if net.in_channels < 1:
        raise VsanimeError("the network does not say how many channels its picture has; export it with that number")
    trace = _Trace(net)
    multiple = next((m for m in _MULTIPLES if _works(trace, m)), None)
    if multiple is None:
        raise VsanimeError(
            "the network takes no frame size that is a multiple of 1 to 64; it cannot be used as a filter"
        )
    out_channels, scale = _output_facts(proto, net, multiple)
    try:
        radius: int | None = max(_radius(trace, axis, scale) for axis in (0, 1))
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
    """Return the output channels of every convolution."""
    nodes = [n for n in net.nodes if n.op_type in ("Conv", "ConvTranspose")]
    weights = [(n.op_type, net.weights[n.input[1]]) for n in nodes if n.input[1] in net.weights]
    return [int(w.shape[0 if kind == "Conv" else 1]) for kind, w in weights]


def _works(trace: _Trace, multiple: int) -> bool:
    """Return whether lines of several odd and even multiples pass, with one ratio of output to input length."""
    ratios = set()
    try:
        for k in (64 // multiple + 1, 64 // multiple + 2, 64 // multiple + 5):
            for axis in (0, 1):
                ratios.add(len(trace.follow(axis, multiple * k)) / (multiple * k))
                if len(ratios) > 1:
                    return False
    except _SizeError:
        return False
    except _WholeFrameError:
        return True
    return True


def _radius(trace: _Trace, axis: int, scale: int) -> int:
    line = trace.follow(axis, _LINE)
    index = np.arange(len(line))
    own = index // scale
    middle = (own > _LINE // 4) & (own < 3 * _LINE // 4)
    if not middle.any():
        raise VsanimeError(
            f"the network makes a line of {len(line)} pixels of one of {_LINE}, and other sizes of its layers' shapes; "
            "it cannot be used as a filter"
        )
    reach = max((own - line.low)[middle].max(), (line.high - own)[middle].max())
    if np.isinf(reach):
        raise _WholeFrameError("a norm, softmax or pooling over the frame")
    return int(reach)


def _output_facts(proto: onnx.ModelProto, net: Network, multiple: int) -> tuple[int, int]:
    """Return output channels and scale, by ONNX shape inference on a fixed, non-square frame.

    Raises:
        VsanimeError: the output is not a picture of a multiple of the size, or a layer is too large for this machine.
    """
    fixed = onnx.ModelProto()
    fixed.ir_version = proto.ir_version
    fixed.opset_import.extend(proto.opset_import)
    graph, height, width = proto.graph, 64 * multiple, 80 * multiple
    fixed.graph.node.extend(graph.node)
    fixed.graph.initializer.extend(graph.initializer)
    fixed.graph.input.extend(graph.input)
    fixed.graph.output.extend(graph.output)
    for tensor in fixed.graph.input:
        if tensor.name == net.input:
            for dim, value in zip(tensor.type.tensor_type.shape.dim, (1, net.in_channels, height, width), strict=True):
                dim.dim_value = value
    for dim in fixed.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    sizes = infer_sizes(fixed)
    check_sizes(net.nodes, sizes, [net.input], height * width)
    shape = list(sizes[net.output] or ())
    scale = shape[2] // height if len(shape) == 4 else 0
    if not scale or shape[2:] != [height * scale, width * scale] or not shape[1]:
        raise VsanimeError(
            f"a {width}x{height} frame gives an output of shape {shape}; a whole multiple of the size is needed"
        )
    return shape[1], scale


class _Trace:
    """Tracer of one row or column of the frame through a network."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self._steps: list[tuple[_Step, Callable[[_Step, list[_Line]], _Line] | None, list[str], list[str]]] = []
        reached, last = {net.input}, {net.output: -1}
        for node in net.nodes:
            read = [name for name in node.input if name in reached]
            if not read:
                continue
            if not node.output:
                raise VsanimeError(f"the network's {describe(node)} gives nothing; it cannot be used as a filter")
            step = _Step(net, node, attributes(node), 0)
            self._steps.append((step, _RULES.get(node.op_type), read, []))
            reached.add(node.output[0])
            last |= dict.fromkeys(read, len(self._steps) - 1)
        if net.output not in reached:
            raise VsanimeError("the network's output does not depend on its picture; it cannot be used as a filter")
        for name, number in last.items():
            if name != net.output and number >= 0:
                self._steps[number][3].append(name)

    def follow(self, axis: int, length: int) -> _Line:
        """Return the input samples that the output's samples depend on, for one row (axis 1) or column (axis 0).

        Args:
            axis: 0 for a column, 1 for a row.
            length: length of the line in samples.

        Raises:
            VsanimeError: a layer's settings do not fit, or a line becomes too long.
        """
        index = np.arange(length, dtype=np.float64)
        lines = {self._net.input: _Line(index, index)}
        for step, rule, read, done in self._steps:
            if rule is None:
                raise _WholeFrameError(step.node.op_type)
            line = rule(replace(step, axis=axis) if axis else step, [lines[name] for name in read])
            if not len(line):
                raise _SizeError("nothing is left of the line")
            lines[step.node.output[0]] = line
            for name in done:
                lines.pop(name, None)
        return lines[self._net.output]


@dataclass(frozen=True)
class _Step:
    net: Network
    node: onnx.NodeProto
    given: dict[str, Any]
    axis: int

    def weight(self, position: int) -> NDArray[Any] | None:
        """Return the constant at an input position, or None if it is left out.

        Raises:
            _WholeFrameError: the value is computed while the network runs.
        """
        name = self.node.input[position] if len(self.node.input) > position else ""
        if not name:
            return None
        if name not in self.net.weights:
            raise _WholeFrameError(f"{self.node.op_type} with a computed {name}")
        return self.net.weights[name]

    def kernel(self) -> int:
        """Return the size of a convolution's kernel along the axis.

        Raises:
            VsanimeError: the weights are not two-dimensional, or contradict `kernel_shape`.
        """
        weight = self.weight(1)
        if weight is None or weight.ndim != 4 or 0 in weight.shape:
            shape = "none" if weight is None else f"of shape {list(weight.shape)}"
            raise self.refuse(f"weights {shape}", "[out, in, height, width]")
        if self.given.get("kernel_shape", list(weight.shape[2:])) != list(weight.shape[2:]):
            raise self.refuse(f"kernel_shape {self.given['kernel_shape']}", f"{list(weight.shape[2:])}, its weights',")
        return int(weight.shape[2 + self.axis])

    def pair(self, key: str, default: int) -> int:
        """Return the number for the axis from a setting of two numbers.

        Raises:
            VsanimeError: the setting has another count of numbers.
        """
        values = self.given.get(key, [default] * 2)
        if not isinstance(values, list) or len(values) != 2:
            raise self.refuse(f"{key} {values}", "two numbers")
        return int(values[self.axis])

    def pads(self) -> tuple[int, int]:
        """Return the numbers of samples added before and after the line.

        Raises:
            VsanimeError: the setting does not have four numbers.
        """
        values = self.given.get("pads", [0] * 4)
        if not isinstance(values, list) or len(values) != 4:
            raise self.refuse(f"pads {values}", "four numbers")
        return int(values[self.axis]), int(values[2 + self.axis])

    def text(self, key: str, default: str) -> str:
        """Return a setting that is a word."""
        value = self.given.get(key, default.encode())
        if not isinstance(value, bytes):
            raise self.refuse(f"{key} {value}", "a word")
        return value.decode("ascii", "replace")

    def block(self) -> int:
        """Return the block size of depth-to-space or space-to-depth."""
        value = self.given.get("blocksize")
        if not isinstance(value, int):
            raise self.refuse(f"blocksize {value}", "a whole number")
        return value

    def refuse(self, found: str, right: str) -> VsanimeError:
        """Return the error for an impossible setting."""
        return VsanimeError(f"the network's {describe(self.node)} has {found[:100]}; {right} is needed")

    def bounded(self, length: int) -> int:
        """Return a line's length after checking it, before memory is allocated.

        Raises:
            VsanimeError: the line is longer than that of any picture network.
        """
        if length > _MAX_LINE:
            raise self.refuse(f"an output of {length} samples for a line of at most {_LINE}", f"{_MAX_LINE} at most")
        return length


def _merge(_: _Step, lines: list[_Line]) -> _Line:
    """Return a line of everything that any input depends on, for element-wise operations and Concat over channels."""
    lengths = {len(line) for line in lines} - {1}
    if len(lengths) > 1:
        raise _SizeError(lengths)

    def both(a: _Line, b: _Line) -> _Line:
        return _Line(np.minimum(a.low, b.low), np.maximum(a.high, b.high))

    return reduce(both, lines)


def _concat(step: _Step, lines: list[_Line]) -> _Line:
    if step.given.get("axis") in (1, -3):
        return _merge(step, lines)
    raise _WholeFrameError("Concat over space")


def _windows(step: _Step, line: _Line, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> _Line:
    """Return a line whose samples see `kernel` samples each; padding depends on nothing."""
    length = step.bounded(sum(pads) + len(line))
    if length <= (kernel - 1) * dilation:
        raise _SizeError("shorter than the kernel")
    ends = []
    for values, nothing, extreme in ((line.low, np.inf, np.minimum), (line.high, -np.inf, np.maximum)):
        padded = np.full(length, nothing)
        padded[pads[0] : pads[0] + len(line)] = values
        # The number of taps doubles with every turn; the last turn adds the rest.
        taps = 1
        while taps < kernel:
            more = min(taps, kernel - taps)
            padded = extreme(padded[: len(padded) - more * dilation], padded[more * dilation :])
            taps += more
        ends.append(padded[::stride])
    return _Line(*ends)


def _conv(step: _Step, lines: list[_Line]) -> _Line:
    return _window_op(step, lines[0], step.kernel())


def _pool(step: _Step, lines: list[_Line]) -> _Line:
    return _window_op(step, lines[0], step.pair("kernel_shape", 0))


def _window_op(step: _Step, line: _Line, kernel: int) -> _Line:
    if kernel < 1:
        raise step.refuse("no kernel_shape", "two numbers")
    stride, dilation = step.pair("strides", 1), step.pair("dilations", 1)
    before, after = step.pads()
    mode = step.text("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = -(-len(line) // stride)
        total = max(0, (wanted - 1) * stride + (kernel - 1) * dilation + 1 - len(line))
        before = total // 2 if mode == "SAME_UPPER" else total - total // 2
        after = total - before
    return _windows(step, line, kernel, stride, dilation, (before, after))


def _conv_transpose(step: _Step, lines: list[_Line]) -> _Line:
    kernel, stride, dilation = step.kernel(), step.pair("strides", 1), step.pair("dilations", 1)
    if step.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in step.given:
        raise _WholeFrameError("a transposed convolution to a size")
    before, after = step.pads()
    line = lines[0]
    reach = (len(line) - 1) * stride + 1
    length = step.bounded(reach + (kernel - 1) * dilation + step.pair("output_padding", 0))
    low = np.full(length, np.inf)
    high = -low
    for tap in range(kernel):
        spots = slice(tap * dilation, tap * dilation + reach, stride)
        low[spots] = np.minimum(low[spots], line.low)
        high[spots] = np.maximum(high[spots], line.high)
    kept = slice(before, max(before, length - after))
    return _Line(low[kept], high[kept])


def _pad(step: _Step, lines: list[_Line]) -> _Line:
    given = step.given.get("pads")
    pads = np.asarray(given) if given is not None else step.weight(1)
    if pads is None or pads.size != 8 or pads.dtype.kind not in "iu":
        raise _WholeFrameError("Pad over named axes")
    before, after = (int(pads.reshape(-1)[at + step.axis]) for at in (2, 6))
    mode, line = step.text("mode", "constant"), lines[0]
    length = step.bounded(len(line) + max(before, 0) + max(after, 0))
    if mode not in ("constant", "edge", "reflect"):
        raise _WholeFrameError(f"Pad {mode}")
    # Negative padding crops.
    cut = slice(max(0, -before), max(0, length - max(before, 0) - max(after, 0) - max(0, -after)))
    line = _Line(line.low[cut], line.high[cut])
    before, after = max(before, 0), max(after, 0)
    if not len(line):
        raise _SizeError("nothing is left of the line")
    if mode == "constant":
        return _windows(step, line, 1, 1, 1, (before, after))
    if mode == "reflect" and max(before, after) >= len(line):
        raise _SizeError("shorter than its reflection")
    return line.take(np.pad(np.arange(len(line)), (before, after), mode="edge" if mode == "edge" else "reflect"))


def _depth_to_space(step: _Step, lines: list[_Line]) -> _Line:
    block = step.block()
    step.bounded(len(lines[0]) * block)
    return lines[0].take(np.arange(len(lines[0])).repeat(block))


def _space_to_depth(step: _Step, lines: list[_Line]) -> _Line:
    block = step.block()
    if len(lines[0]) % block:
        raise _SizeError("no multiple of the block")
    return _windows(step, lines[0], block, block, 1, (0, 0))


def _resize(step: _Step, lines: list[_Line]) -> _Line:
    given = step.given.get("scales")  # of Upsample, before version 9
    at = 1 if step.node.op_type == "Upsample" or len(step.node.input) == 2 else 2
    scales = np.asarray(given) if given is not None else step.weight(at)
    if scales is None or scales.size != 4:
        raise _WholeFrameError("Resize to a size")
    factor = float(scales.reshape(-1)[2 + step.axis])
    if not 0 < factor <= _MAX_LINE:
        raise step.refuse(f"a scale of {factor}", "a positive one")
    mode = step.text("mode", "nearest")
    reach = {"nearest": 0, "linear": 1, "cubic": 2}.get(mode)
    if reach is None:
        raise step.refuse(f"mode {mode!r}", "'nearest', 'linear' or 'cubic'")
    length = step.bounded(int(np.floor(len(lines[0]) * factor)))
    # One sample to each side covers every convention for the position of sample centers.
    center = np.arange(length) / factor
    first = np.clip(np.floor(center) - reach, 0, len(lines[0]) - 1).astype(np.int64)
    last = np.clip(np.floor(center) + reach, 0, len(lines[0]) - 1).astype(np.int64)
    return _Line(lines[0].low[first], lines[0].high[last])


def _whole_frame(_: _Step, lines: list[_Line]) -> _Line:
    """Return a line of unlimited dependence, for norms and softmax."""
    line = lines[0]
    return _Line(np.full(len(line), -np.inf), np.full(len(line), np.inf))


def _reduce(step: _Step, lines: list[_Line]) -> _Line:
    """Return one sample that depends on everything, for pooling over the frame; reducing channels keeps the line."""
    axes = step.given.get("axes")
    if axes is None and len(step.node.input) > 1:
        axes = step.weight(1)
    if axes is not None and all(int(a) % 4 == 1 for a in axes):
        return lines[0]
    return _Line(np.full(1, -np.inf), np.full(1, np.inf))


def _slice(step: _Step, lines: list[_Line]) -> _Line:
    bounds = [step.weight(i) for i in range(1, 5)]
    if bounds[0] is None or bounds[1] is None:
        raise _WholeFrameError("Slice without bounds")
    starts, ends, axes, steps = ([int(n) for n in b.reshape(-1)] if b is not None else None for b in bounds)
    assert starts is not None
    assert ends is not None
    axes = axes if axes is not None else list(range(len(starts)))
    steps = steps if steps is not None else [1] * len(starts)
    if len({len(starts), len(ends), len(axes), len(steps)}) > 1 or not all(-4 <= a < 4 for a in axes) or 0 in steps:
        raise step.refuse(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}", "one of each for an axis")
    chosen = [a % 4 for a in axes]
    if 2 + step.axis not in chosen:
        return lines[0]
    i = chosen.index(2 + step.axis)
    return lines[0].take(np.arange(len(lines[0]))[starts[i] : ends[i] : steps[i]])


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
        ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2"), _reduce
    ),
}
