"""Manages the folder of a run: its recipe, list of pictures, logs and checkpoints, and whether it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsanime import files
from vsanime.errors import VsanimeError
from vsanime.training.data import pictures
from vsanime.training.data.entries import Picture, as_record
from vsanime.training.recipes.reader import AnyRecipe, PictureRecipe, differences, from_table, to_table

type Tell = Callable[[str], None]

_MOST_SHOWN = 5  # skipped files that are named on the terminal; `pictures.json` names all
# Keys that do not affect the weights; they may change when a run is resumed.
_FREE = ("training.workers", "training.checkpoint_every", "data.cache", "about", "licence", "author")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        path: path of the folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The path of the recipe, including what the command line changed."""
        return self.path / "recipe.json"

    @property
    def pictures(self) -> Path:
        """The path of the list of used and skipped pictures."""
        return self.path / "pictures.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def clips(self) -> Path:
        """The folder of encoded clips, which are made again if deleted."""
        return self.path / "clips"

    @property
    def events(self) -> Path:
        """The folder of the events for TensorBoard."""
        return self.path / "events"

    def check_new(self) -> None:
        """Check that the folder holds no run.

        Raises:
            VsanimeError: the folder holds one.
        """
        if self.recipe.exists():
            raise VsanimeError(f"{self.path} holds a run; give --resume to go on with it, or another --out")

    def begin(self, recipe: AnyRecipe) -> None:
        """Write the recipe; from then on the folder holds a run.

        Raises:
            VsanimeError: the recipe cannot be written.
        """
        write_json(self.recipe, to_table(recipe))

    def stored_recipe(self) -> AnyRecipe:
        """Return the recipe that the run began with.

        Raises:
            VsanimeError: the folder holds no run.
        """
        try:
            return from_table(json.loads(self.recipe.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise VsanimeError(f"{self.path} holds no run to go on with; leave --resume out to begin one") from None
        except (OSError, ValueError, VsanimeError) as error:
            raise VsanimeError(f"{self.recipe} is damaged: {error}") from None

    def check_same(self, recipe: AnyRecipe) -> None:
        """Check that the run can be resumed with a recipe.

        Raises:
            VsanimeError: a key that may not change differs from the recipe that the run began with.
        """
        wrong = [line for line in differences(recipe, self.stored_recipe()) if not line.startswith(_FREE)]
        if wrong:
            raise VsanimeError(
                f"{self.path} began with another recipe: {'; '.join(wrong[:4])}; give another --out for a new run"
            )

    def survey(self, places: Sequence[Path], recipe: PictureRecipe, tell: Tell) -> list[Picture]:
        """Find the pictures of a new run, write the list of them, and return them.

        Args:
            places: file or folder of each source.
            recipe: recipe of the run.
            tell: receives lines about what was found and skipped.

        Raises:
            VsanimeError: there are too few pictures, or a source has none that can be used.
        """
        found, skipped = pictures.survey(places, recipe, tell)
        if skipped:
            tell(f"skipped {len(skipped)} files that cannot be used, all named in {self.pictures}:")
            for file in skipped[:_MOST_SHOWN]:
                tell(f"  {file.path}: {file.reason}")
        table = {"pictures": [as_record(p) for p in found], "skipped": [dict(vars(file)) for file in skipped]}
        write_json(self.pictures, table)
        return found

    def known_pictures(self) -> list[Picture]:
        """Return the pictures that the run began with.

        Raises:
            VsanimeError: the list is missing or damaged.
        """
        return read_json(self.pictures, lambda table: [Picture(**record) for record in table["pictures"]])


def read_json[T](path: Path, make: Callable[[Any], T]) -> T:
    """Read a JSON file of a run, and return what `make` makes of its content.

    Raises:
        VsanimeError: the file is missing or damaged.
    """
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VsanimeError(f"{path} is damaged: {error}; the run cannot go on") from None


def write_json(path: Path, table: object, *, escaped: bool = False) -> None:
    """Write a JSON file atomically, with non-ASCII characters escaped if asked for.

    Raises:
        VsanimeError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(table, indent=1, ensure_ascii=escaped))
    except OSError as error:
        raise VsanimeError(f"{path} cannot be written: {error.strerror or error}") from None
