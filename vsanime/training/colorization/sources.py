"""Finds the training data that a colorization recipe names: drawings for synthetic shots, and prepared shots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsanime.errors import VsanimeError
from vsanime.training.colorization.samples import Sampling, ShotSamples, hold_out, hold_out_shots
from vsanime.training.data.pictures import find_place
from vsanime.training.data.shots import ShotFolder, find_shots
from vsanime.training.recipes.colorization import ColorRecipe
from vsanime.training.run.folder import read_json, write_json
from vsanime.training.synthetic.drawings import Drawing, find_drawings
from vsanime.training.synthetic.scenes import SyntheticShots

_LIST = "material.json"
_HELD_OUT_SEED = 0  # seed of the scenes of validation, one for all runs, so that they can be compared


@dataclass(frozen=True)
class Material:
    """The training data of a run, and that of its validation.

    Attributes:
        training: maker of the samples of steps.
        held_out: maker of the samples of validation, from other drawings and scenes.
        names: names of all drawings and shots by kind, as the run's folder stores them.
    """

    training: ShotSamples
    held_out: ShotSamples
    names: dict[str, list[str]]


def find(recipe: ColorRecipe, roots: Sequence[Path], tell: Callable[[str], None], *, distances: bool) -> Material:
    """Find all drawings and shots that a recipe names.

    Args:
        recipe: recipe of the run.
        roots: folders below which the recipe's folders are searched.
        tell: receives a line with the numbers of drawings and shots.
        distances: whether samples need distance maps.

    Raises:
        VsanimeError: a folder is missing, cannot be used, or is for evaluation only.
    """
    data = recipe.data
    found = find_drawings([find_place(path, roots) for path in data.drawings]) if data.drawings else []
    kept, held = hold_out(found, data.held_out)
    shots = find_shots([find_place(path, roots) for path in data.shots]) if data.shots else []
    kept_shots, held_shots = _divide(recipe, shots)
    tell(
        f"{len(kept)} drawings and {len(kept_shots)} prepared shots; {len(held)} drawings and {len(held_shots)} shots "
        "held out"
    )
    width, height = data.size
    sampling = Sampling((width, height), data.span, data.one_sided, distances, data.prepared)

    def samples(seed: int, drawings: Sequence[Drawing], shots: Sequence[ShotFolder]) -> ShotSamples:
        synthetic = SyntheticShots(seed, drawings, (width, height), data.cache) if data.synthetic else None
        return ShotSamples(seed, sampling, synthetic, shots)

    names = {
        "drawings": _files(kept),
        "held_out": _files(held),
        "shots": [shot.name for shot in kept_shots],
        "held_out_shots": [shot.name for shot in held_shots],
    }
    training = samples(recipe.training.seed, kept, kept_shots)
    return Material(training, samples(_HELD_OUT_SEED, held, held_shots), names)


def _divide(recipe: ColorRecipe, shots: Sequence[ShotFolder]) -> tuple[Sequence[ShotFolder], Sequence[ShotFolder]]:
    """Split prepared shots for training and validation; none are held out if validation has synthetic scenes.

    Raises:
        VsanimeError: there are no synthetic scenes, and only one shot.
    """
    if recipe.data.synthetic:
        return shots, ()
    if len(shots) < 2:
        raise VsanimeError(
            f"{shots[0].path} is the only prepared shot, and one is held out for validation; prepare more, or set "
            "data.synthetic"
        )
    return hold_out_shots(shots, recipe.data.held_out)


def _files(drawings: Sequence[Drawing]) -> list[str]:
    """Return the name of every file, after that of its folder."""
    return [f"{file.parent.name}/{file.name}" for drawing in drawings for file in drawing.files]


def keep(names: dict[str, list[str]], folder: Path) -> None:
    """Write the names to a run's folder.

    Raises:
        VsanimeError: the file cannot be written.
    """
    write_json(folder / _LIST, names)


def check(names: dict[str, list[str]], folder: Path) -> None:
    """Check that the names are those that a run began with.

    Raises:
        VsanimeError: they differ, or the run's list is missing or damaged.
    """
    before: dict[str, list[str]] = read_json(folder / _LIST, dict)
    for kind, there in names.items():
        known = before.get(kind, [])
        other = sorted((Counter(there) - Counter(known)) + (Counter(known) - Counter(there)))
        if other:
            raise VsanimeError(
                f"{folder} began with other {kind.replace('_', ' ')}: {other[0]} and {len(other) - 1} more came or "
                "went; put them back, or give another --out for a new run"
            )
