"""The last step of every planes graph: the forms that a backend asks for, whatever the graph computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from vsanime.errors import VsanimeError
from vsanime.graphs.limits import check_sizes, infer_sizes
from vsanime.graphs.passes.byte_pairs import bytewise
from vsanime.graphs.passes.precision import lowered
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import GraphTraits, PlanesGraph, TensorSpec


def finished(
    writer: GraphWriter,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    traits: GraphTraits,
    *,
    split: bool,
    rewrite: Callable[[onnx.ModelProto], onnx.ModelProto] | None = None,
) -> PlanesGraph:
    """The written graph in the precision and with the ends that a backend wants.

    Args:
        writer: holds the whole graph in f32.
        inputs: what was declared, one tensor a plane.
        outputs: what was declared.
        traits: what the backend wants.
        split: whether the linear path was split off.
        rewrite: what else is to be done to the graph.

    Raises:
        VsanimeError: a layer that is too large for this machine.
    """
    model = writer.finish("vsanime")
    if rewrite is not None:
        model = rewrite(model)
    # Before a runtime computes what does not depend on the picture, or asks for memory.
    sizes = infer_sizes(model)
    check_sizes(model.graph.node, sizes, [value.name for value in model.graph.input], all_known=not traits.any_size)
    _check_outputs(model, sizes, outputs)
    if traits.body != "float32":
        model = lowered(model, traits.body)
    if traits.bytewise:
        model = bytewise(model)
    if traits.any_size:
        _open_sizes(model)
    return PlanesGraph(model.SerializeToString(), inputs, outputs, linear_split=split, any_size=traits.any_size)


def _check_outputs(
    model: onnx.ModelProto, sizes: Mapping[str, tuple[int, ...] | None], outputs: Sequence[TensorSpec]
) -> None:
    """Refuse a network that gives another size for this tile than its scale says, such as one of constant sizes.

    Raises:
        VsanimeError: says both sizes.
    """
    sources = {name: node.input[0] for node in model.graph.node for name in node.output if node.op_type == "Identity"}
    for spec in outputs:
        found = sizes.get(sources.get(spec.name, ""))
        if found is not None and found != spec.shape:
            given, wanted = ("x".join(map(str, shape)) for shape in (found, spec.shape))
            raise VsanimeError(
                f"the network gives {given} samples where {wanted} are needed; export it with open width and height"
            )


def _open_sizes(model: onnx.ModelProto) -> None:
    """Gives width and height names in place of numbers."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[2].dim_param, dims[3].dim_param = f"{value.name}_height", f"{value.name}_width"
