"""Opens videos, and pictures of 16 bits, with BestSource, which finds every frame by its number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError


def open_video(path: Path, missing: str, **options: object) -> Any:
    """Open a file; without options no index is kept on disk: nothing is written beside anybody's videos.

    Args:
        path: video or picture.
        missing: message where BestSource is not installed.
        options: further arguments of `bs.VideoSource`.

    Returns:
        What `bs.VideoSource` returns: a clip, or with `exporttimestamps` the clip and its timestamps by name.

    Raises:
        VsanimeError: BestSource is not installed.
        vs.Error: the file cannot be read.
    """
    import vapoursynth as vs

    core: Any = vs.core
    if not hasattr(core, "bs"):
        raise VsanimeError(missing)
    return core.bs.VideoSource(str(path), **{"cachemode": 0, "showprogress": 0, **options})
