"""Measures PSNR on held-out scenes, and the gain over a blend of the moved keys, which needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vsanime.training.data.batches import Named

MEASURED = ("whole", "changed", "gain")
_CHANGED = 16 / 255  # difference from the nearer key, in any of R, G and B
_FEW = 50  # smallest number of changed pixels for measuring their PSNR
_BEST = 60.0  # dB; greatest PSNR of a picture, so that one exact picture does not dominate the mean


def blend(parts: Named) -> torch.Tensor:
    """Return the moved keys, blended by their prior weights, shape (B, 3, H, W)."""
    return (parts["prior"] * parts["warped"]).sum(1)


def measure(samples: Sequence[Named], run: Callable[[Named], torch.Tensor]) -> dict[str, float]:
    """Return the mean PSNR over samples in dB.

    Args:
        samples: samples, each a batch of one.
        run: function that returns the colors of a batch.

    Returns:
        `whole`, for whole frames; `changed`, for pixels that differ from the nearer key by more than 16 codes; and
        `gain`, the difference between the latter and the blend's PSNR on these pixels.
    """
    whole, changed, gains = [], [], []
    for parts in samples:
        truth, found = parts["truth"], run(parts)
        whole.append(_psnr(found, truth, torch.ones_like(truth[:, :1], dtype=torch.bool)))
        mask = _changed(parts)
        if int(mask.sum()) >= _FEW:
            changed.append(_psnr(found, truth, mask))
            gains.append(changed[-1] - _psnr(blend(parts), truth, mask))
    return {name: sum(v) / max(1, len(v)) for name, v in zip(MEASURED, (whole, changed, gains), strict=True)}


def _changed(parts: Named) -> torch.Tensor:
    """Return where the target differs from the key with the larger mean prior weight, shape (B, 1, H, W)."""
    nearer = parts["prior"].mean((2, 3, 4)).argmax(1)
    key = torch.stack([keys[i] for keys, i in zip(parts["key_colours"], nearer, strict=True)])
    return (parts["truth"] - key).abs().amax(1, keepdim=True) > _CHANGED


def _psnr(found: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    squared = ((found.clamp(0, 1) - truth).square() * mask).sum() / (3 * mask.sum())
    return min(_BEST, float(-10 * torch.log10(squared.clamp(min=1e-12))))
