"""Builds graphs that convert planes of any color family to RGB for a network, and its result back.

YUV is read by its range, matrix and siting: chroma is resampled to the luma grid by Catmull-Rom, and one 1x1
convolution converts codes to RGB, which is clamped to [0, 1] before and after the network. The result takes the reverse
way, and is rounded once at the end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from vsanime.arrays import Doubles
from vsanime.coding import LUMA_WEIGHTS, plane_codings
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.builders.luma_chroma import copy_body, read_checked
from vsanime.graphs.codes import read, store
from vsanime.graphs.inspect import NetFacts
from vsanime.graphs.limits import guard
from vsanime.graphs.network import Network, attributes, clip_bounds
from vsanime.graphs.resample import down_taps, downsample, up_taps, upsample
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, TensorSpec

# A tint is a mean over this many input pixels in each direction, applied twice: wider than what a network draws as one
# edge.
_TINT_WINDOW = 9
_TINT_PASSES = 2

_PLANES = {Family.GRAY: ("gray",), Family.YUV: ("y", "cb", "cr"), Family.RGB: ("r", "g", "b")}


def reach(form: PlaneFormat, scale: int, *, correct_tint: bool = False) -> tuple[int, int]:
    """Return how many source luma pixels the color conversions see beyond the network's radius, (horizontal, vertical).

    Upsampling sees two chroma samples beyond the block of a luma pixel. Downsampling sees two blocks of output pixels
    around the chroma sample, including its own.
    """

    def axis(shift: int) -> int:
        block = 1 << shift
        return (3 * block - 1) + -(-(2 * block - 1) // scale) if shift else 0

    tint = _TINT_PASSES * (_TINT_WINDOW // 2) if correct_tint else 0
    return axis(form.subsampling_w) + tint, axis(form.subsampling_h) + tint


@guard("the network's graph cannot be written")
def rgb_graph(
    proto: onnx.ModelProto,
    facts: NetFacts,
    source: FrameSpec,
    target: PlaneFormat,
    width: int,
    height: int,
    traits: GraphTraits,
    *,
    correct_tint: bool = False,
) -> PlanesGraph:
    """Return a graph for a network from RGB to RGB.

    Args:
        proto: plain network, 3 channels in and out.
        facts: facts about the network, as `inspect` returns them.
        source: facts about the clip's frames.
        target: format of the output planes: the source's, except for the depth.
        width: width of the tile in luma pixels, a multiple of the subsampling.
        height: height of the tile in luma pixels, a multiple of the subsampling.
        traits: traits that the backend wants.
        correct_tint: whether to undo the network's change of mean color in a neighborhood.
    """
    net = read_checked(proto, channels=3)
    writer = GraphWriter(any_size=traits.any_size)
    small = replace(source, width=width, height=height)
    large = replace(source, format=target, width=width * facts.scale, height=height * facts.scale)
    inputs, outputs = plane_tensors(small, "source"), plane_tensors(large, "result")
    rgb = clamp(writer, decode_rgb(writer, small, planes_in(writer, inputs)))
    result = _apply(writer, net, rgb)
    if correct_tint:
        result = _without_tint(writer, rgb, result, facts.scale)
    else:
        # An identity convolution, so that the clamp is computed with it in f32.
        result = mix(writer, result, np.eye(3), np.zeros(3), name="result")
    planes_out(writer, large, encode_rgb(writer, large, clamp(writer, result)), outputs)
    return finish_graph(writer, inputs, outputs, traits, split=False)


def _apply(writer: GraphWriter, net: Network, rgb: str) -> str:
    """Return the network's result, at least 0; values above 1 are not yet clamped.

    An end of the network that only clips and moves samples is written anew: OpenVINO passes the result of a
    low-precision convolution on in f32 if a ReLU marked `exact/` follows, and for no other operation.
    """
    moves: list[onnx.NodeProto] = []
    tensor = net.output
    while (node := net.producer(tensor)) is not None and node.op_type in ("Clip", "DepthToSpace", "Slice"):
        if len(net.consumers(tensor)) > 1 or (node.op_type == "Clip" and clip_bounds(net, node) != (0, 1)):
            return copy_body(writer, net, net.output, rgb)
        if node.op_type != "Clip":
            moves.insert(0, node)
        tensor = node.input[0]
    if node is None or node.op_type != "Conv":
        return copy_body(writer, net, net.output, rgb)
    value = writer.node("Relu", [copy_body(writer, net, tensor, rgb)], name="result", exact=True)
    for move in moves:
        constants = [writer.constant(net.weights[name], integers=True) for name in move.input[1:]]
        value = writer.node(move.op_type, [value, *constants], name="result", exact=True, **attributes(move))
    return value


def _without_tint(writer: GraphWriter, rgb: str, result: str, scale: int) -> str:
    """Return the result minus the blurred difference between result and input.

    The detail that a network adds averages out over a neighborhood; the remaining change of the average is its tint.
    Sums are written as convolutions, which keep f32 where the network runs in low precision.
    """
    small = result
    if scale > 1:
        small = _average(writer, result, scale, stride=scale)
    change = _difference(writer, small, rgb)
    for _ in range(_TINT_PASSES):
        change = _average(writer, change, _TINT_WINDOW, stride=1)
    if scale > 1:
        # The blurred change is smooth, so one value may stand for a whole block.
        repeated = np.eye(3).repeat(scale**2, axis=0)
        blocks = mix(writer, change, repeated, np.zeros(len(repeated)), name="tint")
        change = writer.node("DepthToSpace", [blocks], name="tint", exact=True, blocksize=scale, mode="CRD")
    return _difference(writer, result, change)


def _average(writer: GraphWriter, x: str, window: int, stride: int) -> str:
    pads = [window // 2 if stride == 1 else 0] * 4
    shape: dict[str, list[int]] = {"kernel_shape": [window] * 2, "strides": [stride] * 2, "pads": pads}
    return writer.node("AveragePool", [x], name="tint", exact=True, count_include_pad=0, **shape)


def _difference(writer: GraphWriter, a: str, b: str) -> str:
    both = writer.node("Concat", [a, b], name="difference", exact=True, axis=1)
    return mix(writer, both, np.concatenate([np.eye(3), -np.eye(3)], axis=1), np.zeros(3), name="difference")


def plane_tensors(spec: FrameSpec, prefix: str) -> tuple[TensorSpec, ...]:
    """Return one tensor for each plane."""
    form = spec.format
    sizes = [(spec.height, spec.width)] + [(spec.height >> form.subsampling_h, spec.width >> form.subsampling_w)] * 2
    names = _PLANES[form.family]
    return tuple(
        TensorSpec(f"{prefix}_{name}", form.dtype, (1, 1, *size)) for name, size in zip(names, sizes, strict=False)
    )


def planes_in(writer: GraphWriter, inputs: tuple[TensorSpec, ...]) -> list[str]:
    """Declare the input planes, and return their codes as f32."""
    return [read(writer, writer.input(t.name, t.dtype, list(t.shape)), t.dtype) for t in inputs]


def decode_rgb(writer: GraphWriter, spec: FrameSpec, codes: list[str]) -> str:
    """Return the RGB values [1, 3, height, width] of the planes' codes, not yet clamped."""
    form = spec.format
    planes = list(codes)
    if spec.chroma_location is not None:
        size = (spec.width >> form.subsampling_w, spec.height >> form.subsampling_h)
        taps = up_taps((form.subsampling_w, form.subsampling_h), spec.chroma_location)
        planes[1:] = [upsample(writer, plane, size, taps) for plane in planes[1:]]
    joined = planes[0] if len(planes) == 1 else writer.node("Concat", planes, name="codes", exact=True, axis=1)
    return mix(writer, joined, *_to_rgb(spec), name="rgb")


