"""How the samples of a plane stand for values, and the nodes that turn one into the other."""

from __future__ import annotations

from dataclasses import dataclass

from vsanime.graphs.writer import TYPES, GraphWriter
from vsanime.spec import PlaneFormat, Range


@dataclass(frozen=True)
class Coding:
    """How the samples of a plane stand for values: value = (code - zero) / span + bias.

    Attributes:
        dtype: NumPy name of a sample's type.
        zero: the code that stands for `bias`.
        span: codes from there to `bias` + 1.
        bias: 0 for luma; 0.5 for chroma, which the networks know as Cb + 0.5 and Cr + 0.5.
        peak: largest code; None for floats.
    """

    dtype: str
    zero: float
    span: float
    bias: float
    peak: float | None


def luma_coding(form: PlaneFormat, full: Range) -> Coding:
    """Luma (or gray): [0, 1] between black and white."""
    if not form.is_integer:
        return Coding(form.dtype, zero=0, span=1, bias=0, peak=None)
    peak = float((1 << form.bits) - 1)
    if full is Range.FULL:
        return Coding(form.dtype, zero=0, span=peak, bias=0, peak=peak)
    step = 1 << (form.bits - 8)
    return Coding(form.dtype, zero=16.0 * step, span=219.0 * step, bias=0, peak=peak)


def chroma_coding(form: PlaneFormat, full: Range) -> Coding:
    """Chroma: [-0.5, 0.5] moved to [0, 1]."""
    if not form.is_integer:
        return Coding(form.dtype, zero=0, span=1, bias=0.5, peak=None)
    peak = float((1 << form.bits) - 1)
    span = peak if full is Range.FULL else 224.0 * (1 << (form.bits - 8))
    return Coding(form.dtype, zero=float(1 << (form.bits - 1)), span=span, bias=0.5, peak=peak)


def decode(writer: GraphWriter, plane: str, coding: Coding) -> str:
    """Codes to values. Multiplication first: a subtraction would be rewritten by the runtime and lose its mark."""
    value = read(writer, plane, coding.dtype)
    if coding.span != 1:
        value = writer.node("Mul", [value, writer.constant(1 / coding.span)], name="decode", exact=True)
    offset = coding.bias - coding.zero / coding.span
    if offset:
        value = writer.node("Add", [value, writer.constant(offset)], name="decode", exact=True)
    return value


def encode(writer: GraphWriter, value: str, coding: Coding) -> str:
    """Values to codes, rounded half up.

    Adding a half and truncating, not Floor or Round: on a low-precision convolution those make OpenVINO store the
    values to be rounded in bf16, and more than half of the codes come out wrong.
    """
    rounding = 0.0 if coding.peak is None else 0.5
    offset = coding.zero - coding.bias * coding.span + rounding
    if coding.span != 1:
        value = writer.node("Mul", [value, writer.constant(coding.span)], name="encode", exact=True)
    if offset:
        value = writer.node("Add", [value, writer.constant(offset)], name="encode", exact=True)
    return store(writer, value, coding)


def read(writer: GraphWriter, plane: str, dtype: str) -> str:
    """A plane's samples as f32, whatever they stand for."""
    return plane if dtype == "float32" else writer.node("Cast", [plane], name="read", exact=True, to=TYPES["float32"])


def store(writer: GraphWriter, codes: str, coding: Coding) -> str:
    """f32 codes as a plane's samples: clipped and truncated; see `encode` for why not rounded."""
    if coding.peak is not None:
        bounds = [writer.constant(0.0), writer.constant(coding.peak)]
        codes = writer.node("Clip", [codes, *bounds], name="store", exact=True)
    if coding.dtype == "float32":
        return codes
    return writer.node("Cast", [codes], name="store", exact=True, to=TYPES[coding.dtype])
