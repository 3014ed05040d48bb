"""Exports a finished run: the averaged weights as ONNX, checked in ONNX Runtime, and the curves as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsanime.errors import VsanimeError
from vsanime.models.torchfiles import save
from vsanime.training.recipes.reader import AnyRecipe
from vsanime.training.run.plots import draw_curves
from vsanime.training.run.task import Task, Tell


def finish[R: AnyRecipe](task: Task[R], tell: Tell) -> Path:
    """Export the averaged network, check the file against torch, and draw the curves.

    Args:
        task: task that was trained.
        tell: receives lines about the files and the difference from torch.

    Returns:
        The path of the ONNX.

    Raises:
        VsanimeError: a file cannot be written, or ONNX Runtime's output differs from torch's by more than `task.bound`.
    """
    recipe, folder = task.recipe, task.folder.path
    path = folder / f"{recipe.name}.onnx"
    net = task.averaged_net()
    save(net, path, licence=recipe.licence, author=recipe.author)
    tell(f"{path}: within {_difference(task, net, path):.1e} of torch in ONNX Runtime{task.remark}")
    for line in task.examine(net):
        tell(line)
    try:
        drawn = draw_curves(folder, task.drawings)
    except OSError as error:
        raise VsanimeError(f"the curves cannot be written to {folder}: {error.strerror or error}") from None
    tell(f"curves: {', '.join(map(str, drawn))}" if drawn else "no curves: matplotlib (extra `train`) is missing")
    return path


def _difference[R: AnyRecipe](task: Task[R], net: nn.Module, path: Path) -> float:
    """Return the largest absolute difference between the file in ONNX Runtime and the network in torch.

    Raises:
        VsanimeError: the difference is larger than `task.bound`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    with torch.inference_mode():
        for fed, expected in task.probes(net):
            (found,) = session.run([task.output], {name: part.cpu().numpy() for name, part in fed.items()})
            worst = max(worst, float(np.abs(found - expected.cpu().numpy()).max()))
    if worst > task.bound:
        raise VsanimeError(f"{path} differs from the trained network by {worst:.1e}; up to {task.bound} may be")
    return worst
