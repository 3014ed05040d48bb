"""Defines the data types that packages exchange: descriptions of frames, graphs and tensors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Family(Enum):
    """Color family of a clip."""

    GRAY = "GRAY"
    YUV = "YUV"
    RGB = "RGB"


class SampleType(Enum):
    """Storage type of a sample."""

    INTEGER = "integer"
    FLOAT = "float"


class Range(IntEnum):
    """Value of the frame property `_Range` (the reverse of the deprecated `_ColorRange`)."""

    LIMITED = 0
    FULL = 1


class ChromaLocation(IntEnum):
    """Value of the frame property `_ChromaLocation`: position of a chroma sample in its block of luma samples."""

    LEFT = 0
    CENTER = 1
    TOP_LEFT = 2
    TOP = 3
    BOTTOM_LEFT = 4
    BOTTOM = 5


@dataclass(frozen=True)
class PlaneFormat:
    """Video format, independent of VapourSynth.

    Attributes:
        family: color family.
        sample_type: integer or float.
        bits: bits per sample, 8 to 16 for integers, 16 or 32 for floats.
        subsampling_w: log2 of the horizontal chroma subsampling.
        subsampling_h: log2 of the vertical chroma subsampling.
    """

    family: Family
    sample_type: SampleType
    bits: int
    subsampling_w: int = 0
    subsampling_h: int = 0

    @property
    def is_integer(self) -> bool:
        """Whether samples are integer codes."""
        return self.sample_type is SampleType.INTEGER

    @property
    def dtype(self) -> str:
        """NumPy name of a sample's type."""
        if self.is_integer:
            return "uint8" if self.bits == 8 else "uint16"
        return "float16" if self.bits == 16 else "float32"


@dataclass(frozen=True)
class FrameSpec:
    """Everything that a graph needs to know about the frames of a clip.

    Attributes:
        format: sample type and plane layout.
        width: luma width in pixels.
        height: luma height in pixels.
        range: range of integer codes; floats are always [0, 1] luma and [-0.5, 0.5] chroma.
        matrix: value of `_Matrix` (H.273), resolved, never 2 (unspecified) for YUV.
        chroma_location: siting; None where chroma is not subsampled.
    """

    format: PlaneFormat
    width: int
    height: int
    range: Range
    matrix: int | None
    chroma_location: ChromaLocation | None


@dataclass(frozen=True)
class GraphTraits:
    """Traits that a backend wants of the graphs it compiles; none of them changes what the network computes.

    Attributes:
        quantize_first: turn results into codes before depth-to-space, not after (fewer bytes to shuffle; not every
            runtime shuffles integers).
        block: side in pixels of the block that the last convolution computes at once; 1 leaves it unchanged.
        exact_linear: split the linear path off and keep it in f32 while the rest runs in lower precision.
        body: NumPy name (or "bfloat16") of the type of the network's own layers. "float32" lets the runtime lower them;
            another type is written into the graph, including casts.
        bytewise: use no integers but bytes, and only at the graph's ends; deeper samples are pairs of bytes, low byte
            first, which is their layout in memory.
        any_size: make the graph independent of the size of the tile it is built for.
        least_tile: width and height in pixels of the smallest tile that the backend's engines serve.
    """

    quantize_first: bool = False
    block: int = 1
    exact_linear: bool = False
    body: str = "float32"
    bytewise: bool = False
    any_size: bool = False
    least_tile: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class TensorSpec:
    """Input or output of an engine.

    Attributes:
        name: name in the graph.
        dtype: NumPy name of the element type.
        shape: sizes in NCHW order.
    """

    name: str
    dtype: str
    shape: tuple[int, int, int, int]


@dataclass(frozen=True)
class PlanesGraph:
    """Graph from planes to planes for one tile size.

    Attributes:
        onnx: serialized model; nodes whose names start with `exact/` must stay in f32.
        inputs: one tensor for each plane, laid out as the plane is in the frame.
        outputs: output planes in order, one or more in each tensor, stacked on the channel axis; up to one block larger
            than the tile, to be cropped.
        linear_split: whether the linear path was found and split off.
        any_size: whether the model's width and height are open; `inputs` and `outputs` then describe one of its sizes.
        title: name for messages and for the records of cached engines.
    """

    onnx: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    linear_split: bool
    any_size: bool = False
    title: str = ""
