"""A graph that is written node by node has the names, types and constants that were asked for."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vsanime.graphs.writer import GraphWriter


def test_every_call_names_what_it_made() -> None:
    writer = GraphWriter()
    x = writer.input("x", "uint8", [1, 1, 4, 5])
    cast = writer.node("Cast", [x], name="read", exact=True, to=TensorProto.FLOAT)
    total = writer.node("Add", [cast, writer.constant(0.5)])
    assert writer.output(total, "y", "float32", [1, 1, 4, 5]) == "y"
    assert (x, cast, total) == ("x", "exact/read_0", "Add_1")
    graph = writer.finish("net").graph
    assert [(node.name, node.op_type) for node in graph.node] == [
        ("exact/read_0", "Cast"), ("Add_1", "Add"), ("exact/y", "Identity"),
    ]  # fmt: skip
    ends = [*graph.input, *graph.output]
    assert [(end.name, end.type.tensor_type.elem_type) for end in ends] == [
        ("x", TensorProto.UINT8),
        ("y", TensorProto.FLOAT),
    ]
    assert [[dim.dim_value for dim in end.type.tensor_type.shape.dim] for end in ends] == [[1, 1, 4, 5]] * 2


def test_constants_are_f32_or_whole_and_weights_stay_what_they_are() -> None:
    writer = GraphWriter()
    names = [writer.constant(2), writer.constant(np.array([1.5]), integers=False), writer.constant(3, integers=True)]
    writer.weight("w", np.asfortranarray(np.ones((2, 3), np.float16)))
    writer.copy(helper.make_node("Identity", [names[0]], ["copied"]))
    writer.output("copied", "y", "float32", [])
    proto = writer.finish("net")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    assert names == ["constant_0", "constant_1", "constant_2"]
    assert [stored[name].dtype for name in names] == [np.float32, np.float32, np.int64]
    assert [stored[name].tolist() for name in names] == [2.0, [1.5], 3]
    assert stored["w"].dtype == np.float16
    assert (proto.opset_import[0].version, proto.ir_version) == (17, 8)
    onnx.checker.check_model(proto)
