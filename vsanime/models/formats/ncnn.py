"""Reads ncnn networks: a text of layers (`.param`) and their weights in the same order (`.bin`), as for waifu2x."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vsanime.architectures.base import Imported
from vsanime.architectures.layers import Layer
from vsanime.architectures.waifu2x.onnx import Step, waifu2x
from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.models.formats.files import contents, head, show

_PARAM_MAGIC = b"7767517"  # the first line of every .param
_FP16_TAG, _FP32_TAG = 0x01306B47, 0
_TAG = struct.Struct("<I")
# A text of ten thousand layers is smaller; the supported networks have eight.
_MOST_TEXT_BYTES = 1 << 20
_MOST_COUNT = (1 << 31) - 1

# Parameter keys in a layer's line, from ncnn's description of its operators.
_OUT, _KERNEL, _DILATION, _STRIDE, _PAD, _BIAS, _WEIGHTS, _INT8, _ACTIVATION, _SLOPES = 0, 1, 2, 3, 4, 5, 6, 8, 9, 10
_KERNEL_H, _DILATION_H, _STRIDE_H, _PAD_TOP, _PAD_RIGHT, _PAD_BOTTOM = 11, 12, 13, 14, 15, 16
# Output padding and fixed size of a transposed convolution; padding value and dynamic weights of a plain one.
# The supported networks use none of these.
_UNUSED = (_INT8, 18, 19, 20, 21)
_LEAKY = 2  # ncnn's activation type of a leaky ReLU
# ncnn has 32 parameters. Larger integers could share one hash, which makes a dict slow.
_LARGEST_KEY = 1000
_ARRAYS = -23300  # keys at or below hold arrays: the parameter is -23300 - key


@dataclass(frozen=True)
class _Line:
    """One layer of the `.param`."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[int, float]
    arrays: dict[int, list[float]]

    def whole(self, key: int, default: int = 0) -> int:
        """Return an integer parameter."""
        value = self.numbers.get(key, float(default))
        if not value.is_integer() or abs(value) > _MOST_COUNT:
            raise VsanimeError(f"layer {show(self.name)} has {key}={value:g}; a whole number below 2^31 is needed")
        return int(value)

    def square(self, key: int, *others: int, default: int = 0) -> int:
        """Return a parameter that must be the same along both axes and on all sides."""
        value = self.whole(key, default)
        if any(self.whole(other, value) != value for other in others):
            raise VsanimeError(f"layer {show(self.name)} is not the same each way; that is not supported")
        return value


def recognizes(beginning: bytes, path: Path) -> bool:
    """Return whether a file begins as one of an ncnn pair.

    Weights in f32 begin with four zeros, as other files may; these also need the right name.
    """
    if beginning.startswith(_TAG.pack(_FP32_TAG)):
        return path.suffix.lower() == ".bin" or path.with_suffix(".param").is_file()
    return beginning.startswith((_PARAM_MAGIC, _TAG.pack(_FP16_TAG)))


def read(path: Path) -> Imported:
    """Read an ncnn pair; the other file is expected beside the given one, under the same stem.

    Args:
        path: the `.param` or the `.bin`.

    Raises:
        VsanimeError: if one of the two is missing, they do not belong together, or the network is unknown.
    """
    text_path, weights_path = _pair(path)
    lines = _parse(contents(text_path, _MOST_TEXT_BYTES))
    return waifu2x(_Weights(contents(weights_path)).steps(_chain(lines)))


def _pair(path: Path) -> tuple[Path, Path]:
    is_text = head(path).startswith(_PARAM_MAGIC)
    other = path.with_suffix(".bin" if is_text else ".param")
    if other == path or not other.is_file():
        raise VsanimeError(f"an ncnn network is two files, .param and .bin; {other.name} is not beside {path.name}")
    return (path, other) if is_text else (other, path)


def _parse(data: bytes) -> list[_Line]:
    try:
        rows = [row.split() for row in data.decode("utf-8").splitlines() if row.strip()]
    except UnicodeDecodeError:
        raise VsanimeError("the .param is no text; ncnn's binary form of it is not read") from None
    if len(rows) < 2 or rows[0] != [_PARAM_MAGIC.decode()] or len(rows[1]) != 2:
        raise VsanimeError(
            f"the .param does not begin with {_PARAM_MAGIC.decode()} and the numbers of layers and blobs"
        )
    lines = [_line(row) for row in rows[2:]]
    if rows[1][0] != str(len(lines)):
        raise VsanimeError(f"the .param announces {show(rows[1][0])} layers and has {len(lines)}")
    return lines


def _line(row: Sequence[str]) -> _Line:
    """Parse a layer: type, name, numbers of inputs and outputs, their names, then parameters as `key=value`."""
    try:
        kind, name, into, out = row[0], row[1], int(row[2]), int(row[3])
        if min(into, out) < 0 or 4 + into + out > len(row):
            raise ValueError("fewer names than announced")
        numbers: dict[int, float] = {}
        arrays: dict[int, list[float]] = {}
        for item in row[4 + into + out :]:
            name_of_value, _, value = item.partition("=")
            key = int(name_of_value)
            if key < _ARRAYS - _LARGEST_KEY or key > _LARGEST_KEY:
                raise ValueError("a parameter that ncnn does not have")
            if key <= _ARRAYS:
                count, *values = value.split(",")
                if int(count) != len(values):
                    raise ValueError("an array of another length than announced")
                arrays[_ARRAYS - key] = [float(v) for v in values]
            else:
                numbers[key] = float(value)
    except (ValueError, IndexError):
        raise VsanimeError(f"the .param has a line that cannot be read: {show(' '.join(row))}") from None
    blobs = tuple(row[4 : 4 + into + out])
    return _Line(kind, name, blobs[:into], blobs[into:], numbers, arrays)


