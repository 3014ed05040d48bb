"""A trained network written as plain ONNX, node by node, with no exporter between."""

from __future__ import annotations

from pathlib import Path

import onnx
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.models.architectures import Layer, artcnn_c, artcnn_r
from vsanime.nets.artcnn import ArtCNN, ArtCNNC, ArtCNNR


def to_onnx(net: ArtCNN) -> onnx.ModelProto:
    """Write a network as plain ONNX.

    Input `input` is 1, planes, height, width and output `output` 1, planes, scale * height, scale * width, both f32
    with height and width free; the output is clipped to [0, 1], before depth-to-space.

    Args:
        net: the network; its weights are copied.

    Raises:
        VsanimeError: the class of `net` is not known here.
    """
    if isinstance(net, ArtCNNC):
        inner = [layer(conv) for conv in net.inner_convs]
        return artcnn_c([layer(net.first), *inner, layer(net.inner_last), layer(net.last)], net.activation)
    if isinstance(net, ArtCNNR):
        inner = [layer(conv) for block in net.blocks for conv in (block.conv0, block.conv1, block.conv2)]
        return artcnn_r([layer(net.first), *inner, layer(net.inner_last), layer(net.last)], net.activation)
    raise VsanimeError(f"export: writes ArtCNNC and ArtCNNR networks, not {type(net).__name__}")


def layer(conv: nn.Conv2d) -> Layer:
    """A convolution's weights as arrays."""
    bias = None if conv.bias is None else conv.bias.detach().float().cpu().numpy()
    return Layer(conv.weight.detach().float().cpu().numpy(), bias)


def save(net: ArtCNN, path: Path) -> None:
    """Write a network to an ONNX file, making its folder where there is none.

    Raises:
        VsanimeError: the file cannot be written.
    """
    data = to_onnx(net).SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise VsanimeError(f"export: cannot write {str(path)!r}: {error.strerror}") from error
