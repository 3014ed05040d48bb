"""The folder of a run: its recipe, its pictures, its logs and checkpoints; and whether a recipe may go on in it."""

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

_MOST_SHOWN = 5  # skipped files that are named on the terminal; all are in the list
# Keys that change nothing in what is learnt: a resumed run may have others.
_FREE = ("training.workers", "training.checkpoint_every", "data.cache", "about", "licence", "author")


@dataclass(frozen=True)
class RunFolder:
    """Where everything of a run is kept.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe in force, with what the command line changed."""
        return self.path / "recipe.json"

    @property
    def pictures(self) -> Path:
        """The pictures of the run, and what was skipped."""
        return self.path / "pictures.json"

    @property
    def checkpoints(self) -> Path:
        """What the run goes on from."""
        return self.path / "checkpoints"

    @property
    def clips(self) -> Path:
        """Coded clips; they are made again if deleted."""
        return self.path / "clips"

    @property
    def events(self) -> Path:
        """For TensorBoard."""
        return self.path / "events"

    def check_new(self) -> None:
        """Whether a run may begin here.

        Raises:
            VsanimeError: there is one.
        """
        if self.recipe.exists():
            raise VsanimeError(f"{self.path} holds a run; give --resume to go on with it, or another --out")

    def begin(self, recipe: AnyRecipe) -> None:
        """From here on there is a run in the folder.

        Raises:
            VsanimeError: it cannot be written.
        """
        write_json(self.recipe, to_table(recipe))

    def stored_recipe(self) -> AnyRecipe:
        """The recipe that the run began with.

        Raises:
            VsanimeError: there is no run.
        """
        try:
            return from_table(json.loads(self.recipe.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise VsanimeError(f"{self.path} holds no run to go on with; leave --resume out to begin one") from None
        except (OSError, ValueError, VsanimeError) as error:
            raise VsanimeError(f"{self.recipe} is damaged: {error}") from None

    def check_same(self, recipe: AnyRecipe) -> None:
        """Whether a run may go on with this recipe.

        Raises:
            VsanimeError: a key differs that the outcome depends on.
        """
        wrong = [line for line in differences(recipe, self.stored_recipe()) if not line.startswith(_FREE)]
        if wrong:
            raise VsanimeError(
                f"{self.path} began with another recipe: {'; '.join(wrong[:4])}; give another --out for a new run"
            )

    def survey(self, places: Sequence[Path], recipe: PictureRecipe, tell: Tell) -> list[Picture]:
        """The pictures of a new run.

        Args:
            places: of the sources.
            recipe: the recipe.
            tell: told what is found, and what is skipped.

        Raises:
            VsanimeError: too few, or none that can be used in some source.
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
        """The pictures that the run began with.

        Raises:
            VsanimeError: the list is missing or damaged.
        """
        return read_json(self.pictures, lambda table: [Picture(**record) for record in table["pictures"]])


def read_json[T](path: Path, make: Callable[[Any], T]) -> T:
    """What a run wrote down when it began.

    Raises:
        VsanimeError: it is missing or damaged.
    """
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VsanimeError(f"{path} is damaged: {error}; the run cannot go on") from None


def write_json(path: Path, table: object, *, escaped: bool = False) -> None:
    """Write a file of the run whole or not at all.

    Raises:
        VsanimeError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(table, indent=1, ensure_ascii=escaped))
    except OSError as error:
        raise VsanimeError(f"{path} cannot be written: {error.strerror or error}") from None
