"""Describes how samples represent values: code ranges, color matrices and the siting of chroma, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vsanime.errors import VsanimeError
from vsanime.spec import ChromaLocation, Family, FrameSpec, PlaneFormat, Range

# Weights of red and blue in luma, by `_Matrix` (ITU-T H.273 table 4): BT.709, FCC, BT.601 twice, SMPTE 240M, BT.2020.
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}

# Arguments with which zimg converts from other matrices, by `_Matrix`: YCgCo; BT.2020 of constant luminance;
# chroma-derived, of non-constant and constant luminance; ICtCp of PQ.
_CONVERSIONS = {
    8: "matrix=1",
    10: "matrix=9, transfer_in=14, primaries_in=9",
    12: "matrix=9, primaries_in=9",
    13: "matrix=9, transfer_in=14, primaries_in=9",
    14: "matrix=9, transfer_in=16, primaries_in=9",
}


@dataclass(frozen=True)
class Coding:
    """Mapping from the samples of a plane to values: value = (code - zero) / span + bias.

    Attributes:
        dtype: NumPy name of a sample's type.
        zero: code that represents `bias`.
        span: number of codes between the values `bias` and `bias` + 1.
        bias: 0 for luma; 0.5 for chroma, which networks see as Cb + 0.5 and Cr + 0.5.
        peak: largest code; None for floats.
    """

    dtype: str
    zero: float
    span: float
    bias: float
    peak: float | None


def luma_coding(form: PlaneFormat, full: Range) -> Coding:
    """Return the coding of luma, gray or RGB: black is 0 and white is 1."""
    if not form.is_integer:
        return Coding(form.dtype, zero=0, span=1, bias=0, peak=None)
    peak = float((1 << form.bits) - 1)
    if full is Range.FULL:
        return Coding(form.dtype, zero=0, span=peak, bias=0, peak=peak)
    step = 1 << (form.bits - 8)
    return Coding(form.dtype, zero=16.0 * step, span=219.0 * step, bias=0, peak=peak)


def chroma_coding(form: PlaneFormat, full: Range) -> Coding:
    """Return the coding of chroma: [-0.5, 0.5] shifted to [0, 1]."""
    if not form.is_integer:
        return Coding(form.dtype, zero=0, span=1, bias=0.5, peak=None)
    peak = float((1 << form.bits) - 1)
    span = peak if full is Range.FULL else 224.0 * (1 << (form.bits - 8))
    return Coding(form.dtype, zero=float(1 << (form.bits - 1)), span=span, bias=0.5, peak=peak)


def plane_codings(spec: FrameSpec) -> list[Coding]:
    """Return the coding of each plane; chroma is centered on 0."""
    luma = luma_coding(spec.format, spec.range)
    if spec.format.family is Family.YUV:
        return [luma] + [replace(chroma_coding(spec.format, spec.range), bias=0)] * 2
    return [luma] * (1 if spec.format.family is Family.GRAY else 3)


def check_matrix(matrix: int | None) -> None:
    """Refuse a clip whose matrix is not known here; None, for RGB, passes.

    Raises:
        VsanimeError: the matrix is unknown.
    """
    if matrix is not None and not known_matrix(matrix):
        raise VsanimeError(
            f"the clip has _Matrix={matrix}; {', '.join(str(m) for m in LUMA_WEIGHTS)} can be converted (1 is BT.709, "
            f"5 and 6 BT.601, 9 BT.2020): {_matrix_code(matrix)}"
        )


def _matrix_code(matrix: int) -> str:
    """Return code that converts a clip from an unknown matrix to a known one."""
    mark = "`clip.std.SetFrameProps(_Matrix=1)` if the mark is wrong"
    if matrix in _CONVERSIONS:
        return f"convert it with `clip.resize.Spline36({_CONVERSIONS[matrix]})`, or set it with {mark}"
    return f"set it with {mark}"


def known_matrix(matrix: int | None) -> bool:
    """Return whether a value of `_Matrix` can be converted here."""
    return matrix in LUMA_WEIGHTS


def chroma_offset(siting: ChromaLocation, subsampling: tuple[int, int]) -> tuple[float, float]:
    """Return the position of the first chroma sample relative to the center of the first luma sample.

    Args:
        siting: value of `_ChromaLocation`.
        subsampling: log2 of the subsampling, (horizontal, vertical); an axis without subsampling has offset 0.

    Returns:
        Offsets in luma pixels, rightward and downward.
    """
    left = siting in (ChromaLocation.LEFT, ChromaLocation.TOP_LEFT, ChromaLocation.BOTTOM_LEFT)
    top = siting in (ChromaLocation.TOP, ChromaLocation.TOP_LEFT)
    bottom = siting in (ChromaLocation.BOTTOM, ChromaLocation.BOTTOM_LEFT)
    block_w, block_h = (float((1 << s) - 1) for s in subsampling)
    x = 0.0 if left else block_w / 2
    y = 0.0 if top else block_h if bottom else block_h / 2
    return x, y
