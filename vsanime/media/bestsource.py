"""Opens videos and 16-bit pictures with BestSource, which seeks to every frame exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vsanime.errors import VsanimeError


def open_video(path: Path, missing: str, **options: object) -> Any:
    """Open a video or picture; by default BestSource keeps no index on disk and writes nothing beside the file.

    Args:
        path: path of the video or picture.
        missing: error message if BestSource is not installed.
        options: further arguments of `bs.VideoSource`, which override these defaults.

    Returns:
        The result of `bs.VideoSource`: a clip, or with `exporttimestamps` the clip and its timestamps by name.

    Raises:
        VsanimeError: BestSource is not installed.
        vs.Error: the file cannot be read.
    """
    import vapoursynth as vs

    core: Any = vs.core
    if not hasattr(core, "bs"):
        raise VsanimeError(missing)
    return core.bs.VideoSource(str(path), **{"cachemode": 0, "showprogress": 0, **options})
