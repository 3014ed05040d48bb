"""Every key of a recipe of AnimeGANv2 changes something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.everykey import Case, Observer, list_keys, use_one_thread  # noqa: E402
from tests.training.helpers import changed, draw, film  # noqa: E402
from tests.training.style.helpers import TABLE as TINY  # noqa: E402
from tests.training.style.helpers import random_vgg16, read_trunks_once, root, scene  # noqa: E402
from vsanime.architectures.animegan.module import Generator  # noqa: E402
from vsanime.models.torchfiles import save  # noqa: E402
from vsanime.training.recipes.stylization import StyleRecipe  # noqa: E402
from vsanime.training.style.task import StyleTask  # noqa: E402

pytestmark = pytest.mark.torch

TABLE = changed(
    TINY,
    **{"data__patch": 20, "data__init_patch": 16, "data__held_out": 0.2},
    **{"training__steps": 3, "training__init_steps": 1, "training__batch": 1, "training__validate_every": 1000},
    **{"training__sample_every": 1000, "training__checkpoint_every": 1000, "validation__shown": 1},
)
PHOTOS = {"photos": [{"path": "photos"}, {"path": "other photos"}]}
STYLES = {"styles": [{"path": "drawings"}, {"path": "other drawings"}]}
FILMS = {"photos": [{"path": "film.mkv"}], "styles": [{"path": "film of drawings.mkv"}], "data.least": 2}

CASES = {
    "name": Case("files", "other"),
    "about": Case("recipe", "Learns."),  # what `vsanime train --list` says of the package's own
    "licence": Case("metadata", "MIT; Copyright (c) 2026 Somebody"),
    "author": Case("metadata", "Somebody"),
    "network.upsample": Case("weights", "half"),
    "network.carry": Case("weights", True),
    "network.start": Case("weights", lambda root: str(root / "start.onnx")),
    "data.patch": Case("samples", 24),
    "data.init_patch": Case("samples", 20),
    "data.held_out": Case("pictures", 0.5),
    "data.least": Case("refusal", 100),
    "data.shrink_most": Case("samples", 4.0),
    "data.fit_share": Case("samples", 1.0),
    "data.cache": Case("readings", 1000),  # the same samples, read less often
    "photos.path": Case("samples", "other photos"),
    "photos.weight": Case("samples", 1000.0, PHOTOS),
    "photos.every": Case("pictures", 8, FILMS),
    "styles.path": Case("samples", "other drawings"),
    "styles.weight": Case("samples", 1e-6, STYLES),
    "styles.every": Case("pictures", 8, FILMS),
    "styles.smooth": Case("samples", "smooth"),
    "losses.preset": Case("weights", "tf-paprika"),
    "losses.adversarial": Case("weights", 10),
    "losses.critic": Case("weights", 10),
    "losses.content": Case("weights", 10),
    "losses.style": Case("weights", 10),
    "losses.colour": Case("weights", 100),
    "losses.variation": Case("weights", 100),
    "losses.init_colour": Case("weights", 100),
    "losses.inner.real": Case("weights", 3),
    "losses.inner.fake": Case("weights", 3),
    "losses.inner.gray": Case("weights", 3),
    "losses.inner.smooth": Case("weights", 3),
    "losses.perceptual": Case("losses", "other.h5"),
    "losses.style_layers": Case("losses", ["conv2_1"]),
    "losses.balance": Case("weights", False),
    "training.steps": Case("weights", 4),
    "training.init_steps": Case("weights", 2),
    "training.batch": Case("weights", 2),
    "training.init_rate": Case("weights", 1e-3),
    "training.rate": Case("weights", 1e-3),
    "training.critic_rate": Case("weights", 1e-3),
    "training.betas": Case("weights", [0.8, 0.9]),
    "training.ema": Case("weights", 0.0),
    "training.mixed": Case("losses", "bf16"),
    "training.channels_last": Case("layout", False),  # the same sums, faster
    "training.recompute": Case("memory", True),
    "training.workers": Case("processes", 2),  # the same weights: test_style_runs.py
    "training.validate_every": Case("validation", 2),
    "training.sample_every": Case("files", 2),
    "training.checkpoint_every": Case("files", 2),
    "training.seed": Case("weights", 2),
    "validation.patches": Case("measures", 3),
    "validation.patch": Case("measures", 40),
    "validation.shown": Case("sheets", 2),
}


@pytest.fixture(scope="module")
def observer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer[StyleRecipe]]:
    folder = root(tmp_path_factory.mktemp("data"))
    for number, name in enumerate(("oak", "elm", "fir", "yew")):
        scene(folder / "other photos" / f"{name}.png", 200 + number)
        draw(folder / "other drawings" / f"{name}.png", 300 + number, (72, 64))
    for path in sorted((folder / "drawings").glob("*.png")):
        draw(folder / "smooth" / path.name, 400, (72, 64))
    random_vgg16(folder / "other.h5", seed=6)
    torch.manual_seed(9)
    save(Generator("tf"), folder / "start.onnx")
    with use_one_thread(), read_trunks_once():
        yield Observer(TABLE, StyleTask, folder, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("key", list_keys(StyleRecipe))
def test_every_key_changes_something(key: str, observer: Observer[StyleRecipe]) -> None:
    case = CASES[key]
    if case.given is FILMS:
        make_films(observer.root)
    one, other = observer.compare(key, case)
    assert one != other


def make_films(folder: Path) -> None:
    for seed, name in enumerate(("film.mkv", "film of drawings.mkv")):
        if not (folder / name).exists():
            film(folder / name, 60, seed)


def test_every_case_is_of_a_key() -> None:
    assert CASES.keys() == set(list_keys(StyleRecipe))


def test_nothing_changes_of_itself(observer: Observer[StyleRecipe]) -> None:
    """Or a difference would mean nothing."""
    recipe = observer.recipe({})
    for method in (
        observer.make_samples,
        observer.take_steps,
        observer.run,
        observer.inspect_memory,
        observer.count_readings,
    ):
        assert method(recipe) == observer.recall(method, recipe)
