"""From layers to an architecture: formats give convolutions in order, shapes decide which network they are.

Names lie: files called upconv_7 exist with other widths, and work just as well. Only what a network is made of counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isclose, isqrt

import numpy as np
import onnx

from vsanime.errors import VsanimeError
from vsanime.models.architectures import Array, Layer, artcnn_c, artcnn_r, espcn, upconv, vgg
from vsanime.models.drrn import DrrnLayers, drrn
from vsanime.models.formats import Imported
from vsanime.models.formats.files import shown

ACTIVATIONS = {"relu": "ReLU", "silu": "SiLU"}

# waifu2x: the one slope that every network of the family was trained with, and their number of layers.
WAIFU2X_SLOPE = 0.1
WAIFU2X_LAYERS = 7
# The slope is stored with 6 digits at least.
_SLOPE_TOLERANCE = 1e-4
# The deepest ArtCNN has 51. Each 3x3 layer adds a pixel to what tiles overlap by; beyond some 380 that is not measured.
_MOST_LAYERS = 300
_LEAKY = f"leaky ReLU of slope {WAIFU2X_SLOPE}"

# Of B1U9, which the paper recommends: how often the unit is applied, no weight says.
_USUAL_UNITS = 9
# As recipes allow.
_MOST_UNITS = 100
_UNKNOWN_UNITS = "9 recursions (assumed, since a state-dict does not say how many; B1U9 has them)"

_UNKNOWN_ACTIVATION = "assumed, since a state-dict does not say which; ArtCNN R files after mid-2025 have SiLU"


@dataclass(frozen=True)
class Step:
    """One convolution of a chain, as its file describes it.

    Attributes:
        layer: weights and biases; of a transposed convolution [in, out, kernel, kernel].
        transposed: whether it is a transposed convolution.
        stride: pixels from one window to the next, each way.
        pad: pixels around the picture, each way.
        slope: of the leaky ReLU that follows; None where no activation does.
    """

    layer: Layer
    transposed: bool = False
    stride: int = 1
    pad: int = 0
    slope: float | None = None

    @property
    def kernel(self) -> tuple[int, ...]:
        """Height and width of the kernel."""
        return self.layer.weight.shape[2:]

    def __str__(self) -> str:
        into, out = self.layer.weight.shape[:2] if self.transposed else self.layer.weight.shape[1::-1]
        kind = "transposed convolution" if self.transposed else "convolution"
        after = "no activation" if self.slope is None else f"slope {self.slope:g}"
        size = "x".join(map(str, self.kernel))
        return f"a {size} {kind} {into} to {out}, stride {self.stride}, padding {self.pad}, {after}"


def floats(name: str, array: Array) -> Array:
    """Weights as f32.

    Raises:
        VsanimeError: not floating point.
    """
    if array.dtype.kind != "f":
        raise VsanimeError(f"{name} is stored as {array.dtype}; weights are floating point")
    # What overflows becomes infinite here and is refused with the layer's number below.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)


def waifu2x(steps: Sequence[Step]) -> Imported:
    """UpConv_7 or VGG_7, whichever the chain is.

    Raises:
        VsanimeError: it is neither; says which layer differs.
    """
    for i, step in enumerate(steps):
        _check(i, step.layer, step.transposed)
    if len(steps) != WAIFU2X_LAYERS:
        raise VsanimeError(f"{len(steps)} convolutions one after another; UpConv_7 and VGG_7 have {WAIFU2X_LAYERS}")
    for i, step in enumerate(steps[:-1]):
        if step.transposed or _geometry(step) != ((3, 3), 1, 0) or not _leaks(step):
            raise VsanimeError(
                f"layer {i} is {step}; UpConv_7 and VGG_7 have 3x3 convolutions without padding, slope {WAIFU2X_SLOPE}"
            )
    last = steps[-1]
    layers = [step.layer for step in steps]
    if last.slope is None and last.transposed and _geometry(last) == ((4, 4), 2, 3):
        bias = last.layer.bias
        # Most formats cannot leave a bias out: no bias is stored as zeros.
        layers[-1] = last.layer if bias is not None and bias.any() else replace(last.layer, bias=None)
        return _imported(upconv(layers), "upconv_7", f"UpConv_7, {_widths(layers[:-1])}, scale 2", layers, _LEAKY)
    if last.slope is None and not last.transposed and _geometry(last) == ((3, 3), 1, 0):
        return _imported(vgg(layers), "vgg_7", f"VGG_7, {_widths(layers[:-1])}, scale 1", layers, _LEAKY)
    raise VsanimeError(
        f"the last layer is {last}; UpConv_7 ends in a 4x4 transposed convolution, stride 2, padding 3, "
        "VGG_7 in a 3x3 convolution without padding, neither with an activation"
    )


def artcnn(kind: str, layers: Sequence[Layer], activation: str | None) -> Imported:
    """ArtCNN C or R.

    Args:
        kind: "artcnn_c" or "artcnn_r".
        layers: in order.
        activation: a key of `ACTIVATIONS`; None where nobody said.

    Raises:
        VsanimeError: not that network.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise VsanimeError(f"activation {shown(activation)}; {' or '.join(ACTIVATIONS)} is known")
    _check_same(layers)
    features = layers[0].weight.shape[0]
    for i, layer in enumerate(layers[1:-1], 1):
        if layer.weight.shape[:2] != (features, features):
            raise VsanimeError(
                f"layer {i} has {layer.weight.shape[1]} channels in and {layer.weight.shape[0]} out; "
                f"every inner layer of an ArtCNN has the {features} of the first"
            )
    build = artcnn_c if kind == "artcnn_c" else artcnn_r
    used = activation or "relu"
    proto = build(layers, used)
    depth = f"{len(layers) - 3} inner layers" if kind == "artcnn_c" else f"{len(layers) // 3 - 1} residual blocks"
    said = ACTIVATIONS[used] + (f" ({_UNKNOWN_ACTIVATION})" if activation is None and kind == "artcnn_r" else "")
    form = f"ArtCNN {kind[-1].upper()}, {depth}, {features} filters, {_ends(layers)}"
    return _imported(proto, kind, form, layers, said)


