"""Trains the small luma doubler that the package carries, on generated pictures only, in minutes on one CPU core."""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from vsanime.nets.artcnn import ArtCNN, build
from vsanime.nets.export import save
from vsanime.training.generated import draw_picture

ARCHITECTURE = "C4F16"
UNSEEN_SEED = 1_000_000_000  # seeds from here on are never trained on
CATMULL_ROM, LANCZOS3 = "Catmull-Rom", "Lanczos3"


@dataclass(frozen=True)
class Settings:
    """How long and on what to train.

    Attributes:
        minutes: wall-clock time of the loop, drawing not counted.
        seed: of the pictures, the first weights and the order.
        pictures: pictures drawn before the loop starts.
        size: width and height of a picture in pixels.
        patch: width and height of an HR patch in pixels.
        batch: patches a step.
        rate: highest learning rate.
        warm_up: share of the time in which the rate climbs to `rate`.
        bf16: share of the time, from the start, in which convolutions run in bf16 (2.3 times faster here); the rest
            runs in f32, so that the last small steps are exact.
    """

    minutes: float = 12.0
    seed: int = 1
    pictures: int = 240
    size: int = 384
    patch: int = 128
    batch: int = 16
    rate: float = 1e-3
    warm_up: float = 0.03
    bf16: float = 0.6


class MovingAverage:
    """The exponential moving average of a network's weights.

    Args:
        net: the network to follow.
        decay: weight of the past at each step, once there are enough of them.
    """

    def __init__(self, net: ArtCNN, decay: float = 0.999) -> None:
        self.net = copy.deepcopy(net)
        self.decay = decay
        self.steps = 0

    def update(self, net: ArtCNN) -> None:
        """Take in the weights after one step."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        with torch.no_grad():
            for mean, value in zip(self.net.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)


# Pictures to patches --------------------------------------------------------------------------------------------


def halve(luma: torch.Tensor, kernel: str) -> torch.Tensor:
    """Halve N, 1, H, W (H and W even), centre aligned, by `box` or `Catmull-Rom` (stretched to the new pixel)."""
    if kernel == "box":
        return functional.avg_pool2d(luma, 2)
    return functional.interpolate(luma, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)


def draw_batch(pictures: torch.Tensor, settings: Settings, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut one batch of patches, each turned and mirrored at random; half of them halved by each kernel.

    Args:
        pictures: N, S, S.
        settings: patch and batch size.
        rng: source of the places.

    Returns:
        LR batch, 1, patch / 2, patch / 2 and HR batch, 1, patch, patch.
    """
    patches = []
    room = pictures.shape[-1] - settings.patch + 1
    draws = torch.stack(
        [torch.randint(n, (settings.batch,), generator=rng) for n in (len(pictures), room, room, 4, 2)], 1
    )
    for picture, y, x, turns, mirror in draws.tolist():
        patch = pictures[picture, y : y + settings.patch, x : x + settings.patch].rot90(turns)
        patches.append(patch.flip(1) if mirror else patch)
    high = torch.stack(patches)[:, None]
    half = settings.batch // 2
    low = torch.cat([halve(high[:half], CATMULL_ROM), halve(high[half:], "box")])
    return low.contiguous(memory_format=torch.channels_last), high


# The loop -------------------------------------------------------------------------------------------------------


def learning_rate(progress: float, settings: Settings) -> float:
    """Climb linearly, then fall along a cosine to a hundredth; `progress` runs from 0 to 1."""
    if progress < settings.warm_up:
        return settings.rate * max(progress / settings.warm_up, 0.01)
    fall = (progress - settings.warm_up) / (1 - settings.warm_up)
    return settings.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))


