"""A checkpoint is there whole or not at all, comes back bit for bit, and its files stay small."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import time
from pathlib import Path

import pytest

from vsanime.errors import VsanimeError

torch = pytest.importorskip("torch")

from vsanime.models.formats import safetensors  # noqa: E402
from vsanime.training.optimize.average import MovingAverage  # noqa: E402
from vsanime.training.optimize.state import gather, make_optimizer, restore  # noqa: E402
from vsanime.training.recipes.pairs import Training  # noqa: E402
from vsanime.training.run import checkpoint  # noqa: E402
from vsanime.training.run.checkpoint import SHARD_BYTES, Checkpoint  # noqa: E402

pytestmark = pytest.mark.torch


def tensors(seed: int, megabytes: float = 0.01) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    count = max(1, round(megabytes * 1e6 / 4 / 10))
    return {f"net.{i}": torch.randn(count, generator=generator) for i in range(10)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_comes_back_bit_for_bit_in_any_memory_order(tmp_path: Path) -> None:
    saved = {"weight": torch.randn(8, 4, 3, 3).contiguous(memory_format=torch.channels_last), "bias": torch.randn(8)}
    checkpoint.write(tmp_path / "Prüfpunkte", Checkpoint(7, saved))
    found = checkpoint.newest(tmp_path / "Prüfpunkte")
    assert found is not None
    assert found.step == 7
    assert same(found.tensors, saved)


def test_files_stay_below_the_limit_and_are_plain_safetensors(tmp_path: Path) -> None:
    saved = tensors(1, megabytes=40)
    folder = checkpoint.write(tmp_path, Checkpoint(1, saved))
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) == 4  # three tensors of 4 MB each
    assert all(path.stat().st_size <= SHARD_BYTES for path in shards)
    arrays = {}
    for path in shards:
        arrays |= safetensors._load(path.read_bytes())[0]  # the reader of `vsanime import`
    assert same({name: torch.tensor(array) for name, array in arrays.items()}, saved)


def test_a_tensor_larger_than_a_file_is_cut(tmp_path: Path) -> None:
    large = torch.randn(1024, 1100, 3, 3).contiguous(memory_format=torch.channels_last)  # 40 MB
    saved = {"net.large": large, "net.small": torch.randn(7)}
    folder = checkpoint.write(tmp_path, Checkpoint(1, saved))
    assert all(path.stat().st_size <= SHARD_BYTES for path in folder.glob("*.safetensors"))
    assert same(checkpoint.read(folder).tensors, saved)


def test_a_checkpoint_that_is_there_is_replaced(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, Checkpoint(5, tensors(1)))
    folder = checkpoint.write(tmp_path, Checkpoint(5, tensors(2)))
    assert same(checkpoint.read(folder).tensors, tensors(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        checkpoint.write(tmp_path, Checkpoint(step, tensors(step)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000015", "step-00000020"]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "state"])
def test_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    for step in (5, 10):
        folder = checkpoint.write(tmp_path, Checkpoint(step, tensors(step)))
    shard = next(folder.glob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    if damage == "missing":
        shard.unlink()
    elif damage == "state":
        (folder / "state.json").write_text("{", encoding="utf-8")
    else:
        data[-3] ^= 1
        shard.write_bytes(data[:-50] if damage == "cut" else data)
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.step == 5
    shutil.rmtree(tmp_path / "step-00000005")
    with pytest.raises(VsanimeError, match=r"no checkpoint in .* can be read"):
        checkpoint.newest(tmp_path)


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "nowhere") is None


def _write_for_ever(folder: str) -> None:
    step = 1
    while True:
        checkpoint.write(Path(folder), Checkpoint(step, tensors(step, megabytes=20)))
        step += 1


def test_a_writer_that_is_killed_leaves_the_one_before(tmp_path: Path) -> None:
    """SIGKILL (on Windows TerminateProcess) while shards are being written, several times."""
    spawn = multiprocessing.get_context("spawn")
    for attempt in range(3):
        process = spawn.Process(target=_write_for_ever, args=(str(tmp_path),), daemon=True)
        process.start()
        deadline = time.monotonic() + 60
        seen = checkpoint.newest(tmp_path)
        before = seen.step if seen else 0
        # In the middle: a first checkpoint is there, and the next one is under its other name.
        while not (len(list(tmp_path.glob("step-*"))) >= 1 and list(tmp_path.glob(".partial-*/*.safetensors"))):
            assert time.monotonic() < deadline
        time.sleep(0.02 * attempt)
        process.kill()
        process.join()
        found = checkpoint.newest(tmp_path)
        assert found is not None
        assert found.step >= max(1, before and 1)
        assert same(found.tensors, tensors(found.step, megabytes=20))
    checkpoint.write(tmp_path, Checkpoint(1000, tensors(0)))
    assert not list(tmp_path.glob(".partial-*"))


def _write_with_little_room(folder: str, room: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        checkpoint.write(Path(folder), Checkpoint(9, tensors(9, megabytes=8)))
    except VsanimeError as error:
        Path(folder, "..", "said.txt").resolve().write_text(str(error), encoding="utf-8")
        sys.exit(3)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit that stands for a full disk is POSIX's")
def test_full_disk_is_told_and_the_one_before_is_intact(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    checkpoint.write(folder, Checkpoint(4, tensors(4)))
    process = multiprocessing.get_context("spawn").Process(target=_write_with_little_room, args=(str(folder), 1 << 20))
    process.start()
    process.join()
    assert process.exitcode == 3
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert said.startswith("the checkpoint of step 9 cannot be written")
    assert said.endswith("the one of step 4 is intact")
    found = checkpoint.newest(folder)
    assert found is not None
    assert found.step == 4
    assert [path.name for path in folder.iterdir()] == ["step-00000004"]


# Networks and optimizers


PLAIN, MUON = Training(steps=9), Training(steps=9, optimizer="muon")


def fresh(training: Training) -> torch.nn.Module:
    """A convolution, wide enough for Muon where that is wanted."""
    channels = (16, 16) if training.optimizer == "muon" else (2, 4)
    return torch.nn.Conv2d(*channels, 3).to(memory_format=torch.channels_last)


def trained(training: Training = PLAIN) -> tuple[torch.nn.Module, MovingAverage, torch.optim.Optimizer]:
    torch.manual_seed(1)
    net = fresh(training)
    optimizer = make_optimizer(net, training)
    mean = MovingAverage(net, 0.9)
    for step in range(3):
        optimizer.zero_grad()
        net(torch.rand(1, net.in_channels, 8, 8)).square().mean().backward()
        optimizer.step()
        mean.update(net, step)
    return net, mean, optimizer


@pytest.mark.parametrize("training", [PLAIN, Training(steps=9, amsgrad=True), MUON])
def test_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path, training: Training) -> None:
    net, mean, optimizer = trained(training)
    checkpoint.write(tmp_path, Checkpoint(3, gather(net, mean.net, optimizer)))
    found = checkpoint.newest(tmp_path)
    assert found is not None
    other = fresh(training)
    other_mean = MovingAverage(other, 0.9)
    other_optimizer = make_optimizer(other, training)
    restore(found.tensors, found.step, other, other_mean.net, other_optimizer)
    x = torch.rand(1, net.in_channels, 8, 8)
    for module, adam in ((net, optimizer), (other, other_optimizer)):
        adam.zero_grad()
        module(x).square().mean().backward()
        adam.step()
    assert same(gather(net, mean.net, optimizer), gather(other, other_mean.net, other_optimizer))


def test_another_network_is_told_by_its_shapes() -> None:
    net, mean, optimizer = trained()
    held = gather(net, mean.net, optimizer)
    wide = torch.nn.Conv2d(2, 5, 3)
    with pytest.raises(
        VsanimeError, match=r"net\.weight has the shape \(4, 2, 3, 3\), the recipe's has \(5, 2, 3, 3\)"
    ):
        restore(held, 3, wide, MovingAverage(wide, 0.9).net, make_optimizer(wide, Training(steps=9)))
    del held["net.bias"]
    with pytest.raises(VsanimeError, match=r"net\.bias is missing"):
        restore(held, 3, net, mean.net, optimizer)


def test_average_follows() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    mean = MovingAverage(net, 0.5)
    for step, value in enumerate((1.0, 2.0)):
        with torch.no_grad():
            net.weight.fill_(value)
        mean.update(net, step)
    # Early decays are 1/11 and 2/12: nearly all of what is new.
    expected = (1 - 1 / 11) * (2 / 12) + 2.0 * (10 / 12)
    assert mean.net.weight.item() == pytest.approx(expected, rel=1e-6)


def test_state_is_readable_by_people(tmp_path: Path) -> None:
    folder = checkpoint.write(tmp_path, Checkpoint(2, tensors(0)))
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert state["step"] == 2
    assert set(state["shards"]) == {"state-001.safetensors"}