def encode_rgb(writer: GraphWriter, spec: FrameSpec, rgb: str) -> list[str]:
    """Return the planes' codes for RGB values, in f32; integer codes are half a code higher, to be truncated."""
    form = spec.format
    weight, bias = _from_rgb(spec)
    if form.is_integer:
        # The half makes truncation round; resampling preserves it, since a kernel's weights add up to 1.
        bias = bias + 0.5
    # One convolution for each plane: splitting the channels of a single one costs several times as much.
    planes = [mix(writer, rgb, weight[n : n + 1], bias[n : n + 1], name="plane") for n in range(len(weight))]
    if spec.chroma_location is not None:
        subsampling = (form.subsampling_w, form.subsampling_h)
        taps = down_taps(subsampling, spec.chroma_location)
        size = (spec.width, spec.height)
        planes[1:] = [downsample(writer, plane, size, subsampling, taps) for plane in planes[1:]]
    return planes


def planes_out(writer: GraphWriter, spec: FrameSpec, codes: list[str], outputs: tuple[TensorSpec, ...]) -> None:
    """Declare the output planes for codes as `encode_rgb` returns them."""
    stored = [store(writer, plane, coding) for plane, coding in zip(codes, plane_codings(spec), strict=True)]
    for plane, tensor in zip(stored, outputs, strict=True):
        writer.output(plane, tensor.name, tensor.dtype, list(tensor.shape))


