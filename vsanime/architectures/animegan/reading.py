"""Reads the weights of AnimeGANv2's generator from ONNX graphs (TensorFlow's, PyTorch's, our own) and state-dicts.

Only the weights of a graph are used, in the order in which a picture passes them. Everything else in which a graph may
differ (padding, strides, slopes, value ranges) is compared with the generator that is then written. State-dicts state
neither the up-sampling nor the epsilon of the norms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from vsanime.architectures.animegan.onnx import LEAK, SHAPES, TF_EPSILON, TORCH_EPSILON, UNITS, Unit, animegan
from vsanime.architectures.base import Imported, Wishes
from vsanime.architectures.deduce import floats
from vsanime.arrays import Array
from vsanime.errors import VsanimeError, quote
from vsanime.graphs.network import attributes

PUBLISHED = (
    "the weights that AnimeGANv2's author and bryandlee publish are for non-commercial use only, and what is made "
    "with them as well: https://github.com/TachibanaYoshino/AnimeGANv2"
)
_SAMPLINGS = {"asymmetric": "tf", "align_corners": "align", "half_pixel": "half", "pytorch_half_pixel": "half"}
# f32 has seven digits.
_NEAR = 1e-5
# Operators that graphs apply to constants before using them.
_MOVES = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_LONGEST_CHAIN = 1000
# Operators that change no value at the ends of a graph.
_SILENT = {"Cast", "Identity", "Pad", "Transpose"}


@dataclass(frozen=True)
class Weights:
    """A generator's weights, and the settings that they do not determine.

    Attributes:
        arrays: weights in f32 by the names of `vsanime.architectures.animegan.onnx.SHAPES`.
        upsample: key of `vsanime.architectures.animegan.onnx.UPSAMPLES`.
        epsilon: term added to the variance in the norms.
        plain: whether the graph maps RGB in [0, 1], channels first, to the same, as ours does.
    """

    arrays: dict[str, Array]
    upsample: str
    epsilon: float
    plain: bool


def to_imported(weights: Weights, why: str, licence: str = PUBLISHED) -> Imported:
    """Return the plain network of a generator's weights.

    Args:
        weights: weights and settings.
        why: source of the up-sampling, for the summary.
        licence: license note.

    Raises:
        VsanimeError: if they are not the generator's weights.
    """
    proto = animegan(weights.arrays, weights.upsample, weights.epsilon)
    count = sum(array.size for array in weights.arrays.values())
    form = f"AnimeGANv2's generator, RGB to RGB, scale 1, {count:,} weights"
    said = f"up-sampling {weights.upsample!r} ({why}), epsilon {weights.epsilon:g}"
    return Imported(proto, "animegan2", f"{form}, {said}", licence)


def recognizes(tensors: Mapping[str, Array]) -> bool:
    """Return whether most names are those of AnimeGANv2's generator."""
    return 2 * len(tensors.keys() & SHAPES.keys()) > len(SHAPES)


def read(tensors: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes, ours: bool) -> Imported:
    """Return the plain network of a state-dict.

    Args:
        tensors: tensors by name.
        metadata: other texts in the file; `upsample` and `epsilon` are used.
        wishes: settings that the user gives, which override the metadata.
        ours: whether it is a checkpoint of `vsanime train`.

    Raises:
        VsanimeError: if the weights are not the generator's, or the epsilon is not a number.
    """
    usual, epsilon, why = ("tf", TF_EPSILON, "as trained here") if ours else ("align", TORCH_EPSILON, "assumed")
    upsample = wishes.upsample
    said = upsample or metadata.get("upsample")
    if said and not upsample:
        why = "as the file says"
    elif upsample:
        why = "as asked for"
    if "epsilon" in metadata:
        try:
            epsilon = float(metadata["epsilon"])
        except ValueError:
            raise VsanimeError(f"its metadata says epsilon {quote(metadata['epsilon'])}; a number is needed") from None
    arrays = {name: floats(quote(name), array) for name, array in tensors.items()}
    weights = Weights(arrays, said or usual, epsilon, plain=False)
    return to_imported(weights, why, "" if ours else PUBLISHED)


def looks_like(proto: onnx.ModelProto) -> bool:
    """Return whether a graph's first convolution is 7x7 from 3 to 32 channels, and it has a tanh, as the generator."""
    first = next((n for n in proto.graph.node if n.op_type == "Conv"), None)
    if first is None or not any(node.op_type == "Tanh" for node in proto.graph.node):
        return False
    weight = _Constants(proto).find(first.input[1])
    return weight is not None and weight.shape == UNITS[0].shape


