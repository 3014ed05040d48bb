"""Weights of content and style for a perceptual network that the published ones were not made for.

AnimeGANv2's numbers hold for one VGG19 and the codes that it was trained on. Any other network has features of another
size. So each layer's features are divided by their root mean square over the photographs, and content and style are
scaled until the gradients that they leave on a picture stand as 2500 * content : 2500 * style : colour, the colour loss
being the one that no network is part of.

Why 2500: on 160x160 pixels, 300 times the adversarial loss of a discriminator that has learnt for 40 steps left a
gradient of 4.5, 15 times the colour loss one of 0.018. With tf-hayao's 1.5 content is then as strong as the adversarial
loss and style nearly twice that. The published network, whose features are some hundreds, comes to about four times as
much; a run as long as the published one, with a discriminator that grows strong, may want that (raise both weights).
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

# A unit of content or style leaves a gradient as long as so many units of colour.
UNIT = 2500.0
_BLUR = 5  # pixels of the box that makes of a photograph what an initialised generator roughly gives


@dataclass(frozen=True)
class Balance:
    """What content and style were measured by, and how they were weighed; a run folder keeps it.

    Attributes:
        network: `vgg19` or `vgg16`.
        file: its file's name.
        scales: root mean square of the features over photographs, by layer.
        gradients: length of the gradient on the picture of each loss by itself, without weights.
        content: the weight of the content loss in force.
        style: that of the style loss.
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
    """Weigh the losses, and give the trunk its scales.

    Args:
        trunk: the network.
        file: name of its file.
        wanted: of the recipe.
        photos: N, 3, H, W, RGB in [-1, 1].
        styles: pictures of the style, of the same shape.
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
    """The content loss and the style loss between features by layer."""
    deep, layers = DEEP[trunk.kind], style_layers(trunk.kind, wanted)

    def content(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> torch.Tensor:
        return losses.content(one[deep], other[deep])

    def style(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([losses.style(one[name], other[name]) for name in layers]).mean()

    return content, style


def style_layers(kind: str, wanted: Losses) -> Sequence[str]:
    """The layers whose Gram matrices are compared."""
    return wanted.style_layers or (DEEP[kind],)


def write(balance: Balance, path: Path) -> None:
    """Keep it with the run.

    Raises:
        VsanimeError: it cannot be written.
    """
    write_json(path, asdict(balance), escaped=True)


def read(path: Path) -> Balance:
    """What the run began with.

    Raises:
        VsanimeError: it is missing or damaged.
    """
    return read_json(path, lambda table: Balance(**table))