def _chain(lines: Sequence[_Line]) -> list[tuple[_Line, float | None]]:
    """Return the convolutions in order, each with the slope of the leaky ReLU that follows it.

    Raises:
        VsanimeError: if there are other layers, or the layers are not a plain chain.
    """
    known = ("Input", "Split", "ReLU", "LeakyReLU", "Convolution", "Deconvolution")
    others = sorted({line.kind for line in lines} - set(known))
    if others:
        raise VsanimeError(
            f"its layers {', '.join(show(kind) for kind in others[:8])} are in neither UpConv_7 nor VGG_7, "
            "the ncnn networks that are read; cunet and other U-Nets are not supported"
        )
    chain: list[tuple[_Line, float | None]] = []
    blobs: tuple[str, ...] = ()
    for i, line in enumerate(lines):
        if (line.kind == "Input") != (i == 0) or (i and (len(line.inputs) != 1 or line.inputs[0] not in blobs)):
            raise VsanimeError(f"layer {show(line.name)} does not follow the one before; only a plain chain is read")
        blobs = line.outputs
        if line.kind in ("Convolution", "Deconvolution"):
            chain.append((line, _fold_slope(line)))
        elif line.kind in ("ReLU", "LeakyReLU"):
            if not chain or chain[-1][1] is not None:
                raise VsanimeError(f"layer {show(line.name)} is an activation that follows no convolution")
            chain[-1] = (chain[-1][0], line.numbers.get(0, 0.0))
    if not chain:
        raise VsanimeError("the .param has no convolutions")
    return chain


def _fold_slope(line: _Line) -> float | None:
    """Return the slope of the activation inside a convolution layer; None if there is none."""
    kind = line.whole(_ACTIVATION)
    if kind == 0:
        return None
    slopes = line.arrays.get(_SLOPES, [])
    if kind != _LEAKY or len(slopes) != 1:
        raise VsanimeError(f"layer {show(line.name)} has activation {kind}; 2, a leaky ReLU with one slope, is read")
    return slopes[0]


class _Weights:
    """A reader of the `.bin`, from its first byte to its last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def steps(self, chain: Sequence[tuple[_Line, float | None]]) -> list[Step]:
        """Return every convolution with its weights.

        Raises:
            VsanimeError: if the file is too short or too long, or stores weights in an unsupported form.
        """
        steps = [replace(self._step(line), slope=slope) for line, slope in chain]
        if self._at != len(self._data):
            raise VsanimeError(
                f"the .bin has {len(self._data):,} bytes and the layers of the .param take {self._at:,}; "
                "the two do not belong together"
            )
        return steps

    def _step(self, line: _Line) -> Step:
        out = line.whole(_OUT)
        kernel = line.square(_KERNEL, _KERNEL_H)
        count = line.whole(_WEIGHTS)
        if min(out, kernel, count) < 1 or count % (out * kernel * kernel):
            raise VsanimeError(
                f"layer {show(line.name)} has {count} weights for {out} channels and a kernel of {kernel}; "
                "that is no whole number of channels in"
            )
        if line.square(_DILATION, _DILATION_H, default=1) != 1 or any(line.whole(key) for key in _UNUSED):
            raise VsanimeError(f"layer {show(line.name)} is dilated, quantised or of a fixed size; that is not read")
        # ncnn stores transposed convolutions as [out, in], too; ONNX and torch as [in, out].
        weight = self._tagged(line, count).reshape(out, -1, kernel, kernel)
        bias = self._take(line, out, "<f4") if line.whole(_BIAS) else None
        transposed = line.kind == "Deconvolution"
        return Step(
            Layer(weight.transpose(1, 0, 2, 3) if transposed else weight, bias),
            transposed,
            line.square(_STRIDE, _STRIDE_H, default=1),
            line.square(_PAD, _PAD_TOP, _PAD_RIGHT, _PAD_BOTTOM),
        )

    def _tagged(self, line: _Line, count: int) -> Array:
        """Read weights as f32; the four bytes before them give their type."""
        tag = int(self._take(line, 1, "<u4")[0])
        if tag not in (_FP16_TAG, _FP32_TAG):
            raise VsanimeError(
                f"layer {show(line.name)} has weights of form {tag:#010x}; fp32 ({_FP32_TAG:#010x}) and "
                f"fp16 ({_FP16_TAG:#010x}) are read"
            )
        weights = self._take(line, count, "<f4" if tag == _FP32_TAG else "<f2").astype(np.float32)
        self._at += -self._at % 4  # an odd number of halves is padded to four bytes
        return weights

    def _take(self, line: _Line, count: int, form: str) -> Array:
        size = count * np.dtype(form).itemsize
        if self._at + size > len(self._data):
            raise VsanimeError(
                f"the .bin ends at byte {len(self._data):,} in layer {show(line.name)}, which goes on for "
                f"{self._at + size - len(self._data):,} more; it is cut short or belongs to another .param"
            )
        values = np.frombuffer(self._data, form, count, self._at)
        self._at += size
        return values
