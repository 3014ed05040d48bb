"""Every key of a recipe that learns from pairs changes something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from tests.training.everykey import Case, Observer, list_keys, use_one_thread  # noqa: E402
from tests.training.helpers import TINY, changed, draw, drawings, film  # noqa: E402
from vsanime.architectures.artcnn.module import build  # noqa: E402
from vsanime.models.torchfiles import save  # noqa: E402
from vsanime.training.pairs.task import PairsTask  # noqa: E402
from vsanime.training.recipes.pairs import Recipe  # noqa: E402

pytestmark = pytest.mark.torch

TABLE = changed(
    TINY,
    **{
        "training__steps": 4,
        "training__batch": 2,
        "training__validate_every": 1000,
        "training__checkpoint_every": 1000,
    },
    **{"training__warm_up": 1, "validation__patches": 2},
)
CHROMA = {"network.variant": "C2F8_Chroma", "data.planes": "chroma"}
ESPCN = {"network": {"architecture": "espcn_7", "widths": [8] * 6}, "data.planes": "rgb"}
DRRN = {"network": {"architecture": "drrn", "units": 2, "filters": 8}, "data.planes": "rgb"}
VGG = {"network": {"architecture": "vgg_7", "widths": [4] * 6}, "data.planes": "rgb"}
JPEG = {"degradation.jpeg.share": 1.0, "degradation.jpeg.quality": [40, 60]}
CLIPS = {
    **{"degradation.h264.share": 1.0, "degradation.h264.crf": [20, 30], "degradation.h264.clips": 3},
    **{"degradation.h264.frames": 2, "degradation.h264.width": 64},
}
TWO = {"sources": [{"path": "drawings"}, {"path": "others"}]}
FILM = {"sources": [{"path": "film.mkv"}], "data.least": 2}
BF16 = {"rounding.dtype": "bf16", "rounding.share": 0.5}
MUON = {"network.variant": "C2F16", "training.optimizer": "muon"}

CASES = {
    "name": Case("files", "other"),
    "about": Case("recipe", "Learns."),  # what `vsanime train --list` says of the package's own
    "licence": Case("metadata", "MIT; Copyright (c) 2026 Somebody"),
    "author": Case("metadata", "Somebody"),
    "network.architecture": Case("network", "upconv_7", VGG),
    "network.variant": Case("network", "C3F8"),
    "network.activation": Case("network", "silu"),
    "network.widths": Case("network", [8] * 5 + [12], ESPCN),
    "network.selection_units": Case("network", True, ESPCN),
    "network.units": Case("network", 3, DRRN),
    "network.filters": Case("network", 12, DRRN),
    "network.low": Case("network", True, DRRN),
    "network.start": Case("weights", lambda root: str(root / "start.onnx")),
    "data.planes": Case("samples", "luma", ESPCN),
    "data.patch": Case("samples", 48),
    "data.held_out": Case("pictures", 0.5),
    "data.least": Case("refusal", 100),
    "data.crops": Case("samples", 6),
    "data.best_share": Case("samples", 0.0),
    "data.flat": Case("samples", 50.0),
    "data.shrink_share": Case("samples", 1.0),
    "data.shrink_most": Case("samples", 4.0, {"data.shrink_share": 1.0}),
    "data.turn": Case("samples", False),
    "data.invert": Case("samples", 1.0),
    "data.grid": Case("samples", True),
    "data.grid_cap": Case("samples", 1, {"data.grid": True}),
    "data.cache": Case("readings", 1000, VGG),  # the same samples, read less often
    "sources.path": Case("samples", "others", {"data.least": 4}),
    "sources.weight": Case("samples", 1000.0, TWO),
    "sources.every": Case("pictures", 8, FILM),
    "degradation.kernels": Case("samples", {"lanczos3": 1}),
    "degradation.width": Case("samples", [1.5, 2.0]),
    "degradation.blur": Case("samples", [1.0, 2.0], {"degradation.blur_share": 1.0}),
    "degradation.blur_share": Case("samples", 1.0, {"degradation.blur": [1.0, 2.0]}),
    "degradation.noise": Case("samples", [5.0, 9.0], {"degradation.noise_share": 1.0}),
    "degradation.noise_share": Case("samples", 1.0, {"degradation.noise": [5.0, 9.0]}),
    "degradation.sitings": Case("samples", {"top_left": 1}, CHROMA),
    "degradation.round_input": Case("samples", False),
    "degradation.sharpen": Case("samples", 0.5),
    "degradation.jpeg.share": Case("samples", 1.0),
    "degradation.jpeg.levels": Case("samples", {"3": 1}, JPEG),
    "degradation.jpeg.quality": Case("samples", [5, 10], JPEG),
    "degradation.jpeg.half_chroma": Case("samples", 1.0, {**ESPCN, **JPEG, "degradation.jpeg.half_chroma": 0.0}),
    "degradation.h264.share": Case("samples", 0.0, CLIPS),
    "degradation.h264.crf": Case("samples", [45, 50], CLIPS),
    "degradation.h264.clips": Case("samples", 1, CLIPS),
    "degradation.h264.frames": Case("samples", 4, CLIPS),
    "degradation.h264.width": Case("samples", 96, CLIPS),
    "training.steps": Case("weights", 5),
    "training.batch": Case("weights", 3),
    "training.late_batch": Case("weights", 3, {"training.late_share": 0.5}),
    "training.late_share": Case("weights", 0.5, {"training.late_batch": 3}),
    "training.loss": Case("losses", "weighted_mse", ESPCN),
    "training.optimizer": Case("weights", "adam", {"training.weight_decay": 0.1}),
    "training.rate": Case("weights", 1e-3),
    "training.muon_rate": Case("weights", 0.02, MUON),
    "training.betas": Case("weights", [0.5, 0.9]),
    "training.weight_decay": Case("weights", 0.1),
    "training.amsgrad": Case("weights", True),
    "training.schedule": Case("weights", "constant"),
    "training.warm_up": Case("log", 3),
    "training.final": Case("weights", 1.0),
    "training.decay": Case("weights", 0.1, {"training.schedule": "inverse"}),
    "training.ema": Case("weights", 0.0),
    "training.clip_gradient": Case("weights", 1e-3),
    "training.mixed": Case("losses", "bf16"),
    "training.mixed_share": Case("losses", 0.5, {"training.mixed": "bf16"}),
    "training.channels_last": Case("layout", False),  # the same sums, faster
    "training.recompute": Case("memory", True),  # the same weights: test_training_keys.py
    "training.workers": Case("processes", 2),  # the same weights: test_runs.py
    "training.validate_every": Case("validation", 3),
    "training.checkpoint_every": Case("files", 3),
    "training.seed": Case("weights", 2),
    "rounding.dtype": Case("losses", "fp16", BF16),
    "rounding.share": Case("losses", 1.0, BF16),
    "validation.kernels": Case("measures", ["box", "mitchell"]),
    "validation.degraded": Case("measures", True),
    "validation.patches": Case("measures", 3),
    "validation.patch": Case("measures", 48),
}


@pytest.fixture(scope="module")
def observer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer[Recipe]]:
    root = drawings(tmp_path_factory.mktemp("data"))
    for number, name in enumerate(("oak", "elm", "fir", "yew")):
        draw(root / "others" / f"{name}.png", 100 + number)
    save(build("C2F8"), root / "start.onnx")
    with use_one_thread():
        yield Observer(TABLE, PairsTask, root, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("key", list_keys(Recipe))
def test_every_key_changes_something(key: str, observer: Observer[Recipe]) -> None:
    case = CASES[key]
    if case.given is FILM:
        film(observer.root / "film.mkv", 60)
    one, other = observer.compare(key, case)
    assert one != other


def test_every_case_is_of_a_key() -> None:
    assert CASES.keys() == set(list_keys(Recipe))


def test_nothing_changes_of_itself(observer: Observer[Recipe]) -> None:
    """Or a difference would mean nothing."""
    recipe = observer.recipe({})
    for method in (
        observer.make_samples,
        observer.take_steps,
        observer.run,
        observer.inspect_memory,
        observer.count_processes,
    ):
        assert method(recipe) == observer.recall(method, recipe)
