"""A plain network as torch's newer exporters write it: operators in local functions, options in branches."""

from __future__ import annotations

import onnx
from onnx import helper

_DOMAIN = "pkg.onnxscript.torch_lib"
_COMMON = "pkg.onnxscript.torch_lib.common"
_OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid(_DOMAIN, 1), helper.make_opsetid(_COMMON, 1)]


def _reference(name: str, kind: int) -> onnx.AttributeProto:
    """An attribute that takes its value from the function's."""
    return onnx.AttributeProto(name=name, type=kind, ref_attr_name=name)


def _value(name: str) -> onnx.ValueInfoProto:
    return onnx.ValueInfoProto(name=name)


def _functions() -> list[onnx.FunctionProto]:
    ints, integer = onnx.AttributeProto.INTS, onnx.AttributeProto.INT
    conv = helper.make_node("Conv", ["x", "weight", "bias"], ["plain"])
    conv.attribute.append(_reference("pads", ints))
    transposed = helper.make_node("ConvTranspose", ["x", "weight", "bias"], ["other"])
    transposed.attribute.append(_reference("pads", ints))
    chosen = helper.make_node(
        "If",
        ["is_transposed"],
        ["result"],
        name="n3",
        then_branch=helper.make_graph([transposed], "thenGraph", [], [_value("other")]),
        else_branch=helper.make_graph([conv], "elseGraph", [], [_value("plain")]),
    )
    flag = helper.make_node("Constant", [], ["flag"])
    flag.attribute.append(onnx.AttributeProto(name="value_int", type=integer, ref_attr_name="transposed"))
    inner = helper.make_function(
        _DOMAIN,
        "_aten_convolution_onnx",
        ["x", "weight", "bias"],
        ["result"],
        [flag, helper.make_node("Cast", ["flag"], ["is_transposed"], to=onnx.TensorProto.BOOL), chosen],
        _OPSETS,
        ["pads", "transposed"],
    )
    # Rank(x) == 3 asks for a batch axis of its own, as torch_lib does it: four axes have one.
    batched = helper.make_node("_aten_convolution_onnx", ["x", "weight", "bias"], ["batched"], domain=_DOMAIN)
    single = helper.make_node("_aten_convolution_onnx", ["x1", "weight", "bias"], ["single"], domain=_DOMAIN)
    for node in (batched, single):
        node.attribute.extend([_reference("pads", ints), _reference("transposed", integer)])
    unsqueeze = helper.make_node("Unsqueeze", ["x", "zero"], ["x1"])
    outer = helper.make_function(
        _DOMAIN,
        "aten_convolution",
        ["x", "weight", "bias"],
        ["result"],
        [
            helper.make_node("Rank", ["x"], ["rank"], domain=_COMMON),
            helper.make_node("Constant", [], ["three"], value_int=3),
            helper.make_node("Constant", [], ["zero"], value_ints=[0]),
            helper.make_node("Equal", ["rank", "three"], ["no_batch"]),
            helper.make_node(
                "If",
                ["no_batch"],
                ["value"],
                then_branch=helper.make_graph([unsqueeze, single], "thenGraph", [], [_value("single")]),
                else_branch=helper.make_graph([batched], "elseGraph", [], [_value("batched")]),
            ),
            helper.make_node("Identity", ["value"], ["result"]),
        ],
        _OPSETS,
        ["pads", "transposed"],
    )
    rank = helper.make_function(
        _COMMON,
        "Rank",
        ["x"],
        ["rank"],
        [helper.make_node("Shape", ["x"], ["shape"]), helper.make_node("Size", ["shape"], ["rank"])],
        _OPSETS,
    )
    relu = helper.make_function(_DOMAIN, "aten_relu", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], _OPSETS)
    return [rank, inner, outer, relu]


def as_exported(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with its convolutions and ReLU in local functions, and `If` nodes inside those."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    made.functions.extend(_functions())
    made.opset_import.extend(_OPSETS[1:])
    for node in made.graph.node:
        if node.op_type == "Conv":
            kept = [attribute for attribute in node.attribute if attribute.name == "pads"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("transposed", 0)])
            node.op_type, node.domain = "aten_convolution", _DOMAIN
        elif node.op_type == "Relu":
            node.op_type, node.domain = "aten_relu", _DOMAIN
    onnx.checker.check_model(made)
    return made
