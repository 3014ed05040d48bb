"""Describes an architecture: what the registry holds of each network, and what importers say of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import onnx

from vsanime.architectures.layers import Layer
from vsanime.arrays import Array
from vsanime.graphs.builders.colorize import Kind

# What trains it: pairs of pictures, photographs and pictures of a style, or frames of line art; "" for nothing here.
type Task = Literal["pairs", "style", "colorization", ""]


@dataclass(frozen=True)
class Imported:
    """A foreign network as plain ONNX, and what its file told about it.

    Attributes:
        proto: the network, checked; `read` puts the licence note into its metadata.
        architecture: "upconv_7", "vgg_7", "espcn_7", "artcnn_c", "artcnn_r", "drrn", "animegan2",
            "sketchkeras"; "onnx" of one that was ONNX before, in half precision.
        summary: one sentence: widths, scale, number of weights, activation, and what had to be assumed.
        licence: the licence note in the file; empty where it has none.
    """

    proto: onnx.ModelProto
    architecture: str
    summary: str
    licence: str


@dataclass(frozen=True)
class Wishes:
    """What a user says of a network whose file does not.

    Attributes:
        activation: "relu" or "silu" of an ArtCNN state-dict; None for what its metadata says, else "relu".
        upsample: "tf", "align" or "half" of an AnimeGANv2 state-dict; None for what its metadata says, else "tf" for a
            checkpoint of `vsanime train` and "align" for any other.
    """

    activation: str | None = None
    upsample: str | None = None


@dataclass(frozen=True)
class Layout:
    """The layers of a class in the order in which a picture passes them.

    `{i}` counts repetitions from 0, `{even}` is twice that, `{n}` is their number.

    Attributes:
        origin: whose class it is, for messages.
        build: makes the network from its layers in order, the activation asked for, and the file's metadata, which say
            what weights do not.
        first: layers before those that repeat.
        repeated: layers that repeat.
        last: layers after them.
    """

    origin: str
    build: Callable[[Sequence[Layer], str | None, Mapping[str, str]], Imported]
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


class StateReader(Protocol):
    """Reads state-dicts that are more than convolutions one after another."""

    def recognizes(self, tensors: Mapping[str, Array], /) -> bool:
        """Return whether most of the names are those of this network."""

    def read(
        self, tensors: Mapping[str, Array], metadata: Mapping[str, str], wishes: Wishes, ours: bool, /
    ) -> Imported:
        """Return the network; `ours` says whether the state-dict is a checkpoint of `vsanime train`."""


class TorchModule(Protocol):
    """What every `module.py` offers to the code that knows no architecture."""

    @property
    def NETS(self) -> tuple[type[Any], ...]:  # noqa: N802 - a constant of a module
        """The classes of its networks."""

    def to_onnx(self, net: Any) -> onnx.ModelProto:
        """Write one of them as plain ONNX."""

    def from_onnx(self, proto: onnx.ModelProto) -> Any:
        """Return the network that a plain ONNX is of."""

    @property
    def make(self) -> Callable[..., Any]:
        """Make a network with fresh weights from a recipe's [network]; of pairs also from the number of planes."""


@dataclass(frozen=True)
class PairRules:
    """What follows from the [network] of a recipe that learns from pairs of pictures.

    Attributes:
        settings: a dataclass: the keys that the architecture knows beside `architecture` and `start`.
        scale: returns the pixels that the network makes of one, each way.
        margin: pixels of its input that a network of valid convolutions loses on every side.
        planes: refuses the values of `data.planes` that do not go with the settings; None where luma and RGB do.
        int8: whether training may simulate int8.
    """

    settings: type[Any]
    scale: Callable[[Any], int] = lambda _: 2
    margin: int = 0
    planes: Callable[[Any, str], None] | None = None
    int8: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the settings."""
        return tuple(field.name for field in dataclasses.fields(self.settings))


@dataclass(frozen=True)
class Architecture:
    """A network: how files of it are recognized, and where its torch module is.

    Attributes:
        name: in recipes.
        family: what the message on export calls it and its like.
        title: what the message on import calls it; empty where no state-dicts of it are read.
        load_module: imports its torch module; None where it has none.
        inputs: names of its inputs in the order of its torch module, by which a plain ONNX is known that takes several
            pictures.
        matches: whether a plain ONNX with one input looks like it; None for whatever looks like no other.
        layouts: how state-dicts name its layers.
        state: reads state-dicts that are not so simple.
        choices: what a user may wish where a state-dict does not say: fields of `Wishes`.
        task: what trains it.
        multiple: of width and height.
        pairs: of networks that learn from pairs.
        kind: of networks that color line art, how they are taken apart.
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
