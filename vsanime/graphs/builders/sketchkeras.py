"""Builds the graph that runs SketchKeras on every color channel and returns one plane of lines.

    codes -> RGB -> (smaller) -> codes of 8 bits less their blur -> times a gain -> SketchKeras, channels as a batch
          -> the most of the channels -> faint ink left out -> (larger) -> paper less ink

As published the gain is one over the largest value in the picture. That changes from frame to frame, and with it the
lines of a whole frame, so a fixed gain is the default here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx

from vsanime.coding import luma_coding, plane_codings
from vsanime.errors import VsanimeError
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.builders.lineart import gaussian
from vsanime.graphs.builders.luma_chroma import copy_body, read_checked
from vsanime.graphs.builders.rgb import clamp, decode_rgb, plane_tensors, planes_in
from vsanime.graphs.codes import encode
from vsanime.graphs.network import Network
from vsanime.graphs.resample import area_matrix, resize
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range

type Size = tuple[int, int]

# The network halves frames four times.
MULTIPLE = 16
# Side of the smallest picture: halving leaves two samples of it in each direction, as reflection needs.
LEAST = 32
# The blur that is subtracted, and the radius that OpenCV uses for its sigma with 8-bit pictures.
_SIGMA, _RADIUS = 3.0, 9
# Codes per unit of the network's input.
_UNIT = 128.0
_PEAK = 255.0


@dataclass(frozen=True)
class Sketch:
    """Parameters of the network's use.

    Attributes:
        long_side: longer side of the picture that the network sees, in pixels; smaller frames keep their size.
        gain: factor of the network's input; None for one over the frame's largest value, as published.
        threshold: ink below this, 0 to 1, is left out; 0 keeps all.
    """

    long_side: int = 512
    gain: float | None = 0.75
    threshold: float = 0.0


def sketch_graph(
    proto: onnx.ModelProto, source: FrameSpec, target: PlaneFormat, traits: GraphTraits, sketch: Sketch
) -> PlanesGraph:
    """Return a graph that draws lines with SketchKeras in full range, black on white.

    Args:
        proto: network, as `vsanime.architectures.sketchkeras.onnx` writes it.
        source: facts about the clip's frames.
        target: format of the output, GRAY.
        traits: traits that the backend wants.
        sketch: parameters of the network's use.

    Raises:
        VsanimeError: the backend wants one graph for several sizes.
    """
    if traits.any_size:
        raise VsanimeError(
            "sizes: the picture is made smaller by its own size here, so an engine serves one; leave it out"
        )
    writer = GraphWriter()
    made = replace(source, format=target, range=Range.FULL)
    inputs, outputs = plane_tensors(source, "source"), plane_tensors(made, "lines")
    picture = clamp(writer, _picture(writer, source, planes_in(writer, inputs)))
    ink = _ink(writer, read_checked(proto, channels=1), picture, (source.width, source.height), sketch)
    paper = writer.node("Mul", [clamp(writer, ink), writer.constant(-1.0)], name="paper", exact=True)
    codes = encode(writer, paper, replace(luma_coding(target, Range.FULL), bias=-1.0))
    writer.output(codes, outputs[0].name, outputs[0].dtype, list(outputs[0].shape))
    return finish_graph(writer, inputs, outputs, traits, split=False)


def check_size(size: Size, long_side: int) -> None:
    """Refuse a frame that is too small to be blurred.

    Raises:
        VsanimeError: the frame is too small, or too narrow for its length.
    """
    work = work_size(size, long_side)
    if min(work) <= _RADIUS:
        raise VsanimeError(
            f"SketchKeras would see {work[0]}x{work[1]} pixels of a frame of {size[0]}x{size[1]}; "
            f"{_RADIUS + 1} or more each way are needed"
        )


def work_size(frame: Size, long_side: int) -> Size:
    """Return the width and height of the picture that the network sees."""
    share = min(1.0, long_side / max(frame))
    return max(1, round(frame[0] * share)), max(1, round(frame[1] * share))


def _picture(writer: GraphWriter, spec: FrameSpec, codes: list[str]) -> str:
    """Return RGB; for gray clips a single channel, since the others would be equal."""
    if spec.format.family is not Family.GRAY:
        return decode_rgb(writer, spec, codes)
    coding = plane_codings(spec)[0]
    scale, offset = writer.constant(1 / coding.span), writer.constant(-coding.zero / coding.span)
    scaled = writer.node("Mul", [codes[0], scale], name="gray", exact=True)
    return writer.node("Add", [scaled, offset], name="gray", exact=True)


def _ink(writer: GraphWriter, net: Network, picture: str, size: Size, sketch: Sketch) -> str:
    """Return ink at the frame's size, from 0 to a little above 1."""
    work = work_size(size, sketch.long_side)
    small = picture if work == size else resize(writer, picture, size, work, area_matrix)
    passed = _high_pass(writer, small, sketch.gain)
    # [channels, 1, height, width]: each channel becomes a picture.
    batch = writer.node("Transpose", [passed], name="batch", exact=True, perm=[1, 0, 2, 3])
    lines = _run(writer, net, batch, work)
    most = writer.node("ReduceMax", [lines], name="most", exact=True, axes=[0], keepdims=1)
    if sketch.threshold > 0:
        limit = writer.constant(sketch.threshold)
        enough = writer.node("GreaterOrEqual", [most, limit], name="faint", exact=True)
        most = writer.node("Where", [enough, most, writer.constant(0.0)], name="faint", exact=True)
    return most if work == size else resize(writer, most, work, size)


