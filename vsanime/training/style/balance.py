"""Adapts the published weights of content and style to other perceptual networks.

AnimeGANv2's weights are made for one VGG19 and the codes that it was trained on; features of other networks have other
sizes. Therefore each layer's features are divided by their root mean square over the photographs, and content and style
are scaled so that their gradients on a picture are as 2500 * content : 2500 * style : color, since no network is part
of the color loss.

Why 2500: on 160x160 pixels, 300 times the adversarial loss of a discriminator after 40 steps had a gradient of 4.5, and
15 times the color loss one of 0.018. With tf-hayao's 1.5, content is then as strong as the adversarial loss and style
nearly twice that. The published network, whose features are some hundreds, gives about four times as much; a run as
long as the published one, in which the discriminator grows strong, may need that (raise both weights).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from vsanime.training.recipes.stylization import Losses
from vsanime.training.run.folder import read_json, write_json
from vsanime.training.style import losses
from vsanime.training.style.perceptual import DEEP, Trunk, measure_scales

# The gradient of a unit of content or style is as long as that of this many units of color.
UNIT = 2500.0
_BLUR = 5  # width in pixels of a box filter, which makes photographs look like output of an initialized generator


@dataclass(frozen=True)
class Balance:
    """The perceptual network of a run and the weights for it; a run folder stores them.

    Attributes:
        network: kind of network: `vgg19` or `vgg16`.
        file: name of its file.
        scales: root mean square of the features over photographs, by layer.
        gradients: norm of the gradient of each unweighted loss on the picture, by loss.
        content: weight of the content loss.
        style: weight of the style loss.
    """

    network: str
    file: str
    scales: dict[str, float]
    gradients: dict[str, float]
    content: float
    style: float

    def __str__(self) -> str:
        scales = ", ".join(f"{name} {scale:.4g}" for name, scale in self.scales.items())
        return (
            f"content and style by {self.network} ({self.file}), features divided by {scales}; "
            f"their weights {self.content:.4g} and {self.style:.4g}"
        )


def measure(trunk: Trunk, file: str, wanted: Losses, photos: torch.Tensor, styles: torch.Tensor) -> Balance:
    """Measure the weights of content and style, and set the scales of a trunk.

    Args:
        trunk: perceptual network, with scales of 1.
        file: name of its file.
        wanted: losses of the recipe.
        photos: photographs, RGB in [-1, 1], shape (N, 3, H, W).
        styles: pictures of the style, of the same shape and range.
    """
    trunk.scales.update(measure_scales(trunk, list(photos.split(1))))
    one, other = perceptual(trunk, wanted)
    half = _BLUR // 2
    padded = functional.pad(photos, (half,) * 4, mode="reflect")
    picture = functional.avg_pool2d(padded, _BLUR, stride=1)
    truth, gray = trunk(photos), trunk(losses.to_gray(styles))

    def gradient(loss: Callable[[torch.Tensor], torch.Tensor]) -> float:
        variable = picture.clone().requires_grad_()
        (found,) = torch.autograd.grad(loss(variable), variable)
        return float(found.norm())

    gradients = {
        "content": gradient(lambda x: one(trunk(x), truth)),
        "style": gradient(lambda x: other(trunk(x), gray)),
        "colour": gradient(lambda x: losses.colour(x, photos)),
    }
    if wanted.balance:
        unit = UNIT * gradients["colour"]
        weights = {name: getattr(wanted, name) * unit / gradients[name] for name in ("content", "style")}
    else:
        weights = {"content": wanted.content, "style": wanted.style}
    return Balance(trunk.kind, file, dict(trunk.scales), gradients, **weights)


type Compared = Callable[[dict[str, torch.Tensor], dict[str, torch.Tensor]], torch.Tensor]


def perceptual(trunk: Trunk, wanted: Losses) -> tuple[Compared, Compared]:
    """Return functions for the content loss and the style loss, each of two dictionaries of features by layer."""
    deep, layers = DEEP[trunk.kind], style_layers(trunk.kind, wanted)

    def content(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> torch.Tensor:
        return losses.content(one[deep], other[deep])

    def style(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([losses.style(one[name], other[name]) for name in layers]).mean()

    return content, style


def style_layers(kind: str, wanted: Losses) -> Sequence[str]:
    """Return the layers whose Gram matrices are compared, for a kind of network."""
    return wanted.style_layers or (DEEP[kind],)


def write(balance: Balance, path: Path) -> None:
    """Write a balance into the folder of its run.

    Raises:
        VsanimeError: the file cannot be written.
    """
    write_json(path, asdict(balance), escaped=True)


def read(path: Path) -> Balance:
    """Read the balance that a run began with.

    Raises:
        VsanimeError: the file is missing or damaged.
    """
    return read_json(path, lambda table: Balance(**table))