def espcn_n(layers: Sequence[Layer], gates: Sequence[Layer] = ()) -> Imported:
    """ESPCN with SELU, with or without selection units.

    Raises:
        VsanimeError: not that network.
    """
    _check_same(layers)
    for i, (layer, gate) in enumerate(zip(layers[:-1], gates, strict=True) if gates else ()):
        _check(i, gate)
        features = layer.weight.shape[0]
        if gate.weight.shape != (features, features, 1, 1):
            raise VsanimeError(
                f"selection unit {i} has weights of shape {gate.weight.shape}; {(features, features, 1, 1)} is needed"
            )
    name = f"ESPCN_{len(layers)}"
    form = f"{name}, {_widths(layers[:-1])}, {_ends(layers)}"
    said = "SELU"
    if gates:
        said += (
            ", selection units that multiply (the oldest code let them replace the feature; "
            "its weights look the same and would give wrong pictures)"
        )
    return _imported(espcn(layers, gates), name.lower(), form, [*layers, *gates], said)


def drrn_b1(layers: Sequence[Layer], units: str) -> Imported:
    """DRRN of one recursive block.

    Args:
        layers: the first, two of the unit, the last.
        units: how often the unit is applied, in digits; empty where nobody said.

    Raises:
        VsanimeError: not that network.
    """
    for i, layer in enumerate(layers):
        _check(i, layer)
    if len(layers) != 4:
        raise VsanimeError(f"it has {len(layers)} layers; a DRRN of this project has 4")
    if units and (len(units) > 3 or not units.isdecimal() or not 1 <= int(units) <= _MOST_UNITS):
        raise VsanimeError(f"its metadata says {shown(units)} units; 1 to {_MOST_UNITS} are read")
    count = int(units or _USUAL_UNITS)
    first, one, other, last = layers
    proto = drrn(DrrnLayers(first, (one, other), last, count))
    filters, planes = first.weight.shape[:2]
    where = "at low resolution" if last.weight.shape[0] == 4 * planes else "on a doubled picture"
    form = f"DRRN B1U{count}, {where}, {filters} filters, planes {planes} to {planes}, scale 2"
    return _imported(proto, "drrn", form, layers, f"{count} recursions" if units else _UNKNOWN_UNITS)


def _check_same(layers: Sequence[Layer]) -> None:
    """3x3 convolutions throughout, and an end that is pixel shuffle's or has fewer planes than the beginning."""
    if not 1 <= len(layers) <= _MOST_LAYERS:
        raise VsanimeError(f"it has {len(layers)} layers; 1 to {_MOST_LAYERS} are read")
    for i, layer in enumerate(layers):
        _check(i, layer)
        if layer.weight.shape[2:] != (3, 3):
            raise VsanimeError(f"layer {i} has kernels of {layer.weight.shape[2:]}; (3, 3) is needed")
    into, out = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    if out > into and _scale(layers) ** 2 * into != out:
        raise VsanimeError(f"{out} channels at the end for {into} at the beginning; scale squared times as many fit")


def _check(number: int, layer: Layer, transposed: bool = False) -> None:
    """A kernel for every pair of channels, a bias for every channel that comes out, everything finite."""
    weight, bias = layer.weight, layer.bias
    if weight.ndim != 4 or 0 in weight.shape:
        raise VsanimeError(f"layer {number} has weights of shape {weight.shape}; four sizes above 0 are needed")
    out = weight.shape[1 if transposed else 0]
    if bias is not None and bias.shape != (out,):
        raise VsanimeError(f"layer {number} has biases of shape {bias.shape}; ({out},) is needed")
    if not (np.isfinite(weight).all() and (bias is None or np.isfinite(bias).all())):
        raise VsanimeError(f"layer {number} has weights that are not finite numbers; the file is damaged")


def _geometry(step: Step) -> tuple[tuple[int, ...], int, int]:
    return step.kernel, step.stride, step.pad


def _leaks(step: Step) -> bool:
    return step.slope is not None and isclose(step.slope, WAIFU2X_SLOPE, abs_tol=_SLOPE_TOLERANCE)


def _scale(layers: Sequence[Layer]) -> int:
    return isqrt(int(layers[-1].weight.shape[0]) // int(layers[0].weight.shape[1]))


def _widths(layers: Sequence[Layer]) -> str:
    return "widths " + "-".join(str(layer.weight.shape[0]) for layer in layers)


def _ends(layers: Sequence[Layer]) -> str:
    into, out = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    scale = max(1, _scale(layers))
    return f"planes {into} to {out // scale**2}, scale {scale}"


def _imported(proto: onnx.ModelProto, kind: str, form: str, layers: Sequence[Layer], said: str) -> Imported:
    weights = sum(layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in layers)
    return Imported(proto, kind, f"{form}, {weights:,} weights, {said}", licence="")