def _high_pass(writer: GraphWriter, picture: str, gain: float | None) -> str:
    """Return 8-bit codes minus their rounded blur, times the gain."""
    codes = _round(writer, writer.node("Mul", [picture, writer.constant(_PEAK)], name="codes", exact=True))
    # Written as a product and a sum: runtimes rewrite a subtraction so and lose the node's `exact/` name.
    minus = writer.node("Mul", [_round(writer, _blur(writer, codes)), writer.constant(-1.0)], name="pass", exact=True)
    passed = writer.node("Add", [codes, minus], name="pass", exact=True)
    if gain is not None:
        return writer.node("Mul", [passed, writer.constant(gain / _UNIT)], name="gain", exact=True)
    largest = writer.node("ReduceMax", [passed], name="largest", exact=True, axes=[1, 2, 3], keepdims=1)
    # The largest value is 0 for a flat picture and at least one code for any other.
    divisor = writer.node("Max", [largest, writer.constant(1.0)], name="largest", exact=True)
    return writer.node("Div", [passed, divisor], name="gain", exact=True)


def _round(writer: GraphWriter, x: str) -> str:
    half = writer.node("Add", [x, writer.constant(0.5)], name="round", exact=True)
    return writer.node("Floor", [half], name="round", exact=True)


def _blur(writer: GraphWriter, x: str) -> str:
    """Return every channel blurred; beyond the edges the picture is reflected about its outermost samples."""
    pads = writer.constant(np.array([0, 0, _RADIUS, _RADIUS] * 2), integers=True)
    # Channels become pictures, so that one kernel serves them all.
    turned = writer.node("Transpose", [x], name="blur", exact=True, perm=[1, 0, 2, 3])
    blurred = writer.node("Pad", [turned, pads], name="blur", exact=True, mode="reflect")
    weights = gaussian(_SIGMA, _RADIUS)
    for kernel in (weights[None, None, None, :], weights[None, None, :, None]):
        inputs = [blurred, writer.constant(kernel)]
        blurred = writer.node("Conv", inputs, name="blur", exact=True, kernel_shape=list(kernel.shape[2:]))
    return writer.node("Transpose", [blurred], name="blur", exact=True, perm=[1, 0, 2, 3])


def _run(writer: GraphWriter, net: Network, x: str, size: Size) -> str:
    """Return the network's result, with blank paper added to the right and below for the network and cropped again."""
    width, height = size
    right, below = (max(LEAST, side + -side % MULTIPLE) - side for side in size)
    if not right and not below:
        return copy_body(writer, net, net.output, x)
    pads = writer.constant(np.array([0, 0, 0, 0, 0, 0, below, right]), integers=True)
    padded = writer.node("Pad", [x, pads], name="paper", exact=True, mode="constant")
    result = copy_body(writer, net, net.output, padded)
    starts, ends, axes = (writer.constant(np.array(v), integers=True) for v in ([0, 0], [height, width], [2, 3]))
    return writer.node("Slice", [result, starts, ends, axes], name="crop", exact=True)
