"""Turns torch's errors about exhausted memory and killed workers into one-line errors of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vsanime.errors import VsanimeError


@contextmanager
def report_in_one_line() -> Iterator[None]:
    """Replace torch's errors about exhausted memory and killed workers.

    Raises:
        VsanimeError: torch raised such an error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise VsanimeError(_too_little_memory("the card", error)) from None
    except RuntimeError as error:
        # torch raises this from its signal handler for ended children, at any point of the trainer's code.
        if "DataLoader worker" in str(error):
            raise worker_ended(error) from None
        if "DefaultCPUAllocator" in str(error):
            raise VsanimeError(_too_little_memory("this machine", error)) from None
        raise


def worker_ended(error: Exception) -> VsanimeError:
    """Return the error for a worker that was killed, with the first line of the error that revealed it."""
    return VsanimeError(
        f"a process that makes patches was ended ({_first_line(error)}): by somebody, or by a system short of memory; "
        "--resume goes on from the last checkpoint, with fewer --workers if need be"
    )


def _too_little_memory(where: str, error: Exception) -> str:
    return (
        f"{where} has too little memory for this run ({_first_line(error)}); "
        "lower training.batch or data.patch, or set training.recompute"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(". ")
