"""Neural anime filters for VapourSynth that return the same kind of clip as they are given."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vsanime._version import __version__

if TYPE_CHECKING:
    from vsanime.backends import Backend
    from vsanime.filters.animegan import animegan
    from vsanime.filters.artcnn import artcnn, artcnn_chroma
    from vsanime.filters.colorize import colorize
    from vsanime.filters.distance_field import distance_field
    from vsanime.filters.encoder_args import encoder_args
    from vsanime.filters.lineart import lineart
    from vsanime.filters.mark_scenes import mark_scenes
    from vsanime.filters.waifu2x import waifu2x

__all__ = [
    "Backend",
    "__version__",
    "animegan",
    "artcnn",
    "artcnn_chroma",
    "colorize",
    "distance_field",
    "encoder_args",
    "lineart",
    "mark_scenes",
    "waifu2x",
]

# Imported on first use: packages that do not need VapourSynth (training, model files, graphs) work without it.
_HOMES = {
    "Backend": "vsanime.backends",
    "animegan": "vsanime.filters.animegan",
    "artcnn": "vsanime.filters.artcnn",
    "artcnn_chroma": "vsanime.filters.artcnn",
    "colorize": "vsanime.filters.colorize",
    "distance_field": "vsanime.filters.distance_field",
    "encoder_args": "vsanime.filters.encoder_args",
    "lineart": "vsanime.filters.lineart",
    "mark_scenes": "vsanime.filters.mark_scenes",
    "waifu2x": "vsanime.filters.waifu2x",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vsanime' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