def weights_of(proto: onnx.ModelProto) -> Weights:
    """Return the weights of a generator's graph.

    Raises:
        VsanimeError: if the graph differs from AnimeGANv2's generator; the message says how.
    """
    reading = _Reading(_Constants(proto))
    try:
        for node in proto.graph.node:
            reading.take(node)
    except (ValueError, TypeError, IndexError, KeyError, RecursionError):  # raised by NumPy for impossible sizes
        raise VsanimeError("its graph is damaged: sizes or settings of its nodes cannot be") from None
    if len(reading.parts) != len(UNITS):
        raise VsanimeError(f"it has {len(reading.parts)} convolutions; AnimeGANv2's generator has {len(UNITS)}")
    arrays = {name: array for part in reading.parts for name, array in part.arrays().items()}
    if len(reading.samplings) != 2 or len(set(reading.samplings)) != 1 or reading.samplings[0] not in _SAMPLINGS:
        raise VsanimeError(
            f"its pictures grow by {reading.samplings or 'nothing'}; AnimeGANv2's generator has two Resize, both "
            f"{' or '.join(_SAMPLINGS)}"
        )
    return Weights(arrays, _SAMPLINGS[reading.samplings[0]], reading.epsilon(), _is_plain(proto, reading.constants))


class _Constants:
    """The constant tensors of a graph."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._stored = {tensor.name: tensor for tensor in proto.graph.initializer}
        self._made = {output: node for node in proto.graph.node for output in node.output}
        self._found: dict[str, Array | None] = {}

    def find(self, name: str) -> Array | None:
        """Return a constant; None for a tensor that depends on the picture or on operators other than `_MOVES`."""
        chain: list[tuple[str, onnx.NodeProto]] = []
        while name not in self._found:
            node = self._made.get(name)
            if name in self._stored:
                self._found[name] = numpy_helper.to_array(self._stored[name])
            elif len(chain) > _LONGEST_CHAIN:
                raise VsanimeError(
                    f"its graph is damaged: more than {_LONGEST_CHAIN} nodes do nothing but move a constant"
                )
            elif node is None or node.op_type not in ("Constant", *_MOVES):
                self._found[name] = None
            elif node.op_type == "Constant":
                self._found[name] = _constant(node)
            else:
                chain.append((name, node))
                name = node.input[0]
        array = self._found[name]
        # The results along the chain are cached, so that each node is followed once.
        for made, node in reversed(chain):
            array = self._found[made] = None if array is None else _move(node, array)
        return array


def _constant(node: onnx.NodeProto) -> Array:
    """Return the value of a Constant."""
    given = attributes(node)
    return numpy_helper.to_array(given["value"]) if "value" in given else np.asarray(next(iter(given.values())))


def _move(node: onnx.NodeProto, array: Array) -> Array | None:
    """Return a constant after an operator of `_MOVES`; None if the result's shape is not followed."""
    if node.op_type == "Identity":
        return array
    if node.op_type == "Transpose":
        return array.transpose(attributes(node).get("perm"))
    # Reshaped constants are vectors with added or removed axes, and are read by their length.
    return array.reshape(-1) if array.size == max(array.shape, default=1) else None


@dataclass
class _Part:
    """A convolution and the weights found for it."""

    unit: Unit
    weight: Array
    bias: Array | None
    gain: Array | None = None
    offset: Array | None = None
    normed: bool = False

    def arrays(self) -> dict[str, Array]:
        """Return its weights by name."""
        unit = self.unit
        wanted: list[tuple[str, Array | None]] = [(f"{unit.conv}.weight", self.weight)]
        if unit.bias:
            wanted.append((f"{unit.conv}.bias", self.bias))
        if unit.norm:
            wanted += [(f"{unit.norm}.weight", self.gain), (f"{unit.norm}.bias", self.offset)]
        missing = [name for name, array in wanted if array is None]
        if missing:
            raise VsanimeError(f"{' and '.join(missing)} cannot be found in its graph")
        if self.bias is not None and not unit.bias:
            raise VsanimeError(f"{unit.conv} has biases, which AnimeGANv2's generator has not there")
        return {name: floats(name, array) for name, array in wanted if array is not None}


