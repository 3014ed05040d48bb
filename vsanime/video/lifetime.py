"""Releases memory and engines when a script is unloaded."""

from __future__ import annotations

from typing import Protocol
from weakref import ref

import vapoursynth as vs


class Closable(Protocol):
    """Interface of objects that hold memory."""

    def close(self) -> None:
        """Release the memory."""


def close_with_script(holder: Closable) -> None:
    """Close an object when the script is unloaded, even if a previewer still holds its clips.

    The object is referenced weakly, so it is released with its clip if that is dropped earlier.
    """
    held = ref(holder)

    def close() -> None:
        if (alive := held()) is not None:
            alive.close()

    vs.register_on_destroy(close)
