"""Makes batches in the order of the steps, in other processes while the network is trained."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
from collections.abc import Generator, Iterator
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from vsanime.arrays import Floats
from vsanime.errors import VsanimeError
from vsanime.training.data.failures import worker_ended
from vsanime.training.recipes.base import Settings

_AHEAD = 4  # batches that each worker makes in advance

type Batch = tuple[torch.Tensor, ...]
type Named = dict[str, torch.Tensor]


class Samples(Protocol):
    """A maker of batches, as tuples or by names; a batch depends on its step and size alone."""

    def batch(self, step: int, size: int) -> tuple[Floats, ...] | dict[str, Floats]:
        """Return `size` samples of a step, stacked along the first axis."""
        ...


class _Batches(Dataset):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """Batches by step; errors are returned as text, since workers would wrap an exception in a traceback.

    Once `enough` is set, an item is an empty text, without any work.
    """

    def __init__(self, sampler: Samples, training: Settings, enough: ctypes.c_bool) -> None:
        self._sampler = sampler
        self._training = training
        self._enough = enough

    def __getitem__(self, step: int) -> Batch | Named | str:
        if self._enough.value:
            return ""
        try:
            made = self._sampler.batch(step, self._training.batch_at(step))
        except VsanimeError as error:
            return str(error)
        if isinstance(made, dict):
            return {name: torch.from_numpy(part) for name, part in made.items()}
        return tuple(torch.from_numpy(part) for part in made)


def batches(sampler: Samples, training: Settings, first: int, *, pin: bool) -> Generator[Any]:
    """Yield the batches of all steps from the first, in the order of the steps.

    Args:
        sampler: maker of the batches; they depend on the step alone, so the number of workers has no effect on them.
        training: settings of the recipe.
        first: step to begin with, counted from 0.
        pin: put batches into pinned memory, from which a card copies asynchronously.

    Yields:
        A batch as the sampler made it, as tensors. Closing the iterator ends the workers in order, within the time of
        one batch.

    Raises:
        VsanimeError: a picture cannot be read any more, or a worker was killed.
    """
    workers = training.workers
    spawn = multiprocessing.get_context("spawn")
    # Shared with the workers. Without a lock, since a killed worker might never release one.
    enough = spawn.RawValue(ctypes.c_bool, False)
    loader = DataLoader(
        _Batches(sampler, training, enough),
        batch_size=None,
        sampler=_Steps(range(first, training.steps), enough),
        num_workers=workers,
        # The only way on Windows; elsewhere it keeps threads of torch out of the workers.
        multiprocessing_context=spawn if workers else None,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=_leave_interrupts_to_the_trainer,
        pin_memory=pin,
    )
    made = _start(loader)
    try:
        for batch in made:
            if isinstance(batch, str):
                raise VsanimeError(batch)
            yield batch
    except (GeneratorExit, VsanimeError):
        enough.value = True
        _take_the_rest(made)
        raise
    except (ConnectionError, EOFError) as error:  # killed while sending a batch; torch reports the other cases
        raise worker_ended(error) from None


class _Steps:
    """The steps to make batches for, until `enough` is set."""

    def __init__(self, steps: range, enough: ctypes.c_bool) -> None:
        self._steps = steps
        self._enough = enough

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[int]:
        for step in self._steps:
            if self._enough.value:
                return
            yield step


def _take_the_rest(made: Iterator[Any]) -> None:
    """Consume the batches that workers have made already, so that no worker is sending one when it ends.

    If Python exits while a worker's thread sends a batch, C++ aborts the process, because the thread is inside its code
    ("terminate called without an active exception"); torch then reports a failed worker when it cleans up its iterator.
    """
    with contextlib.suppress(
        RuntimeError, ConnectionError, EOFError
    ):  # a worker that was killed before has nothing to send
        for _ in made:
            pass


def _start(loader: DataLoader) -> Iterator[Any]:
    """Return the iterator of a loader, with Ctrl-C blocked while its workers start.

    Ctrl-C reaches every process of a terminal. A worker that is interrupted before it can ignore interrupts ends with a
    traceback, and the run with it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows; a worker that ends there is reported in one line
        return iter(loader)
    from multiprocessing import resource_tracker

    # It would start with the first worker, and would then unblock interrupts.
    resource_tracker.ensure_running()
    # Workers inherit blocked signals; the trainer receives a pending one after they have started.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts_to_the_trainer(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
