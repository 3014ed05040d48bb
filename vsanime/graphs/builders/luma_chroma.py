"""Builds the graph from a clip's planes through a network to output planes, for luma or chroma networks."""

from __future__ import annotations

import numpy as np
import onnx

from vsanime.arrays import Doubles
from vsanime.coding import Coding
from vsanime.errors import VsanimeError
from vsanime.graphs.blocks import Blocks
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.codes import decode, encode
from vsanime.graphs.inspect import NetFacts
from vsanime.graphs.limits import guard
from vsanime.graphs.network import Network, SameConv, find_needed, read_network, read_same_conv, read_tail
from vsanime.graphs.passes.linear import LinearPath, find_linear_path
from vsanime.graphs.resample import up_taps, upsample
from vsanime.graphs.writer import TYPES, GraphWriter
from vsanime.spec import ChromaLocation, GraphTraits, PlanesGraph, TensorSpec


@guard("the network's graph cannot be written")
def luma_graph(
    proto: onnx.ModelProto,
    facts: NetFacts,
    source: Coding,
    target: Coding,
    width: int,
    height: int,
    traits: GraphTraits,
) -> PlanesGraph:
    """Return a graph for a network that takes one plane, such as a luma doubler.

    Args:
        proto: plain network, 1 channel in.
        facts: facts about the network, as `inspect` returns them.
        source: coding of the input plane.
        target: coding of the output plane.
        width: width of the input tile in pixels.
        height: height of the input tile in pixels.
        traits: traits that the backend wants.
    """
    net = read_checked(proto, channels=1)
    writer = GraphWriter(any_size=traits.any_size)
    plane = writer.input("luma", source.dtype, [1, 1, height, width])
    picture = decode(writer, plane, source)
    inputs = (TensorSpec("luma", source.dtype, (1, 1, height, width)),)
    return _finish(writer, net, facts, inputs, picture, target, traits)


@guard("the network's graph cannot be written")
def chroma_graph(
    proto: onnx.ModelProto,
    facts: NetFacts,
    luma: Coding,
    chroma: Coding,
    target: Coding,
    width: int,
    height: int,
    subsampling: tuple[int, int],
    siting: ChromaLocation,
    traits: GraphTraits,
) -> PlanesGraph:
    """Return a graph for a network that reconstructs chroma at luma size from Y, Cb + 0.5 and Cr + 0.5.

    The subsampled chroma planes are brought to the luma grid bilinearly, according to their siting.

    Args:
        proto: plain network, 3 channels in.
        facts: facts about the network, as `inspect` returns them.
        luma: coding of the luma plane.
        chroma: coding of the two chroma planes.
        target: coding of the output planes.
        width: width of the luma tile in pixels, a multiple of the subsampling.
        height: height of the luma tile in pixels, a multiple of the subsampling.
        subsampling: log2 of the chroma subsampling, (horizontal, vertical).
        siting: position of chroma samples.
        traits: traits that the backend wants.
    """
    net = read_checked(proto, channels=3)
    writer = GraphWriter(any_size=traits.any_size)
    w, h = width >> subsampling[0], height >> subsampling[1]
    inputs = (
        TensorSpec("luma", luma.dtype, (1, 1, height, width)),
        TensorSpec("cb", chroma.dtype, (1, 1, h, w)),
        TensorSpec("cr", chroma.dtype, (1, 1, h, w)),
    )
    planes = [writer.input(t.name, t.dtype, list(t.shape)) for t in inputs]
    values = [decode(writer, planes[0], luma)]
    taps = up_taps(subsampling, siting, smooth=False)
    for plane in planes[1:]:
        values.append(upsample(writer, decode(writer, plane, chroma), (w, h), taps))
    picture = writer.node("Concat", values, name="picture", exact=True, axis=1)
    return _finish(writer, net, facts, inputs, picture, target, traits)


def read_checked(proto: onnx.ModelProto, channels: int) -> Network:
    """Return the parsed network.

    Raises:
        VsanimeError: the network takes another number of channels.
    """
    net = read_network(proto)
    if net.in_channels != channels:
        raise VsanimeError(f"the network takes {net.in_channels} channels; {channels} are needed here")
    return net


