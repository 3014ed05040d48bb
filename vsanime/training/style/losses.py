"""Computes the losses of AnimeGANv2. Pictures are RGB in [-1, 1], shape (N, 3, H, W); features are (N, C, H, W)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from vsanime.training.recipes.stylization import Inner

# Rows of Y, U and V for R, G and B in [0, 1], from TensorFlow's rgb_to_yuv (BT.601 luma).
YUV = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)


def content(features: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of features, which keeps the content of the photograph."""
    return functional.l1_loss(features, truth)


def gram(features: torch.Tensor) -> torch.Tensor:
    """Return the Gram matrix of each sample's features, divided by H * W * C, shape (N, C, C)."""
    count, channels, height, width = features.shape
    flat = features.reshape(count, channels, height * width)
    return flat @ flat.transpose(1, 2) / (height * width * channels)


def style(features: torch.Tensor, gray_style: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of Gram matrices; those of the style are of its pictures in gray."""
    return functional.l1_loss(gram(features), gram(gray_style))


def colour(picture: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """Return L1 of Y plus Huber (delta 1) of U and of V, which keeps the colors of the photograph."""
    one, other = to_yuv(picture), to_yuv(photo)
    luma = functional.l1_loss(one[:, 0], other[:, 0])
    chroma = [functional.huber_loss(one[:, plane], other[:, plane]) for plane in (1, 2)]
    return luma + chroma[0] + chroma[1]


def total_variation(picture: torch.Tensor) -> torch.Tensor:
    """Return half the mean squared vertical difference plus half the horizontal one; TensorFlow's `l2_loss` halves."""
    down = picture[:, :, 1:] - picture[:, :, :-1]
    right = picture[:, :, :, 1:] - picture[:, :, :, :-1]
    return (down.square().mean() + right.square().mean()) / 2


def convincing(fake: torch.Tensor) -> torch.Tensor:
    """Return the generator's adversarial loss: the mean squared distance of the discriminator's output from 1."""
    return (fake - 1).square().mean()


@dataclass(frozen=True)
class Judged:
    """The discriminator's output for the four kinds of pictures, each of shape (N, 1, H / 4, W / 4).

    Attributes:
        real: output for pictures of the style.
        fake: output for pictures of the generator.
        gray: output for pictures of the style in gray, which are to be rejected for lack of colors.
        smooth: output for pictures of the style with blurred edges, which are to be rejected for lack of clear edges.
    """

    real: torch.Tensor
    fake: torch.Tensor
    gray: torch.Tensor
    smooth: torch.Tensor


def discerning(judged: Judged, inner: Inner) -> torch.Tensor:
    """Return the discriminator's loss: weighted mean squared distances from 1 for the style, from 0 for all others."""
    return (
        inner.real * (judged.real - 1).square().mean()
        + inner.fake * judged.fake.square().mean()
        + inner.gray * judged.gray.square().mean()
        + inner.smooth * judged.smooth.square().mean()
    )


def to_yuv(picture: torch.Tensor) -> torch.Tensor:
    """Convert RGB in [-1, 1] to Y in [0, 1] and U and V around 0."""
    matrix = torch.tensor(YUV, dtype=picture.dtype, device=picture.device)
    return torch.einsum("pc,nchw->nphw", matrix, (picture + 1) / 2)


def to_gray(picture: torch.Tensor) -> torch.Tensor:
    """Return a picture without its colors, as three equal planes, shape (N, 3, H, W)."""
    weights = torch.tensor(YUV[0], dtype=picture.dtype, device=picture.device)
    luma = torch.einsum("c,nchw->nhw", weights, picture)
    return luma[:, None].expand_as(picture)
