"""Checks that a foreign AnimeGANv2 graph computes the same as ours, by running both on one small picture.

Nodes in the right order with weights of the right shapes can still be another network: with other norms, activations in
other positions, or blocks without their sums. Only the output tells.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.graphs.limits import check_sizes, describe, guard, infer_sizes
from vsanime.graphs.network import find_needed

# Correct graphs differ by 8e-7 of the range [0, 1], because they sum in another order.
_NEAR = 1e-4
# Height and width: different, so that swapped axes show, and multiples of 4.
_SIZE = (20, 24)
_ONNX = ("", "ai.onnx")  # names of the default operator domain
# Operators in exports of the generator. Others are not run, because a hostile file could loop forever.
_OPERATORS = {
    *("Conv", "InstanceNormalization", "GroupNormalization", "BatchNormalization", "ReduceMean"),
    *("LeakyRelu", "Relu", "Max", "Tanh", "Clip", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal"),
    *("Pad", "Resize", "Upsample", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Slice", "Concat", "Gather"),
    *("Cast", "Floor", "Constant", "ConstantOfShape", "Identity", "Shape"),
}
# The first opset whose Resize has coordinate_transformation_mode.
_FIRST_VERSION = 11
# Operators whose output size may be computed at run time: index of the input that gives it; for Resize the last.
_SIZED_BY = {"ConstantOfShape": 0, "Pad": 1, "Resize": 1, "Upsample": 1}
# Values of a layer; the largest of the generator for the small picture has 64 channels.
_MOST_VALUES = 1 << 22
_HALF = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def modern(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a graph of opset 9 or 10, as old converters write, to opset 11; return a newer graph unchanged.

    Raises:
        VsanimeError: if it cannot be converted.
    """
    version = next((opset.version for opset in proto.opset_import if opset.domain in _ONNX), _FIRST_VERSION)
    if version >= _FIRST_VERSION:
        return proto
    try:
        new = version_converter.convert_version(proto, _FIRST_VERSION)
    except Exception as error:
        raise VsanimeError(
            f"it has operators of version {version}, which cannot be brought to {_FIRST_VERSION}: "
            f"{_shorten(error)}; export it with {_FIRST_VERSION} or newer"
        ) from None
    for node in new.graph.node:
        if node.op_type == "Resize" and all(a.name != "coordinate_transformation_mode" for a in node.attribute):
            # The implicit mode of opset 10, which the converter does not set.
            node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
    return new


def check_alike(foreign: onnx.ModelProto, ours: onnx.ModelProto) -> None:
    """Check that a foreign graph makes the same picture as ours.

    Args:
        foreign: graph from RGB in [-1, 1] to the same, channels first or last.
        ours: graph from RGB in [0, 1] to the same, channels first.

    Raises:
        VsanimeError: if it differs or cannot be run; the message says how.
    """
    others = {n.op_type for n in foreign.graph.node if n.domain not in _ONNX or n.op_type not in _OPERATORS}
    if others:
        raise VsanimeError(f"its graph has {', '.join(sorted(others))}, which AnimeGANv2's generator has not")
    last = _axes(foreign)[3:] == [3]
    picture = np.random.default_rng(0).random((1, 3, *_SIZE), np.float32)
    given = picture * 2 - 1
    found = _run(_small(foreign, last), given.transpose(0, 2, 3, 1) if last else given)
    wanted = _run(ours, picture)
    if found.ndim == 4 and last:
        found = found.transpose(0, 3, 1, 2)
    if found.shape != wanted.shape:
        raise VsanimeError(
            f"it makes {_words(found)} of a picture of {_words(wanted)}, so it is another network than AnimeGANv2's "
            "generator"
        )
    difference = float(np.abs(found / 2 + 0.5 - wanted).max())
    if not difference <= _NEAR:
        raise VsanimeError(
            "it has the layers of AnimeGANv2's generator, but makes another picture with them: values in [0, 1] differ "
            f"by {difference:.2g} ({_NEAR:g} at most is right); its norms, activations, sums or sizes are other ones"
        )


def _run(proto: onnx.ModelProto, picture: Array) -> Array:
    _check_memory(proto, picture)
    return _evaluate(proto, proto.graph.output[0].name, picture)


