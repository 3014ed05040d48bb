"""Converts networks between half and single precision: weights stored as float16, and whole networks in float16.

Bundled networks store their weights as float16, which halves the file. The file is plain ONNX for any runtime: a `Cast`
converts each weight to f32 where it is used. Other programs export networks that compute in float16 from input to
output. Both are loaded as f32, because everything that reads or rewrites networks expects f32 weights; a backend lowers
the precision on request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vsanime.errors import VsanimeError

_LEAST = 64  # values; for smaller tensors a Cast costs more bytes than it saves
_STORED = "_stored"


def halve(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose f32 weights of 64 or more values are stored as float16.

    Raises:
        VsanimeError: if a weight exceeds the range of float16.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        with np.errstate(over="ignore"):  # reported below
            values = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(values).all():
            raise VsanimeError(f"{tensor.name} holds a value beyond float16's 65504; it has to be stored as float32")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, name + _STORED))
        casts.append(helper.make_node("Cast", [name + _STORED], [name], name=f"{name}_widened", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return made


def widen(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with f32 weights in place of float16 weights and their `Cast`; the same object if none exist."""
    graph = proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    casts = [node for node in graph.node if _widens(node) and node.input[0] in stored]
    if not casts:
        return proto
    wide = [
        numpy_helper.from_array(numpy_helper.to_array(stored[cast.input[0]]).astype(np.float32), cast.output[0])
        for cast in casts
    ]
    gone = {cast.output[0] for cast in casts}
    nodes = [node for node in graph.node if node.output[0] not in gone]
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name not in stored or tensor.name in used]
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend([*kept, *wide])
    return made


def _widens(node: onnx.NodeProto) -> bool:
    return node.op_type == "Cast" and any(a.name == "to" and a.i == TensorProto.FLOAT for a in node.attribute)


# Operators whose output has the type of their first input; the output type of any other is treated as unknown.
_SAME_TYPE = {
    *("Abs", "Add", "AveragePool", "BatchNormalization", "Ceil", "Clip", "Concat", "Conv", "ConvTranspose"),
    *("DepthToSpace", "Div", "Elu", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gelu", "Gemm"),
    *("GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity"),
    *("InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "MatMul", "Max", "Mean", "Min", "Mish"),
    *("Mul", "Neg", "PRelu", "Pad", "Pow", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean"),
    *("ReduceMin", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Round", "Selu", "Sigmoid"),
    *("Slice", "Softmax", "Softplus", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile"),
    *("Transpose", "Unsqueeze", "Upsample"),
}
_HALVES = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16})
# Attributes that name a data type.
_TYPES = {"to", "dtype", "output_dtype", "output_datatype", "stash_type"}
_ONNX = ("", "ai.onnx")


def to_single(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that computes in f32 from its input to its output; the same object if it already does.

    Weights keep their values, and casts between the types are removed. Networks whose input or output is double become
    single as well; doubles inside other networks stay, since sizes are computed in them.
    """
    ends = {value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)}
    types = _HALVES | (ends & {TensorProto.DOUBLE})
    if not _has(proto.graph, types) and not any(_has(function, types) for function in proto.functions):
        return proto
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    for graph in (made.graph, *made.functions):
        _convert(graph, types)
    if not any(attribute.HasField("g") for node in made.graph.node for attribute in node.attribute):
        _drop_casts(made.graph)
    return made


def _has(graph: onnx.GraphProto | onnx.FunctionProto, types: Collection[int]) -> bool:
    """Return whether a graph stores, declares or casts to one of the types."""
    tensors = any(tensor.data_type in types for tensor in _tensors(graph))
    values = () if isinstance(graph, onnx.FunctionProto) else (*graph.input, *graph.output)
    declared = any(value.type.tensor_type.elem_type in types for value in values)
    return tensors or declared or any(attribute.i in types for attribute in _type_attributes(graph))


def _convert(graph: onnx.GraphProto | onnx.FunctionProto, types: Collection[int]) -> None:
    """Convert everything of the given types to f32 in place, subgraphs included."""
    for tensor in _tensors(graph):
        if tensor.data_type in types:
            with np.errstate(over="ignore"):  # a double beyond f32 becomes infinite, which a later check reports
                values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for attribute in _type_attributes(graph):
        if attribute.i in types:
            attribute.i = TensorProto.FLOAT
    for inner in _graphs(graph):
        del inner.value_info[:]
        for value in (*inner.input, *inner.output) if isinstance(inner, onnx.GraphProto) else ():
            if value.type.tensor_type.elem_type in types:
                value.type.tensor_type.elem_type = TensorProto.FLOAT


def _drop_casts(graph: onnx.GraphProto) -> None:
    """Remove casts from f32 to f32 in place."""
    known = {tensor.name: tensor.data_type for tensor in graph.initializer}
    known |= {value.name: value.type.tensor_type.elem_type for value in graph.input}
    outputs = {value.name for value in graph.output}
    makers: dict[str, onnx.NodeProto] = {}
    kept: list[onnx.NodeProto] = []
    names: dict[str, str] = {}  # output of a removed cast: the value to read instead
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        made = _output_type(node, known)
        if made is not None:
            known |= dict.fromkeys(node.output[:1], made)
        if node.op_type != "Cast" or made != TensorProto.FLOAT or known.get(node.input[0]) != TensorProto.FLOAT:
            makers |= dict.fromkeys(node.output, node)
            kept.append(node)
        elif node.output[0] not in outputs:
            names[node.output[0]] = node.input[0]
        else:
            _end_in(node, makers, outputs, kept, names)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)


def _end_in(
    cast: onnx.NodeProto,
    makers: dict[str, onnx.NodeProto],
    outputs: Collection[str],
    kept: list[onnx.NodeProto],
    names: dict[str, str],
) -> None:
    """Remove the cast that makes the network's output: the node before it takes over the output's name.

    If there are several outputs, or no node before it, the cast becomes an `Identity`.
    """
    before, name = cast.input[0], cast.output[0]
    maker = makers.get(before)
    if maker is None or len(outputs) > 1:
        cast.op_type = "Identity"
        del cast.attribute[:]
        kept.append(cast)
        return
    for node in kept:
        node.input[:] = [name if read == before else read for read in node.input]
    maker.output[:] = [name if made == before else made for made in maker.output]
    names[before] = name
    makers[name] = maker


def _output_type(node: onnx.NodeProto, known: Mapping[str, int]) -> int | None:
    """Return the data type of a node's first output; None if it is unknown."""
    if node.domain not in _ONNX:
        return None
    given = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type == "Cast" and "to" in given:
        return int(given["to"].i)
    if node.op_type in ("Constant", "ConstantOfShape"):
        return int(given["value"].t.data_type) if "value" in given else None
    return known.get(node.input[0]) if node.op_type in _SAME_TYPE and node.input else None


def _graphs(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """Yield a graph and all subgraphs of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor that is stored in a graph and its subgraphs."""
    for inner in _graphs(graph):
        if isinstance(inner, onnx.GraphProto):
            yield from inner.initializer
            yield from (sparse.values for sparse in inner.sparse_initializer)
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def _type_attributes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.AttributeProto]:
    """Yield the attributes that name a data type, in a graph and its subgraphs."""
    for inner in _graphs(graph):
        for node in inner.node:
            yield from (attribute for attribute in node.attribute if attribute.name in _TYPES)
