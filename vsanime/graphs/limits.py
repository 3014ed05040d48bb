"""Checks that ONNX graphs stay within bounds, before any library computes with them.

A file of a few bytes can demand terabytes, endless shape inference, or settings that crash a runtime. The bounds are
far beyond what picture networks need: the largest of those have a few thousand nodes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

from vsanime.errors import VsanimeError, quote

MAX_NODES = 100_000
MAX_NESTING = 8
# Nodes that depend on the picture. Runtimes need more than linear time for long chains: OpenVINO took 3 s for 2,000
# convolutions or 1,000 element-wise operations in a row, and four times that for twice as many.
MAX_LAYERS = 10_000
MAX_CONVOLUTIONS = 2_000
MAX_ELEMENTWISE_RUN = 256
_MAX_INPUTS = 256
_MAX_ENDS = 1_000
_MAX_ATTRIBUTES = 100
_MAX_RANK = 16
_MAX_NAME = 1_000
_MAX_SHOWN = 60
_MAX_EXPLAINED = 200
# Largest kernel, stride, dilation, block and padding, in samples.
_MAX_KERNEL = 512
_MAX_STEP = 4_096
_MAX_GROUPS = 1 << 20
_STEPS = (1, _MAX_STEP)
_SETTINGS = {
    "kernel_shape": (1, _MAX_KERNEL),
    "strides": _STEPS,
    "dilations": _STEPS,
    "blocksize": _STEPS,
    "output_padding": (0, _MAX_STEP),
    "group": (1, _MAX_GROUPS),
}
_PADS = {"Pad": (-_MAX_STEP, _MAX_STEP)}
_CONVOLUTIONS = ("Conv", "ConvTranspose")
# Operators whose output can be much larger than their input; refused if its size is not known beforehand.
_GROWING = {
    *("ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "RandomNormal", "RandomUniform", "Range", "Resize"),
    *("Tile", "Upsample"),
}
_NATIVE = ("", "ai.onnx")
_INFINITE = ("Clip", "Constant")
# Bytes that runtimes may compute while they compile, from values that do not depend on the picture.
_MAX_COMPUTED_BYTES = 64 << 20
# Memory of a small machine, assumed if the system does not report its own.
_ASSUMED_MEMORY = 8 << 30
# Size of the frame whose layers must fit into a part of the machine's memory, whatever the inferred frame sizes are.
_FRAME_PIXELS = 256 * 256
_MEMORY_PART = 4
_VALUE_BYTES = 4
# Largest tensor, in values, that sizes may be computed from.
_MAX_SMALL = 256


def describe(node: onnx.NodeProto) -> str:
    """Return a node's operator and name for a message."""
    kind = node.op_type if node.op_type.isidentifier() and len(node.op_type) <= _MAX_SHOWN else quote(node.op_type)
    name = node.name or next(iter(node.output), "")
    return f"{kind} {quote(name)}" if name else kind


def explain(error: BaseException) -> str:
    """Return the first line of a library's error, escaped and shortened, or the error's type if it has no text."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()
    line = "".join(c if c.isprintable() else " " for c in line)
    return line if len(line) <= _MAX_EXPLAINED else f"{line[:_MAX_EXPLAINED]}..."


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Turn any exception that a damaged network causes in a library into a VsanimeError.

    Args:
        what: beginning of the message, such as "the network cannot be read".
    """
    try:
        yield
    except VsanimeError:
        raise
    except Exception as error:
        raise VsanimeError(f"{what}: {explain(error)}") from error


def inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in a node's attributes: bodies of loops and branches of conditions."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def stored_tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[TensorProto]:
    """Yield every tensor stored in a graph, including those of graphs inside its nodes."""
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for inner in inner_graphs(node):
            yield from stored_tensors(inner)


def check_structure(proto: onnx.ModelProto) -> None:
    """Refuse a model of too many or too deeply nested nodes, or with names that no exporter writes.

    A function counts at every call, without being expanded.

    Raises:
        VsanimeError: a bound is exceeded; the message says which.
    """
    _Structure(proto).check()


