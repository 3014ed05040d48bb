"""Every key of a recipe of line colorization changes something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from tests.training.colorization.helpers import write_figure  # noqa: E402
from tests.training.colorization.recipes import TABLE as TINY  # noqa: E402
from tests.training.everykey import Case, Observer, list_keys, use_one_thread  # noqa: E402
from tests.training.helpers import NAMES, changed  # noqa: E402
from tests.training.style.helpers import random_vgg16, read_trunks_once  # noqa: E402
from vsanime.architectures.colornet.module import ColorNet  # noqa: E402
from vsanime.models.torchfiles import save  # noqa: E402
from vsanime.training.colorization.task import ColorTask  # noqa: E402
from vsanime.training.data.shots import COLOUR, DISTANCE, LINE  # noqa: E402
from vsanime.training.recipes.colorization import ColorRecipe  # noqa: E402
from vsanime.training.synthetic import drawings  # noqa: E402

pytestmark = pytest.mark.torch

TABLE = changed(
    TINY,
    **{"data__size": [48, 32], "training__steps": 4, "training__batch": 1, "training__validate_every": 1000},
    **{
        "training__sample_every": 1000,
        "training__checkpoint_every": 1000,
        "validation__samples": 1,
        "validation__shown": 1,
    },
)
DRAWINGS = {"data.drawings": ["cels"]}
LARGE = {"data.drawings": ["large"], "data.cache": 16}
SHOTS = {"data.shots": ["film"]}


def find_stage(name: str) -> Any:
    """Return a function from the folder of the data to the file of a first stage there."""
    return lambda root: str(root / f"{name}.onnx")


SECOND = {"network.architecture": "colour_temporal", "network.colours": find_stage("start")}

CASES = {
    "name": Case("files", "other"),
    "about": Case("recipe", "Learns."),  # what `vsanime train --list` says of the package's own
    "licence": Case("metadata", "MIT; Copyright (c) 2026 Somebody"),
    "author": Case("metadata", "Somebody"),
    "network.architecture": Case("weights", "document"),
    "network.width": Case("weights", 10),
    "network.residual": Case("weights", True, SECOND),
    "network.colours": Case("weights", find_stage("other"), SECOND),
    "network.start": Case("weights", find_stage("start")),
    "data.drawings": Case("samples", ["cels"]),
    "data.shots": Case("samples", ["film"], {"data.prepared": 1.0}),
    "data.synthetic": Case("samples", False, SHOTS),
    "data.size": Case("samples", [64, 48]),
    "data.span": Case("samples", 20),
    "data.one_sided": Case("samples", 1.0),
    "data.prepared": Case("samples", 1.0, SHOTS),
    "data.held_out": Case("pictures", 0.5, DRAWINGS),
    "data.cache": Case("readings", 1000, LARGE),  # the same samples, read less often
    "losses.l1": Case("weights", 1.0),
    "losses.squared": Case("weights", 10.0),
    "losses.latent": Case("weights", 10.0),
    "losses.adversarial": Case("weights", 10.0),
    "losses.perceptual": Case("weights", 10.0),
    "losses.style": Case("weights", 1000.0),
    "losses.normalisation": Case("losses", "document"),
    "losses.network": Case("losses", "other.h5"),
    "losses.layers": Case("losses", ["conv1_1"]),
    "losses.style_layers": Case("losses", ["conv2_1"]),
    "training.steps": Case("weights", 5),
    "training.late": Case("weights", 0.25),
    "training.batch": Case("weights", 2),
    "training.rate": Case("weights", 1e-4),
    "training.late_rate": Case("weights", 1e-4),
    "training.critic_rate": Case("weights", 1e-3),
    "training.warm_up": Case("weights", 2),
    "training.final": Case("weights", 0.1),
    "training.betas": Case("weights", [0.8, 0.9]),
    "training.clip_gradient": Case("weights", 1e-3),
    "training.ema": Case("weights", 0.0),
    "training.mixed": Case("losses", "bf16"),
    "training.channels_last": Case("layout", False),  # the same sums, faster
    "training.workers": Case("processes", 2),  # samples follow from the step alone: test_samples.py
    "training.validate_every": Case("validation", 3),
    "training.sample_every": Case("files", 3),
    "training.checkpoint_every": Case("files", 3),
    "training.seed": Case("weights", 2),
    "validation.samples": Case("measures", 2),
    "validation.shown": Case("sheets", 2, {"validation.samples": 2}),
}


class ColourObserver(Observer[ColorRecipe]):
    """Counts how often drawings are read, as scenes are made of them."""

    def count_readings(self, recipe: ColorRecipe) -> dict[str, object]:
        """Return how often a drawing is read for some batches."""
        task = self.prepare(recipe)
        with mock.patch.object(drawings, "read_pixels", side_effect=drawings.read_pixels) as read_pixels:
            for step in range(3):
                task.sampler.batch(step, 4)
        return {"readings": read_pixels.call_count}


@pytest.fixture(scope="module")
def observer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ColourObserver]:
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(NAMES):
        write_figure(root / "cels" / f"{name}.png", seed)
        write_large(root / "large" / f"{name}.png", seed)
    for number in range(2):
        write_shot(root / "film" / f"shot-{number:04d}", number)
    for seed, name in ((5, "vgg16.h5"), (6, "other.h5")):
        random_vgg16(root / name, seed)
    for name in ("start", "other"):
        save(ColorNet(8), root / f"{name}.onnx")
    with use_one_thread(), read_trunks_once():
        yield ColourObserver(TABLE, ColorTask, root, tmp_path_factory.mktemp("runs"))


def write_large(path: Path, seed: int) -> None:
    """Write a figure as large as drawings are kept: a dozen are more than the smallest cache holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cel = np.zeros((640, 640, 4), np.uint8)
    cel[4:-4, 4:-4] = (*np.random.default_rng(seed).integers(0, 256, 3), 255)
    Image.fromarray(cel).save(path, compress_level=1)


def write_shot(folder: Path, seed: int) -> None:
    """Write a prepared shot of noise; its line art is noise as well."""
    rng = np.random.default_rng(seed)
    for kind, channels in ((LINE, ()), (DISTANCE, ()), (COLOUR, (3,))):
        (folder / kind).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (48, 64, *channels), np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number + 1:05d}.png")


@pytest.mark.parametrize("key", list_keys(ColorRecipe))
def test_every_key_changes_something(key: str, observer: ColourObserver) -> None:
    one, other = observer.compare(key, CASES[key])
    assert one != other


def test_every_case_is_of_a_key() -> None:
    assert CASES.keys() == set(list_keys(ColorRecipe))


def test_nothing_changes_of_itself(observer: ColourObserver) -> None:
    """Or a difference would mean nothing."""
    recipe = observer.recipe({})
    for method in (observer.make_samples, observer.take_steps, observer.run, observer.inspect_memory):
        assert method(recipe) == observer.recall(method, recipe)
