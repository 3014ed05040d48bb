"""Reads waifu2x's own JSON: a list with one object per convolution, weights as nested lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vsanime.architectures.base import Imported
from vsanime.architectures.deduce import floats
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import LEAK, Step, waifu2x
from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.models.formats.files import contents, parse_json

# A weight takes some 20 characters; the largest network of the family, with 2 million weights, 45 MB.
_MOST_BYTES = 96 << 20
# Python needs up to 64 bytes for an empty list, two in the file; weights come three to a list.
_MOST_ITEMS = 8_000_000
_BLANKS = b"\xef\xbb\xbf \t\r\n"  # the UTF-8 byte order mark and white space


def recognizes(head: bytes) -> bool:
    """Return whether a file begins as a JSON list."""
    return head.lstrip(_BLANKS).startswith(b"[")


def read(path: Path) -> Imported:
    """Read an UpConv_7 or VGG_7 network, including older files without `class_name`.

    Raises:
        VsanimeError: if the file is not JSON of that form, or the network is unknown.
    """
    layers = _parse(contents(path, _MOST_BYTES))
    return waifu2x([_step(i, layer, last=i == len(layers) - 1) for i, layer in enumerate(layers)])


def _parse(data: bytes) -> list[dict[str, Any]]:
    if data.count(b",") + data.count(b"[") + data.count(b"{") > _MOST_ITEMS:
        raise VsanimeError(f"more than {_MOST_ITEMS:,} items; no network of waifu2x has as many")
    layers = parse_json(data, "the file")
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        raise VsanimeError("a list of objects, one a convolution, is needed; this JSON holds something else")
    return layers


def _step(number: int, layer: dict[str, Any], *, last: bool) -> Step:
    kind = layer.get("class_name", "SpatialConvolutionMM")
    if not isinstance(kind, str) or "Convolution" not in kind or "Dilated" in kind:
        raise VsanimeError(f"layer {number} is no convolution; UpConv_7 and VGG_7, which are read, have nothing else")
    transposed = "FullConvolution" in kind
    into, out = _whole(number, layer, "nInputPlane"), _whole(number, layer, "nOutputPlane")
    kernel = _same(number, layer, "kH", "kW")
    shape = (into, out, kernel, kernel) if transposed else (out, into, kernel, kernel)
    weight = _array(number, layer.get("weight"), shape)
    bias = None if layer.get("bias") is None else _array(number, layer["bias"], (out,))
    stride = _same(number, layer, "dH", "dW", default=1)
    pad = _same(number, layer, "padH", "padW", default=0)
    return Step(Layer(weight, bias), transposed, stride, pad, None if last else LEAK)


def _whole(number: int, layer: dict[str, Any], key: str, default: int | None = None) -> int:
    value = layer.get(key, default)
    if type(value) is not int or value < 0:
        raise VsanimeError(f"layer {number} has no whole number as {key}")
    return value


def _same(number: int, layer: dict[str, Any], first: str, second: str, default: int | None = None) -> int:
    value = _whole(number, layer, first, default)
    if _whole(number, layer, second, default) != value:
        raise VsanimeError(f"layer {number} has {first} and {second} that differ; that is not supported")
    return value


def _array(number: int, values: object, shape: tuple[int, ...]) -> Array:
    """Convert nested lists to an array.

    Raises:
        VsanimeError: if they hold other things than numbers, or do not have that shape.
    """
    try:
        # With a number type: an array of strings would allocate the longest string's size for each.
        array = np.asarray(values, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise VsanimeError(f"layer {number} has weights or biases that are not numbers in even lists") from None
    if array.shape != shape:
        raise VsanimeError(f"layer {number} has weights or biases of shape {array.shape}, and announces {shape}")
    return floats(f"layer {number}", array)