def train(pictures: torch.Tensor, settings: Settings) -> ArtCNN:
    """Train a fresh network for the time that `settings` gives; the number of steps depends on the machine.

    Args:
        pictures: N, S, S luma in [0, 1].
        settings: time, sizes and rates.

    Returns:
        The moving average of the weights.
    """
    torch.manual_seed(settings.seed)
    rng = torch.Generator().manual_seed(settings.seed)
    net = build(ARCHITECTURE).to(memory_format=torch.channels_last)
    mean = MovingAverage(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=1e-4)
    start = time.monotonic()
    step, progress, loss_mean = 0, 0.0, math.nan
    while progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, settings)
        low, high = draw_batch(pictures, settings, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=progress < settings.bf16):
            result = net(low)
        loss = functional.l1_loss(result.float(), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.update(net)
        step += 1
        loss_mean = loss.item() if step == 1 else 0.98 * loss_mean + 0.02 * loss.item()
        if step % 250 == 0:
            report(f"step {step}, {100 * progress:.0f} %, L1 {loss_mean:.5f}")
        progress = (time.monotonic() - start) / (60 * settings.minutes)
    report(f"{step} steps, L1 {loss_mean:.5f}")
    return mean.net


# Measuring ------------------------------------------------------------------------------------------------------


def kernel_weight(x: float, kernel: str) -> float:
    """Evaluate an interpolation kernel at a distance of `x` pixels."""
    x = abs(x)
    if kernel == LANCZOS3:
        if x < 1e-9:
            return 1.0
        return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2 if x < 3 else 0.0
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def double(luma: torch.Tensor, kernel: str) -> torch.Tensor:
    """Double N, 1, H, W, centre aligned, by an interpolation kernel; edges are repeated."""
    phases = []
    for offset in (0.25, -0.25):  # of the nearest source pixel, seen from the first and the second new pixel
        weights = torch.tensor([kernel_weight(i + offset, kernel) for i in range(-3, 4)])
        phases.append(weights / weights.sum())
    taps = torch.stack([torch.outer(v, h) for v in phases for h in phases])[:, None]
    planes = functional.conv2d(functional.pad(luma, (3, 3, 3, 3), mode="replicate"), taps)
    return functional.pixel_shuffle(planes, 2).clamp(0, 1)


def psnr(result: torch.Tensor, truth: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB for signals in [0, 1]."""
    return float(-10 * torch.log10(functional.mse_loss(result.clamp(0, 1), truth)))


def measure(net: ArtCNN, pictures: torch.Tensor, kernel: str) -> dict[str, float]:
    """Halve pictures by a kernel, double them by the network and by interpolation, and compare.

    Args:
        net: the network.
        pictures: N, S, S luma in [0, 1].
        kernel: `box` or `Catmull-Rom`.

    Returns:
        PSNR in dB, the mean over the pictures, of the network and of each interpolation.
    """
    totals = {ARCHITECTURE: 0.0, CATMULL_ROM: 0.0, LANCZOS3: 0.0}
    for picture in pictures:
        truth = picture[None, None]
        low = halve(truth, kernel)
        with torch.no_grad():
            totals[ARCHITECTURE] += psnr(net(low), truth)
        for name in (CATMULL_ROM, LANCZOS3):
            totals[name] += psnr(double(low, name), truth)
    return {name: total / len(pictures) for name, total in totals.items()}


# Command line ---------------------------------------------------------------------------------------------------


def report(line: str) -> None:
    """Tell the user how far it is, on stderr."""
    print(line, file=sys.stderr, flush=True)


def draw_pictures(first_seed: int, count: int, size: int) -> torch.Tensor:
    """Draw pictures from consecutive seeds: count, size, size."""
    pictures = torch.empty(count, size, size)
    for i in range(count):
        pictures[i] = draw_picture(first_seed + i, size)
        if (i + 1) % 40 == 0:
            report(f"drew {i + 1} of {count} pictures")
    return pictures


def main(arguments: list[str] | None = None) -> int:
    """Draw, train, write the network, and print its PSNR on pictures it has not seen."""
    parser = argparse.ArgumentParser(prog="python -m vsanime.training.tiny", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--minutes", type=float, default=Settings.minutes, help="training time (default %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="of pictures and weights (default %(default)s)")
    parser.add_argument("--pictures", type=int, default=Settings.pictures, help="pictures drawn (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.pictures < 1 or options.threads < 1 or not 0 <= options.seed < 10_000:
        parser.error("--minutes is above 0, --pictures and --threads are at least 1, --seed is 0 to 9999")
    torch.set_num_threads(options.threads)
    settings = Settings(minutes=options.minutes, seed=options.seed, pictures=options.pictures)
    # Each training seed owns a hundred thousand picture seeds, all of them below the unseen ones.
    pictures = draw_pictures(100_000 * settings.seed, settings.pictures, settings.size)
    net = train(pictures, settings)
    save(net, options.out)
    unseen = draw_pictures(UNSEEN_SEED, 24, settings.size)
    for kernel in (CATMULL_ROM, "box"):
        for name, value in measure(net, unseen, kernel).items():
            print(f"halved by {kernel}, doubled by {name}: {value:.2f} dB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
