"""What a finished run leaves: the averaged generator as checked ONNX, what it was trained by, and the curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.models.torchfiles import save
from vsanime.training.animegan.balance import Balance
from vsanime.training.animegan.recipe import StyleRecipe
from vsanime.training.animegan.validate import HeldOut
from vsanime.training.plots import Drawing, draw_curves
from vsanime.training.runfolder import RunFolder

# torch and ONNX Runtime take the same f32 sums in other orders; norms over whole pictures, a dozen in a row, pass more
# of that on than plain convolutions do.
EXPORT_DIFFERENCE = 1e-4
_DRAWINGS = (
    Drawing("losses", "log.csv", "losses without weights", ("content", "style", "colour"), logarithmic=True),
    Drawing("critic", "log.csv", "adversarial losses", ("adversarial", "critic")),
    Drawing("held-out", "validation.csv", "on held-out pictures", logarithmic=True),
)


def finish(
    net: nn.Module,
    recipe: StyleRecipe,
    balance: Balance,
    folder: RunFolder,
    held: HeldOut,
    tell: Callable[[str], None],
) -> Path:
    """Export, check, draw.

    Args:
        net: the averaged generator.
        recipe: the recipe.
        balance: what it was trained by.
        folder: of the run.
        held: held-out photographs.
        tell: told what there is.

    Returns:
        The ONNX.

    Raises:
        VsanimeError: a file cannot be written, or the ONNX computes something else.
    """
    net = net.to("cpu", torch.float32, memory_format=torch.contiguous_format)
    path = folder.path / f"{recipe.name}.onnx"
    save(net, path, licence=recipe.licence, author=recipe.author)
    tell(f"{path}: within {_difference(net, path, held):.1e} of torch in ONNX Runtime; {balance}")
    try:
        drawn = draw_curves(folder.path, _DRAWINGS)
    except OSError as error:
        raise VsanimeError(f"the curves cannot be written to {folder.path}: {error.strerror or error}") from None
    tell(f"curves: {', '.join(map(str, drawn))}" if drawn else "no curves: matplotlib (extra `train`) is missing")
    return path


def _difference(net: nn.Module, path: Path, held: HeldOut) -> float:
    """The largest difference on [0, 1] between the file in ONNX Runtime and the network in torch.

    Raises:
        VsanimeError: it is too large.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for photo in held.photos[: held.shown]:
        (found,) = session.run(["output"], {"input": ((photo.cpu() + 1) / 2).numpy()})
        with torch.inference_mode():
            expected = ((net(photo.cpu()) + 1) / 2).clamp(0, 1).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    if worst > EXPORT_DIFFERENCE:
        raise VsanimeError(f"{path} differs from the trained network by {worst:.1e}; up to {EXPORT_DIFFERENCE} may be")
    return worst
