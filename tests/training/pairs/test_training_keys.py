"""Every key of a recipe that a step depends on does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import recipe

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from vsanime.architectures.artcnn.module import build  # noqa: E402
from vsanime.architectures.drrn.module import DRRN  # noqa: E402
from vsanime.errors import VsanimeError  # noqa: E402
from vsanime.models import store  # noqa: E402
from vsanime.models.torchfiles import load, save  # noqa: E402
from vsanime.training.data.failures import report_in_one_line  # noqa: E402
from vsanime.training.optimize.precision import Rounded  # noqa: E402
from vsanime.training.optimize.schedule import learning_rate  # noqa: E402
from vsanime.training.pairs.networks import make  # noqa: E402
from vsanime.training.pairs.task import PairsTask  # noqa: E402
from vsanime.training.pairs.trainer import Trainer  # noqa: E402
from vsanime.training.run.checkpoint import Checkpoint, write_finite  # noqa: E402
from vsanime.training.run.folder import RunFolder  # noqa: E402

pytestmark = pytest.mark.torch

UPCONV: dict[str, Any] = {"network": {"architecture": "upconv_7", "widths": [4] * 6}, "data__planes": "rgb"}
VGG: dict[str, Any] = {"network": {"architecture": "vgg_7", "widths": [4] * 6}, "data__planes": "rgb"}


def trainer(**values: Any) -> Trainer:
    return Trainer(recipe(**values), torch.device("cpu"))


def batch(planes: int = 1, side: int = 16, scale: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Half a unit away from what fresh networks give, so that the loss has no kinks nearby."""
    generator = torch.Generator().manual_seed(4)
    low = torch.rand(2, planes, side, side, generator=generator)
    return low, torch.rand(2, planes, scale * side, scale * side, generator=generator)


def distances(made: Trainer, step: int) -> dict[str, float]:
    """How far the loss of a step is from that of a plain, a rounded and a mixed run."""
    low, high = batch()
    with torch.no_grad():
        results = {"plain": made.net(low), "rounded": Rounded(made.net, "bf16")(low)}
        with torch.autocast("cpu", torch.bfloat16):
            results["mixed"] = made.net(low).float()
    expected = {name: float(functional.l1_loss(result, high)) for name, result in results.items()}
    assert len(set(expected.values())) == 3
    loss = float(made.step(step, low, high))
    return {name: abs(loss - value) for name, value in expected.items()}


@pytest.mark.parametrize(("step", "kind"), [(0, "plain"), (26, "plain"), (27, "rounded"), (29, "rounded")])
def test_rounding_is_simulated_in_the_last_steps(step: int, kind: str) -> None:
    found = distances(trainer(rounding={"dtype": "bf16", "share": 0.1}), step)
    assert min(found, key=found.__getitem__) == kind
    assert found[kind] < 1e-7  # sums of f32


@pytest.mark.parametrize(("step", "kind"), [(0, "mixed"), (14, "mixed"), (15, "plain")])
def test_convolutions_are_bf16_in_the_first_steps(step: int, kind: str) -> None:
    found = distances(trainer(training__mixed="bf16", training__mixed_share=0.5), step)
    assert min(found, key=found.__getitem__) == kind
    assert found[kind] < 1e-7


def test_rounding_in_mixed_steps_is_real_arithmetic() -> None:
    """Gradients are rounded as well then, which tells it from what is simulated."""
    made = trainer(training__mixed="bf16", rounding={"dtype": "bf16", "share": 0.1})
    low, high = batch()
    gradients = {}
    for native in (True, False):
        made.net.zero_grad()
        functional.l1_loss(Rounded(made.net, "bf16", native=native)(low), high).backward()
        gradients[native] = made.net.inner_last.weight.grad.clone()
    made.step(29, low, high)
    assert torch.equal(made.net.inner_last.weight.grad, gradients[True])
    assert not torch.equal(gradients[True], gradients[False])


def test_the_gradient_is_as_long_as_allowed() -> None:
    lengths = []
    for limit in (0.0, 1e-3):
        made = trainer(training__clip_gradient=limit)
        made.step(0, *batch())
        gradients = [p.grad.flatten() for p in made.net.parameters() if p.grad is not None]
        lengths.append(float(torch.cat(gradients).norm()))
    assert lengths[0] > 1e-2
    assert lengths[1] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("step", [0, 1, 15, 29])
def test_steps_are_as_long_as_the_schedule_has_it(step: int) -> None:
    """Adam's first step moves every weight by the rate, whatever its gradient."""
    made = trainer(training__weight_decay=0.0)
    before = made.net.last.weight.detach().clone()
    made.step(step, *batch())
    moved = float((made.net.last.weight.detach() - before).abs().max())
    assert moved == pytest.approx(learning_rate(step, made.recipe.training), rel=1e-3)


