"""Builds the networks of a colorization recipe, and runs them on batches of samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import parametrize

from vsanime.architectures import ARCHITECTURES, architecture_of
from vsanime.errors import VsanimeError
from vsanime.models.torchfiles import load
from vsanime.training.data.batches import Named
from vsanime.training.data.pictures import find_place
from vsanime.training.recipes.colorization import ColorNetwork, ColorRecipe

# Power iterations for the largest singular value of weights that come from a file.
_SEARCH = 50


@dataclass(frozen=True)
class Made:
    """The output of a network for a batch.

    Attributes:
        colour: RGB in [0, 1], shape (B, 3, H, W).
        told: estimates of the same from inner layers, for the latent loss.
    """

    colour: torch.Tensor
    told: tuple[torch.Tensor, ...] = ()


class Stage:
    """A recipe's network with its inputs, and the frozen first stage before it, if there is one.

    Args:
        recipe: recipe of the run.
        roots: folders below which files that the recipe names are searched.
        device: device of torch for the first stage.

    Raises:
        VsanimeError: a file that the recipe names is missing, or is another network.
    """

    def __init__(self, recipe: ColorRecipe, roots: Sequence[Path], device: torch.device) -> None:
        self._network = recipe.network
        self.files: list[str] = []  # names and digests of the files that weights were read from
        torch.manual_seed(recipe.training.seed)
        self.net = _fresh(recipe.network)
        if recipe.network.start:
            start = load(self._file(recipe.network.start, roots))
            if type(start) is not type(self.net) or start.width != recipe.network.width:
                raise VsanimeError(
                    f"network.start = {recipe.network.start!r} is {_told(start)}; the recipe's network is "
                    f"{_told(self.net)}"
                )
            _begin_with(self.net, start)
        self._first = self._first_stage(roots, device) if recipe.network.colours else None

    @property
    def needs_distances(self) -> bool:
        """Whether samples need distance maps."""
        return any("distance" in _inputs_of(net) for net in (self.net, self._first) if net is not None)

    def run(self, net: nn.Module, parts: Named) -> Made:
        """Run a network of this stage.

        Args:
            net: `self.net` or its average.
            parts: samples of a batch, by name.
        """
        if self._first is None:
            return _color(net, parts)
        with torch.no_grad():
            target = _color(self._first, parts).colour
        before, after = (parts["key_colours"][:, i] for i in (0, 1))
        lines = torch.stack([parts["key_lines"][:, 0], parts["line"], parts["key_lines"][:, 1]], 1)
        return Made(net(lines, torch.stack([before, target.to(before.dtype), after], 1)))

    def inputs(self, parts: Named) -> dict[str, torch.Tensor]:
        """Return the inputs of the ONNX of `self.net` for the first sample of a batch, by name."""
        if self._first is not None:
            with torch.no_grad():
                target = _color(self._first, parts).colour
            before, after = (parts["key_colours"][:1, i] for i in (0, 1))
            lines = torch.cat([parts["key_lines"][:1, 0], parts["line"][:1], parts["key_lines"][:1, 1]])
            return {"lines": lines, "colours": torch.cat([before, target[:1], after])}
        names = _inputs_of(self.net)
        return {name: parts[name][:1] if parts[name].ndim == 4 else parts[name][0] for name in names}

    def _first_stage(self, roots: Sequence[Path], device: torch.device) -> nn.Module:
        net = load(self._file(self._network.colours, roots))
        row = architecture_of(net)
        if row is None or row.kind is None:
            raise VsanimeError(f"network.colours = {self._network.colours!r} is {_told(net)}; no network of colours")
        return net.to(device).eval().requires_grad_(False)

    def _file(self, name: str, roots: Sequence[Path]) -> Path:
        """Return the path of a file, as named or below one of the roots, and record it in `files`."""
        path = Path(name) if Path(name).is_file() else find_place(name, roots)
        if path.is_file():
            self.files.append(f"{path.name} ({hashlib.sha256(path.read_bytes()).hexdigest()[:16]})")
        return path


def _begin_with(net: nn.Module, start: nn.Module) -> None:
    """Copy weights into a network, and let its spectral norms converge to them."""
    given = start.state_dict()
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            module.weight = given.pop(f"{name}.weight")
            for _ in range(_SEARCH):
                _ = module.weight  # one power iteration
    net.load_state_dict(given, strict=False)


def _color(net: nn.Module, parts: Named) -> Made:
    found = net(*(parts[name] for name in _inputs_of(net)))
    return Made(found.colour, found.inner_colors)


def _fresh(network: ColorNetwork) -> nn.Module:
    load_module = ARCHITECTURES[network.architecture].load_module
    assert load_module is not None
    net: nn.Module = load_module().make(network)
    return net


def _inputs_of(net: nn.Module) -> tuple[str, ...]:
    """Return the names of a network's inputs, in order."""
    row = architecture_of(net)
    return row.inputs if row is not None else ()


def _told(net: nn.Module) -> str:
    row = architecture_of(net)
    name = row.name if row is not None and row.task == "colorization" else type(net).__name__
    return f"{name!r} of width {net.width}" if hasattr(net, "width") else repr(name)
