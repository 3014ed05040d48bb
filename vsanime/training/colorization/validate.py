"""PSNR on scenes that nothing is learnt from, against the blend of the moved keys that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vsanime.training.data.batches import Named

MEASURED = ("whole", "changed", "gain")
_CHANGED = 16 / 255  # from the nearer key, in any of R, G and B
_FEW = 50  # pixels that have to be changed for a figure about them
_BEST = 60.0  # dB: what an exact picture counts as, so that one does not decide the mean


def blend(parts: Named) -> torch.Tensor:
    """The moved keys by their prior weights: B, 3, H, W."""
    return (parts["prior"] * parts["warped"]).sum(1)


def measure(samples: Sequence[Named], run: Callable[[Named], torch.Tensor]) -> dict[str, float]:
    """Mean PSNR over samples in dB.

    Args:
        samples: each a batch of one.
        run: gives the colours of a batch.

    Returns:
        `whole` frames, `changed` pixels (those that differ from the nearer key by more than 16 codes), and `gain`, by
        how much the latter is better than the blend.
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
    """B, 1, H, W: where the target is not what the nearer key has there; the nearer one is trusted more."""
    nearer = parts["prior"].mean((2, 3, 4)).argmax(1)
    key = torch.stack([keys[i] for keys, i in zip(parts["key_colours"], nearer, strict=True)])
    return (parts["truth"] - key).abs().amax(1, keepdim=True) > _CHANGED


def _psnr(found: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    squared = ((found.clamp(0, 1) - truth).square() * mask).sum() / (3 * mask.sum())
    return min(_BEST, float(-10 * torch.log10(squared.clamp(min=1e-12))))
