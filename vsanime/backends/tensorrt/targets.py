"""What an engine is built for: a card at hand, or cards of a compute capability elsewhere."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from vsanime.backends.cache import JSON
from vsanime.backends.cuda.runtime import Device
from vsanime.backends.tensorrt.flavours import Capability, Flavour, dotted


@dataclass(frozen=True)
class Target:
    """A package, and what it builds for.

    Attributes:
        flavour: the package.
        capability: compute capability of the card or cards.
        device: the card, where it is at hand.
    """

    flavour: Flavour
    capability: Capability
    device: Device | None = None

    @property
    def card(self) -> str:
        """For people."""
        if self.device is not None and not self.flavour.is_rtx:
            return self.device.facts.name
        return f"compute {dotted(self.capability)}"

    @property
    def named_capability(self) -> Capability | None:
        """What the builder is told: None, the card at hand, for one that the package does not list."""
        return self.capability if self.device is None or self.capability in self.flavour.capabilities() else None

    @property
    def timing_name(self) -> str:
        """Under which timings of kernels are kept."""
        return f"timing-{self.flavour.version}-{dotted(self.capability)}-{self._card_digest}.cache"

    def kernels_name(self, key: str) -> str:
        """Under which the kernels are kept that TensorRT-RTX compiled for an engine on this card.

        Cards of one capability differ, and the runtime takes kernels for its own card alone; whether those suit the
        driver it sees for itself.
        """
        return f"{key}-{self._card_digest}.jit"

    def facts(self) -> Mapping[str, JSON]:
        """An engine of TensorRT-RTX serves every card of its capability; one of TensorRT the card it was timed on."""
        facts: dict[str, JSON] = {
            "flavour": self.flavour.name,
            "version": self.flavour.version,
            "capability": dotted(self.capability),
            "system": f"{sys.platform} {platform.machine().lower()}",
        }
        if self.device is not None and not self.flavour.is_rtx:
            facts |= {"card": self.device.facts.name, "cuda": self.device.facts.driver_version}
        return facts

    @property
    def _card_digest(self) -> str:
        name = self.device.facts.name if self.device is not None else self.card
        return hashlib.sha256(name.encode()).hexdigest()[:8]
