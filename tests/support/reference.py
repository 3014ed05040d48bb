"""The independent reference: plain ONNX in ONNX Runtime, codes converted by NumPy in double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import vapoursynth as vs
from numpy.typing import NDArray

type Array = NDArray[Any]


def run_plain(path: Path | str | bytes, picture: Array) -> Array:
    """A plain network on one NCHW picture."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = path if isinstance(path, bytes) else str(path)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {session.get_inputs()[0].name: picture.astype(np.float32)})[0]
    return result


def _scale(form: vs.VideoFormat, full: bool, chroma: bool) -> tuple[float, float]:
    """Code of zero and codes per unit, from ITU-T H.273 equations 26 to 29."""
    bits = form.bits_per_sample
    if form.sample_type == vs.FLOAT:
        return 0.0, 1.0
    if full:
        return (float(1 << (bits - 1)) if chroma else 0.0), float((1 << bits) - 1)
    return (128.0 if chroma else 16.0) * (1 << (bits - 8)), (224.0 if chroma else 219.0) * (1 << (bits - 8))


def decode(plane: Array, form: vs.VideoFormat, full: bool = False, chroma: bool = False) -> Array:
    """Codes to [0, 1] luma or [-0.5, 0.5] chroma."""
    zero, span = _scale(form, full, chroma)
    result: Array = (plane.astype(np.float64) - zero) / span
    return result


def encode(value: Array, form: vs.VideoFormat, full: bool = False, chroma: bool = False) -> Array:
    """The reverse, rounded half up and clipped."""
    zero, span = _scale(form, full, chroma)
    if form.sample_type == vs.FLOAT:
        return value.astype(np.float16 if form.bits_per_sample == 16 else np.float32)
    codes = np.floor(value.astype(np.float64) * span + zero + 0.5)
    return np.clip(codes, 0, (1 << form.bits_per_sample) - 1).astype(
        np.uint8 if form.bits_per_sample == 8 else np.uint16
    )


def double(path: Path | str | bytes, plane: Array, form: vs.VideoFormat, target: vs.VideoFormat, full: bool) -> Array:
    """A luma plane doubled by a plain network."""
    picture = decode(plane, form, full)[None, None]
    return encode(run_plain(path, picture)[0, 0], target, full)


def assert_codes_match(found: Array, expected: Array, share: float, largest: int = 1) -> None:
    """At most a share of the codes differ, none by more than `largest`."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    difference = np.abs(found.astype(np.int64) - expected.astype(np.int64))
    assert difference.max(initial=0) <= largest, f"off by {difference.max()} codes"
    assert (difference > 0).mean() <= share, f"{(difference > 0).mean():.2%} of the codes differ"


def dihedral_mean(run: Callable[[Array], Array], picture: Array) -> Array:
    """The mean of what `run` makes of an NCHW picture in all eight ways to turn and mirror it, turned back."""
    results = []
    for swap in (False, True):
        for down in (1, -1):
            for across in (1, -1):
                turned = picture[:, :, ::down, ::across]
                result = run(np.ascontiguousarray(turned.swapaxes(2, 3) if swap else turned))
                results.append((result.swapaxes(2, 3) if swap else result)[:, :, ::down, ::across])
    mean: Array = np.mean(results, axis=0)
    return mean


def psnr(found: Array, expected: Array) -> float:
    """PSNR of values in [0, 1]."""
    error = np.mean((found.astype(np.float64) - expected.astype(np.float64)) ** 2)
    return float(-10 * np.log10(error)) if error else np.inf
