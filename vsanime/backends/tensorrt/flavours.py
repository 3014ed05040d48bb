"""Choose and import the package that builds and runs engines: TensorRT, or TensorRT-RTX for GeForce and RTX cards."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from vsanime.backends.stdout import guard_stdout
from vsanime.errors import VsanimeError, quote
from vsanime.values import parse_text

type Capability = tuple[int, int]

TENSORRT, RTX = "tensorrt", "tensorrt_rtx"
CHOICES = f"{TENSORRT!r} or {RTX!r} is needed, or None for what suits the card"
_EXTRAS = {TENSORRT: "vsanime[tensorrt]", RTX: "vsanime[tensorrt-rtx]"}

# The oldest cards that CUDA 13, and therefore TensorRT for CUDA 13, supports: Turing.
_OLDEST = (7, 5)

# Data-center cards that TensorRT-RTX supports too, but for which TensorRT is better: A100.
_DATA_CENTRE = {(8, 0)}


@dataclass(frozen=True)
class Flavour:
    """One of the packages, imported.

    Attributes:
        name: "tensorrt" or "tensorrt_rtx".
        module: the imported module; both packages export nearly the same names.
    """

    name: str
    module: Any

    @property
    def version(self) -> str:
        """The package's version, such as "1.7.1.116"."""
        return str(self.module.__version__)

    @property
    def is_rtx(self) -> bool:
        """Whether the package compiles kernels on the user's card, and so builds engines without one."""
        return self.name == RTX

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the compute capabilities that it builds for without such a card; none for TensorRT."""
        return tuple(sorted(self._members())) if self.is_rtx else ()

    def member(self, capability: Capability | None) -> Any:
        """Return the package's name of a capability that it lists; for None that of the card of this machine."""
        return self.module.ComputeCapability.CURRENT if capability is None else self._members()[capability]

    def _members(self) -> dict[Capability, Any]:
        kinds = self.module.ComputeCapability.__members__
        return {_parse(name[2:]): member for name, member in kinds.items() if name.startswith("SM")}


def _parse(digits: str) -> Capability:
    """Return a capability parsed from the digits of its name: SM86 is 8.6, SM120 is 12.0."""
    return int(digits[:-1]), int(digits[-1])


def read_flavour(name: str, value: object) -> str:
    """Return the name of one of the packages.

    Raises:
        VsanimeError: the value names neither.
    """
    text = parse_text(value)
    if text is None or text not in (TENSORRT, RTX):
        raise VsanimeError(f"{name}={quote(value)}; {CHOICES}")
    return text


def is_installed(name: str) -> bool:
    """Return whether a package is installed, without importing it."""
    return find_spec(name) is not None


@cache
def load_flavour(name: str) -> Flavour:
    """Import a package.

    Raises:
        VsanimeError: the name is unknown, or the package is not installed or cannot be loaded.
    """
    if name not in _EXTRAS:
        raise VsanimeError(f"flavour={quote(name)}; {CHOICES}")
    try:
        with guard_stdout():
            return Flavour(name, importlib.import_module(name))
    except ImportError as error:
        raise VsanimeError(f'{name} cannot be loaded ({error}); `pip install "{_EXTRAS[name]}"`') from error
    except (OSError, RuntimeError) as error:
        raise VsanimeError(
            f'{name} cannot be loaded ({error}); reinstall it: `pip install "{_EXTRAS[name]}"`'
        ) from error


def flavour_for(wanted: str | None, capability: Capability | None) -> Flavour:
    """Return the package to use for a card.

    Args:
        wanted: the user's choice, or None for TensorRT-RTX if it is installed and lists the card, else TensorRT.
        capability: compute capability of the card, None without a card.

    Raises:
        VsanimeError: none is installed, or none supports the card.
    """
    if wanted is not None:
        return load_flavour(wanted)
    installed = [name for name in (RTX, TENSORRT) if is_installed(name)]
    if not installed:
        raise VsanimeError(
            f'TensorRT is not installed; `pip install "{_EXTRAS[RTX]}"` for GeForce and RTX cards, or '
            f'`pip install "{_EXTRAS[TENSORRT]}"` for other NVIDIA cards'
        )
    if capability in _DATA_CENTRE and TENSORRT in installed:
        return load_flavour(TENSORRT)
    if RTX in installed and (capability is None or capability in load_flavour(RTX).capabilities()):
        return load_flavour(RTX)
    if capability is not None and capability < _OLDEST:
        raise VsanimeError(
            f"TensorRT for CUDA 13 serves cards from compute capability {format_capability(_OLDEST)} on, and this one "
            f"has {format_capability(capability)}; `vsanime.Backend.OpenVINO()` runs on the processor"
        )
    if TENSORRT in installed:
        return load_flavour(TENSORRT)
    assert capability is not None
    served = ", ".join(map(format_capability, load_flavour(RTX).capabilities()))
    raise VsanimeError(
        f"TensorRT-RTX builds for compute capabilities {served}, and this card has {format_capability(capability)}; "
        f"`pip install \"{_EXTRAS[TENSORRT]}\"` for it, or try `flavour='tensorrt_rtx'` if it is a newer GeForce or RTX"
    )


def format_capability(capability: Capability) -> str:
    """Return a compute capability as text, such as "8.9"."""
    return f"{capability[0]}.{capability[1]}"