@dataclass
class _Reading:
    """A pass over the nodes in order that assigns weights to convolutions."""

    constants: _Constants
    parts: list[_Part] = field(default_factory=list)
    samplings: list[str] = field(default_factory=list)
    epsilons: list[float] = field(default_factory=list)

    def take(self, node: onnx.NodeProto) -> None:
        """Process one node."""
        given = attributes(node)
        match node.op_type:
            case "Conv":
                self._convolution(node, given)
            case "Pad":
                self._pad(node, given)
            case "Resize" | "Upsample":
                self._growth(node, given)
            case "LeakyRelu":
                if abs(given.get("alpha", 0.01) - LEAK) > _NEAR:
                    raise VsanimeError(f"it has a leaky ReLU of slope {given.get('alpha', 0.01):g}; {LEAK} is right")
            case "ReduceMean" if self.parts:
                self.parts[-1].normed = True
            case "InstanceNormalization" | "GroupNormalization" if self.parts:
                self._norm(node, given)
            case "Add" | "Div" | "Mul" | "Sub" if self.parts:
                self._sum_or_product(node)

    def epsilon(self) -> float:
        """Return the epsilon that all norms share.

        Raises:
            VsanimeError: if there are several, or none.
        """
        known = {next((e for e in (TF_EPSILON, TORCH_EPSILON) if abs(v / e - 1) < _NEAR), v) for v in self.epsilons}
        if len(known) != 1:
            raise VsanimeError(f"its norms have {len(known)} different epsilons; one is right")
        return known.pop()

    def _convolution(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        number = len(self.parts)
        if number == len(UNITS):
            raise VsanimeError(f"it has more convolutions than the {len(UNITS)} of AnimeGANv2's generator")
        unit, weight = UNITS[number], self.constants.find(node.input[1])
        bias = self.constants.find(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weight is None or weight.shape != unit.shape:
            found = "computed" if weight is None else f"of the shape {weight.shape}"
            raise VsanimeError(f"the weights of convolution {number} are {found}; {unit.shape} is needed")
        settings = (given.get("strides", [1, 1]), given.get("group", 1), set(given.get("dilations", [1])))
        around = any(given.get("pads", [0])) or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
        if settings != ([unit.stride] * 2, unit.groups, {1}) or (around and unit.shape[2] > 1):
            raise VsanimeError(
                f"convolution {number} has strides, groups, dilations or padding of its own; AnimeGANv2's generator "
                f"has stride {unit.stride}, {unit.groups} groups, and reflects beforehand"
            )
        self.parts.append(_Part(unit, weight, bias))

    def _pad(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        """Check the padding before the next convolution."""
        if given.get("mode", b"constant") != b"reflect":
            raise VsanimeError(f"it pads by {quote(given.get('mode', b'constant').decode())}; 'reflect' is right")
        pads = given.get("pads") if "pads" in given else self.constants.find(node.input[1])
        if pads is None or len(self.parts) == len(UNITS):
            return  # computed at run time, as PyTorch exports it
        unit = UNITS[len(self.parts)]
        half = unit.shape[2] // 2
        before, after = ([int(n) for n in part if n] for part in np.split(np.asarray(pads), 2))
        if (before, after) != ([half] * 2 if unit.stride == 1 else [], [half] * 2):
            raise VsanimeError(f"before {unit.conv} it pads by {before} and {after}; that is another network's")

    def _growth(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        mode = given.get("mode", b"nearest").decode()
        usual = b"asymmetric" if node.op_type == "Upsample" else b"half_pixel"
        where = given.get("coordinate_transformation_mode", usual).decode()
        self.samplings.append(where if mode == "linear" else mode)
        known = [array for name in node.input[1:3] if (array := self.constants.find(name)) is not None]
        for factors in (array.tolist() for array in known if array.dtype.kind == "f" and array.size == 4):
            if factors != [1, 1, 2, 2]:
                raise VsanimeError(f"its pictures grow by factors of {factors}; [1, 1, 2, 2] is right")

    def _norm(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        """Record PyTorch's norm, one group of all channels, which is scaled by its own inputs or by later nodes."""
        part = self.parts[-1]
        part.normed = True
        self.epsilons.append(float(given.get("epsilon", TORCH_EPSILON)))
        gain, offset = (self.constants.find(name) for name in node.input[1:3])
        if gain is not None and offset is not None and gain.size == offset.size == part.unit.shape[0]:
            part.gain, part.offset = gain.reshape(-1), offset.reshape(-1)

    def _sum_or_product(self, node: onnx.NodeProto) -> None:
        """Record a constant: a vector of one value per channel is part of the norm or a bias, a scalar the epsilon."""
        part = self.parts[-1]
        found = [array for name in node.input if (array := self.constants.find(name)) is not None]
        array = next((a for a in found if a.dtype.kind == "f"), None)
        if array is None:
            return
        if array.size == part.unit.shape[0]:
            if node.op_type in ("Div", "Mul"):
                part.gain = array.reshape(-1)
            elif part.normed:
                part.offset = array.reshape(-1)
            else:
                part.bias = array.reshape(-1)
        elif array.size == 1 and node.op_type == "Add" and part.unit.norm:
            self.epsilons.append(float(array.reshape(-1)[0]))


def _is_plain(proto: onnx.ModelProto, constants: _Constants) -> bool:
    """Return whether the graph converts from and to [0, 1] as ours does.

    Raises:
        VsanimeError: if it does anything else than that or nothing.
    """
    nodes = [node for node in proto.graph.node if node.op_type not in ("Constant", "Shape")]
    first = next(i for i, node in enumerate(nodes) if node.op_type == "Conv")
    last = next(i for i, node in enumerate(nodes) if node.op_type == "Tanh")
    ends = _ends(nodes[:first], constants), _ends(nodes[last + 1 :], constants)
    if ends == ([], []):
        return False
    if ends == ([("Mul", 2.0), ("Add", -1.0)], [("Mul", 0.5), ("Add", 0.5), ("Clip", None)]):
        return True
    raise VsanimeError("it prepares its picture or its result in a way of its own; RGB in [-1, 1] at both ends is read")


def _ends(nodes: Sequence[onnx.NodeProto], constants: _Constants) -> list[tuple[str, float | None]]:
    """Return the operators before or after the network that change values, with their constants."""
    found: list[tuple[str, float | None]] = []
    for node in nodes:
        if node.op_type in _SILENT or constants.find(node.output[0]) is not None:
            continue
        number = constants.find(node.input[1]) if len(node.input) == 2 else None
        found.append((node.op_type, float(number) if number is not None and number.size == 1 else None))
    return found
