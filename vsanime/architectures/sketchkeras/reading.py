"""Reads SketchKeras from a PyTorch state-dict, folding the batch norms of its blocks into the convolutions.

Modules within a block are numbered, but ports differ in which modules without weights (padding, activations) they
count. So only order and shapes are used: every convolution but the last is followed by a norm.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vsanime.architectures.base import Imported, Wishes
from vsanime.architectures.deduce import floats
from vsanime.architectures.sketchkeras.onnx import DOWN, LAST, UP, sketchkeras
from vsanime.arrays import Array
from vsanime.errors import VsanimeError, quote

# Term added to the variance in the published norms.
EPSILON = 1e-3

_BLOCKS = {block[0].name.rpartition(".")[0]: block for block in (*DOWN, *UP)} | {LAST.name: (LAST,)}
_CONV = {"weight", "bias"}
_NORM = {"weight", "bias", "running_mean", "running_var"}
_MOST_DIGITS = 9  # of a module's number
# A counter of training batches.
_IGNORED = "num_batches_tracked"


def recognizes(tensors: Mapping[str, Array]) -> bool:
    """Return whether a state-dict has most of this network's blocks, by name."""
    blocks = {name.partition(".")[0] for name in tensors}
    return 2 * len(blocks & _BLOCKS.keys()) > len(_BLOCKS)


def read(tensors: Mapping[str, Array], _metadata: Mapping[str, str], _wishes: Wishes, _ours: bool) -> Imported:
    """Return the plain network of a state-dict; metadata and wishes are ignored. See `to_imported`."""
    return to_imported(tensors)


def to_imported(tensors: Mapping[str, Array]) -> Imported:
    """Return the plain network of a state-dict.

    Args:
        tensors: tensors by name.

    Raises:
        VsanimeError: if blocks are missing, unknown or of another structure; the message says which.
    """
    modules = _modules(tensors)
    unknown = sorted(modules.keys() - _BLOCKS.keys())
    missing = sorted(_BLOCKS.keys() - modules.keys())
    if unknown or missing:
        wrong = [f"lacks {name}" for name in missing[:4]] + [f"has {quote(name)} as well" for name in unknown[:4]]
        raise VsanimeError(f"it looks like SketchKeras, but {', '.join(wrong)}")
    weights: dict[str, Array] = {}
    for name, block in _BLOCKS.items():
        parts = modules[name]
        normed = name != LAST.name
        kinds = [_CONV, _NORM] * len(block) if normed else [_CONV]
        if [set(part) for part in parts] != kinds:
            raise VsanimeError(
                f"it looks like SketchKeras, but {name} is not {len(block)} convolution{'s' * (len(block) > 1)} with "
                f"biases{', each with a batch norm' if normed else ''}"
            )
        for number, unit in enumerate(block):
            conv = parts[2 * number] if normed else parts[number]
            norm = parts[2 * number + 1] if normed else None
            weights |= _fold(unit.name, conv, norm)
    trained = [part[key] for parts in modules.values() for part in parts for key in sorted(_CONV)]
    count = sum(array.size for array in trained)
    summary = f"SketchKeras, one colour channel's high frequencies to ink, scale 1, {count:,} weights, norms folded in"
    return Imported(sketchkeras(weights), "sketchkeras", summary, "")


def _modules(tensors: Mapping[str, Array]) -> dict[str, list[dict[str, Array]]]:
    """Return each block's modules in order; a block that is itself a module contains only that one."""
    found: dict[str, dict[int, dict[str, Array]]] = {}
    for name, array in tensors.items():
        block, _, rest = name.partition(".")
        number, _, key = rest.rpartition(".")
        if key == _IGNORED:
            continue
        if not key or (number and not (number.isdecimal() and len(number) <= _MOST_DIGITS)):
            raise VsanimeError(f"it looks like SketchKeras, but has {quote(name)}, which is none of its weights")
        found.setdefault(block, {}).setdefault(int(number or 0), {})[key] = floats(quote(name), array)
    return {block: [parts[number] for number in sorted(parts)] for block, parts in found.items()}


def _fold(name: str, conv: Mapping[str, Array], norm: Mapping[str, Array] | None) -> dict[str, Array]:
    """Return a convolution's weight and bias with its norm folded in, computed in double precision.

    Raises:
        VsanimeError: if the norm has another number of channels.
    """
    weight, bias = conv["weight"].astype(np.float64), conv["bias"].astype(np.float64)
    if norm is not None:
        if any(norm[key].shape != bias.shape for key in _NORM) or weight.shape[:1] != bias.shape:
            raise VsanimeError(f"{name}: the norm's shapes are not those of its convolution's {bias.shape} channels")
        with np.errstate(invalid="ignore"):  # a negative variance gives NaN, which is reported on writing
            gain = norm["weight"] / np.sqrt(norm["running_var"].astype(np.float64) + EPSILON)
        weight = weight * gain.reshape(-1, 1, 1, 1)
        bias = (bias - norm["running_mean"]) * gain + norm["bias"]
    return {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": bias.astype(np.float32)}
