"""Shows what each key of a recipe changes: what a short run gives with one value of it, and with another."""

from __future__ import annotations

import copy
import csv
import dataclasses
import hashlib
import itertools
import shutil
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import numpy as np
import onnx
import torch
from PIL import Image

from vsanime.errors import VsanimeError
from vsanime.training.data import batches, pictures
from vsanime.training.recipes.reader import AnyRecipe, from_table
from vsanime.training.run import export
from vsanime.training.run.folder import RunFolder
from vsanime.training.run.loop import train
from vsanime.training.run.task import Order, Task

# A picture that costs no memory and counts as 48 MB in a cache, which has to hold 16 MB at least.
_LARGE = np.broadcast_to(np.uint8(128), (4096, 4096, 3))


@dataclass(frozen=True)
class Case:
    """A second value of a key, and where the difference is seen.

    Attributes:
        seen: what differs: a key of what one of the methods of `Observer` returns.
        value: the second value, or a function that returns it for the folder of the data.
        given: values of other keys, which both recipes have.
    """

    seen: str
    value: Any
    given: Mapping[str, Any] = field(default_factory=dict)


def list_keys(kind: Any, where: str = "") -> list[str]:
    """Return every key of a recipe as "section.key", but for keys that have a single possible value.

    Args:
        kind: dataclass of the recipe or of a section.
        where: dotted name of the section, with a dot at its end; empty for the recipe.
    """
    hints = typing.get_type_hints(kind)
    keys = []
    for entry in dataclasses.fields(kind):
        hint, name = hints[entry.name], f"{where}{entry.name}"
        sections = [part for part in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(part)]
        if sections:
            keys += list_keys(sections[0], f"{name}.")
        elif typing.get_origin(hint) is not Literal or len(typing.get_args(hint)) > 1:
            keys.append(name)
    return keys


