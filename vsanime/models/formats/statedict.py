"""From the names and shapes of a state-dict to a network.

A state-dict names its layers as the class that it comes from does. Each class that is known is a row of `_LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from vsanime.errors import VsanimeError
from vsanime.models.animegan import SHAPES, TF_EPSILON, TORCH_EPSILON
from vsanime.models.architectures import Array, Layer
from vsanime.models.formats import Imported, Wishes, sketchkeras
from vsanime.models.formats.deduce import WAIFU2X_SLOPE, Step, artcnn, drrn_b1, espcn_n, floats, waifu2x
from vsanime.models.formats.files import shown
from vsanime.models.formats.generator import PUBLISHED, Weights, imported

# The deepest network that is read has 51 layers of two tensors; a checkpoint may hold several.
MOST_TENSORS = 10_000
# Under which names programs keep the weights of a network beside other things, in lower case, best first: averaged
# ones look better, and of several networks the generator makes pictures.
WRAPPERS = (
    *("params_ema", "model_ema", "ema_model", "net_g_ema", "netg_ema", "g_ema", "generator_ema", "state_dict_ema"),
    *("ema_state_dict", "averaged_model", "ema", "params", "state_dict", "model_state_dict", "model_state"),
    *("net_g", "netg", "model_g", "generator", "generator_state_dict", "gen", "g"),
    *("module", "_orig_mod", "model", "network", "net", "weights", "student", "state"),
)
# One inside another, as in `state_dict.model.netG.module.first.weight`.
_MOST_PREFIXES = 8
_MOST_VIEWS = 64  # networks and prefixes that are tried
# A checkpoint of `vsanime train` holds the weights, their average and what the optimizer remembers of each: the average
# is what a run exports.
_CHECKPOINT = ("net.", "mean.", "exp_avg.", "exp_avg_sq.", "max_exp_avg_sq.")
_AVERAGE, _TRAINED = "mean.", "net."

# From layers in order, the activation asked for, and the file's metadata, which say what weights do not.
type _Build = Callable[[Sequence[Layer], str | None, Mapping[str, str]], Imported]


@dataclass(frozen=True)
class _Layout:
    """The layers of a class in the order in which a picture passes them.

    `{i}` counts repetitions from 0, `{even}` is twice that, `{n}` is their number.

    Attributes:
        origin: whose class it is, for messages.
        build: makes the network.
        first: layers before those that repeat.
        repeated: layers that repeat.
        last: layers after them.
    """

    origin: str
    build: _Build
    first: tuple[str, ...]
    repeated: tuple[str, ...]
    last: tuple[str, ...]

    def layers(self, names: set[str]) -> list[str]:
        """The names that this class would have with as many repetitions as there are."""
        n = 0
        while self.repeated[0].format(i=n, even=2 * n, n=0) in names:
            n += 1
        repeated = [name.format(i=i, even=2 * i, n=n) for i in range(n) for name in self.repeated]
        return [*self.first, *repeated, *(name.format(n=n) for name in self.last)]


def _artcnn(kind: str, layers: Sequence[Layer], activation: str | None, metadata: Mapping[str, str]) -> Imported:
    return artcnn(kind, layers, activation or metadata.get("activation", "").lower() or None)


def _drrn(layers: Sequence[Layer], activation: str | None, metadata: Mapping[str, str]) -> Imported:
    _refuse_activation(activation)
    return drrn_b1(layers, metadata.get("units", ""))


def _sequential(layers: Sequence[Layer], activation: str | None, _: Mapping[str, str]) -> Imported:
    """waifu2x: nothing but shapes says that the last layer is a transposed one."""
    _refuse_activation(activation)
    last = layers[-1]
    steps = [Step(layer, slope=WAIFU2X_SLOPE) for layer in layers[:-1]]
    transposed = last.weight.shape[2:] == (4, 4)
    return waifu2x([*steps, Step(last, transposed, stride=2, pad=3) if transposed else Step(last)])


def _espcn(layers: Sequence[Layer], activation: str | None, _: Mapping[str, str]) -> Imported:
    _refuse_activation(activation)
    return espcn_n(layers)


def _gated_espcn(layers: Sequence[Layer], activation: str | None, _: Mapping[str, str]) -> Imported:
    """Every inner layer is followed by its selection unit."""
    _refuse_activation(activation)
    return espcn_n([*layers[:-1:2], layers[-1]], layers[1:-1:2])


_C: _Build = partial(_artcnn, "artcnn_c")
_R: _Build = partial(_artcnn, "artcnn_r")

_LAYOUTS = (
    _Layout("ArtCNN C of this project", _C, ("first",), ("inner_convs.{i}",), ("inner_last", "last")),
    _Layout(
        "ArtCNN R of this project",
        _R,
        ("first",),
        ("blocks.{i}.conv0", "blocks.{i}.conv1", "blocks.{i}.conv2"),
        ("inner_last", "last"),
    ),
    _Layout("ArtCNN C of its author", _C, ("conv_skip1",), ("conv_inner.{i}",), ("conv_skip2", "conv_out")),
    _Layout(
        "ArtCNN R of its author",
        _R,
        ("conv0",),
        ("res_blocks.{i}.conv0", "res_blocks.{i}.conv1", "res_blocks.{i}.conv2"),
        ("conv1", "feats_conv"),
    ),
    _Layout(
        "ArtCNN R of traiNNer-redux",
        _R,
        ("conv0",),
        ("res_block.{i}.conv.0.0", "res_block.{i}.conv.1.0", "res_block.{i}.conv.2"),
        ("res_block.{n}", "depth_to_space.upscale.0"),
    ),
    _Layout("DRRN of this project", _drrn, ("first",), ("unit.conv{i}",), ("last",)),
    _Layout("ESPCN", _espcn, (), ("conv.{i}.0",), ("up_sampler.0",)),
    _Layout("ESPCN with selection units", _gated_espcn, (), ("conv.{i}.0", "conv.{i}.2.0"), ("up_sampler.0",)),
    _Layout("waifu2x in nunif", _sequential, (), ("net.{even}",), ()),
    _Layout("waifu2x by yu45020", _sequential, (), ("Sequential.{even}",), ()),
    _Layout("waifu2x, a bare Sequential", _sequential, (), ("{even}",), ()),
)


def from_arrays(arrays: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes) -> Imported:
    """The network that a state-dict is of.

    Args:
        arrays: tensors by name.
        metadata: what else the file says; `activation`, the `units` of a DRRN, `upsample` and `epsilon` of AnimeGANv2
            are heeded.
        wishes: what the user says, which goes before what the metadata say.

    Raises:
        VsanimeError: not a network that is known, or a wish where there is no choice.
    """
    tensors = _choose_network(arrays)
    if _is_generator(tensors):
        _refuse_activation(wishes.activation)
        return _generator(tensors, metadata, wishes.upsample, ours=any(name.startswith(_AVERAGE) for name in arrays))
    if wishes.upsample is not None:
        raise VsanimeError(
            f"upsample {shown(wishes.upsample)} was asked for; only AnimeGANv2's state-dicts leave a choice"
        )
    if sketchkeras.recognises(tensors):
        _refuse_activation(wishes.activation)
        return sketchkeras.imported(tensors)
    names = _layer_names(tensors)
    layout = _find_layout(names)
    if layout is None:
        raise VsanimeError(_nearest(names))
    parts: dict[str, set[str]] = {}
    for name in tensors:
        layer, _, part = name.rpartition(".")
        parts.setdefault(layer, set()).add(part)
    layers = [_layer(tensors, name, parts.get(name, set())) for name in layout.layers(names)]
    return layout.build(layers, wishes.activation, metadata)


def bfloat16(bits: Array) -> Array:
    """The upper halves of f32 numbers, which is what bfloat16 is, as f32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _choose_network(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors of one network under the names that its class gives them.

    A checkpoint of `vsanime train` has an average. Else what wrappers put before the names is taken off: whatever all
    names begin with, and, where several networks are side by side, the names of `WRAPPERS`.
    """
    average = {name.removeprefix(_AVERAGE): array for name, array in arrays.items() if name.startswith(_AVERAGE)}
    if average and (arrays.keys() >= {_TRAINED + name for name in average} or all(map(_is_of_checkpoint, arrays))):
        arrays = average
    views = list(islice(_unwrap(dict(arrays), _MOST_PREFIXES), _MOST_VIEWS))
    known = (view for view in views if _is_known(view))
    # If none is known, the message is about the one that comes nearest; of equal ones about the innermost.
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
    return _is_generator(tensors) or sketchkeras.recognises(tensors) or _find_layout(_layer_names(tensors)) is not None


def _is_generator(tensors: Mapping[str, Array]) -> bool:
    """Return whether most names are those of AnimeGANv2's generator."""
    return 2 * len(tensors.keys() & SHAPES.keys()) > len(SHAPES)


def _layer_names(tensors: Mapping[str, Array]) -> set[str]:
    return {name.rpartition(".")[0] or name for name in tensors}


def _find_layout(names: set[str]) -> _Layout | None:
    return next((layout for layout in _LAYOUTS if names == set(layout.layers(names))), None)


def _count_known(tensors: Mapping[str, Array]) -> int:
    """Return how many layers have names that the nearest known class gives."""
    names = _layer_names(tensors)
    return max(len(names.intersection(layout.layers(names))) for layout in _LAYOUTS)


def _generator(
    tensors: Mapping[str, Array], metadata: Mapping[str, str], upsample: str | None, *, ours: bool
) -> Imported:
    """AnimeGANv2's generator, whose weights say neither how it grows pictures nor the epsilon of its norms."""
    usual, epsilon, why = ("tf", TF_EPSILON, "as trained here") if ours else ("align", TORCH_EPSILON, "assumed")
    said = upsample or metadata.get("upsample")
    if said and not upsample:
        why = "as the file says"
    elif upsample:
        why = "as asked for"
    if "epsilon" in metadata:
        try:
            epsilon = float(metadata["epsilon"])
        except ValueError:
            raise VsanimeError(f"its metadata says epsilon {shown(metadata['epsilon'])}; a number is needed") from None
    arrays = {name: floats(shown(name), array) for name, array in tensors.items()}
    weights = Weights(arrays, said or usual, epsilon, plain=False)
    return imported(weights, why, "" if ours else PUBLISHED)


def _layer(tensors: Mapping[str, Array], name: str, held: set[str]) -> Layer:
    """Return a layer by the names of its tensors."""
    if "weight" not in held or held - {"weight", "bias"}:
        raise VsanimeError(
            f"layer {shown(name)} holds {', '.join(shown(key) for key in sorted(held)[:4])}; "
            "a convolution has a weight and perhaps a bias"
        )
    weight, bias = f"{name}.weight", f"{name}.bias"
    return Layer(floats(shown(weight), tensors[weight]), floats(shown(bias), tensors[bias]) if "bias" in held else None)


def _refuse_activation(activation: str | None) -> None:
    if activation is not None:
        raise VsanimeError(f"activation {shown(activation)} was asked for; only ArtCNN's state-dicts leave a choice")


def _nearest(names: set[str]) -> str:
    """What is wrong, told by the class that has most of the names."""
    layout = max(_LAYOUTS, key=lambda layout: len(set(layout.layers(names)) & names))
    wanted = set(layout.layers(names))
    if 2 * len(wanted & names) <= len(names):
        given = ", ".join(shown(name) for name in sorted(names)[:6]) or "none"
        return (
            f"layers named {given} are of no network that is known; known are AnimeGANv2's generator, ArtCNN C and R, "
            "DRRN, ESPCN_7, SketchKeras, UpConv_7 and VGG_7, as saved by torch"
        )
    wrong = [f"lacks {shown(name)}" for name in sorted(wanted - names)[:4]]
    wrong += [f"has {shown(name)} as well" for name in sorted(names - wanted)[:4]]
    return f"it looks like {layout.origin}, but {', '.join(wrong)}"
