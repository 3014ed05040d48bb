"""What a finished run leaves: the averaged weights as checked ONNX, and the curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsanime.architectures.artcnn.module import ArtCNN
from vsanime.architectures.blocks import whole
from vsanime.errors import VsanimeError
from vsanime.models.torchfiles import save
from vsanime.training.plots import draw_curves
from vsanime.training.precision import DTYPES, Rounded
from vsanime.training.quantised import Quantised
from vsanime.training.recipe import Recipe
from vsanime.training.runfolder import RunFolder
from vsanime.training.validate import Patch, Run

# torch and ONNX Runtime take the same f32 sums in other orders.
EXPORT_DIFFERENCE = 1e-5
_LEAST_ERROR = 1e-20  # keeps the logarithm finite


def finish(
    net: nn.Module,
    recipe: Recipe,
    folder: RunFolder,
    patches: Mapping[str, list[Patch]],
    tell: Callable[[str], None],
) -> Path:
    """Export, check, draw.

    Args:
        net: the averaged weights.
        recipe: the recipe.
        folder: of the run.
        patches: of validation.
        tell: told what there is.

    Returns:
        The ONNX.

    Raises:
        VsanimeError: a file cannot be written, or the ONNX computes something else.
    """
    net = net.to("cpu", torch.float32, memory_format=torch.contiguous_format)
    path = folder.path / f"{recipe.name}.onnx"
    save(net, path, licence=recipe.licence, author=recipe.author)
    lows = [patch.low.cpu() for group in patches.values() for patch in group[:2]]
    tell(f"{path}: within {_difference(net, path, lows):.1e} of torch in ONNX Runtime")
    if isinstance(net, ArtCNN):
        for dtype in DTYPES:
            error, bias = rounding_error(net, Rounded(net, dtype), lows)
            tell(f"{dtype} with the linear path exact: {error:.1f} dB against f32, bias {bias:+.6f}")
        int8 = Quantised(net)
        # Scales are fixed by other patches than those measured, where there are any.
        int8.calibrate([patch.low.cpu() for group in patches.values() for patch in group[2:]] or lows)
        error, bias = rounding_error(net, int8, lows)
        tell(f"inner layers in int8, first and last exact: {error:.1f} dB against f32, bias {bias:+.6f}")
    try:
        drawn = draw_curves(folder.path)
    except OSError as error:
        raise VsanimeError(f"the curves cannot be written to {folder.path}: {error.strerror or error}") from None
    tell(f"curves: {', '.join(map(str, drawn))}" if drawn else "no curves: matplotlib (extra `train`) is missing")
    return path


def rounding_error(net: nn.Module, low_precision: Run, lows: list[torch.Tensor]) -> tuple[float, float]:
    """What low precision changes: PSNR in dB against f32 on unclipped output, and the mean difference."""
    with torch.inference_mode():
        pairs = [(low_precision(low), net(low)) for low in lows]
        differences = torch.cat([(rounded - exact).flatten() for rounded, exact in pairs])
        squared = max(float(differences.square().mean()), _LEAST_ERROR)
        return float(-10 * np.log10(squared)), float(differences.mean())


def _difference(net: nn.Module, path: Path, lows: list[torch.Tensor]) -> float:
    """The largest difference between the file in ONNX Runtime and the network in torch.

    Raises:
        VsanimeError: it is too large.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for low in lows:
        (found,) = session.run(["output"], {"input": low.numpy()})
        with torch.inference_mode():
            expected = whole(net, low).clamp(0, 1).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    if worst > EXPORT_DIFFERENCE:
        raise VsanimeError(f"{path} differs from the trained network by {worst:.1e}; up to {EXPORT_DIFFERENCE} may be")
    return worst
