"""What AnimeGANv2 makes small. Pictures are N, 3, H, W, RGB in [-1, 1]; features N, C, H, W."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from vsanime.training.recipes.stylization import Inner

# Rows are Y, U and V of R, G and B in [0, 1], as TensorFlow's rgb_to_yuv has them (BT.601 luma).
YUV = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)


def content(features: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The mean absolute difference of features: what is shown stays what the photograph shows."""
    return functional.l1_loss(features, truth)


def gram(features: torch.Tensor) -> torch.Tensor:
    """Which features occur together, wherever: N, C, C, of each sample alone, divided by H * W * C."""
    count, channels, height, width = features.shape
    flat = features.reshape(count, channels, height * width)
    return flat @ flat.transpose(1, 2) / (height * width * channels)


def style(features: torch.Tensor, gray_style: torch.Tensor) -> torch.Tensor:
    """The mean absolute difference of Gram matrices; those of the style come from its pictures in gray."""
    return functional.l1_loss(gram(features), gram(gray_style))


def colour(picture: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """L1 of Y plus Huber (delta 1) of U and of V: the colours stay those of the photograph."""
    one, other = to_yuv(picture), to_yuv(photo)
    luma = functional.l1_loss(one[:, 0], other[:, 0])
    chroma = [functional.huber_loss(one[:, plane], other[:, plane]) for plane in (1, 2)]
    return luma + chroma[0] + chroma[1]


def total_variation(picture: torch.Tensor) -> torch.Tensor:
    """Half the mean square of steps down plus half that of steps to the right, as TensorFlow's `l2_loss` halves."""
    down = picture[:, :, 1:] - picture[:, :, :-1]
    right = picture[:, :, :, 1:] - picture[:, :, :, :-1]
    return (down.square().mean() + right.square().mean()) / 2


def convincing(fake: torch.Tensor) -> torch.Tensor:
    """The generator's adversarial loss: the squared distance of the discriminator's logits from 1."""
    return (fake - 1).square().mean()


@dataclass(frozen=True)
class Judged:
    """What the discriminator says of the four kinds of pictures, each N, 1, H / 4, W / 4.

    Attributes:
        real: pictures of the style.
        fake: what the generator made.
        gray: pictures of the style in gray: a picture without colours does not belong to it.
        smooth: pictures of the style whose edges were blurred: nor does one without clear edges.
    """

    real: torch.Tensor
    fake: torch.Tensor
    gray: torch.Tensor
    smooth: torch.Tensor


def discerning(judged: Judged, inner: Inner) -> torch.Tensor:
    """The discriminator's loss: squared distances from 1 for the style and from 0 for all others, each weighted."""
    return (
        inner.real * (judged.real - 1).square().mean()
        + inner.fake * judged.fake.square().mean()
        + inner.gray * judged.gray.square().mean()
        + inner.smooth * judged.smooth.square().mean()
    )


def to_yuv(picture: torch.Tensor) -> torch.Tensor:
    """RGB in [-1, 1] as Y in [0, 1] and U and V about 0."""
    matrix = torch.tensor(YUV, dtype=picture.dtype, device=picture.device)
    return torch.einsum("pc,nchw->nphw", matrix, (picture + 1) / 2)


def to_gray(picture: torch.Tensor) -> torch.Tensor:
    """A picture without its colours: N, 3, H, W with three planes alike."""
    weights = torch.tensor(YUV[0], dtype=picture.dtype, device=picture.device)
    luma = torch.einsum("c,nchw->nhw", weights, picture)
    return luma[:, None].expand_as(picture)
