"""Writes sheets of sample pictures, row by row, for judging a network by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vsanime import files
from vsanime.arrays import Bytes
from vsanime.errors import VsanimeError


def write_sheet(folder: Path, step: int, rows: Sequence[Sequence[torch.Tensor]]) -> Path:
    """Write `step-N.png`.

    Args:
        folder: folder of all sheets of a run.
        step: number of completed steps.
        rows: pictures of one size, each RGB in [0, 1] of shape (1, 3, H, W); all rows have equally many.

    Returns:
        The path of the sheet.

    Raises:
        VsanimeError: the sheet cannot be written.
    """
    sheet = np.concatenate([np.concatenate([_to_codes(picture) for picture in row], 1) for row in rows], 0)
    path = folder / f"step-{step:06d}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.stage(path) as staged:
            Image.fromarray(sheet).save(staged)
    except OSError as error:
        raise VsanimeError(f"the samples {path} cannot be written: {error.strerror or error}") from None
    return path


def _to_codes(picture: torch.Tensor) -> Bytes:
    """Return a picture as 8-bit codes, shape (height, width, 3)."""
    codes: Bytes = (255 * picture[0].float().clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return codes
