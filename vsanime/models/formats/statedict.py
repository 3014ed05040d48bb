"""Recognizes the network of a state-dict by its tensor names and shapes, and builds it.

A state-dict names its layers as the torch class that wrote it does. Each known class is a `Layout` of an architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from vsanime.architectures import ARCHITECTURES
from vsanime.architectures.base import Architecture, Imported, Layout, Wishes
from vsanime.architectures.deduce import floats
from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.errors import VsanimeError, list_words, quote

# The deepest supported network has 51 layers of two tensors; a checkpoint may hold several.
MOST_TENSORS = 10_000
# Keys under which training programs store a network beside other things, in lower case, best first: averaged weights
# look better, and of several networks the generator makes the pictures.
WRAPPERS = (
    *("params_ema", "model_ema", "ema_model", "net_g_ema", "netg_ema", "g_ema", "generator_ema", "state_dict_ema"),
    *("ema_state_dict", "averaged_model", "ema", "params", "state_dict", "model_state_dict", "model_state"),
    *("net_g", "netg", "model_g", "generator", "generator_state_dict", "gen", "g"),
    *("module", "_orig_mod", "model", "network", "net", "weights", "student", "state"),
)
# Nested prefixes, as in `state_dict.model.netG.module.first.weight`.
_MOST_PREFIXES = 8
_MOST_VIEWS = 64  # combinations of network and prefix that are tried
# A checkpoint of `vsanime train` holds the weights, their average and the optimizer's state of each; a run exports the
# average.
_CHECKPOINT = ("net.", "mean.", "exp_avg.", "exp_avg_sq.", "max_exp_avg_sq.")
_AVERAGE, _TRAINED = "mean.", "net."


def from_arrays(arrays: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes) -> Imported:
    """Build the network of a state-dict.

    Args:
        arrays: tensors by name.
        metadata: other texts in the file; `activation`, the `units` of a DRRN, and `upsample` and `epsilon` of
            AnimeGANv2 are used.
        wishes: settings that the user gives, which override the metadata.

    Raises:
        VsanimeError: if the network is unknown, or a wish concerns something that the state-dict determines.
    """
    tensors = _choose_network(arrays)
    row = _find_reader(tensors)
    names = _layer_names(tensors)
    found = None if row is not None else _find_layout(names)
    architecture = row or (found and found[0])
    if wishes.upsample is not None and (architecture is None or "upsample" not in architecture.choices):
        raise VsanimeError(
            f"upsample {quote(wishes.upsample)} was asked for; only AnimeGANv2's state-dicts leave a choice"
        )
    if row is not None and row.state is not None:
        _refuse_activation(row, wishes)
        ours = any(name.startswith(_AVERAGE) for name in arrays)
        return row.state.read(tensors, metadata, wishes, ours)
    if found is None:
        raise VsanimeError(_nearest(names))
    owner, layout = found
    parts: dict[str, set[str]] = {}
    for name in tensors:
        layer, _, part = name.rpartition(".")
        parts.setdefault(layer, set()).add(part)
    layers = [_layer(tensors, name, parts.get(name, set())) for name in layout.layers(names)]
    _refuse_activation(owner, wishes)
    return layout.build(layers, wishes.activation, metadata)


def bfloat16(bits: Array) -> Array:
    """Convert bfloat16 bits, the upper halves of f32 values, to f32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _choose_network(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of one network under the names that its torch class gives them.

    Of a `vsanime train` checkpoint that is the average. From others the prefixes of wrappers are removed: any prefix
    that all names share, and the names of `WRAPPERS` if several networks are side by side.
    """
    average = {name.removeprefix(_AVERAGE): array for name, array in arrays.items() if name.startswith(_AVERAGE)}
    if average and (arrays.keys() >= {_TRAINED + name for name in average} or all(map(_is_of_checkpoint, arrays))):
        arrays = average
    views = list(islice(_unwrap(dict(arrays), _MOST_PREFIXES), _MOST_VIEWS))
    known = (view for view in views if _is_known(view))
    # If none is known, the message is about the nearest view; among equals about the innermost.
    return next(known, None) or max(reversed(views), key=_count_known)


def _is_of_checkpoint(name: str) -> bool:
    return name.startswith(_CHECKPOINT)


def _unwrap(tensors: dict[str, Array], depth: int) -> Iterator[dict[str, Array]]:
    """Yield the tensors as they are, then those below each prefix, best first."""
    yield tensors
    if not depth:
        return
    below: dict[str, dict[str, Array]] = {}
    for name, array in tensors.items():
        root, dot, rest = name.partition(".")
        if dot:
            below.setdefault(root, {})[rest] = array
    ranks = {wrapper: rank for rank, wrapper in enumerate(WRAPPERS)}
    shared = len(below) == 1 and len(next(iter(below.values()))) == len(tensors)
    for root in sorted(below, key=lambda root: ranks.get(root.lower(), len(ranks))):
        if shared or root.lower() in ranks:
            yield from _unwrap(below[root], depth - 1)


def _is_known(tensors: Mapping[str, Array]) -> bool:
    return _find_reader(tensors) is not None or _find_layout(_layer_names(tensors)) is not None


def _find_reader(tensors: Mapping[str, Array]) -> Architecture | None:
    """Return the architecture whose own reader recognizes the names, if any."""
    rows = ARCHITECTURES.values()
    return next((row for row in rows if row.state is not None and row.state.recognizes(tensors)), None)


def _layer_names(tensors: Mapping[str, Array]) -> set[str]:
    return {name.rpartition(".")[0] or name for name in tensors}


def _layouts() -> Iterator[tuple[Architecture, Layout]]:
    for row in ARCHITECTURES.values():
        for layout in row.layouts:
            yield row, layout


def _find_layout(names: set[str]) -> tuple[Architecture, Layout] | None:
    return next(((row, layout) for row, layout in _layouts() if names == set(layout.layers(names))), None)


def _count_known(tensors: Mapping[str, Array]) -> int:
    """Return how many layer names agree with the nearest known class."""
    names = _layer_names(tensors)
    return max(len(names.intersection(layout.layers(names))) for _, layout in _layouts())


def _layer(tensors: Mapping[str, Array], name: str, held: set[str]) -> Layer:
    """Return the convolution of a name, checked to have a weight and at most a bias."""
    if "weight" not in held or held - {"weight", "bias"}:
        raise VsanimeError(
            f"layer {quote(name)} holds {', '.join(quote(key) for key in sorted(held)[:4])}; "
            "a convolution has a weight and perhaps a bias"
        )
    weight, bias = f"{name}.weight", f"{name}.bias"
    return Layer(floats(quote(weight), tensors[weight]), floats(quote(bias), tensors[bias]) if "bias" in held else None)


def _refuse_activation(row: Architecture, wishes: Wishes) -> None:
    if wishes.activation is not None and "activation" not in row.choices:
        raise VsanimeError(
            f"activation {quote(wishes.activation)} was asked for; only ArtCNN's state-dicts leave a choice"
        )


def _nearest(names: set[str]) -> str:
    """Return a message about the class that shares most layer names: which names are missing and which are extra."""
    layout = max((layout for _, layout in _layouts()), key=lambda layout: len(set(layout.layers(names)) & names))
    wanted = set(layout.layers(names))
    if 2 * len(wanted & names) <= len(names):
        given = ", ".join(quote(name) for name in sorted(names)[:6]) or "none"
        titles = sorted(row.title for row in ARCHITECTURES.values() if row.title)
        return (
            f"layers named {given} are of no network that is known; known are {list_words(titles, 'and')}, "
            "as saved by torch"
        )
    wrong = [f"lacks {quote(name)}" for name in sorted(wanted - names)[:4]]
    wrong += [f"has {quote(name)} as well" for name in sorted(names - wanted)[:4]]
    return f"it looks like {layout.origin}, but {', '.join(wrong)}"
