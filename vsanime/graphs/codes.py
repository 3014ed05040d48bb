"""Adds nodes that convert the samples of a plane to the values they represent, and back; see `vsanime.coding`."""

from __future__ import annotations

from vsanime.coding import Coding
from vsanime.graphs.writer import TYPES, GraphWriter


def decode(writer: GraphWriter, plane: str, coding: Coding) -> str:
    """Return the values of a plane's codes.

    Multiplication comes first: runtimes would rewrite a subtraction and lose the node's name, which keeps it in f32.
    """
    value = read(writer, plane, coding.dtype)
    if coding.span != 1:
        value = writer.node("Mul", [value, writer.constant(1 / coding.span)], name="decode", exact=True)
    offset = coding.bias - coding.zero / coding.span
    if offset:
        value = writer.node("Add", [value, writer.constant(offset)], name="decode", exact=True)
    return value


def encode(writer: GraphWriter, value: str, coding: Coding) -> str:
    """Return the codes of values, rounded half up.

    Codes are rounded by adding a half and truncating, not by Floor or Round: after a low-precision convolution those
    make OpenVINO store the values to be rounded in bf16, and more than half of the codes come out wrong.
    """
    rounding = 0.0 if coding.peak is None else 0.5
    offset = coding.zero - coding.bias * coding.span + rounding
    if coding.span != 1:
        value = writer.node("Mul", [value, writer.constant(coding.span)], name="encode", exact=True)
    if offset:
        value = writer.node("Add", [value, writer.constant(offset)], name="encode", exact=True)
    return store(writer, value, coding)


def read(writer: GraphWriter, plane: str, dtype: str) -> str:
    """Return a plane's samples as f32, unscaled."""
    return plane if dtype == "float32" else writer.node("Cast", [plane], name="read", exact=True, to=TYPES["float32"])


def store(writer: GraphWriter, codes: str, coding: Coding) -> str:
    """Return f32 codes as a plane's samples, clipped and truncated; see `encode` for why they are not rounded."""
    if coding.peak is not None:
        bounds = [writer.constant(0.0), writer.constant(coding.peak)]
        codes = writer.node("Clip", [codes, *bounds], name="store", exact=True)
    if coding.dtype == "float32":
        return codes
    return writer.node("Cast", [codes], name="store", exact=True, to=TYPES[coding.dtype])