class _Structure:
    """A counter of a model's nodes and tensors, with its functions counted as if they were inlined."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._proto = proto
        self._functions = {(f.domain, f.name, f.overload): f for f in proto.functions}
        # By function: node count and nesting depth of its body, including everything it calls.
        self._sizes: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._walked = 0
        self._tensors = 0

    def check(self) -> None:
        """Check the model; see `check_structure`."""
        proto = self._proto
        if len(self._functions) < len(proto.functions):
            raise VsanimeError("it has two local functions of one name; each needs a name of its own")
        newest = onnx.defs.onnx_opset_version()
        for opset in proto.opset_import:
            if opset.domain in _NATIVE and not 1 <= opset.version <= newest:
                raise VsanimeError(f"it uses version {opset.version} of ONNX's operators; 1 to {newest} are known here")
        self._check_names(name for f in proto.functions for name in (f.name, f.domain, *f.input, *f.output))
        self._graph(proto.graph, 0)
        for key in self._functions:
            self._function(key, 1)

    def _graph(self, graph: onnx.GraphProto, level: int) -> tuple[int, int]:
        ends = [*graph.input, *graph.output]
        # Before IR version 4 weights are also inputs.
        if len(ends) > _MAX_ENDS + len(graph.initializer):
            raise VsanimeError(f"it has {len(ends)} inputs and outputs; {_MAX_ENDS} are read at most")
        if graph.sparse_initializer:
            raise VsanimeError("it has sparse weights, which are not supported; save them as plain ones")
        self._check_names(value.name for value in ends)
        for tensor in graph.initializer:
            self._tensor(tensor)
        return self._nodes(graph.node, level)

    def _nodes(self, nodes: Sequence[onnx.NodeProto], level: int) -> tuple[int, int]:
        """Return the number of nodes, with calls expanded, and the number of levels below this one."""
        if level > MAX_NESTING:
            raise VsanimeError(
                f"its functions and branches are nested more than {MAX_NESTING} deep, or call themselves; export it "
                "without them"
            )
        count, depth = 0, 0
        for node in nodes:
            self._node(node)
            sizes = [self._graph(inner, level + 1) for inner in inner_graphs(node)]
            called = (node.domain, node.op_type, node.overload)
            if called in self._functions:
                sizes.append(self._function(called, level + 1))
            count += 1 + sum(size[0] for size in sizes)
            depth = max([depth, *(1 + size[1] for size in sizes)])
            if count > MAX_NODES:
                raise VsanimeError(f"it has more than {MAX_NODES} nodes, its functions inlined; fewer are needed")
        return count, depth

    def _function(self, key: tuple[str, str, str], level: int) -> tuple[int, int]:
        if key not in self._sizes:
            self._sizes[key] = self._nodes(self._functions[key].node, level)
        count, depth = self._sizes[key]
        if level + depth > MAX_NESTING:
            raise VsanimeError(f"its functions are nested more than {MAX_NESTING} deep; export it without them")
        return count, depth

    def _node(self, node: onnx.NodeProto) -> None:
        self._walked += 1
        if self._walked > MAX_NODES:
            raise VsanimeError(f"it has more than {MAX_NODES} nodes; fewer are needed")
        self._check_names((node.op_type, node.domain, node.name, *node.input, *node.output))
        if len(node.input) > _MAX_INPUTS or len(node.output) > _MAX_INPUTS:
            raise VsanimeError(f"its {describe(node)} has more than {_MAX_INPUTS} inputs or outputs; fewer are needed")
        if len(node.attribute) > _MAX_ATTRIBUTES:
            raise VsanimeError(f"its {describe(node)} has {len(node.attribute)} attributes; fewer are needed")
        self._check_names(attribute.name for attribute in node.attribute)
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise VsanimeError(f"its {describe(node)} holds sparse values, which are not supported")
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                self._tensor(tensor)

    def _tensor(self, tensor: TensorProto) -> None:
        self._tensors += 1
        if self._tensors > MAX_NODES:
            raise VsanimeError(f"it holds more than {MAX_NODES} tensors; fewer are needed")
        self._check_names((tensor.name,))
        if len(tensor.dims) > _MAX_RANK or any(n < 0 for n in tensor.dims):
            dims = ", ".join(map(str, tensor.dims[: _MAX_RANK + 1]))
            raise VsanimeError(f"its tensor {quote(tensor.name)} has the shape [{dims}]; no tensor can have it")

    def _check_names(self, names: Iterable[str]) -> None:
        for name in names:
            if len(name) > _MAX_NAME or not name.isprintable():
                why = "holds control characters" if len(name) <= _MAX_NAME else f"has {len(name)} letters"
                raise VsanimeError(f"its name {quote(name)} {why}; {_MAX_NAME} printable ones are read at most")


def check_settings(proto: onnx.ModelProto) -> None:
    """Refuse nodes with settings that no picture network has: zero strides, huge kernels, operators of other domains.

    Raises:
        VsanimeError: a setting is impossible; the message names the node and what would be right.
    """
    for node in proto.graph.node:
        if node.domain not in _NATIVE:
            raise VsanimeError(
                f"its {describe(node)} is an operator of {quote(node.domain)}; ONNX's own ones are needed"
            )
        for attribute in node.attribute:
            bounds = _PADS.get(node.op_type, (0, _MAX_STEP)) if attribute.name == "pads" else None
            bounds = bounds or _SETTINGS.get(attribute.name)
            if bounds is not None:
                _check_whole(node, attribute, *bounds)
            _check_finite(node, attribute)
            _check_words(node, attribute)


def _check_whole(node: onnx.NodeProto, attribute: AttributeProto, least: int, most: int) -> None:
    kinds = {AttributeProto.INT: [attribute.i], AttributeProto.INTS: list(attribute.ints)}
    values = kinds.get(attribute.type)
    if values is None or not all(least <= value <= most for value in values):
        shown = "no whole numbers" if values is None else ", ".join(map(str, values[:_MAX_RANK]))
        raise VsanimeError(
            f"its {describe(node)} has {attribute.name} of {shown}; whole numbers from {least} to {most} are needed"
        )


def _check_finite(node: onnx.NodeProto, attribute: AttributeProto) -> None:
    for value in (attribute.f, *attribute.floats):
        if value != value or (abs(value) == float("inf") and node.op_type not in _INFINITE):
            raise VsanimeError(f"its {describe(node)} has {quote(attribute.name)} of {value}; finite values are needed")


def _check_words(node: onnx.NodeProto, attribute: AttributeProto) -> None:
    for value in (attribute.s, *attribute.strings):
        # Runtimes put the value into messages, which can be shown only if it is text.
        if len(value) > _MAX_NAME or not value.decode("utf-8", "surrogateescape").isprintable():
            shown = quote(value.decode("utf-8", "backslashreplace"))
            raise VsanimeError(f"its {describe(node)} has {quote(attribute.name)} of {shown}; a word is needed")


def check_layers(nodes: Sequence[onnx.NodeProto], elementwise: Iterable[str]) -> None:
    """Refuse a sequence of operations that runtimes would take too long to compile.

    Args:
        nodes: nodes that depend on the picture, in execution order.
        elementwise: operators that runtimes fuse with their neighbors.

    Raises:
        VsanimeError: there are too many; the message says how many.
    """
    if len(nodes) > MAX_LAYERS:
        raise VsanimeError(f"the network has {len(nodes)} operations; {MAX_LAYERS} at most are run")
    convolutions = sum(node.op_type in _CONVOLUTIONS for node in nodes)
    if convolutions > MAX_CONVOLUTIONS:
        raise VsanimeError(f"the network has {convolutions} convolutions; {MAX_CONVOLUTIONS} at most are run")
    fused = frozenset(elementwise)
    runs: dict[str, int] = {}
    for node in nodes:
        if node.op_type not in fused:
            continue
        run = 1 + max((runs.get(name, 0) for name in node.input), default=0)
        if run > MAX_ELEMENTWISE_RUN:
            raise VsanimeError(
                f"the network has more than {MAX_ELEMENTWISE_RUN} element-wise operations in a row, the last of them "
                f"{describe(node)}; fewer are run"
            )
        runs |= dict.fromkeys(node.output, run)


def infer_sizes(proto: onnx.ModelProto) -> dict[str, tuple[int, ...] | None]:
    """Return the size of every tensor by ONNX shape inference, or None for sizes that are unknown.

    Large weights are left out beforehand, because sizes do not depend on their values.
    """
    light = onnx.ModelProto()
    light.ir_version = max(proto.ir_version, 4)  # earlier versions need weights as inputs too
    light.opset_import.extend(proto.opset_import)
    light.graph.node.extend(proto.graph.node)
    light.graph.output.extend(proto.graph.output)
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    light.graph.input.extend(value for value in proto.graph.input if value.name not in stored)
    for tensor in stored.values():
        if prod(tensor.dims) > _MAX_SMALL:
            light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        else:
            light.graph.initializer.append(tensor)
    sizes: dict[str, tuple[int, ...] | None] = {name: tuple(tensor.dims) for name, tensor in stored.items()}
    while True:
        graph = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
        sizes |= {value.name: _known_size(value) for value in (*graph.value_info, *graph.input, *graph.output)}
        unknown = any(n.op_type in _GROWING and sizes.get(name) is None for n in light.graph.node for name in n.output)
        # The loop ends, since each round has fewer nodes than the one before.
        if not unknown or not _fold_shapes(light.graph, sizes):
            return sizes


def _fold_shapes(graph: onnx.GraphProto, sizes: Mapping[str, tuple[int, ...] | None]) -> bool:
    """Replace nodes that read known sizes by constants, and return whether any was replaced.

    `Range` needs constants to know its own size, and ONNX's inference does not propagate values through all operators.
    """
    known = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        size = sizes.get(node.input[0]) if node.op_type == "Shape" and not node.attribute else None
        if size is not None:
            known[node.output[0]] = np.array(size, np.int64)
        elif node.op_type == "Gather" and all(name in known for name in node.input):
            # A list has only axis 0.
            values, indices = (known[name] for name in node.input)
            if values.ndim != 1 or indices.ndim or not -len(values) <= int(indices) < len(values):
                kept.append(node)
                continue
            known[node.output[0]] = values[int(indices)]
        else:
            kept.append(node)
            continue
        name = node.output[0]
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(known[name]), name))
    folded = len(kept) < len(graph.node)
    if folded:
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(nodes)
    return folded


def _known_size(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    tensor = value.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return dims if tensor.HasField("shape") and all(n >= 0 for n in dims) else None


def check_sizes(
    nodes: Iterable[onnx.NodeProto],
    sizes: Mapping[str, tuple[int, ...] | None],
    pictures: Iterable[str],
    pixels: int | None = None,
    *,
    all_known: bool = True,
) -> None:
    """Refuse tensors that this machine's memory cannot hold, before anything computes them.

    Args:
        nodes: nodes of the graph, in execution order.
        sizes: tensor sizes, as `infer_sizes` returns them.
        pictures: names of the inputs.
        pixels: number of pixels of the frame that the sizes are for, if it stands for frames of any size; None for the
            frame that is run.
        all_known: whether to refuse operators of unknown output size that can enlarge their input.

    Raises:
        VsanimeError: a tensor is too large, or its size is not known beforehand.
    """
    memory = machine_memory()
    if pixels is not None:
        memory = memory // _MEMORY_PART * pixels // _FRAME_PIXELS
    dependent = set(pictures)
    for name in dependent:
        _check_size(f"the input {quote(name)} has", sizes.get(name), memory)
    computed = 0
    for node in nodes:
        moving = not dependent.isdisjoint(node.input)
        for name in node.output:
            size = sizes.get(name)
            if all_known and size is None and node.op_type in _GROWING and name:
                raise VsanimeError(
                    f"the size of what the network's {describe(node)} gives is not known before it runs; export it "
                    "with constant sizes"
                )
            needed = _check_size(f"the network's {describe(node)} gives", size, memory)
            computed += 0 if moving or node.op_type == "Constant" else needed
            if computed > _MAX_COMPUTED_BYTES:
                raise VsanimeError(
                    f"the network computes {computed >> 20} MiB from constants alone, the last of them at its "
                    f"{describe(node)}; {_MAX_COMPUTED_BYTES >> 20} MiB at most are computed"
                )
        if moving:
            dependent |= set(node.output)


def _check_size(what: str, size: tuple[int, ...] | None, memory: int) -> int:
    """Return the bytes of a tensor.

    Raises:
        VsanimeError: the tensor needs more than the given memory.
    """
    needed = prod(size or (0,)) * _VALUE_BYTES
    if needed > memory:
        shape = "x".join(map(str, size or ()))
        raise VsanimeError(
            f"{what} {shape} values, {needed >> 20} MiB; {memory >> 20} MiB are what this machine's memory allows for "
            "that frame"
        )
    return needed


def machine_memory() -> int:
    """Return the size of this machine's main memory in bytes."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return _ASSUMED_MEMORY
