"""Sheets of held-out targets: line art, both keys, the blend without a network, what the network makes, the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vsanime import files
from vsanime.errors import VsanimeError
from vsanime.training.batches import Named
from vsanime.training.colorization.validate import blend
from vsanime.training.pictures import Bytes


def write_sheet(folder: Path, step: int, samples: Sequence[Named], run: Callable[[Named], torch.Tensor]) -> Path:
    """Write `step-N.png`, a row for each sample.

    Args:
        folder: of all sheets of a run.
        step: of the run.
        samples: each a batch of one.
        run: gives the colours of a batch.

    Raises:
        VsanimeError: it cannot be written.
    """
    rows = []
    for parts in samples:
        line = parts["line"].expand(-1, 3, -1, -1)
        keys = [parts["key_colours"][:, i] for i in (0, 1)]
        pictures = [line, *keys, blend(parts), run(parts), parts["truth"]]
        rows.append(np.concatenate([_codes(picture) for picture in pictures], 1))
    path = folder / f"step-{step:06d}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.stage(path) as staged:
            Image.fromarray(np.concatenate(rows, 0)).save(staged)
    except OSError as error:
        raise VsanimeError(f"the samples {path} cannot be written: {error.strerror or error}") from None
    return path


def _codes(picture: torch.Tensor) -> Bytes:
    """1, 3, H, W in [0, 1] as height, width, 3 in codes."""
    codes: Bytes = (255 * picture[0].float().clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return codes
