"""A network with the weights of a file: any ONNX of a network of this project, and every file that importers read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isqrt
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.utils import parametrize

from vsanime.errors import VsanimeError
from vsanime.models.architectures import Array, Layer
from vsanime.models.formats import read
from vsanime.models.formats.generator import looks_like, weights_of
from vsanime.models.onnxfile import read_onnx
from vsanime.nets.animegan import Generator
from vsanime.nets.artcnn import ArtCNNC, ArtCNNR
from vsanime.nets.colour import ColourNet
from vsanime.nets.colourtransform import ColourTransform
from vsanime.nets.drrn import DRRN
from vsanime.nets.espcn import ESPCN
from vsanime.nets.export import to_onnx
from vsanime.nets.temporal import Temporal
from vsanime.nets.upconv import VGG7, UpConv7

# Nodes that some programs write and others do not, and that compute nothing.
_SILENT = ("Constant", "Identity")


def load(path: Path, activation: str | None = None, upsample: str | None = None) -> nn.Module:
    """Build the network that a file holds, with its weights.

    Args:
        path: an ONNX, or what `vsanime import` reads: state-dicts, ncnn, waifu2x's JSON, mpv shaders.
        activation: of an ArtCNN state-dict, which does not say; None for what it says, else "relu".
        upsample: of an AnimeGANv2 state-dict; see `vsanime.models.formats.Wishes`.

    Raises:
        VsanimeError: the file cannot be read, or is of no network of this project.
    """
    proto = read_onnx(path) if path.suffix.lower() == ".onnx" else read(path, activation, upsample).proto
    try:
        return from_onnx(proto)
    except VsanimeError as error:
        raise VsanimeError(f"{path}: {error}") from None


def from_onnx(proto: onnx.ModelProto) -> nn.Module:
    """Build the network that a plain ONNX is of; its nodes say which, shapes give every size.

    Args:
        proto: a network as this project writes it, or as the authors of ArtCNN publish it.

    Raises:
        VsanimeError: a network that is not known; its nodes are compared with what the network built would have.
    """
    if looks_like(proto):
        return _generator(proto)
    if (of_colours := _of_colours(proto)) is not None:
        return of_colours
    kinds = [node.op_type for node in proto.graph.node]
    _check_shuffle(proto)
    convs = _convolutions(proto)
    if not convs:
        raise VsanimeError("it has no convolutions with stored weights; the networks of this project have")
    layers = [convs[name] for name in convs]
    try:
        net, modules = _network(kinds, layers)
        for module, layer in zip(modules, layers, strict=True):
            _fill(module, layer)
    except (ValueError, IndexError, RuntimeError):
        raise VsanimeError(f"its {len(layers)} convolutions fit no network of this project") from None
    model = to_onnx(net)
    if _kinds(model) != _kinds(proto):
        found = ", ".join(sorted(set(kinds)))
        raise VsanimeError(
            f"its nodes ({found}) are not those of {type(net).__name__}, which its convolutions look like"
        )
    _check_settings(proto, model, type(net).__name__)
    return net


# Names of inputs, by which a network of colorization is known; and the weights that its width is the first axis of.
_COLOURS: dict[frozenset[str], tuple[type[nn.Module], str]] = {
    frozenset({"line", "key_lines", "key_colours", "warped", "errors", "prior"}): (ColourNet, "lines.stem.weight"),
    frozenset({"line", "distance", "key_lines", "key_distances", "key_colours"}): (
        ColourTransform,
        "embedder.0.weight",
    ),
    frozenset({"lines", "colours"}): (Temporal, "first.weight"),
}


def _of_colours(proto: onnx.ModelProto) -> nn.Module | None:
    """One of colorization, whose weights have the same names here and there; None where it is none.

    Raises:
        VsanimeError: it looks like one and has other weights or nodes.
    """
    inputs = frozenset(entry.name for entry in proto.graph.input)
    if inputs not in _COLOURS:
        return None
    kind, first = _COLOURS[inputs]
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    if first not in stored:
        raise VsanimeError(f"its inputs are those of {kind.__name__}, and {first} is not among its weights")
    options = {"residual": proto.graph.node[-1].op_type == "Clip"} if kind is Temporal else {}
    net = without_norms(kind(len(stored[first]), **options))
    try:
        net.load_state_dict({name: torch.tensor(_whole(name, stored)) for name in net.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise VsanimeError(f"its weights are not those of {kind.__name__}: {str(error).splitlines()[0]}") from None
    if _kinds(to_onnx(net)) != _kinds(proto):
        raise VsanimeError(f"its nodes are not those of {kind.__name__}, which its inputs look like")
    return net


def without_norms(net: nn.Module) -> nn.Module:
    """The network, its spectral norms taken off: files hold weights as they are with them."""
    for module in net.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return net


def _whole(name: str, stored: Mapping[str, Array]) -> Array:
    """Weights by the name that the torch module has for them; graphs hold a few in parts.

    Raises:
        KeyError: they are not there.
    """
    if name.endswith(".shift.kernels"):
        part = name.removesuffix("kernels")
        return np.array([[stored[f"{part}{group}.{t}"].item() for t in range(3)] for group in range(2)], np.float32)
    return stored[name]


def _generator(proto: onnx.ModelProto) -> Generator:
    """AnimeGANv2's, from our ONNX or another's: what its graph may differ in is looked at as the weights are read."""
    weights = weights_of(proto)
    net = Generator(weights.upsample, epsilon=weights.epsilon)
    net.load_state_dict({name: torch.tensor(array) for name, array in weights.arrays.items()})
    return net


def _kinds(proto: onnx.ModelProto) -> list[str]:
    return sorted(node.op_type for node in proto.graph.node if node.op_type not in _SILENT)


# What nodes may be set to that changes what they compute, with what it is where nothing is said.
_SETTINGS: dict[str, dict[str, object]] = {
    "Conv": {"dilations": (1, 1), "strides": (1, 1), "group": 1, "pads": (0, 0, 0, 0)},
    "ConvTranspose": {
        **{"dilations": (1, 1), "strides": (1, 1), "group": 1, "pads": (0, 0, 0, 0)},
        "output_padding": (0, 0),
    },
    "LeakyRelu": {"alpha": 0.01},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "DepthToSpace": {"blocksize": 0},
    "Pad": {"mode": "constant"},
}


def _check_settings(proto: onnx.ModelProto, model: onnx.ModelProto, name: str) -> None:
    """Compare how nodes are set with how those of the network built are.

    Raises:
        VsanimeError: a convolution is dilated, a slope is another, and the like.
    """
    found, expected = Counter(_settings(proto)), Counter(_settings(model))
    if found != expected:
        other = sorted((found - expected).keys(), key=str)[0]
        raise VsanimeError(f"one of its nodes, {other}, is set as none of {name}, which its convolutions look like")


def _settings(proto: onnx.ModelProto) -> Iterator[str]:
    """Every node that can be set, with its settings."""
    weights = {name: layer.weight.shape for name, layer in _convolutions(proto).items()}
    for node in proto.graph.node:
        if node.op_type in _SETTINGS:
            given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            settings = {key: _plain(given.get(key, value)) for key, value in _SETTINGS[node.op_type].items()}
            if given.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
                # For odd kernels, which all are that have this, both halves are the same.
                rows, columns = ((n - 1) // 2 for n in weights[node.input[1]][2:])
                settings["pads"] = (rows, columns, rows, columns)
            yield f"{node.op_type} with {', '.join(f'{key} {value}' for key, value in settings.items())}"


def _plain(value: object) -> object:
    """Comparable: lists as tuples, bytes as text, f32 as far as f32 tells."""
    if isinstance(value, float):
        return round(value, 6)
    return value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value


def _check_shuffle(proto: onnx.ModelProto) -> None:
    """torch shuffles in the order CRD; TensorFlow's DCR is the same for one plane only.

    Raises:
        VsanimeError: DCR, and several planes come out.
    """
    planes = proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    for node in proto.graph.node:
        if node.op_type == "DepthToSpace" and planes != 1:
            mode = next((a.s for a in node.attribute if a.name == "mode"), b"DCR")
            if mode != b"CRD":
                raise VsanimeError(f"its {planes} planes are shuffled in the order DCR; networks here have CRD")


def _convolutions(proto: onnx.ModelProto) -> dict[str, Layer]:
    """Layers by the name of their weights, in the order of the graph; what several nodes share is there once."""
    arrays: dict[str, Array] = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            value = next((a.t for a in node.attribute if a.name == "value"), onnx.TensorProto())
            arrays[node.output[0]] = numpy_helper.to_array(value)
    found: dict[str, Layer] = {}
    for node in proto.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and all(name in arrays for name in node.input[1:]):
            found[node.input[1]] = Layer(arrays[node.input[1]], arrays[node.input[2]] if len(node.input) > 2 else None)
    return found


def _network(kinds: Sequence[str], layers: Sequence[Layer]) -> tuple[nn.Module, list[nn.Module]]:
    """An empty network, and its convolutions in the order of the layers."""
    planes = int(layers[0].weight.shape[1])
    widths = [int(layer.weight.shape[0]) for layer in layers]
    if "ConvTranspose" in kinds:
        upconv = UpConv7(widths[:-1], planes, last_bias=layers[-1].bias is not None)
        return upconv, _convs(upconv)
    if "LeakyRelu" in kinds:
        vgg = VGG7(widths[:-1], planes)
        return vgg, _convs(vgg)
    if "Selu" in kinds:
        hidden = [width for width, layer in zip(widths, layers, strict=True) if layer.weight.shape[2] == 3][:-1]
        units = len(layers) > len(hidden) + 1
        espcn = ESPCN(hidden, planes=planes, scale=isqrt(widths[-1] // planes), selection_units=units)
        return espcn, _convs(espcn)
    if layers[0].weight.shape[2] == 5:
        return _drrn(kinds, layers, planes)
    return _artcnn(kinds, widths, planes)


def _artcnn(kinds: Sequence[str], widths: Sequence[int], planes: int) -> tuple[nn.Module, list[nn.Module]]:
    scale = 2 if "DepthToSpace" in kinds else 1
    out = widths[-1] // scale**2
    activation = "silu" if "Sigmoid" in kinds else "relu"
    if kinds.count("Add") == 1:
        inner = len(widths) - 3
        c = ArtCNNC(inner, widths[0], in_planes=planes, out_planes=out, scale=scale, activation=activation)
        return c, [c.first, *c.inner_convs, c.inner_last, c.last]
    blocks = len(widths) // 3 - 1
    r = ArtCNNR(blocks, widths[0], in_planes=planes, out_planes=out, scale=scale, activation=activation)
    return r, [r.first, *(conv for block in r.blocks for conv in _convs(block)), r.inner_last, r.last]


def _drrn(kinds: Sequence[str], layers: Sequence[Layer], planes: int) -> tuple[nn.Module, list[nn.Module]]:
    _, first, _, _, last = layers
    low = int(last.weight.shape[0]) != planes
    units = kinds.count("Add") - 1  # one of them joins the bicubic picture
    net = DRRN(units, int(first.weight.shape[0]), planes=planes, low=low)
    return net, [_Fixed(), net.first, net.unit.conv0, net.unit.conv1, net.last]


class _Fixed(nn.Module):  # type: ignore[misc,unused-ignore]
    """Stands for weights that are no parameters."""


def _convs(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]


def _fill(module: nn.Module, layer: Layer) -> None:
    """Copy one layer's weights.

    Raises:
        RuntimeError: they have another shape.
    """
    if isinstance(module, _Fixed):
        return
    state = {"weight": torch.tensor(layer.weight)}
    if module.bias is not None:
        bias = layer.bias
        state["bias"] = torch.zeros_like(module.bias) if bias is None else torch.tensor(bias)
    module.load_state_dict(state)