def _finish(
    writer: GraphWriter,
    net: Network,
    facts: NetFacts,
    inputs: tuple[TensorSpec, ...],
    picture: str,
    target: Coding,
    traits: GraphTraits,
) -> PlanesGraph:
    """Add network, codes and output in the form that the network's end allows, and return the graph."""
    height, width = inputs[0].shape[2:]
    tail = read_tail(net)
    conv = read_same_conv(net, tail.conv) if tail is not None else None
    if tail is None or conv is None:
        codes = encode(writer, copy_body(writer, net, net.output, picture), target)
        shape = (1, facts.out_channels, height * facts.scale, width * facts.scale)
        return _output(writer, codes, inputs, shape, target, traits, split=False)
    blocks = Blocks(planes=facts.out_channels, scale=tail.scale, mode=tail.mode, side=traits.block)
    path = find_linear_path(net, tail) if traits.exact_linear else None
    if path is not None:
        copy_body(writer, net, path.inner, picture)
        value = _split_end(writer, path, blocks, picture, (width, height))
    else:
        body = copy_body(writer, net, tail.conv.input[0], picture)
        value = _block_conv(writer, body, conv, blocks, (width, height), name="last")
    if tail.low is not None or tail.high is not None:
        bounds = [writer.constant(bound) if bound is not None else "" for bound in (tail.low, tail.high)]
        value = writer.node("Clip", [value, *bounds], name="clip", exact=True)
    if traits.quantize_first:
        value = _shuffle(writer, encode(writer, value, target), blocks)
    else:
        value = encode(writer, _shuffle(writer, value, blocks), target)
    shape = (1, blocks.planes, blocks.count(height) * blocks.shuffle, blocks.count(width) * blocks.shuffle)
    return _output(writer, value, inputs, shape, target, traits, split=path is not None)


def _output(
    writer: GraphWriter,
    codes: str,
    inputs: tuple[TensorSpec, ...],
    shape: tuple[int, int, int, int],
    target: Coding,
    traits: GraphTraits,
    *,
    split: bool,
) -> PlanesGraph:
    writer.output(codes, "planes", target.dtype, list(shape))
    return finish_graph(writer, inputs, (TensorSpec("planes", target.dtype, shape),), traits, split=split)


def copy_body(writer: GraphWriter, net: Network, tensor: str, picture: str) -> str:
    """Copy the network's own nodes up to `tensor`, reading `picture`; return the name of `tensor` in the graph."""
    for node in find_needed(net.nodes, tensor):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for i, name in enumerate(copy.input):
            if name == net.input:
                copy.input[i] = picture
            elif name in net.weights:
                writer.weight(name, net.weights[name])
        writer.copy(copy)
    return picture if tensor == net.input else tensor


def _shuffle(writer: GraphWriter, value: str, blocks: Blocks) -> str:
    if blocks.shuffle == 1:
        return value
    return writer.node("DepthToSpace", [value], name="shuffle", exact=True, blocksize=blocks.shuffle, mode="CRD")


def _block_conv(
    writer: GraphWriter,
    tensor: str,
    conv: SameConv,
    blocks: Blocks,
    size: tuple[int, int],
    *,
    name: str,
    exact: bool = False,
    bias: bool = True,
) -> str:
    """Return a size-keeping convolution computed for blocks; the last block may extend beyond the frame."""
    over_w, over_h = (blocks.count(n) * blocks.side - n for n in size)
    inputs = [tensor, writer.constant(blocks.kernel(conv.weight))]
    if bias:
        inputs.append(writer.constant(blocks.bias(conv.bias)))
    side = int(conv.weight.shape[2]) + blocks.side - 1
    return writer.node(
        "Conv",
        inputs,
        name=name,
        exact=exact,
        kernel_shape=[side, side],
        strides=[blocks.side] * 2,
        pads=[conv.pad, conv.pad, conv.pad + over_h, conv.pad + over_w],
    )