def _spans(spec: FrameSpec) -> tuple[Doubles, Doubles]:
    """Return each plane's span from value 0 to 1 in codes, and its code of 0."""
    codings = plane_codings(spec)
    return np.array([c.span for c in codings]), np.array([c.zero for c in codings])


def _to_rgb(spec: FrameSpec) -> tuple[Doubles, Doubles]:
    """Return the weight [3, planes] and bias [3] from codes to RGB."""
    span, zero = _spans(spec)
    weight = _rgb_of_planes(spec) / span
    # Summed by hand: a library's product differs in its last digit between processors, and a graph must be the same
    # bytes everywhere, since engines are cached under its digest.
    return weight, -(weight * zero).sum(axis=1)


def _from_rgb(spec: FrameSpec) -> tuple[Doubles, Doubles]:
    """Return the weight [planes, 3] and bias [planes] from RGB to codes."""
    span, zero = _spans(spec)
    return _planes_of_rgb(spec) * span[:, None], zero


def _planes_of_rgb(spec: FrameSpec) -> Doubles:
    """Return the matrix [planes, 3] of luma and the scaled color differences of blue and red, or of RGB itself."""
    if spec.format.family is Family.RGB:
        return np.eye(3)
    assert spec.matrix is not None
    red, blue = LUMA_WEIGHTS[spec.matrix]
    luma = np.array([red, 1 - red - blue, blue])
    if spec.format.family is Family.GRAY:
        return luma[None]
    cb = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([luma, cb, cr])


def _rgb_of_planes(spec: FrameSpec) -> Doubles:
    """Return the inverse of `_planes_of_rgb`, written out for the same reason as in `_to_rgb`."""
    if spec.format.family is Family.GRAY:
        return np.ones((3, 1))
    if spec.format.family is Family.RGB:
        return np.eye(3)
    assert spec.matrix is not None
    red, blue = LUMA_WEIGHTS[spec.matrix]
    green = 1 - red - blue
    of_cb, of_cr = 2 * (1 - blue), 2 * (1 - red)
    return np.array([[1, 0, of_cr], [1, -of_cb * blue / green, -of_cr * red / green], [1, of_cb, 0]])


def mix(writer: GraphWriter, x: str, weight: Doubles, bias: Doubles, *, name: str) -> str:
    """Return sums of channels by weight [out, in] and bias [out], as a convolution, which always stays in f32."""
    inputs = [x, writer.constant(weight[:, :, None, None]), writer.constant(bias)]
    return writer.node("Conv", inputs, name=name, exact=True, kernel_shape=[1, 1])


def clamp(writer: GraphWriter, x: str) -> str:
    """Return values clamped to [0, 1]."""
    return writer.node("Clip", [x, writer.constant(0.0), writer.constant(1.0)], name="clamp", exact=True)
