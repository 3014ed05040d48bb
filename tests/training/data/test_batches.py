"""Workers that make batches end in order, whenever the trainer has had enough."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.training.helpers import drawings, recipe, surveyed  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.training.data.batches import batches  # noqa: E402
from vsanime.training.data.failures import report_in_one_line  # noqa: E402
from vsanime.training.pairs.samples import Sampler  # noqa: E402
from vsanime.training.recipes.pairs import Recipe  # noqa: E402

pytestmark = pytest.mark.torch


def sampler_of(tmp_path: Path, wanted: Recipe) -> Sampler:
    pictures, places = surveyed(drawings(tmp_path), wanted)
    return Sampler(wanted, pictures, places, tmp_path / "clips", 2)


def test_workers_end_by_themselves_when_batches_are_closed(tmp_path: Path) -> None:
    """However much they have made beyond what was taken; batches are large enough to be still on their way."""
    wanted = recipe(training__steps=1000, training__batch=64, training__workers=2)
    made = batches(sampler_of(tmp_path, wanted), wanted.training, 0, pin=False)
    next(made)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    made.close()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_batches_are_those_of_their_steps_with_and_without_workers(tmp_path: Path) -> None:
    wanted = [recipe(training__steps=9, training__workers=workers) for workers in (0, 2)]
    alone, shared = ([*batches(sampler_of(tmp_path, r), r.training, 4, pin=False)] for r in wanted)
    assert len(alone) == len(shared) == 5
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_picture_that_is_gone_ends_the_workers_too(tmp_path: Path) -> None:
    wanted = recipe(training__steps=1000, training__workers=2)
    sampler = sampler_of(tmp_path, wanted)
    for path in (tmp_path / "drawings").iterdir():
        path.write_bytes(b"gone")
    with pytest.raises(VsanimeError, match="could be read when the run began and cannot now"):
        next(batches(sampler, wanted.training, 0, pin=False))
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_is_told_whatever_it_was_doing(tmp_path: Path) -> None:
    wanted = recipe(training__steps=1000, training__batch=64, training__workers=1)
    made = batches(sampler_of(tmp_path, wanted), wanted.training, 0, pin=False)
    next(made)
    (worker,) = multiprocessing.active_children()

    def rest() -> None:
        with report_in_one_line():
            worker.kill()
            for _ in made:
                pass

    with pytest.raises(VsanimeError, match="a process that makes patches was ended"):
        rest()
