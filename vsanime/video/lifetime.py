"""What a script holds is given back when it is unloaded."""

from __future__ import annotations

from typing import Protocol
from weakref import ref

import vapoursynth as vs


class Closable(Protocol):
    """Something that holds memory."""

    def close(self) -> None:
        """Gives it back."""


def close_with_script(holder: Closable) -> None:
    """Has something closed when the script is unloaded, even where a previewer still holds its clips.

    It is held weakly: a clip that is dropped before takes along what it holds.
    """
    held = ref(holder)

    def close() -> None:
        if (alive := held()) is not None:
            alive.close()

    vs.register_on_destroy(close)
