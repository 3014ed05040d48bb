"""Describe what an engine is built for: a card of this machine, or cards of a compute capability elsewhere."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from vsanime.backends.cache import JSON
from vsanime.backends.cuda.runtime import Device
from vsanime.backends.tensorrt.flavours import Capability, Flavour, format_capability


@dataclass(frozen=True)
class Target:
    """A package and the card or cards it builds for.

    Attributes:
        flavour: the package.
        capability: compute capability of the card or cards.
        device: the card, if this machine has it.
    """

    flavour: Flavour
    capability: Capability
    device: Device | None = None

    @property
    def card(self) -> str:
        """The name of the card, or its compute capability, for display."""
        if self.device is not None and not self.flavour.is_rtx:
            return self.device.facts.name
        return f"compute {format_capability(self.capability)}"

    @property
    def named_capability(self) -> Capability | None:
        """The capability passed to the builder; None, meaning this machine's card, if the package does not list it."""
        return self.capability if self.device is None or self.capability in self.flavour.capabilities() else None

    @property
    def timing_name(self) -> str:
        """The file name under which kernel timings are cached."""
        return f"timing-{self.flavour.version}-{format_capability(self.capability)}-{self._card_digest}.cache"

    def kernels_name(self, key: str) -> str:
        """Return the file name for the kernels that TensorRT-RTX compiled for an engine on this card.

        Cards of one capability differ, and the runtime accepts kernels only for its own card; it checks itself whether
        they suit the driver.
        """
        return f"{key}-{self._card_digest}.jit"

    def facts(self) -> Mapping[str, JSON]:
        """Return what an engine depends on: the capability for TensorRT-RTX, also the card and driver for TensorRT."""
        facts: dict[str, JSON] = {
            "flavour": self.flavour.name,
            "version": self.flavour.version,
            "capability": format_capability(self.capability),
            "system": f"{sys.platform} {platform.machine().lower()}",
        }
        if self.device is not None and not self.flavour.is_rtx:
            facts |= {"card": self.device.facts.name, "cuda": self.device.facts.driver_version}
        return facts

    @property
    def _card_digest(self) -> str:
        name = self.device.facts.name if self.device is not None else self.card
        return hashlib.sha256(name.encode()).hexdigest()[:8]
