"""Sheets of held-out photographs, before and after: what no figure tells about a style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from vsanime import files
from vsanime.errors import VsanimeError
from vsanime.training.animegan.validate import HeldOut
from vsanime.training.pictures import Bytes


def write_sheet(folder: Path, step: int, net: nn.Module, held: HeldOut) -> Path:
    """Write `step-N.png`: photographs in the upper row, what the generator makes of them below.

    Args:
        folder: of all sheets of a run.
        step: of the run.
        net: the generator.
        held: held-out photographs.

    Raises:
        VsanimeError: it cannot be written.
    """
    photos = held.photos[: held.shown]
    with torch.inference_mode():
        rows = [photos, [net(photo) for photo in photos]]
    sheet = np.concatenate([np.concatenate([_codes(picture) for picture in row], 1) for row in rows], 0)
    path = folder / f"step-{step:06d}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.stage(path) as staged:
            Image.fromarray(sheet).save(staged)
    except OSError as error:
        raise VsanimeError(f"the samples {path} cannot be written: {error.strerror or error}") from None
    return path


def _codes(picture: torch.Tensor) -> Bytes:
    """1, 3, H, W in [-1, 1] as height, width, 3 in codes."""
    unit = (picture[0].float().clamp(-1, 1) + 1) / 2
    codes: Bytes = (255 * unit).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return codes
