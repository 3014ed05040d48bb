"""Compute how far every pixel of line art is from ink, as a clip: an input of colorization networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import vapoursynth as vs

from vsanime.arrays import Array
from vsanime.coding import luma_coding
from vsanime.errors import VsanimeError
from vsanime.motion.distance import CAP, distance_to
from vsanime.optional import ndimage
from vsanime.pipeline.arguments import resolve_format
from vsanime.pipeline.lanes import run_lanes
from vsanime.spec import Family, Range
from vsanime.values import read_number
from vsanime.video.advice import gray_code
from vsanime.video.alpha import alpha_of, clip_on_white, with_alpha
from vsanime.video.clips import check_same, first_frame, video_format
from vsanime.video.errors import raises_vs_error
from vsanime.video.properties import write_properties


@raises_vs_error
def distance_field(
    lineart: vs.VideoNode, cap: float = CAP, *, threshold: float = 0.5, depth: int | str | None = None
) -> vs.VideoNode:
    """Compute distances to the nearest ink: gray, full range, 0 on ink and 1 from the cap on.

    Distances are exact, and divided by the cap and not by the largest one of a frame, so that they mean the same in
    every frame. A frame without ink is 1 everywhere.

    Args:
        lineart: line art, GRAY, 8 to 16 bits, half or single float, progressive; dark ink on light paper.
        cap: distance, as a fraction of the frame's height, from which on the field is 1; above 0, at most 10.
        threshold: level below which a pixel is ink, above 0 (black) up to 1 (white). 0.5 makes ink of the codes up to
            127 of full-range 8 bits.
        depth: output depth, 8 to 16 bits, "half" or "single"; None for the input's. At 8 bits a code is a 255th of the
            cap: 0.42 pixels at 1080p and the default cap.

    Returns:
        A GRAY clip of the input's size with all its properties except `_ChromaLocation`; `_Range` is full. Where
        `_Alpha` is transparent, line art lies on white paper.

    Raises:
        vs.Error: an argument or a format cannot be used; the message says what would be right. Or SciPy is not
            installed.

    Example:
        ```python
        distances = vsanime.distance_field(vsanime.lineart(clip), depth="single")
        ```
    """
    spec, props = first_frame(lineart, "lineart")
    if spec.format.family is not Family.GRAY:
        raise VsanimeError(
            f"lineart is {spec.format.family.value}; GRAY is needed: `vsanime.lineart(clip)` makes it of pictures, "
            f"{gray_code(spec.format.family)} takes the luma of a drawing"
        )
    cap = read_number("cap", cap, 0, 10, above=True)
    limit = read_number("threshold", threshold, 0, 1, above=True)
    form = resolve_format(depth, spec.format)
    ndimage()  # so that a missing SciPy is reported here and not with the first frame
    read, made = luma_coding(spec.format, spec.range), luma_coding(form, Range.FULL)
    alpha = alpha_of("distance_field", lineart, props)
    # The code below which samples are ink.
    limit = read.zero + limit * read.span

    def measured(source: Sequence[Array], target: Sequence[Array]) -> None:
        distances = distance_to(source[0] < limit, cap)
        target[0][:] = distances if made.peak is None else np.floor(distances * made.peak + 0.5)

    result = run_lanes(
        "distance_field",
        clip_on_white(lineart, alpha, spec),
        [measured],
        lambda n, frame: check_same(n, frame.props, spec),
        (video_format(form), lineart.width, lineart.height),
        ([0], [0]),
    )
    return with_alpha(write_properties(result, replace(spec, format=form, range=Range.FULL, matrix=None)), alpha)
