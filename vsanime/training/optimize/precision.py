"""Simulates the rounding of low precision during training, so that the weights lose little by it.

It follows half precision as `graphs/passes/precision.py` runs ArtCNN: the linear path last(first(x)) stays exact, all
other layers have rounded inputs, weights and outputs, and sums inside a layer are f32. Gradients ignore the rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vsanime.architectures.artcnn.module import ACTIVATIONS, ArtCNN, ArtCNNC, ArtCNNR, ResidualBlock
from vsanime.architectures.blocks import Layer, in_turn
from vsanime.training.optimize.quantised import Quantised
from vsanime.training.optimize.straight import straight_through

_LEAST_ERROR = 1e-20  # keeps the logarithm finite
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def simulation(net: nn.Module, dtype: str, *, native: bool = False) -> Rounded | Quantised:
    """Return a callable that runs a network as a precision would.

    Args:
        net: network, whose weights stay f32.
        dtype: precision: "bf16", "fp16" or "int8".
        native: compute in bf16 itself if `can_be_native` allows it.

    Raises:
        VsanimeError: the precision is int8 and the network is not ArtCNN.
    """
    return Quantised(net) if dtype == "int8" else Rounded(net, dtype, native=native and can_be_native(net, dtype))


def can_be_native(net: nn.Module, dtype: str) -> bool:
    """Return whether a network can be computed in bf16 itself instead of simulating it."""
    return dtype == "bf16" and isinstance(net, ArtCNN)


class Rounded:
    """Runs a network as half precision would.

    Args:
        net: network, whose weights stay f32.
        dtype: precision: "bf16" or "fp16".
        native: compute in that precision, instead of simulating it in f32: as fast as the hardware is at it, and
            gradients are rounded, too. Only if `can_be_native` allows it.
    """

    def __init__(self, net: nn.Module, dtype: str, *, native: bool = False) -> None:
        self._net = net
        self._dtype = DTYPES[dtype]
        self._native = native

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network on (N, planes, H, W) without the final clip, and return its output."""
        if isinstance(self._net, ArtCNN):
            return self._artcnn(self._net, x)
        return self._everything(self._net, x)

    def round(self, x: torch.Tensor) -> torch.Tensor:
        """Round to half precision, as f32 unless native; the gradient is passed on unchanged."""
        if self._native:
            return x.to(self._dtype)
        return straight_through(x, x.to(self._dtype).to(x.dtype))

    def _artcnn(self, net: ArtCNN, x: torch.Tensor) -> torch.Tensor:
        exact = self._plain(net.last, net.first(x))
        joined = self._conv(net.inner_last, self._inner(net, self._conv(net.first, self.round(x))))
        # Without the last bias, which the exact term includes.
        low = self.round(functional.conv2d(joined, self.round(net.last.weight), padding=1))
        return functional.pixel_shuffle(exact + low.float(), net.scale)

    def _inner(self, net: ArtCNN, x: torch.Tensor) -> torch.Tensor:
        act = ACTIVATIONS[net.activation]

        def activated(conv: nn.Conv2d) -> Layer:
            return lambda x: self.round(act(self._conv(conv, x)))

        def block(convs: ResidualBlock) -> Layer:
            first, second = activated(convs.conv0), activated(convs.conv1)
            return lambda x: self.round(self._conv(convs.conv2, second(first(x))) + x)

        if isinstance(net, ArtCNNC):
            return in_turn([activated(conv) for conv in net.inner_convs], x, recompute=net.recompute)
        assert isinstance(net, ArtCNNR)
        return in_turn([block(convs) for convs in net.blocks], x, recompute=net.recompute)

    def _conv(self, conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return self.round(functional.conv2d(x, self.round(conv.weight), self.round(conv.bias), padding=1))

    @staticmethod
    def _plain(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = conv(x)
        return result

    def _everything(self, net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Run a network without a linear path, with every weight and the output of every layer rounded.

        Sums and fixed convolutions that are not layers (DRRN's) are not rounded.

        Gradient checkpointing is off, because hooks and rounded weights are gone when it would recompute.
        """
        recompute, net.recompute = net.recompute, False
        handles = [
            layer.register_forward_hook(lambda _module, _inputs, result: self.round(result))
            for layer in net.modules()
            if not list(layer.children())
        ]
        try:
            weights = {name: self.round(value) for name, value in net.named_parameters()}
            result: torch.Tensor = torch.func.functional_call(net, weights, (self.round(x),))
        finally:
            net.recompute = recompute
            for handle in handles:
                handle.remove()
        return result


def rounding_error(
    net: nn.Module, low_precision: Callable[[torch.Tensor], torch.Tensor], lows: list[torch.Tensor]
) -> tuple[float, float]:
    """Return the PSNR in dB of low precision against f32, on unclipped output, and the mean difference."""
    with torch.inference_mode():
        pairs = [(low_precision(low), net(low)) for low in lows]
        differences = torch.cat([(rounded - exact).flatten() for rounded, exact in pairs])
        squared = max(float(differences.square().mean()), _LEAST_ERROR)
        return float(-10 * np.log10(squared)), float(differences.mean())