def _split_end(
    writer: GraphWriter,
    path: LinearPath,
    blocks: Blocks,
    picture: str,
    size: tuple[int, int],
) -> str:
    """Return last(first(x)) in f32, plus the last convolution of the rest, minus the ring beyond the frame."""
    weight, bias = path.kernel()
    linear = _block_conv(writer, picture, SameConv(weight, bias), blocks, size, name="linear", exact=True)
    rest = _block_conv(writer, path.inner, path.last, blocks, size, name="rest", bias=False)
    value = writer.node("Add", [rest, linear], name="sum", exact=True)
    for edge in ("top", "bottom", "left", "right"):
        share = _ring(writer, path, blocks, picture, size, edge)
        mask = _open_mask(writer, picture, edge) if writer.any_size else _mask(writer, blocks, size, edge)
        spread = writer.node("Mul", [share, mask], name=edge, exact=True)
        value = writer.node("Sub", [value, spread], name="edges", exact=True)
    return value


def _ring(writer: GraphWriter, path: LinearPath, blocks: Blocks, picture: str, size: tuple[int, int], edge: str) -> str:
    """Return the contribution of the ring beyond one edge, as a strip along it."""
    width, height = size
    along, across = (width, height) if edge in ("top", "bottom") else (height, width)
    line = 0 if edge in ("top", "left") else across - 1
    axis, moving = (2, 3) if edge in ("top", "bottom") else (3, 2)
    # Counted from the end at the far edge, so that the numbers are the same for every size.
    ends = (0, 1) if line == 0 else (-1, np.iinfo(np.int32).max)
    bounds = [writer.constant(np.array([n]), integers=True) for n in (*ends, axis)]
    strip = writer.node("Slice", [picture, *bounds], name=edge, exact=True)
    only = range(line % blocks.side, line % blocks.side + 1)
    over = blocks.count(along) * blocks.side - along

    def conv(tensor: str, kernel: Doubles, bias: Doubles | None, stride: int, pads: tuple[int, int]) -> str:
        inputs = [tensor, writer.constant(kernel)] + ([] if bias is None else [writer.constant(bias)])
        four = [0, pads[0], 0, pads[1]] if moving == 3 else [pads[0], 0, pads[1], 0]
        strides = [1, stride] if moving == 3 else [stride, 1]
        return writer.node(
            "Conv", inputs, name=edge, exact=True, kernel_shape=list(kernel.shape[2:]), strides=strides, pads=four
        )

    if moving == 3:
        weight, bias = path.row_ring(edge)
        kernel, spread = blocks.kernel(weight, rows=only), blocks.bias(bias, rows=only)
        return conv(strip, kernel, spread, blocks.side, (2, 2 + over))
    ring, carry = path.column_ring(edge)
    column = conv(strip, ring.weight, ring.bias, 1, (1, 1))
    return conv(column, blocks.kernel(carry, columns=only), None, blocks.side, (1, 1 + over))


def _mask(writer: GraphWriter, blocks: Blocks, size: tuple[int, int], edge: str) -> str:
    """Return a mask of 1 on the blocks along one edge and 0 elsewhere, which spreads a strip over the frame."""
    across = size[1] if edge in ("top", "bottom") else size[0]
    mask = np.zeros(blocks.count(across))
    mask[0 if edge in ("top", "left") else -1] = 1
    return writer.constant(mask[None, None, :, None] if edge in ("top", "bottom") else mask[None, None, None, :])


def _open_mask(writer: GraphWriter, picture: str, edge: str) -> str:
    """Return the same mask for a frame of open size, and so without blocks: 1 at the edge's position across it."""
    axis = 2 if edge in ("top", "bottom") else 3
    shape = writer.node("Shape", [picture], name=edge, exact=True, start=axis, end=axis + 1)
    zero, one = (writer.constant(np.array(n), integers=True) for n in (0, 1))
    length = writer.node("Squeeze", [shape], name=edge, exact=True)
    positions = writer.node("Range", [zero, length, one], name=edge, exact=True)
    line = zero if edge in ("top", "left") else writer.node("Sub", [length, one], name=edge, exact=True)
    chosen = writer.node("Equal", [positions, line], name=edge, exact=True)
    mask = writer.node("Cast", [chosen], name=edge, exact=True, to=TYPES["float32"])
    # Broadcasting aligns the last axis with columns.
    if axis == 3:
        return mask
    return writer.node("Unsqueeze", [mask, writer.constant(np.array([1]), integers=True)], name=edge, exact=True)
