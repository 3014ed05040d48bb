"""What a finished run leaves: the averaged network as checked ONNX, and the curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from vsanime.errors import VsanimeError
from vsanime.models.torchfiles import save
from vsanime.training.batches import Named
from vsanime.training.colorization.stages import Stage
from vsanime.training.colorization.trainer import ColourTrainer
from vsanime.training.plots import Drawing, draw_curves
from vsanime.training.runfolder import RunFolder

# torch and ONNX Runtime take the same f32 sums in other orders; logits of attention pass more of that on.
EXPORT_DIFFERENCE = 1e-4
_CHECKED = 3  # samples
_DRAWINGS = (
    Drawing("losses", "log.csv", "losses without weights", ("l1", "latent", "perceptual"), logarithmic=True),
    Drawing("critic", "log.csv", "adversarial losses", ("adversarial", "critic")),
    Drawing("psnr", "validation.csv", "PSNR on held-out scenes, dB", ("whole", "changed")),
    Drawing("gain", "validation.csv", "PSNR above the blend on changed pixels, dB", ("gain",)),
)


def finish(trainer: ColourTrainer, folder: RunFolder, samples: Sequence[Named], tell: Callable[[str], None]) -> Path:
    """Export, check, draw.

    Args:
        trainer: has the averaged network.
        folder: of the run.
        samples: held-out ones, each a batch of one.
        tell: told what there is.

    Returns:
        The ONNX.

    Raises:
        VsanimeError: a file cannot be written, or the ONNX computes something else.
    """
    path = folder.path / f"{trainer.recipe.name}.onnx"
    net = trainer.mean.net.float()
    save(net, path, licence=trainer.recipe.licence, author=trainer.recipe.author)
    worst = _difference(trainer.stage, net, path, samples[:_CHECKED])
    tell(f"{path}: within {worst:.1e} of torch in ONNX Runtime")
    try:
        drawn = draw_curves(folder.path, _DRAWINGS)
    except OSError as error:
        raise VsanimeError(f"the curves cannot be written to {folder.path}: {error.strerror or error}") from None
    tell(f"curves: {', '.join(map(str, drawn))}" if drawn else "no curves: matplotlib (extra `train`) is missing")
    return path


def _difference(stage: Stage, net: torch.nn.Module, path: Path, samples: Sequence[Named]) -> float:
    """The largest difference of colours between the file in ONNX Runtime and the network in torch.

    Raises:
        VsanimeError: it is too large.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for parts in samples:
        fed = {name: part.cpu().numpy() for name, part in stage.inputs(parts).items()}
        (found,) = session.run(["colour"], fed)
        with torch.inference_mode():
            expected = stage.run(net, parts).colour.cpu().numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    if worst > EXPORT_DIFFERENCE:
        raise VsanimeError(f"{path} differs from the trained network by {worst:.1e}; up to {EXPORT_DIFFERENCE} may be")
    return worst
