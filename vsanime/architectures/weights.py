"""Weights of torch modules as arrays, and modules with the weights of a plain ONNX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.utils import parametrize

from vsanime.architectures.deduce import read_convolutions
from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError

# Nodes that some programs write and others do not, and that compute nothing.
_SILENT = ("Constant", "Identity")


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


def without_norms(net: nn.Module) -> nn.Module:
    """The network, its spectral norms taken off: files hold weights as they are with them."""
    for module in net.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return net


def rebuild(
    proto: onnx.ModelProto,
    build: Callable[[Sequence[str], Sequence[Layer]], tuple[nn.Module, list[nn.Module]]],
    write: Callable[[nn.Module], onnx.ModelProto],
) -> nn.Module:
    """Build the network that a plain ONNX of one input is of, with its weights.

    Args:
        proto: the ONNX.
        build: makes a network from the operators of the graph and its convolutions, and names the modules whose weights
            these are, in order.
        write: writes that network as plain ONNX.

    Raises:
        VsanimeError: another network; its nodes are compared with what the network built would have.
    """
    kinds = [node.op_type for node in proto.graph.node]
    _check_shuffle(proto)
    layers = list(read_convolutions(proto).values())
    if not layers:
        raise VsanimeError("it has no convolutions with stored weights; the networks of this project have")
    try:
        net, modules = build(kinds, layers)
        for module, layer in zip(modules, layers, strict=True):
            _fill(module, layer)
    except (ValueError, IndexError, RuntimeError):
        raise VsanimeError(f"its {len(layers)} convolutions fit no network of this project") from None
    model = write(net)
    if _kinds(model) != _kinds(proto):
        found = ", ".join(sorted(set(kinds)))
        raise VsanimeError(
            f"its nodes ({found}) are not those of {type(net).__name__}, which its convolutions look like"
        )
    _check_settings(proto, model, type(net).__name__)
    return net


def rebuild_by_names(
    proto: onnx.ModelProto,
    kind: type[nn.Module],
    first: str,
    make: Callable[[int], nn.Module],
    write: Callable[[nn.Module], onnx.ModelProto],
    find: Callable[[str, Mapping[str, Array]], Array] = lambda name, stored: stored[name],
) -> nn.Module:
    """Build the network of a plain ONNX whose weights have the same names here and there.

    Args:
        proto: the ONNX, whose inputs are those of the network.
        kind: the network's class.
        first: name of the weights that its width is the first axis of.
        make: makes a network of a width.
        write: writes that network as plain ONNX.
        find: returns the weights that the torch module has under a name from those of the graph.

    Raises:
        VsanimeError: it has other weights or nodes.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    if first not in stored:
        raise VsanimeError(f"its inputs are those of {kind.__name__}, and {first} is not among its weights")
    net = without_norms(make(len(stored[first])))
    try:
        net.load_state_dict({name: torch.tensor(find(name, stored)) for name in net.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise VsanimeError(f"its weights are not those of {kind.__name__}: {str(error).splitlines()[0]}") from None
    if _kinds(write(net)) != _kinds(proto):
        raise VsanimeError(f"its nodes are not those of {kind.__name__}, which its inputs look like")
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
    weights = {name: layer.weight.shape for name, layer in read_convolutions(proto).items()}
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


class Fixed(nn.Module):  # type: ignore[misc,unused-ignore]
    """Stands for weights that are no parameters."""


def list_convolutions(net: nn.Module) -> list[nn.Module]:
    """Return a network's convolutions in their order."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]


def _fill(module: nn.Module, layer: Layer) -> None:
    """Copy one layer's weights.

    Raises:
        RuntimeError: they have another shape.
    """
    if isinstance(module, Fixed):
        return
    state = {"weight": torch.tensor(layer.weight)}
    if module.bias is not None:
        bias = layer.bias
        state["bias"] = torch.zeros_like(module.bias) if bias is None else torch.tensor(bias)
    module.load_state_dict(state)
