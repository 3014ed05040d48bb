"""What a run learns from, as its recipe names it: drawings that synthetic shots are made of, and prepared shots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsanime.errors import VsanimeError
from vsanime.training.colorization.samples import Sampling, ShotSamples, hold_out, hold_out_shots
from vsanime.training.data.pictures import find_place
from vsanime.training.data.shots import ShotFolder, find_shots
from vsanime.training.recipes.colorization import ColourRecipe
from vsanime.training.run.folder import read_json, write_json
from vsanime.training.synthetic.drawings import Drawing, find_drawings
from vsanime.training.synthetic.scenes import SyntheticShots

_LIST = "material.json"
_HELD_OUT_SEED = 0  # of the scenes that are measured on, so that runs of any seed can be compared


@dataclass(frozen=True)
class Material:
    """What is learnt from, and what only validation sees.

    Attributes:
        training: makes the samples of steps.
        held_out: makes those of validation, of other drawings and scenes.
        names: of everything, as a run folder keeps them.
    """

    training: ShotSamples
    held_out: ShotSamples
    names: dict[str, list[str]]


def find(recipe: ColourRecipe, roots: Sequence[Path], tell: Callable[[str], None], *, distances: bool) -> Material:
    """Look for all that a recipe names.

    Args:
        recipe: the recipe.
        roots: folders below which its folders lie.
        tell: told what there is.
        distances: whether samples need distance maps.

    Raises:
        VsanimeError: something is missing, cannot be used, or is for evaluation only.
    """
    data = recipe.data
    found = find_drawings([find_place(path, roots) for path in data.drawings]) if data.drawings else []
    kept, held = hold_out(found, data.held_out)
    shots = find_shots([find_place(path, roots) for path in data.shots]) if data.shots else []
    kept_shots, held_shots = _divided(recipe, shots)
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


def _divided(recipe: ColourRecipe, shots: Sequence[ShotFolder]) -> tuple[Sequence[ShotFolder], Sequence[ShotFolder]]:
    """Prepared shots to train on and to measure on; where scenes are made up, those are measured on alone.

    Raises:
        VsanimeError: there is nothing to measure on.
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
    """Every file, with the folder it is in."""
    return [f"{file.parent.name}/{file.name}" for drawing in drawings for file in drawing.files]


def keep(names: dict[str, list[str]], folder: Path) -> None:
    """Write the names to a run's folder.

    Raises:
        VsanimeError: they cannot be written.
    """
    write_json(folder / _LIST, names)


def check(names: dict[str, list[str]], folder: Path) -> None:
    """Whether a run goes on with what it began with.

    Raises:
        VsanimeError: it does not, or nobody knows.
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
