"""Converts the weights of torch modules to arrays, and builds torch modules from plain ONNX."""

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

# Nodes without computation, which only some exporters write.
_SILENT = ("Constant", "Identity")


def arrays(net: nn.Module) -> dict[str, Array]:
    """Return a network's weights by name; layers with a spectral norm give the normalized weights of evaluation mode.

    The norm is not removed for that: torch gives all copies of such a layer one class, and would remove it from all.
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
    """Return a convolution's weights as arrays."""
    bias = None if conv.bias is None else conv.bias.detach().float().cpu().numpy()
    return Layer(conv.weight.detach().float().cpu().numpy(), bias)


def without_norms(net: nn.Module) -> nn.Module:
    """Remove the spectral norms of a network in place and return it, because files store normalized weights."""
    for module in net.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return net


def rebuild(
    proto: onnx.ModelProto,
    build: Callable[[Sequence[str], Sequence[Layer]], tuple[nn.Module, list[nn.Module]]],
    write: Callable[[nn.Module], onnx.ModelProto],
) -> nn.Module:
    """Build the torch network of a plain ONNX with one input, with its weights.

    Args:
        proto: plain ONNX.
        build: makes a network from the graph's operators and convolutions, and lists the modules that take these
            convolutions' weights, in order.
        write: returns that network as plain ONNX.

    Raises:
        VsanimeError: if it is another network; its nodes are compared with those that the built network would write.
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
    """Build the torch network of a plain ONNX whose weights have the same names in both.

    Args:
        proto: plain ONNX with the network's inputs.
        kind: class of the network.
        first: name of the weights whose first axis is the network's width.
        make: makes a network of a given width.
        write: returns that network as plain ONNX.
        find: returns the weights for a name of the torch module from those of the graph.

    Raises:
        VsanimeError: if the weights or nodes differ.
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


# Attributes that change what a node computes, with their defaults.
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
    """Compare the attributes of the nodes with those of the built network.

    Raises:
        VsanimeError: if they differ, for instance by a dilation or a slope.
    """
    found, expected = Counter(_settings(proto)), Counter(_settings(model))
    if found != expected:
        other = sorted((found - expected).keys(), key=str)[0]
        raise VsanimeError(f"one of its nodes, {other}, is set as none of {name}, which its convolutions look like")


def _settings(proto: onnx.ModelProto) -> Iterator[str]:
    """Yield every node of `_SETTINGS` with its attributes."""
    weights = {name: layer.weight.shape for name, layer in read_convolutions(proto).items()}
    for node in proto.graph.node:
        if node.op_type in _SETTINGS:
            given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            settings = {key: _plain(given.get(key, value)) for key, value in _SETTINGS[node.op_type].items()}
            if given.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
                # Kernels with SAME padding are odd, so that both sides get the same padding.
                rows, columns = ((n - 1) // 2 for n in weights[node.input[1]][2:])
                settings["pads"] = (rows, columns, rows, columns)
            yield f"{node.op_type} with {', '.join(f'{key} {value}' for key, value in settings.items())}"


def _plain(value: object) -> object:
    """Return an attribute in comparable form: lists as tuples, bytes as text, floats rounded to six decimals."""
    if isinstance(value, float):
        return round(value, 6)
    return value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value


def _check_shuffle(proto: onnx.ModelProto) -> None:
    """Check that pixel shuffles have torch's order, CRD; ONNX's default DCR is the same for a single plane only.

    Raises:
        VsanimeError: if the order is DCR and there are several output planes.
    """
    planes = proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    for node in proto.graph.node:
        if node.op_type == "DepthToSpace" and planes != 1:
            mode = next((a.s for a in node.attribute if a.name == "mode"), b"DCR")
            if mode != b"CRD":
                raise VsanimeError(f"its {planes} planes are shuffled in the order DCR; networks here have CRD")


class Fixed(nn.Module):  # type: ignore[misc,unused-ignore]
    """A placeholder for weights that are constants of the network, not parameters."""


def list_convolutions(net: nn.Module) -> list[nn.Module]:
    """Return a network's convolutions in order."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]


def _fill(module: nn.Module, layer: Layer) -> None:
    """Copy one layer's weights into a module.

    Raises:
        RuntimeError: if the shapes differ.
    """
    if isinstance(module, Fixed):
        return
    state = {"weight": torch.tensor(layer.weight)}
    if module.bias is not None:
        bias = layer.bias
        state["bias"] = torch.zeros_like(module.bias) if bias is None else torch.tensor(bias)
    module.load_state_dict(state)
