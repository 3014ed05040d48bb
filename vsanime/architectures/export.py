"""A trained network written as plain ONNX, node by node, with no exporter between."""

from __future__ import annotations

from pathlib import Path

import onnx
from torch import nn
from torch.nn.utils import parametrize

from vsanime import files
from vsanime.architectures.animegan.module import Generator
from vsanime.architectures.animegan.onnx import animegan
from vsanime.architectures.artcnn.module import ArtCNNC, ArtCNNR
from vsanime.architectures.artcnn.onnx import artcnn_c, artcnn_r
from vsanime.architectures.color_transform.module import ColourTransform
from vsanime.architectures.color_transform.onnx import colour_transform
from vsanime.architectures.colornet.module import ColourNet
from vsanime.architectures.colornet.onnx import colour
from vsanime.architectures.drrn.module import DRRN
from vsanime.architectures.drrn.onnx import DrrnLayers, drrn
from vsanime.architectures.espcn.module import ESPCN, SelectionUnit
from vsanime.architectures.espcn.onnx import espcn
from vsanime.architectures.layers import Array, Layer
from vsanime.architectures.temporal.module import Temporal
from vsanime.architectures.temporal.onnx import temporal
from vsanime.architectures.waifu2x.module import VGG7, UpConv7
from vsanime.architectures.waifu2x.onnx import upconv, vgg
from vsanime.errors import VsanimeError
from vsanime.models.licences import write_credits


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """Write a network as plain ONNX.

    Input `input` is 1, planes, height, width and output `output` 1, planes, scale * height, scale * width, both f32
    with height and width free; the output is clipped to [0, 1], before depth-to-space where there is one. AnimeGANv2's
    generator, whose torch module works on [-1, 1], takes and gives [0, 1] there too. The networks of colorization have
    several inputs and outputs, named where each is written (`vsanime.architectures.colornet.onnx` and its neighbours).

    Args:
        net: the network; its weights are copied.

    Raises:
        VsanimeError: the class of `net` is not known here.
    """
    if isinstance(net, ArtCNNC):
        inner = [layer(conv) for conv in net.inner_convs]
        ends = [layer(net.inner_last), layer(net.last)]
        return artcnn_c([layer(net.first), *inner, *ends], net.activation)
    if isinstance(net, ArtCNNR):
        inner = [layer(conv) for block in net.blocks for conv in (block.conv0, block.conv1, block.conv2)]
        ends = [layer(net.inner_last), layer(net.last)]
        return artcnn_r([layer(net.first), *inner, *ends], net.activation)
    if isinstance(net, ESPCN):
        gates = [layer(unit[0]) for unit in net.modules() if isinstance(unit, SelectionUnit)]
        return espcn([*(layer(hidden[0]) for hidden in net.conv), layer(net.up_sampler[0])], gates)
    if isinstance(net, UpConv7 | VGG7):
        layers = [layer(conv) for conv in net.Sequential if not isinstance(conv, nn.LeakyReLU)]
        return upconv(layers) if isinstance(net, UpConv7) else vgg(layers)
    if isinstance(net, DRRN):
        unit = (layer(net.unit.conv0), layer(net.unit.conv1))
        return drrn(DrrnLayers(layer(net.first), unit, layer(net.last), net.units))
    if isinstance(net, Generator):
        return animegan(arrays(net), net.upsample, net.epsilon)
    if isinstance(net, ColourNet):
        return colour(arrays(net))
    if isinstance(net, ColourTransform):
        return colour_transform(arrays(net))
    if isinstance(net, Temporal):
        return temporal(arrays(net), residual=net.residual)
    known = "AnimeGANv2's generator, ArtCNN, ESPCN, UpConv_7, VGG_7, DRRN and the networks of colorization"
    raise VsanimeError(f"export: writes {known}, not {type(net).__name__}")


def arrays(net: nn.Module) -> dict[str, Array]:
    """A network's weights by name, those with a spectral norm as they are where nothing is learnt.

    The norm is not taken off: torch gives all copies of such a layer one class, and would take it off all of them.
    """
    learning = net.training
    net.eval()
    found = {name: tensor for name, tensor in net.state_dict().items() if ".parametrizations." not in name}
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            found[f"{name}.weight"] = module.weight
    net.train(learning)
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in found.items()}


def layer(conv: nn.Conv2d | nn.ConvTranspose2d) -> Layer:
    """A convolution's weights as arrays."""
    bias = None if conv.bias is None else conv.bias.detach().float().cpu().numpy()
    return Layer(conv.weight.detach().float().cpu().numpy(), bias)


def save(net: nn.Module, path: Path, *, licence: str = "", author: str = "") -> None:
    """Write a network to an ONNX file, making its folder where there is none.

    Args:
        net: the network.
        path: the file.
        licence: of the weights, for the file's metadata; empty where it is not known.
        author: who made them, likewise.

    Raises:
        VsanimeError: the file cannot be written.
    """
    proto = to_onnx(net)
    write_credits(proto, licence, author)
    data = proto.SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, data)
    except OSError as error:
        raise VsanimeError(f"export: cannot write {str(path)!r}: {error.strerror}") from error
