"""Writes and reads checkpoints: folders of safetensors files, each small enough for any host.

A checkpoint is written under a temporary name, flushed to the disk and renamed, so a run that is killed at any moment
leaves the previous one intact. Samples are pure functions of the step, so no other state has to be kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

from vsanime import files
from vsanime.errors import VsanimeError

SHARD_BYTES = 15_000_000  # largest file, with its header
_HEADER_BYTES = 200_000
_ROOM = SHARD_BYTES - _HEADER_BYTES
_PIECE = "#"  # occurs in no tensor name of torch
_KEPT = 2  # checkpoints: the newest and the previous one
_STATE = "state.json"
_PREFIX, _PARTIAL = "step-", ".partial-"

type Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a run resumes.

    Attributes:
        step: number of completed updates.
        tensors: weights, their average and the optimizer's state, by name.
    """

    step: int
    tensors: Tensors


def write_finite(folder: Path, checkpoint: Checkpoint, advice: str) -> Path:
    """Write a checkpoint as `write` does, if all of its tensors are finite.

    Args:
        folder: folder of all checkpoints of the run.
        checkpoint: checkpoint to write.
        advice: end of the error message, which says what the user can do about a tensor that is not finite.

    Raises:
        VsanimeError: the checkpoint cannot be written, or a tensor is not finite; the previous checkpoint stays.
    """
    step = checkpoint.step
    for name, tensor in checkpoint.tensors.items():
        if not torch.isfinite(tensor).all():
            raise VsanimeError(f"{name} is not finite at step {step}, and no checkpoint is written; {advice}")
    return write(folder, checkpoint)


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, and remove all but the newest two.

    Args:
        folder: folder of all checkpoints of the run.
        checkpoint: checkpoint to write.

    Returns:
        The folder of this checkpoint.

    Raises:
        VsanimeError: the checkpoint cannot be written; the previous one is intact.
    """
    final = folder / f"{_PREFIX}{checkpoint.step:08d}"
    partial = folder / f"{_PARTIAL}{checkpoint.step:08d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_partial(folder)
        partial.mkdir()
        shards = {}
        for number, shard in enumerate(_shards(checkpoint.tensors), 1):
            data = write_tensors(shard)
            name = f"state-{number:03d}.safetensors"
            files.write(partial / name, data)
            shards[name] = hashlib.sha256(data).hexdigest()
        cut = {name: list(tensor.shape) for name, tensor in checkpoint.tensors.items() if tensor.nbytes > _ROOM}
        state = {"step": checkpoint.step, "shards": shards, "cut": cut}
        files.write_text(partial / _STATE, json.dumps(state, indent=1))
        if final.exists():  # damaged, or just written after Ctrl-C; a rename moves it away in one operation
            files.rename(final, folder / f"{_PARTIAL}old-{checkpoint.step:08d}")
        files.rename(partial, final)
        files.flush_folder(folder)
        _remove_partial(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            _remove_partial(folder)
        good = newest(folder)
        kept = f"the one of step {good.step} is intact" if good else "there is none yet"
        raise VsanimeError(
            f"the checkpoint of step {checkpoint.step} cannot be written to {folder}: {error.strerror or error}; {kept}"
        ) from None
    for old in _numbered(folder)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint that can be read, or None if there are no checkpoints.

    Raises:
        VsanimeError: there are checkpoints, and all of them are damaged.
    """
    folders = _numbered(folder)
    wrong = []
    for candidate in folders:
        try:
            return read(candidate)
        except VsanimeError as error:
            wrong.append(str(error))
    if wrong:
        raise VsanimeError(f"no checkpoint in {folder} can be read: {'; '.join(wrong)}")
    return None


def read(folder: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        VsanimeError: the checkpoint is damaged.
    """
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        tensors: Tensors = {}
        for name, digest in state["shards"].items():
            data = (folder / name).read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                raise VsanimeError(f"{folder / name} is damaged: its sha256 is not the one in {_STATE}")
            tensors |= read_tensors(data)
        for name, shape in state["cut"].items():
            pieces = [key for key in tensors if key.startswith(f"{name}{_PIECE}")]
            pieces.sort(key=lambda key: int(key.rpartition(_PIECE)[2]))
            tensors[name] = torch.cat([tensors.pop(key) for key in pieces]).reshape(shape)
        return Checkpoint(int(state["step"]), tensors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise VsanimeError(f"the checkpoint {folder} is damaged: {error}") from None


def _shards(tensors: Tensors) -> Iterator[Tensors]:
    """Yield the tensors in groups that fit into one file each."""
    shard: Tensors = {}
    size = 0
    for name, tensor in _pieces(tensors):
        if shard and size + tensor.nbytes > _ROOM:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard


def _pieces(tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield contiguous copies of tensors, as safetensors needs them; a tensor too large for a file in flat pieces."""
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous().clone()
        if plain.nbytes <= _ROOM:
            yield name, plain
            continue
        for number, piece in enumerate(plain.flatten().split(_ROOM // plain.element_size())):
            yield f"{name}{_PIECE}{number}", piece.clone()


def _numbered(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, newest first."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)), reverse=True)


def _remove_partial(folder: Path) -> None:
    for path in folder.glob(f"{_PARTIAL}*"):
        files.retry(functools.partial(shutil.rmtree, path))
