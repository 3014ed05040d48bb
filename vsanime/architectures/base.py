"""Defines the registry's entry of an architecture, and the result of importing a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import onnx

from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.graphs.builders.colorize import Kind

# Training data: pairs of pictures, photographs and pictures of a style, or frames of line art; "" for no training.
type Task = Literal["pairs", "style", "colorization", ""]


@dataclass(frozen=True)
class Imported:
    """A network converted to plain ONNX, and what its file says about it.

    Attributes:
        proto: checked network; `read` adds the license note to its metadata.
        architecture: "upconv_7", "vgg_7", "espcn_7", "artcnn_c", "artcnn_r", "drrn", "animegan2" or "sketchkeras";
            "onnx" for a half-precision ONNX.
        summary: one sentence: widths, scale, number of weights, activation, and assumptions.
        licence: license note in the file; empty if there is none.
    """

    proto: onnx.ModelProto
    architecture: str
    summary: str
    licence: str


@dataclass(frozen=True)
class Wishes:
    """Properties of a network that the user gives because its file does not.

    Attributes:
        activation: "relu" or "silu" for an ArtCNN state-dict; None for the one in its metadata, else "relu".
        upsample: "tf", "align" or "half" for an AnimeGANv2 state-dict; None for the one in its metadata, else "tf" for
            a checkpoint of `vsanime train` and "align" for any other.
    """

    activation: str | None = None
    upsample: str | None = None


@dataclass(frozen=True)
class Layout:
    """The layer names of a torch class in the order in which a picture passes the layers.

    In names `{i}` is the index of the repetition from 0, `{even}` is 2 * i, and `{n}` is the number of repetitions.

    Attributes:
        origin: author of the class, for messages.
        build: builds the network from its layers in order, the activation asked for, and the file's metadata, which may
            state what weights do not.
        first: names of the layers before the repetitions.
        repeated: names of the repeated layers.
        last: names of the layers after them.
    """

    origin: str
    build: Callable[[Sequence[Layer], str | None, Mapping[str, str]], Imported]
    first: tuple[str, ...]
    repeated: tuple[str, ...]
    last: tuple[str, ...]

    def layers(self, names: set[str]) -> list[str]:
        """Return the class's layer names, with as many repetitions as `names` has."""
        n = 0
        while self.repeated[0].format(i=n, even=2 * n, n=0) in names:
            n += 1
        repeated = [name.format(i=i, even=2 * i, n=n) for i in range(n) for name in self.repeated]
        return [*self.first, *repeated, *(name.format(n=n) for name in self.last)]


class StateReader(Protocol):
    """A reader of state-dicts that are not a plain chain of convolutions."""

    def recognizes(self, tensors: Mapping[str, Array], /) -> bool:
        """Return whether most of the names belong to this network."""

    def read(
        self, tensors: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes, ours: bool, /
    ) -> Imported:
        """Return the network; `ours` says whether the state-dict is a checkpoint of `vsanime train`."""


class TorchModule(Protocol):
    """The interface of every `module.py`, for code that is independent of the architecture."""

    @property
    def NETS(self) -> tuple[type[Any], ...]:  # noqa: N802 - a constant of a module
        """The classes of its networks."""

    def to_onnx(self, net: Any) -> onnx.ModelProto:
        """Return a network as plain ONNX."""

    def from_onnx(self, proto: onnx.ModelProto) -> Any:
        """Return the torch network of a plain ONNX, with its weights."""

    @property
    def make(self) -> Callable[..., Any]:
        """A function that makes an untrained network from a recipe's [network]; for pairs, also from the planes."""


@dataclass(frozen=True)
class PairRules:
    """The properties of a network trained on pairs of pictures that follow from its recipe's [network].

    Attributes:
        settings: dataclass of the keys that the architecture accepts beside `architecture` and `start`.
        scale: returns the output pixels per input pixel along each axis.
        margin: pixels that a network of valid convolutions loses on every side of its input.
        planes: raises an error for a value of `data.planes` that the settings do not allow; None if luma and RGB work.
        int8: whether training may simulate int8.
    """

    settings: type[Any]
    scale: Callable[[Any], int] = lambda _: 2
    margin: int = 0
    planes: Callable[[Any, str], None] | None = None
    int8: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the settings."""
        return tuple(field.name for field in dataclasses.fields(self.settings))


@dataclass(frozen=True)
class Architecture:
    """A network architecture: how its files are recognized, and where its torch module is.

    Attributes:
        name: name in recipes.
        family: name of its family in messages on export.
        title: name in messages on import; empty if its state-dicts are not read.
        load_module: imports its torch module; None if it has none.
        inputs: input names in the order of its torch module, for networks with several inputs; a plain ONNX with these
            inputs has this architecture.
        matches: whether a plain ONNX with one input looks like this architecture; None for the architecture of every
            ONNX that looks like no other.
        layouts: layer names of its state-dicts.
        state: reader of state-dicts that no layout describes.
        choices: fields of `Wishes` that apply to its state-dicts.
        task: training task.
        multiple: width and height must be multiples of this.
        pairs: properties for training on pairs; None if it is not trained on pairs.
        kind: for a network that colors line art, how it is split into a part per key and a part per frame.
    """

    name: str
    family: str
    title: str = ""
    load_module: Callable[[], TorchModule] | None = None
    inputs: tuple[str, ...] = ()
    matches: Callable[[onnx.ModelProto], bool] | None = None
    layouts: tuple[Layout, ...] = ()
    state: StateReader | None = None
    choices: tuple[str, ...] = ()
    task: Task = ""
    multiple: int = 1
    pairs: PairRules | None = None
    kind: Kind | None = None
