"""By how much tiles overlap: what the network and chroma conversions see, and whole chroma samples of the output."""

from __future__ import annotations

import re

import pytest
import vapoursynth as vs

import vsanime
from tests.support.clips import noise_clip
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

    given = (None, None) if overlap is None else (overlap, overlap) if isinstance(overlap, int) else overlap

    def refusal(axis: int, tilesize: tuple[int, int]) -> str:
        """What is given is refused as it is; what it grows to for whole chroma samples, and what None takes, after."""
        asked, pixels = given[axis], (across, down)[axis]
        if asked is None or 2 * asked < tilesize[axis]:
            return f"overlap by {pixels} on each side, which leaves nothing"
        size, most = "{}x{}".format(*tilesize), ["29", "29"]
        most[axis] = str((tilesize[axis] - 1) // 2)
        return (
            rf"overlap={re.escape(str(overlap))} leaves nothing between the overlaps of tiles of {size} pixels on a "
            rf"frame of 96x80; the largest that is of use is \({', '.join(most)}\), and"
        )

    for axis, pixels in enumerate((across, down)):
        for side in (8, 2 * pixels):
            tilesize = (side, 60) if axis == 0 else (60, side)
            with pytest.raises(vs.Error, match=refusal(axis, tilesize)):
                run(tilesize)
        run((2 * pixels + 2, 60) if axis == 0 else (60, 2 * pixels + 2))
