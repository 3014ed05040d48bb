"""By how much tiles overlap: what the network and chroma conversions see, and whole chroma samples of the output."""

from __future__ import annotations

import pytest
import vapoursynth as vs

import vsanime
from tests.clips import noise_clip
from vsanime import Backend

F32 = Backend.OpenVINO(precision="f32")


@pytest.mark.parametrize(
    ("name", "overlap", "across", "down"),
    [
        ("YUV444P8", None, 7, 7),
        ("YUV444P8", 5, 5, 5),
        ("YUV444P8", (5, 4), 5, 4),
        ("YUV422P8", None, 14, 7),
        ("YUV422P8", 5, 6, 5),
        ("YUV422P8", (5, 4), 6, 4),
        ("YUV420P8", None, 14, 14),
        ("YUV420P8", (4, 5), 4, 6),
    ],
)
def test_overlap_of_tiles(name: str, overlap: int | tuple[int, int] | None, across: int, down: int) -> None:
    """Seven pixels of the network; bilinear chroma sees up to seven more along subsampled axes."""
    clip = noise_clip(name, 96, 80)

    def run(tilesize: tuple[int, int]) -> None:
        vsanime.waifu2x(clip, model="ESPCN_7_SLIM_VA", tilesize=tilesize, overlap=overlap, backend=F32)

    with pytest.raises(vs.Error, match=f"overlap by {across} on each side, which leaves nothing"):
        run((8, 60))
    with pytest.raises(vs.Error, match=f"overlap by {down} on each side, which leaves nothing"):
        run((60, 8))