@pytest.mark.parametrize(("settings", "scale", "lost"), [(UPCONV, 2, 14), (VGG, 1, 7)])
def test_the_target_of_valid_convolutions_is_the_middle(settings: dict[str, Any], scale: int, lost: int) -> None:
    made = trainer(**settings)
    low, high = batch(3, 24, scale)
    with torch.no_grad():
        expected = functional.l1_loss(made.net(low), high[:, :, lost:-lost, lost:-lost])
    assert float(made.step(0, low, high)) == pytest.approx(float(expected), abs=1e-7)


def test_a_target_of_another_scale_is_told() -> None:
    with pytest.raises(VsanimeError, match=r"makes \(10, 10\) of a patch whose target is \(34, 34\); its scale"):
        trainer(**VGG).step(0, *batch(3, 24, 2))


def test_weights_that_are_not_finite_are_no_checkpoint(tmp_path: Path) -> None:
    made, folder = trainer(), RunFolder(tmp_path)
    write_finite(folder.checkpoints, Checkpoint(5, made.gather()), PairsTask.advice)
    with torch.no_grad():
        made.net.first.bias[0] = float("nan")
    with pytest.raises(
        VsanimeError, match=r"net\.first\.bias is not finite at step 10, and no checkpoint is written; begin"
    ):
        write_finite(folder.checkpoints, Checkpoint(10, made.gather()), PairsTask.advice)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["step-00000005"]


@pytest.mark.parametrize("variant", ["C3F8", "R2F8"])
@pytest.mark.parametrize("rounded", [False, True])
def test_recomputing_changes_no_gradient(variant: str, rounded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is done: layers run once more for the gradient."""
    gradients, runs = [], []
    count = [0]
    convolve = functional.conv2d

    def counted(*args: Any, **options: Any) -> torch.Tensor:
        count[0] += 1
        return convolve(*args, **options)

    monkeypatch.setattr(functional, "conv2d", counted)
    rounding = {"rounding": {"dtype": "bf16", "share": 1.0}} if rounded else {}
    for recompute in (False, True):
        made = trainer(network__variant=variant, training__recompute=recompute, **rounding)
        count[0] = 0
        made.step(0, *batch())
        runs.append(count[0])
        gradients.append([p.grad.clone() for p in made.net.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    if rounded:  # modules call torch's own function
        assert runs[1] > runs[0]


def test_recomputing_changes_no_gradient_of_other_networks_either() -> None:
    gradients = []
    for recompute in (False, True):
        made = trainer(
            **{"network": {"architecture": "espcn_7", "widths": [8] * 6}, "data__planes": "rgb"},
            **{"training__recompute": recompute, "rounding": {"dtype": "bf16", "share": 1.0}},
        )
        made.step(0, *batch(3))
        assert made.net.recompute == recompute
        gradients.append([p.grad.clone() for p in made.net.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


# Where a run begins


def test_weights_to_begin_with_are_of_the_same_network(tmp_path: Path) -> None:
    save(build("C2F8", activation="silu"), tmp_path / "silu.onnx")
    save(build("C2F8"), tmp_path / "relu.onnx")
    start = make(recipe(network__start=str(tmp_path / "relu.onnx")))
    assert torch.equal(
        start.first.weight, make(recipe(training__seed=9, network__start=str(tmp_path / "relu.onnx"))).first.weight
    )
    with pytest.raises(VsanimeError, match=r"its activation is 'silu', the recipe's network has 'relu'"):
        make(recipe(network__start=str(tmp_path / "silu.onnx")))
    # One that has a name.
    named = make(recipe(network__variant="C4F16", network__start="C4F16_VA"))
    assert torch.equal(named.first.weight, load(store.load("C4F16_VA").path).first.weight)
    # The same weights, applied another number of times.
    save(DRRN(3, 8), tmp_path / "drrn.onnx")
    network = {"architecture": "drrn", "units": 2, "filters": 8, "start": str(tmp_path / "drrn.onnx")}
    with pytest.raises(VsanimeError, match=r"its units is 3, the recipe's network has 2"):
        make(recipe(network=network, data__planes="rgb"))


# What torch raises


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"),
            "the card has too little memory",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "this machine has too little memory",
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
            "process that makes patches was ended",
        ),
    ],
)
def test_errors_of_torch_are_one_line(error: Exception, message: str) -> None:
    with pytest.raises(VsanimeError, match=message) as raised, report_in_one_line():
        raise error
    assert "\n" not in str(raised.value)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="a mistake in the code"), report_in_one_line():
        raise RuntimeError("a mistake in the code")


def test_memory_that_no_machine_has_is_one_line() -> None:
    with pytest.raises(VsanimeError, match="too little memory"), report_in_one_line():
        torch.empty(1 << 50)


def test_losses_are_in_f32_on_cards_as_well() -> None:
    trainer()
    assert not torch.backends.cudnn.allow_tf32
    assert np.isfinite(float(trainer().step(0, *batch())))