def _evaluate(proto: onnx.ModelProto, name: str, picture: Array) -> Array:
    """Return one tensor of a graph, running only the nodes that it depends on."""
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    del part.graph.node[:], part.graph.output[:]
    part.graph.node.extend(find_needed(proto.graph.node, name))
    part.graph.output.append(onnx.ValueInfoProto(name=name))
    try:
        with np.errstate(all="ignore"):
            (result,) = ReferenceEvaluator(part).run([name], {part.graph.input[0].name: picture})
    except Exception as error:  # the evaluator raises many types
        raise VsanimeError(
            f"its graph cannot be run on a picture of {_SIZE[1]}x{_SIZE[0]} ({_shorten(error)}); export it with open "
            "width and height"
        ) from None
    return np.asarray(result)


def _check_memory(proto: onnx.ModelProto, picture: Array) -> None:
    """Check that no layer of a small picture needs more memory than the machine has.

    Raises:
        VsanimeError: if one does; the message names the node.
    """
    sized = onnx.ModelProto()
    sized.CopyFrom(proto)
    value = sized.graph.input[0]
    value.CopyFrom(helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, picture.shape))
    with guard("its sizes cannot be told"):
        sizes = infer_sizes(sized)
    check_sizes(sized.graph.node, sizes, [value.name], _SIZE[0] * _SIZE[1], all_known=False)
    # Some exports compute sizes at run time. They are evaluated in order, so that each depends on checked sizes only.
    for node in sized.graph.node:
        at = _SIZED_BY.get(node.op_type)
        if at is None or sizes.get(node.output[0]) is not None or len(node.input) <= at:
            continue
        name = node.input[-1] if node.op_type == "Resize" else node.input[at]
        values = _evaluate(sized, name, picture)
        if not np.isfinite(values).all() or np.abs(values).astype(float).prod(where=values != 0) > _MOST_VALUES:
            raise VsanimeError(
                f"its {describe(node)} makes a size of {values.reshape(-1)[:8].tolist()} of a picture of "
                f"{_SIZE[1]}x{_SIZE[0]}; AnimeGANv2's generator does not"
            )


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _words(picture: Array) -> str:
    return "x".join(map(str, picture.shape))


def _axes(proto: onnx.ModelProto) -> list[int]:
    """Return the four axes of the input; 0 for an axis that is free, and for all if their number is not four."""
    axes = [axis.dim_value for value in proto.graph.input[:1] for axis in value.type.tensor_type.shape.dim]
    return axes if len(axes) == 4 else [0, 0, 0, 0]


def _small(proto: onnx.ModelProto, last: bool) -> onnx.ModelProto:
    """Return a copy in f32 for the small picture; sizes fixed at export are scaled down in proportion."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for _, tensor in _tensors(copy):
        if tensor.data_type in _HALF:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in copy.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in _HALF:
                attribute.i = onnx.TensorProto.FLOAT
    axes = _axes(copy)
    _resize(copy, axes[1:3] if last else axes[2:4])
    return copy


def _resize(proto: onnx.ModelProto, size: list[int]) -> None:
    """Scale constant sizes of Reshape and Resize, four axes with channels first, down to the small picture.

    Args:
        proto: graph, changed in place.
        size: height and width for which it was exported; 0 for a free axis.

    Raises:
        VsanimeError: if a size is larger than the picture.
    """
    shapes = {node.input[-1] for node in proto.graph.node if node.op_type in ("Reshape", "Resize")}
    for name, tensor in _tensors(proto):
        if name in shapes and tensor.data_type == onnx.TensorProto.INT64 and list(tensor.dims) == [4]:
            axes = numpy_helper.to_array(tensor).tolist()
            # Unchanged: 1 (weights per channel), 0 (copy the axis) and -1 (infer the axis).
            if any(n > max(whole, 1) for n, whole in zip(axes[2:], size, strict=True)):
                raise VsanimeError(f"it makes a size of {axes} of pictures of {size}; AnimeGANv2's generator does not")
            scaled = [n * small // whole if n > 1 else n for n, small, whole in zip(axes[2:], _SIZE, size, strict=True)]
            tensor.CopyFrom(numpy_helper.from_array(np.array([*axes[:2], *scaled], np.int64), tensor.name))


def _tensors(proto: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield stored tensors with the name by which nodes read them; for a Constant that is the name of its output."""
    yield from ((tensor.name, tensor) for tensor in proto.graph.initializer)
    for node in proto.graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], attribute.t) for attribute in node.attribute if attribute.HasField("t"))
