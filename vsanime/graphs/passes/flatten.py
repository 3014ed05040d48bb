"""Inlines local functions and constant branches of a graph, as torch's exporters write them.

Functions are inlined, and an `If` whose condition is constant is replaced by the branch it takes. Nodes that decide by
the picture (`If`, `Loop`, `Scan`) are refused: neither receptive field nor memory of such a network can be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper

from vsanime.arrays import Array
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.limits import check_structure, describe, explain, inner_graphs

_NATIVE = ("", "ai.onnx")
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")
# Conditions are computed from few numbers by few nodes.
_MAX_VALUES = 64
_MAX_STEPS = 32
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Identity": np.asarray,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Size": np.size,
    "Shape": np.shape,
    # A condition is one value of any shape.
    "Reshape": lambda value, _: value,
    "Squeeze": lambda value, *_: value,
    "Unsqueeze": lambda value, *_: value,
    "CastLike": lambda value, like: np.asarray(value).astype(np.asarray(like).dtype),
}


def flatten(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the network without local functions and branches; the network itself if it has none.

    Raises:
        VsanimeError: it has too many nodes, is nested too deeply, or branches while it runs.
    """
    check_structure(proto)
    nested = any(node.op_type in _CONTROL or any(inner_graphs(node)) for node in proto.graph.node)
    if not proto.functions and not nested:
        return proto
    try:
        onnx.checker.check_model(proto)
        flat = inliner.inline_local_functions(proto) if proto.functions else proto
        check_structure(flat)
        result = _fold(flat)
        onnx.checker.check_model(result)
    except VsanimeError:
        raise
    except Exception as error:  # the C++ parts raise several kinds
        raise VsanimeError(f"its functions or branches are not valid ONNX: {explain(error)}") from error
    return result


