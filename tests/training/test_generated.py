"""Generated pictures are the same for the same seed, differ between seeds, and hold what cel pictures hold."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
generated = pytest.importorskip("vsanime.training.generated")
tiny = pytest.importorskip("vsanime.training.tiny")

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.stack([generated.draw_picture(seed, 128) for seed in range(8)])


def test_same_seed_same_picture(pictures: torch.Tensor) -> None:
    assert torch.equal(generated.draw_picture(3, 128), pictures[3])


def test_other_seed_other_picture(pictures: torch.Tensor) -> None:
    for i, picture in enumerate(pictures):
        assert all((picture - other).abs().mean() > 0.01 for other in pictures[i + 1 :])


def test_pictures_are_luma_in_range(pictures: torch.Tensor) -> None:
    assert pictures.shape == (8, 128, 128)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_pictures_have_flat_areas_and_edges(pictures: torch.Tensor) -> None:
    step = pictures.diff(dim=2).abs()
    assert (step < 0.005).float().mean() > 0.4
    assert (step > 0.2).float().mean() > 0.005


def test_filled_circle_has_its_area() -> None:
    angle = torch.linspace(0, 2 * math.pi, 721)[:-1]
    circle = torch.stack([50 + 30 * torch.cos(angle), 50 + 30 * torch.sin(angle)], 1)
    assert float(generated.fill_mask(circle, 100).sum()) == pytest.approx(math.pi * 900, rel=1e-3)


def test_fill_is_cut_at_the_frame() -> None:
    square = torch.tensor([[-20.0, -20.0], [10.0, -20.0], [10.0, 500.0], [-20.0, 500.0]])
    mask = generated.fill_mask(square, 40)
    assert torch.equal(mask[:, :10], torch.ones(40, 10))
    assert torch.equal(mask[:, 10:], torch.zeros(40, 30))


def test_stroke_has_its_length_and_thickness() -> None:
    line = torch.tensor([[20.0, 50.0], [80.0, 50.0]])
    mask = generated.stroke_mask(line, torch.tensor([4.0, 4.0]), 100)
    assert float(mask.sum()) == pytest.approx(60 * 8 + math.pi * 16, rel=0.02)
    assert float(mask[:, 50].sum()) == pytest.approx(8, abs=0.01)


def test_stroke_outside_the_frame_draws_nothing() -> None:
    line = torch.tensor([[-30.0, -30.0], [-10.0, -60.0]])
    assert not generated.stroke_mask(line, torch.tensor([2.0, 2.0]), 50).any()


@pytest.mark.parametrize(
    ("kernel", "filter_"), [("Catmull-Rom", Image.Resampling.BICUBIC), ("box", Image.Resampling.BOX)]
)
def test_halving_equals_pillow(pictures: torch.Tensor, kernel: str, filter_: Image.Resampling) -> None:
    expected = np.asarray(Image.fromarray(pictures[0].numpy()).resize((64, 64), filter_)).clip(0, 1)
    assert np.abs(tiny.halve(pictures[:1, None], kernel)[0, 0].numpy() - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("kernel", "filter_"), [("Catmull-Rom", Image.Resampling.BICUBIC), ("Lanczos3", Image.Resampling.LANCZOS)]
)
def test_doubling_equals_pillow(pictures: torch.Tensor, kernel: str, filter_: Image.Resampling) -> None:
    expected = np.asarray(Image.fromarray(pictures[0].numpy()).resize((256, 256), filter_)).clip(0, 1)
    inside = (slice(8, -8), slice(8, -8))  # Pillow leaves out what lies beyond the edge, we repeat the edge
    result = tiny.double(pictures[:1, None], kernel)[0, 0].numpy()
    assert np.abs(result[inside] - expected[inside]).max() < 1e-6


def test_batch_pairs_patches_with_their_halves(pictures: torch.Tensor) -> None:
    settings = tiny.Settings(patch=64, batch=6)
    low, high = tiny.draw_batch(pictures, settings, torch.Generator().manual_seed(1))
    assert low.shape == (6, 1, 32, 32)
    assert high.shape == (6, 1, 64, 64)
    assert torch.allclose(low[:3], tiny.halve(high[:3], "Catmull-Rom"))
    assert torch.allclose(low[3:], tiny.halve(high[3:], "box"))


def test_learning_rate_climbs_then_falls() -> None:
    settings = tiny.Settings()
    rates = [tiny.learning_rate(p / 100, settings) for p in range(101)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(settings.rate)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(settings.rate / 100)


def test_a_few_seconds_of_training_write_a_network_that_has_learnt(tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "tiny.onnx"
    command = [sys.executable, "-m", "vsanime.training.tiny", "--out", str(out), "--minutes", "0.1", "--pictures", "4"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "halved by box, doubled by C4F16" in result.stdout
    assert "L1" in result.stderr
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    truth = generated.draw_picture(tiny.UNSEEN_SEED, 128)[None, None]
    (doubled,) = session.run(None, {"input": tiny.halve(truth, "box").numpy()})
    assert tiny.psnr(torch.from_numpy(np.asarray(doubled)), truth) > 15  # noise would give 8 dB, a grey frame about 12


def test_wrong_argument_is_refused_before_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        tiny.main(["--out", str(tmp_path / "t.onnx"), "--minutes", "0"])
    assert stop.value.code == 2
    assert "--minutes is above 0" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
