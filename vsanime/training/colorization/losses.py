"""Computes the losses of line colorization (Shi et al. 2020) on RGB in [0, 1], (N, 3, H, W); features: (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from vsanime.errors import VsanimeError
from vsanime.training.recipes.colorization import ColorLosses
from vsanime.training.style.perceptual import Found, Trunk, measure_scales

_FIRST = tuple(f"conv{block}_1" for block in range(1, 6))
# The last convolution of a block that both networks have, or its counterpart.
_STYLE = {"vgg19": ("conv2_2", "conv3_4", "conv4_4", "conv5_2"), "vgg16": ("conv2_2", "conv3_3", "conv4_3", "conv5_2")}


@dataclass(frozen=True)
class Normalisation:
    """The factors for the perceptual and the style loss with given features, without which weights mean little.

    Attributes:
        perceptual: factor of the perceptual weight.
        style: factor of the style weight.
        per_channel: whether Gram matrices are divided by the number of channels as well as by that of pixels.
        same_layers: whether style uses the layers of the perceptual loss instead of the ends of blocks.
        trunks: kinds of network that the factors are for; empty for any.
        measured: whether features are divided by their root mean square over pictures first.
    """

    perceptual: float
    style: float
    per_channel: bool
    same_layers: bool
    trunks: tuple[str, ...] = ()
    measured: bool = False


NORMALISATIONS = {
    # The paper's, for features of BGR codes minus their mean, as Caffe's networks and Keras's VGG19 take them.
    "document": Normalisation(3e-2 / 5, 1e-6 / 5, per_channel=False, same_layers=True, trunks=("vgg16",)),
    # The reimplementations', for features of RGB with unit variance, as torchvision's networks take it.
    "ports": Normalisation(1.0, 1.0, per_channel=True, same_layers=False, trunks=("vgg19",)),
    # For any network, with features scaled to unit size.
    "measured": Normalisation(1.0, 1.0, per_channel=True, same_layers=False, measured=True),
}


class Features:
    """The perceptual and the style loss.

    Args:
        found: weights of the perceptual network.
        wanted: losses of the recipe.
        pictures: pictures for measuring scales, RGB in [0, 1], shape (N, 3, H, W).
        device: device of torch.

    Raises:
        VsanimeError: the normalization is for another network.
    """

    def __init__(self, found: Found, wanted: ColorLosses, pictures: torch.Tensor, device: torch.device) -> None:
        self._normalisation = NORMALISATIONS[wanted.normalisation]
        trunks = self._normalisation.trunks
        if trunks and found.kind not in trunks:
            raise VsanimeError(
                f"losses.normalisation = {wanted.normalisation!r} is for {' or '.join(trunks)}, and {found.kind} "
                f"({found.origin}) is what losses.network gives; 'measured' goes with any"
            )
        self._layers = wanted.layers or _FIRST
        own = self._layers if self._normalisation.same_layers else _STYLE[found.kind]
        self._style_layers: Sequence[str] = (wanted.style_layers or own) if wanted.style else ()
        self._trunk = Trunk(found, tuple(dict.fromkeys((*self._layers, *self._style_layers))))
        if self._normalisation.measured:
            self._trunk.scales.update(measure_scales(self._trunk, list((2 * pictures - 1).split(1))))
        self._trunk.to(device)

    def compare(self, picture: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the perceptual and the style loss, times the normalization's factors."""
        seen = self._of(picture)
        with torch.no_grad():
            wanted = self._of(truth)
        zero = picture.new_zeros(())
        perceptual = sum((functional.l1_loss(seen[n], wanted[n]) for n in self._layers), zero)
        style = sum((functional.l1_loss(self._gram(seen[n]), self._gram(wanted[n])) for n in self._style_layers), zero)
        return self._normalisation.perceptual * perceptual, self._normalisation.style * style

    def _of(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return features by layer, after their ReLU."""
        return {name: functional.relu(x) for name, x in self._trunk(2 * picture - 1).items()}

    def _gram(self, features: torch.Tensor) -> torch.Tensor:
        """Return the Gram matrices of features, shape (N, C, C)."""
        channels, places = features.shape[1], features.shape[2] * features.shape[3]
        flat = features.flatten(2)
        # Under autocast the product would have the 8 bits of bf16, an error larger than differences late in a run.
        with torch.autocast(features.device.type, enabled=False):
            return flat @ flat.transpose(1, 2) / (places * channels if self._normalisation.per_channel else places)


def latent(told: Sequence[torch.Tensor], truth: torch.Tensor) -> torch.Tensor:
    """Return the sum of the mean absolute differences between colors from inner layers and the truth."""
    return sum((functional.l1_loss(picture.float(), truth) for picture in told), truth.new_zeros(()))


def convincing(judged: torch.Tensor) -> torch.Tensor:
    """Return the generator's adversarial loss: cross entropy of the logits of its output, with the label true."""
    return functional.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))


def discerning(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return the discriminator's loss: the sum of the cross entropies of logits of true and of generated colors."""
    made = functional.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return convincing(real) + made
