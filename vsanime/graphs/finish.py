"""The last step of every planes graph: the forms that a backend asks for, whatever the graph computes."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from vsanime.graphs.bytewise import bytewise
from vsanime.graphs.limits import check_sizes, infer_sizes
from vsanime.graphs.precision import lowered
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
    pictures = [value.name for value in model.graph.input]
    check_sizes(model.graph.node, infer_sizes(model), pictures, all_known=not traits.any_size)
    if traits.body != "float32":
        model = lowered(model, traits.body)
    if traits.bytewise:
        model = bytewise(model)
    if traits.any_size:
        _open_sizes(model)
    return PlanesGraph(model.SerializeToString(), inputs, outputs, linear_split=split, any_size=traits.any_size)


def _open_sizes(model: onnx.ModelProto) -> None:
    """Gives width and height names in place of numbers."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[2].dim_param, dims[3].dim_param = f"{value.name}_height", f"{value.name}_width"
