"""Random networks by their layers, what state-dicts call those, and what each computes by NumPy in doubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsanime.models.formats import Imported

type Array = NDArray[Any]

# f32 sums of some hundred terms, up to nine layers deep, against double precision; values are below 2.
F32_AGAINST_DOUBLE = 2e-5


@dataclass
class Net:
    """A network of random weights.

    Attributes:
        kind: the architecture's name as the importers give it.
        layers: weights and biases, in order; transposed ones as [in, out, kernel, kernel].
        names: what a state-dict calls the layers.
        scale: output pixels per input pixel.
        activation: of ArtCNN.
        units: of DRRN, how often the residual unit is applied.
    """

    kind: str
    layers: list[tuple[Array, Array | None]]
    names: list[str]
    scale: int
    activation: str = "relu"
    units: int = 9

    def arrays(self) -> dict[str, Array]:
        """As a state-dict."""
        pairs = list(zip(self.names, self.layers, strict=True))
        weights = {f"{name}.weight": weight for name, (weight, _) in pairs}
        return weights | {f"{name}.bias": bias for name, (_, bias) in pairs if bias is not None}

    def stored_as(self, form: type[np.floating[Any]]) -> Net:
        """With weights (not biases) that another precision can hold."""
        layers = [(weight.astype(form).astype(np.float32), bias) for weight, bias in self.layers]
        return Net(self.kind, layers, self.names, self.scale, self.activation, self.units)

    def compute(self, x: Array) -> Array:
        """What the network gives for a picture."""
        reference: Callable[[Net, Array], Array] = REFERENCES[self.kind.rstrip("_0123456789")]
        return np.clip(reference(self, x.astype(np.float64)), 0, 1)


def picture(channels: int, height: int = 11, width: int = 14) -> Array:
    return np.random.default_rng(99).random((1, channels, height, width)).astype(np.float32)


def run(imported: Imported, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = imported.proto.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": x})[0])


def assert_computes(imported: Imported, net: Net) -> None:
    """It is that network: same architecture, and the same pictures within the order of sums."""
    assert imported.architecture == net.kind
    x = picture(net.layers[0][0].shape[1])
    expected = net.compute(x)
    # Were most of it clipped, there would be little to compare.
    assert ((expected > 0) & (expected < 1)).mean() > 0.2
    found = run(imported, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=F32_AGAINST_DOUBLE)


# Networks


def _conv(rng: np.random.Generator, out: int, into: int, kernel: int = 3, last: bool = False) -> tuple[Array, Array]:
    weight = rng.standard_normal((out, into, kernel, kernel)) / np.sqrt(into * kernel**2 / 2)
    bias = rng.standard_normal(out) * 0.1 + (0.5 if last else 0)
    return (weight * (0.2 if last else 1)).astype(np.float32), bias.astype(np.float32)


def chain(seed: int, widths: Sequence[int]) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    pairs = list(zip(widths[1:], widths[:-1], strict=True))
    return [_conv(rng, out, into, last=i == len(pairs) - 1) for i, (out, into) in enumerate(pairs)]


def upconv_7(
    widths: Sequence[int] = (3, 4, 5, 6, 7, 8, 9),
    planes: int = 3,
    prefix: str = "net.",
    bias: str = "zero",
    seed: int = 1,
) -> Net:
    """`bias` of the transposed convolution: "none", "zero" or "some"."""
    rng = np.random.default_rng(seed + 100)
    layers: list[tuple[Array, Array | None]] = [(weight * 1.0, b) for weight, b in chain(seed, [*widths, 3])[:-1]]
    last = (rng.standard_normal((widths[-1], planes, 4, 4)) / np.sqrt(4 * widths[-1])).astype(np.float32)
    biases = {
        "none": None,
        "zero": np.zeros(planes, np.float32),
        "some": np.linspace(0.1, 0.3, planes, dtype=np.float32),
    }
    names = [f"{prefix}{2 * i}" for i in range(7)]
    return Net("upconv_7", [*layers, (last, biases[bias])], names, 2)


def vgg_7(widths: Sequence[int] = (3, 4, 4, 6, 6, 8, 8, 3), prefix: str = "net.", seed: int = 2) -> Net:
    return Net("vgg_7", list(chain(seed, widths)), [f"{prefix}{2 * i}" for i in range(7)], 1)


def espcn_7(gates: bool = False, planes: int = 3, scale: int = 2, seed: int = 3) -> Net:
    widths = [planes, 8, 8, 12, 12, 16, 16, planes * scale**2]
    layers: list[tuple[Array, Array | None]] = list(chain(seed, widths))
    names = [*(f"conv.{i}.0" for i in range(6)), "up_sampler.0"]
    if gates:
        rng = np.random.default_rng(seed)
        for i in reversed(range(6)):
            layers.insert(i + 1, _conv(rng, widths[i + 1], widths[i + 1], kernel=1))
            names.insert(i + 1, f"conv.{i}.2.0")
    return Net("espcn_7", layers, names, scale)


def artcnn_c(
    names: str = "ours", inner: int = 3, filters: int = 6, ends: tuple[int, int] = (1, 4), seed: int = 4
) -> Net:
    layers = list(chain(seed, [ends[0], *[filters] * (inner + 2), ends[1]]))
    called = {
        "ours": ["first", *(f"inner_convs.{i}" for i in range(inner)), "inner_last", "last"],
        "author": ["conv_skip1", *(f"conv_inner.{i}" for i in range(inner)), "conv_skip2", "conv_out"],
    }
    return Net("artcnn_c", layers, called[names], 2 if ends[1] == 4 * ends[0] else 1)


def artcnn_r(
    names: str = "ours",
    blocks: int = 2,
    filters: int = 5,
    ends: tuple[int, int] = (1, 4),
    activation: str = "relu",
    seed: int = 5,
) -> Net:
    layers = [(w * np.float32(0.7), b) for w, b in chain(seed, [ends[0], *[filters] * (3 * blocks + 2), ends[1]])]
    at = [(i, k) for i in range(blocks) for k in range(3)]
    called = {
        "ours": ["first", *(f"blocks.{i}.conv{k}" for i, k in at), "inner_last", "last"],
        "author": ["conv0", *(f"res_blocks.{i}.conv{k}" for i, k in at), "conv1", "feats_conv"],
        "trainner": [
            "conv0",
            *(f"res_block.{i}.conv.{('0.0', '1.0', '2')[k]}" for i, k in at),
            f"res_block.{blocks}",
            "depth_to_space.upscale.0",
        ],
    }
    return Net("artcnn_r", layers, called[names], 2 if ends[1] == 4 * ends[0] else 1, activation)


def drrn(low: bool = False, filters: int = 6, planes: int = 3, units: int = 9, seed: int = 6) -> Net:
    """Weights of the shared unit are small: it is applied `units` times."""
    first, one, other, last = chain(seed, [planes, *[filters] * 3, planes * (4 if low else 1)])
    small = other[0] * np.float32(0.3), other[1]
    # What comes of it is added to a picture.
    ends = last[0], last[1] - np.float32(0.5)
    return Net("drrn", [first, one, small, ends], ["first", "unit.conv0", "unit.conv1", "last"], 2, units=units)


# What they compute


def conv(x: Array, layer: tuple[Array, Array | None], pad: int) -> Array:
    weight, bias = layer
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = sliding_window_view(padded, weight.shape[2:], (2, 3))
    y = np.einsum("nihwyx,oiyx->nohw", windows, weight.astype(np.float64))
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def transposed_conv(x: Array, layer: tuple[Array, Array | None]) -> Array:
    """Kernel 4, stride 2, padding 3: every input pixel adds its kernel to the output, then 3 pixels go all around."""
    weight, bias = layer
    height, width = x.shape[2:]
    y = np.zeros((1, weight.shape[1], 2 * height + 2, 2 * width + 2))
    for row in range(height):
        for column in range(width):
            stamp = np.einsum("i,ioyx->oyx", x[0, :, row, column], weight.astype(np.float64))
            y[0, :, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += stamp
    y = y[:, :, 3:-3, 3:-3]
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def shuffle(x: Array, scale: int) -> Array:
    """torch's pixel_shuffle: channel c * scale^2 + y * scale + x goes to channel c."""
    _, channels, height, width = x.shape
    planes = channels // scale**2
    y = np.zeros((1, planes, height * scale, width * scale))
    for c in range(channels):
        at = c % scale**2
        y[:, c // scale**2, at // scale :: scale, at % scale :: scale] = x[:, c]
    return y


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def selu(x: Array) -> Array:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def _upconv(net: Net, x: Array) -> Array:
    x = np.pad(x, [(0, 0), (0, 0), (7, 7), (7, 7)], mode="edge")
    for layer in net.layers[:-1]:
        x = leaky(conv(x, layer, pad=0))
    return transposed_conv(x, net.layers[-1])


def _vgg(net: Net, x: Array) -> Array:
    x = np.pad(x, [(0, 0), (0, 0), (7, 7), (7, 7)], mode="edge")
    for layer in net.layers[:-1]:
        x = leaky(conv(x, layer, pad=0))
    return conv(x, net.layers[-1], pad=0)


def _espcn(net: Net, x: Array) -> Array:
    gated = len(net.layers) > 7
    for i in range(6):
        x = selu(conv(x, net.layers[2 * i if gated else i], pad=1))
        if gated:
            x = x * sigmoid(conv(relu(x), net.layers[2 * i + 1], pad=0))
    return shuffle(conv(x, net.layers[-1], pad=1), net.scale)


def _activated(net: Net, x: Array) -> Array:
    return x * sigmoid(x) if net.activation == "silu" else relu(x)


def _artcnn_c(net: Net, x: Array) -> Array:
    first = x = conv(x, net.layers[0], pad=1)
    for layer in net.layers[1:-2]:
        x = _activated(net, conv(x, layer, pad=1))
    return shuffle(conv(conv(x, net.layers[-2], pad=1) + first, net.layers[-1], pad=1), net.scale)


def _artcnn_r(net: Net, x: Array) -> Array:
    first = x = conv(x, net.layers[0], pad=1)
    for i in range(1, len(net.layers) - 2, 3):
        y = _activated(net, conv(x, net.layers[i], pad=1))
        y = _activated(net, conv(y, net.layers[i + 1], pad=1))
        x = x + conv(y, net.layers[i + 2], pad=1)
    return shuffle(conv(conv(x, net.layers[-2], pad=1) + first, net.layers[-1], pad=1), net.scale)


def _doubling(length: int) -> Array:
    """Catmull-Rom, centre aligned, edges repeated: [2 * length, length]."""
    matrix = np.zeros((2 * length, length))
    for new in range(2 * length):
        place = (new + 0.5) / 2 - 0.5
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            d = abs(place - tap)
            weight = 1.5 * d**3 - 2.5 * d**2 + 1 if d < 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            matrix[new, min(max(tap, 0), length - 1)] += weight
    return matrix


def _drrn(net: Net, x: Array) -> Array:
    first, one, other, last = net.layers
    doubled = _doubling(x.shape[2]) @ x @ _doubling(x.shape[3]).T
    low = last[0].shape[0] != x.shape[1]
    start = y = conv(x if low else doubled, first, pad=1)
    for _ in range(net.units):
        y = start + conv(relu(conv(relu(y), one, pad=1)), other, pad=1)
    residual = conv(relu(y), last, pad=1)
    return doubled + (shuffle(residual, 2) if low else residual)


REFERENCES: dict[str, Callable[[Net, Array], Array]] = {
    "drrn": _drrn,
    "upconv": _upconv,
    "vgg": _vgg,
    "espcn": _espcn,
    "artcnn_c": _artcnn_c,
    "artcnn_r": _artcnn_r,
}
