"""Builds the graph of a network that sees the whole picture at once: pads, perhaps shrinks, and blends in one graph.

    codes -> RGB -> (smaller) -> reflected to the network's multiple -> network -> cropped -> (larger, detail back)
          -> codes of the result, blended with those of the input

Blending works on codes and not on RGB, so the remaining input avoids the conversion there and back, which subsampled
chroma does not survive unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx

from vsanime.coding import plane_codings
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.builders.luma_chroma import copy_body, read_checked
from vsanime.graphs.builders.rgb import clamp, decode_rgb, encode_rgb, mix, plane_tensors, planes_in, planes_out
from vsanime.graphs.limits import guard
from vsanime.graphs.network import Network
from vsanime.graphs.passes.keep_f32 import with_exact_arithmetic
from vsanime.graphs.resample import resize
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import FrameSpec, GraphTraits, PlaneFormat, PlanesGraph

type Size = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """Parameters of how the network's result is computed and blended.

    Attributes:
        multiple: number that the network's width and height must be multiples of.
        strength: weight of the result, from 0 (input) to 1 (result).
        work_size: width and height of the picture that the network sees; None for the frame's.
        detail: fraction of the detail lost at that size to add back, 0 to 1.
    """

    multiple: int = 4
    strength: float = 1.0
    work_size: Size | None = None
    detail: float = 1.0


def check_size(size: Size, multiple: int) -> None:
    """Refuse a picture that is too small to be reflected.

    Raises:
        VsanimeError: the picture is too small. Where a network halves repeatedly, reflecting one sample needs two.
    """
    least = multiple + 1
    if min(size) < least:
        raise VsanimeError(
            f"a picture of {size[0]}x{size[1]} is too small for the network; {least}x{least} or more is needed"
        )


@guard("the network's graph cannot be written")
def style_graph(
    proto: onnx.ModelProto,
    source: FrameSpec,
    target: PlaneFormat,
    size: Size,
    traits: GraphTraits,
    look: Look,
) -> PlanesGraph:
    """Return a graph for a network from RGB to RGB of the same size that depends on the whole picture.

    Args:
        proto: plain network, 3 channels in and out.
        source: facts about the clip's frames.
        target: format of the output planes: the source's, except for the depth.
        size: width and height of the frame in pixels.
        traits: traits that the backend wants.
        look: parameters of the result and its blending.

    Raises:
        VsanimeError: the backend wants one graph for several sizes.
    """
    if traits.any_size:
        raise VsanimeError(
            "sizes: the picture is reflected by its own size here, so an engine serves one; leave it out"
        )
    writer = GraphWriter()
    spec = replace(source, width=size[0], height=size[1])
    made = replace(spec, format=target)
    inputs, outputs = plane_tensors(spec, "source"), plane_tensors(made, "result")
    codes = planes_in(writer, inputs)
    results = None
    if look.strength > 0:
        rgb = clamp(writer, decode_rgb(writer, spec, codes))
        result = _apply_style(writer, read_checked(proto, channels=3), rgb, size, look)
        results = encode_rgb(writer, made, clamp(writer, result))
    planes_out(writer, made, _blend(writer, (spec, made), codes, results, look.strength), outputs)
    return finish_graph(writer, inputs, outputs, traits, split=False)


def _apply_style(writer: GraphWriter, net: Network, rgb: str, size: Size, look: Look) -> str:
    """Return the network's result at the frame's size."""
    work = look.work_size or size
    if work == size:
        return _run(writer, net, rgb, size, look.multiple)
    small = resize(writer, rgb, size, work)
    result = _run(writer, net, clamp(writer, small), work, look.multiple)
    # larger(result) + detail * (rgb - larger(small)); enlarging is linear, so one call is enough.
    change = _sum(writer, (result, 1.0), (small, -look.detail))
    return _sum(writer, (resize(writer, change, work, size), 1.0), (rgb, look.detail))


def _run(writer: GraphWriter, net: Network, rgb: str, size: Size, multiple: int) -> str:
    """Return the network's result for a picture that is reflected to the right and below, cropped again."""
    width, height = size
    right, below = -width % multiple, -height % multiple
    net = with_exact_arithmetic(net)
    if not right and not below:
        return copy_body(writer, net, net.output, rgb)
    pads = writer.constant(np.array([0, 0, 0, 0, 0, 0, below, right]), integers=True)
    padded = writer.node("Pad", [rgb, pads], name="reflect", exact=True, mode="reflect")
    result = copy_body(writer, net, net.output, padded)
    starts, ends, axes = (writer.constant(np.array(v), integers=True) for v in ([0, 0], [height, width], [2, 3]))
    return writer.node("Slice", [result, starts, ends, axes], name="crop", exact=True)


def _sum(writer: GraphWriter, *terms: tuple[str, float]) -> str:
    """Return the weighted sum of RGB pictures."""
    both = writer.node("Concat", [x for x, _ in terms], name="sum", exact=True, axis=1)
    weight = np.concatenate([np.eye(3) * share for _, share in terms], axis=1)
    return mix(writer, both, weight, np.zeros(3), name="sum")


def _blend(
    writer: GraphWriter,
    specs: tuple[FrameSpec, FrameSpec],
    codes: list[str],
    results: list[str] | None,
    strength: float,
) -> list[str]:
    """Return the weighted sum of the input's and the result's codes, in the output's depth."""
    if results is not None and strength == 1:
        return results
    blended = []
    for number, (before, after) in enumerate(zip(*map(plane_codings, specs), strict=True)):
        share = (1 - strength) * after.span / before.span
        rounding = 0.5 if after.peak is not None else 0.0
        # The result already includes its half code.
        offset = (1 - strength) * (after.zero + rounding - before.zero * after.span / before.span)
        x, weight = codes[number], [[share]]
        if results is not None:
            x = writer.node("Concat", [x, results[number]], name="blend", exact=True, axis=1)
            weight = [[share, strength]]
        blended.append(mix(writer, x, np.array(weight), np.array([offset]), name="blend"))
    return blended