class Observer[R: AnyRecipe]:
    """Runs variants of a recipe, each once, and returns what differs between them.

    Args:
        table: the recipe that the variants are of.
        make_task: makes what is trained.
        root: folder of the data.
        out: folder for the runs.
    """

    def __init__(self, table: Mapping[str, Any], make_task: Callable[[Order[R]], Task[R]], root: Path, out: Path):
        self._table = table
        self._make_task = make_task
        self.root = root
        self._folders = (out / str(number) for number in itertools.count())
        self._seen: dict[tuple[Callable[[R], dict[str, object]], AnyRecipe], dict[str, object]] = {}
        self._methods: dict[str, Callable[[R], dict[str, object]]] = {
            **dict.fromkeys(("samples", "pictures"), self.make_samples),
            **dict.fromkeys(("weights", "losses", "measures"), self.take_steps),
            **dict.fromkeys(("files", "log", "validation", "network", "metadata", "sheets", "recipe"), self.run),
            **{"refusal": self.find_refusal, "processes": self.count_processes, "readings": self.count_readings},
            **dict.fromkeys(("layout", "memory"), self.inspect_memory),
        }

    def compare(self, key: str, case: Case) -> tuple[object, object]:
        """Return what is seen without and with the second value of a key."""
        value = case.value(self.root) if callable(case.value) else case.value
        given = {name: given(self.root) if callable(given) else given for name, given in case.given.items()}
        return self._see(case.seen, given), self._see(case.seen, {**given, key: value})

    def _see(self, seen: str, values: Mapping[str, Any]) -> object:
        return self.recall(self._methods[seen], self.recipe(values))[seen]

    def recall(self, method: Callable[[R], dict[str, object]], recipe: R) -> dict[str, object]:
        """Return what a method gives for a recipe, called once for each."""
        if (method, recipe) not in self._seen:
            self._seen[method, recipe] = method(recipe)
        return self._seen[method, recipe]

    def recipe(self, values: Mapping[str, Any]) -> R:
        """Return the recipe with other values; of lists of tables, with those of the first."""
        table: dict[str, Any] = copy.deepcopy(dict(self._table))
        for key, value in values.items():
            *sections, last = key.split(".")
            inner: Any = table
            for section in sections:
                inner = inner.setdefault(section, {})
                inner = inner[0] if isinstance(inner, list) else inner
            inner[last] = copy.deepcopy(value)
        return typing.cast(R, from_table(table))

    # What there is to see

    def make_samples(self, recipe: R) -> dict[str, object]:
        """Make the samples of all steps."""
        task = self.prepare(recipe)
        made = batches.batches(task.sampler, recipe.training, 0, pin=False)
        lists = [task.folder.path / name for name in ("pictures.json", "material.json")]
        return {
            "samples": [_hash_tensors(batch if isinstance(batch, dict) else dict(enumerate(batch))) for batch in made],
            "pictures": [path.read_text("utf-8") for path in lists if path.exists()],
        }

    def take_steps(self, recipe: R) -> dict[str, object]:
        """Take all steps, without what the loop writes down."""
        task = self.prepare(recipe)
        task.hold_out(lambda _: None)
        made = batches.batches(task.sampler, recipe.training, 0, pin=False)
        losses = [task.step(step, batch) for step, batch in enumerate(made)]
        return {
            "weights": _hash_tensors(task.trainer.gather()),
            "losses": [{name: float(value) for name, value in values.items()} for values in losses],
            "measures": task.measure(),
        }

    def run(self, recipe: R) -> dict[str, object]:
        """Run to the end as the command line does, without what takes longest.

        Curves show what is in the logs, and nothing here depends on files being flushed to the disk.
        """
        task = self._make(recipe)
        with mock.patch.object(export, "draw_curves", return_value=[]), mock.patch("os.fsync"):
            path = train(task, lambda _: None)
        folder = task.folder
        model = onnx.load(path)
        sheets = sorted((folder.path / "samples").glob("*.png"))
        found: dict[str, object] = {
            "files": sorted(_list_files(folder)),
            "log": _read_rows(folder.path / "log.csv"),
            "validation": _read_rows(folder.path / "validation.csv"),
            "network": model.graph.SerializeToString(deterministic=True),
            "metadata": {entry.key: entry.value for entry in model.metadata_props},
            "sheets": [_read_size(sheet) for sheet in sheets],
            "recipe": folder.recipe.read_text("utf-8"),
        }
        shutil.rmtree(folder.path)  # checkpoints of style are large
        return found

    def find_refusal(self, recipe: R) -> dict[str, object]:
        """Return why a run cannot begin; nothing where it can."""
        try:
            self.prepare(recipe)
        except VsanimeError as error:
            return {"refusal": str(error)}
        return {"refusal": None}

    def count_processes(self, recipe: R) -> dict[str, object]:
        """Return the number of processes that make samples, without starting them."""
        with mock.patch.object(batches, "DataLoader") as loader:
            list(batches.batches(mock.Mock(), recipe.training, 0, pin=False))
        return {"processes": loader.call_args.kwargs["num_workers"]}

    def count_readings(self, recipe: R) -> dict[str, object]:
        """Return how often a picture is read for some batches, where all of them are large."""
        task = self.prepare(recipe)
        with mock.patch.object(pictures, "read_pixels", return_value=_LARGE) as read_pixels:
            for step in range(4):
                task.sampler.batch(step, 4)
        return {"readings": read_pixels.call_count}

    def inspect_memory(self, recipe: R) -> dict[str, object]:
        """Return how weights lie in memory, and the bytes that a step keeps for the gradient."""
        task = self.prepare(recipe)
        batch = next(batches.batches(task.sampler, recipe.training, 0, pin=False))
        sizes = []

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            task.step(0, batch)
        return {
            "layout": {name: weight.stride() for name, weight in task.trainer.net.named_parameters()},
            "memory": sum(sizes),
        }

    def _make(self, recipe: R) -> Task[R]:
        return self._make_task(Order(recipe, next(self._folders), (self.root,), torch.device("cpu"), resume=False))

    def prepare(self, recipe: R) -> Task[R]:
        task = self._make(recipe)
        task.prepare(lambda _: None)
        return task


@contextmanager
def use_one_thread() -> Iterator[None]:
    """Compute in one thread, which is fastest for small networks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _hash_tensors(tensors: Mapping[Any, torch.Tensor]) -> dict[Any, object]:
    """Return the shape of every tensor, and the digest of its values in order."""
    return {
        name: (tuple(tensor.shape), hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest())
        for name, tensor in tensors.items()
    }


def _list_files(folder: RunFolder) -> Iterator[str]:
    """Yield the files of a run, but for events and clips, whose names hold the time and digests."""
    for path in folder.path.rglob("*"):
        if path.is_file() and not path.is_relative_to(folder.events) and not path.is_relative_to(folder.clips):
            yield path.relative_to(folder.path).as_posix()


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key != "steps_per_second"} for row in csv.DictReader(file)]


def _read_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size
