"""Builds a graph that extracts lines without a network: an extended difference of Gaussians.

    codes -> luma -> narrow and wide blur -> how much darker a pixel is than its surroundings -> soft threshold -> codes

The method is XDoG (Winnemoeller et al. 2012). The extended difference is (1 + p) narrow - p wide: p sharpens, and for
small p a dark surface is ink as a whole. Here p is infinite and the sum divided by it, which leaves narrow - wide: only
what is darker than its surroundings becomes ink, so dark surfaces get an outline and stay paper inside. The soft
threshold is XDoG's, 1 + tanh(gain * d), with a fixed gain, because one from a frame's extremes would flicker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vsanime.arrays import Doubles
from vsanime.coding import luma_coding, plane_codings
from vsanime.graphs.builders.finish import finish_graph
from vsanime.graphs.builders.rgb import clamp, mix, plane_tensors, planes_in
from vsanime.graphs.codes import decode, encode
from vsanime.graphs.writer import GraphWriter
from vsanime.spec import Family, FrameSpec, GraphTraits, PlaneFormat, PlanesGraph, Range, TensorSpec

# Luma weights of RGB, which has no matrix of its own, by BT.709.
_BT709 = (0.2126, 0.7152, 0.0722)
# Sigma per line of the frame: 0.72 pixels at 720p, 1.08 at 1080p, so that both give the same line art. Below 400 lines
# it stays at the value of 400 lines, because pixels cannot hold finer lines.
_SIGMA_PER_LINE, _LEAST_USUAL = 1 / 1000, 0.4
LEAST_SIGMA, MOST_SIGMA = 0.1, 20.0
# Gaussians are truncated at this many sigmas, which loses 0.3 % of their weight.
_REACH = 3.0


@dataclass(frozen=True)
class Pen:
    """Parameters of line extraction.

    Attributes:
        sigma: sigma of the narrow Gaussian in pixels; lines come out two to three times as wide.
        threshold: luma difference, 0 to 1, by which a pixel must be darker than its surroundings to become ink.
        gain: growth of ink beyond the threshold; a difference of 1 / gain more is three quarters black.
        surround: sigma of the wide Gaussian, relative to the narrow one. XDoG's 1.6 hollows lines that are wider than
            the narrow one; at 4 and above edges of surfaces are as thick as lines.
    """

    sigma: float
    threshold: float = 0.015
    gain: float = 20.0
    surround: float = 2.5

    @property
    def radius(self) -> int:
        """Pixels in each direction that a line depends on."""
        # Rounded first, so that a product such as 6.0000000000000009 becomes 6.
        return int(np.ceil(round(_REACH * self.sigma * self.surround, 6)))


def usual_sigma(height: int) -> float:
    """Return the default sigma of the narrow Gaussian in pixels for frames of a height in pixels."""
    return min(max(height * _SIGMA_PER_LINE, _LEAST_USUAL), MOST_SIGMA)


def line_graph(
    source: FrameSpec, target: PlaneFormat, width: int, height: int, traits: GraphTraits, pen: Pen
) -> PlanesGraph:
    """Return a graph that draws the lines of luma (or of RGB's luma) in full range, black on white.

    Beyond the edges the outermost pixels repeat.

    Args:
        source: facts about the clip's frames; for YUV the graph reads luma alone.
        target: format of the output, GRAY.
        width: width of the tile in pixels.
        height: height of the tile in pixels.
        traits: traits that the backend wants.
        pen: parameters of line extraction.
    """
    writer = GraphWriter(any_size=traits.any_size)
    spec = replace(source, width=width, height=height)
    made = replace(spec, format=target, range=Range.FULL)
    inputs, outputs = luma_tensors(spec), plane_tensors(made, "lines")
    ink = _ink(writer, clamp(writer, _luma(writer, spec, inputs)), pen)
    # Paper is 1, and the nodes before compute minus the ink.
    codes = encode(writer, ink, replace(luma_coding(target, Range.FULL), bias=-1.0))
    writer.output(codes, outputs[0].name, outputs[0].dtype, list(outputs[0].shape))
    return finish_graph(writer, inputs, outputs, traits, split=False)


def luma_tensors(spec: FrameSpec) -> tuple[TensorSpec, ...]:
    """Return one tensor for each plane that luma is computed from."""
    tensors = plane_tensors(spec, "source")
    return tensors if spec.format.family is Family.RGB else tensors[:1]


def gaussian(sigma: float, radius: int) -> Doubles:
    """Return the weights of a Gaussian at offsets up to `radius` pixels; they add up to 1."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    normal: Doubles = weights / weights.sum()
    return normal


def _luma(writer: GraphWriter, spec: FrameSpec, inputs: tuple[TensorSpec, ...]) -> str:
    """Return luma [1, 1, height, width], black 0 and white 1; not yet clamped."""
    codes = planes_in(writer, inputs)
    coding = plane_codings(spec)[0]
    if len(codes) == 1:
        return decode(writer, codes[0], replace(coding, dtype="float32"))
    joined = writer.node("Concat", codes, name="codes", exact=True, axis=1)
    bias = np.array([-coding.zero / coding.span])
    return mix(writer, joined, np.array([_BT709]) / coding.span, bias, name="luma")


def _ink(writer: GraphWriter, luma: str, pen: Pen) -> str:
    """Return minus the ink: 0 for paper, -1 for ink."""
    around = pen.radius
    kernels = np.stack([gaussian(pen.sigma * pen.surround, around), gaussian(pen.sigma, around)])
    pads = writer.constant(np.array([0, 0, around, around] * 2), integers=True)
    padded = writer.node("Pad", [luma, pads], name="edge", exact=True, mode="edge")

    def conv(x: str, kernel: Doubles, bias: float) -> str:
        inputs = [x, writer.constant(kernel), writer.constant(np.full(len(kernel), bias))]
        return writer.node("Conv", inputs, name="blur", exact=True, kernel_shape=list(kernel.shape[2:]))

    both = conv(padded, kernels[:, None, None, :], 0.0)
    darker = conv(both, (kernels * [[1], [-1]])[None, :, :, None], -pen.threshold)
    beyond = writer.node("Relu", [darker], name="beyond", exact=True)
    steep = writer.node("Mul", [beyond, writer.constant(-pen.gain)], name="gain", exact=True)
    return writer.node("Tanh", [steep], name="ink", exact=True)
