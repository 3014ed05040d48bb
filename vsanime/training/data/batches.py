"""Batches in the order of the steps, made by other processes while the network learns."""

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

_AHEAD = 4  # batches that each worker makes before they are wanted

type Batch = tuple[torch.Tensor, ...]
type Named = dict[str, torch.Tensor]


class Samples(Protocol):
    """Makes the parts of a batch, in an order or by their names; what it makes depends on the step alone."""

    def batch(self, step: int, size: int) -> tuple[Floats, ...] | dict[str, Floats]:
        """The samples of a step."""
        ...


class _Batches(Dataset):  # type: ignore[misc,unused-ignore]  # without torch installed the base is Any
    """The batch of a step; what is wrong comes as a text, since workers would wrap an error in a traceback.

    Once nobody wants any more, an empty text comes at once.
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
    """The batches of all steps from the first, in the order of the steps.

    Args:
        sampler: makes them; what it makes depends on the step alone, so the number of workers changes nothing.
        training: of the recipe.
        first: step to begin with.
        pin: put them where a card can fetch them.

    Yields:
        The parts of a batch as the sampler made them. Close the iterator to have the workers end in order: in the time
        of a batch.

    Raises:
        VsanimeError: a picture cannot be read any more, or a worker was ended.
    """
    workers = training.workers
    spawn = multiprocessing.get_context("spawn")
    # Memory that the workers see, too. No lock guards it that a killed worker could take along.
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
    made = _started(loader)
    try:
        for batch in made:
            if isinstance(batch, str):
                raise VsanimeError(batch)
            yield batch
    except (GeneratorExit, VsanimeError):
        enough.value = True
        _take_the_rest(made)
        raise
    except (ConnectionError, EOFError) as error:  # it was handing a batch over; torch tells the other cases
        raise worker_ended(error) from None


class _Steps:
    """Steps to make batches for, until there are enough of them."""

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
    """Takes what workers have made already, so that they end with empty hands.

    A worker that is told to end while a thread of it hands a batch over is aborted by C++, whose code that thread is in
    when Python goes ("terminate called without an active exception"); torch then reports a worker that failed, from the
    clean-up of its iterator.
    """
    with contextlib.suppress(
        RuntimeError, ConnectionError, EOFError
    ):  # one that was killed before has nothing to hand over
        for _ in made:
            pass


def _started(loader: DataLoader) -> Iterator[Any]:
    """The batches of workers that Ctrl-C, which reaches every process of a terminal, does not end while they start.

    A worker that is interrupted before it can ignore interrupts ends with a traceback, and the run with it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows; a worker ended there is told in one line
        return iter(loader)
    from multiprocessing import resource_tracker

    # It starts with the first worker, and unblocks interrupts after that.
    resource_tracker.ensure_running()
    # Workers inherit what is blocked; the trainer is told after they have started.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts_to_the_trainer(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