def _fold(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Replace constant conditions by their branch, and refuse remaining functions and control flow."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.node[:], result.functions[:]
    functions = {(f.domain, f.name) for f in proto.functions}
    values = _Values(proto)
    # A stack: the next node is the last one.
    waiting = list(reversed(proto.graph.node))
    folded = 0
    while waiting:
        node = waiting.pop()
        if (node.domain, node.op_type) in functions:
            raise VsanimeError(
                f"its function {describe(node)} is written for another version of ONNX's operators than the network; "
                "export it with one version"
            )
        if node.domain in _NATIVE and node.op_type == "If":
            nodes, tensors = _take_branch(node, values, folded)
            folded += 1
            waiting.extend(reversed(nodes))
            result.graph.initializer.extend(tensors)
            values.store(tensors)
            continue
        if node.op_type in _CONTROL or any(inner_graphs(node)):
            raise VsanimeError(
                f"its {describe(node)} runs nodes in a loop of its own, which filters do not; export the network "
                "without control flow"
            )
        values.add(node)
        result.graph.node.append(node)
    _drop_identities(result.graph)
    return result


def _drop_identities(graph: onnx.GraphProto) -> None:
    """Rename tensors to their first name, so that the network's ends are found as in one without functions."""
    ends = {value.name for value in graph.output}
    first: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = first.get(name, name)
        if node.op_type == "Identity" and node.domain in _NATIVE and len(node.input) == 1 and len(node.output) == 1:
            if node.output[0] not in ends:
                first[node.output[0]] = node.input[0]
                continue
            if len(ends) == 1 and _rename_output(kept, graph, node):
                continue
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _rename_output(kept: list[onnx.NodeProto], graph: onnx.GraphProto, identity: onnx.NodeProto) -> bool:
    """Let the node that an output is copied from write it directly; return False if it must stay a copy."""
    source, end = identity.input[0], identity.output[0]
    maker = next((node for node in kept if source in node.output), None)
    if maker is None or any(value.name == source for value in graph.output):
        return False
    for node in kept:
        for tensors in (node.input, node.output):
            for i, name in enumerate(tensors):
                tensors[i] = end if name == source else name
    # Later nodes must read the tensor by its new name as well.
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = end if name == source else name
    return True


def _take_branch(
    node: onnx.NodeProto, values: _Values, number: int
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes and constants of the branch that an `If` takes; the tensors it defines get unique names."""
    condition = values.find(node.input[0]) if node.input else None
    if condition is None or condition.dtype != np.bool_ or condition.size != 1:
        name = quote(node.input[0]) if node.input else "nothing"
        raise VsanimeError(
            f"its {describe(node)} decides by {name} while it runs, which filters do not; export the network without "
            "control flow"
        )
    wanted = "then_branch" if condition.item() else "else_branch"
    branch = next((a.g for a in node.attribute if a.name == wanted and a.HasField("g")), None)
    if branch is None or len(branch.output) != len(node.output) or branch.input:
        raise VsanimeError(f"its {describe(node)} has no {wanted} that gives its {len(node.output)} results")
    defined = [*(i.name for i in branch.initializer), *(name for inner in branch.node for name in inner.output)]
    names = {name: f"{wanted}{number}/{name}" for name in defined if name}
    tensors = []
    for tensor in branch.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
        tensors.append(copy)
    nodes = [_rename(inner, names) for inner in branch.node]
    for value, output in zip(branch.output, node.output, strict=True):
        if output:
            nodes.append(helper.make_node("Identity", [names.get(value.name, value.name)], [output]))
    return nodes, tensors


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """Return a copy of a node, and of the graphs inside it, that uses other tensor names."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    _rename_tensors(copy, names)
    return copy


def _rename_tensors(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    for tensors in (node.input, node.output):
        for i, name in enumerate(tensors):
            tensors[i] = names.get(name, name)
    for graph in inner_graphs(node):
        for inner in graph.node:
            _rename_tensors(inner, names)
        for value in graph.output:
            value.name = names.get(value.name, value.name)


class _Values:
    """The small constants of a graph, computed when a condition needs them."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._ranks = _Ranks(proto)
        self._stored: dict[str, onnx.TensorProto] = {}
        self._made: dict[str, onnx.NodeProto] = {}
        self.store(proto.graph.initializer)
        # An initializer that is also an input is only a default.
        for value in proto.graph.input:
            self._stored.pop(value.name, None)

    def store(self, tensors: Any) -> None:
        """Add initializers."""
        self._stored |= {tensor.name: tensor for tensor in tensors}

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node of the flat graph."""
        self._made |= dict.fromkeys(node.output, node)
        self._ranks.add(node)

    def find(self, name: str, steps: int = _MAX_STEPS) -> Array | None:
        """Return a constant's value, or None if it depends on the picture, is too large or needs too many steps."""
        tensor = self._stored.get(name)
        if tensor is not None:
            return numpy_helper.to_array(tensor) if _is_small(tensor) else None
        node = self._made.get(name)
        if node is None or node.domain not in _NATIVE or not steps:
            return None
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            return _constant(given)
        if node.op_type == "Size" and (rank := self._rank_behind(node.input[0])) is not None:
            return np.asarray(rank)
        known = [self.find(i, steps - 1) for i in node.input if i]
        values = [value for value in known if value is not None]
        if len(values) < len(known) or not values:
            return None
        if node.op_type == "Cast":
            return values[0].astype(helper.tensor_dtype_to_np_dtype(given["to"]))
        function = _FUNCTIONS.get(node.op_type)
        return np.asarray(function(*values)) if function is not None else None

    def _rank_behind(self, name: str) -> int | None:
        """Return the rank of the tensor whose shape `name` is; None if `name` is no shape or the rank is unknown."""
        node = self._made.get(name)
        if node is None or node.op_type != "Shape" or node.attribute or name in self._stored:
            return None
        return self._ranks.find(node.input[0], self._stored)


class _Ranks:
    """The ranks of a flat graph's tensors, inferred part by part as the graph grows."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._proto = proto
        self._known = {value.name: value for value in proto.graph.input}
        self._new: list[onnx.NodeProto] = []

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node of the flat graph."""
        self._new.append(node)

    def find(self, name: str, stored: Mapping[str, onnx.TensorProto]) -> int | None:
        """Return a tensor's rank, or None if it is unknown.

        Args:
            name: name of the tensor.
            stored: initializers of the graph by name.
        """
        if name not in self._known and self._new:
            self._infer(stored)
        shape = self._known[name].type.tensor_type if name in self._known else None
        return len(shape.shape.dim) if shape is not None and shape.HasField("shape") else None

    def _infer(self, stored: Mapping[str, onnx.TensorProto]) -> None:
        read = {name for node in self._new for name in node.input}
        given = [self._known[name] for name in sorted(read & self._known.keys())]
        constants = []
        for tensor in (stored[name] for name in sorted(read & stored.keys())):
            if _is_small(tensor):
                constants.append(tensor)
            else:
                given.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        graph = helper.make_graph(self._new, "part", given, [], constants)
        part = helper.make_model(graph, opset_imports=self._proto.opset_import)
        self._known |= {value.name: value for value in onnx.shape_inference.infer_shapes(part).graph.value_info}
        self._new = []


def _constant(given: Mapping[str, Any]) -> Array | None:
    value = next(iter(given.values()), None)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value) if _is_small(value) else None
    return np.asarray(value) if isinstance(value, int | float | list) else None


def _is_small(tensor: onnx.TensorProto) -> bool:
    return bool(prod(tensor.dims) <= _MAX_VALUES)
