"""The plain facts that pass between the rooms: what a frame is, what a graph eats, what a model is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Family(Enum):
    """Colour family of a clip."""

    GRAY = "GRAY"
    YUV = "YUV"
    RGB = "RGB"


class SampleType(Enum):
    """How one sample is stored."""

    INTEGER = "integer"
    FLOAT = "float"


class Range(IntEnum):
    """Values of the frame property `_Range` (the reverse of the deprecated `_ColorRange`)."""

    LIMITED = 0
    FULL = 1


class ChromaLocation(IntEnum):
    """Values of the frame property `_ChromaLocation`: where a chroma sample sits in its block of luma samples."""

    LEFT = 0
    CENTER = 1
    TOP_LEFT = 2
    TOP = 3
    BOTTOM_LEFT = 4
    BOTTOM = 5


@dataclass(frozen=True)
class PlaneFormat:
    """What VapourSynth calls a format, without VapourSynth.

    Attributes:
        family: colour family.
        sample_type: integer or float.
        bits: 8 to 16 for integers, 16 or 32 for floats.
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
        """NumPy name of one sample's type."""
        if self.is_integer:
            return "uint8" if self.bits == 8 else "uint16"
        return "float16" if self.bits == 16 else "float32"


@dataclass(frozen=True)
class FrameSpec:
    """All that a graph needs to know about the frames of a clip.

    Attributes:
        format: sample and plane layout.
        width: luma width in pixels.
        height: luma height in pixels.
        range: meaning of integer codes; floats are always [0, 1] luma and [-0.5, 0.5] chroma.
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
    """What a backend wants of the graphs it compiles; nothing here changes what the network computes.

    Attributes:
        quantize_first: turn results into codes before depth-to-space, not after (fewer bytes to shuffle; not every
            runtime shuffles integers).
        block: pixels, each way, that the last convolution computes at once; 1 leaves it as it is.
        exact_linear: split the linear path off and keep it in f32 while the rest runs in lower precision.
        body: NumPy name ("bfloat16" as well) of the type that the network's own layers are written in. "float32" leaves
            it to the runtime to lower them; another type is written into the graph, casts and all.
        bytewise: no integers but bytes, and those at the graph's ends alone: deeper samples come and go as pairs of
            bytes, low byte first, which is how they lie in memory.
        any_size: nothing in the graph depends on the size of the tile it is built for.
        least_tile: width and height of the smallest tile that the backend's engines serve.
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
    """An input or output of an engine.

    Attributes:
        name: its name in the graph.
        dtype: NumPy name of its type.
        shape: NCHW.
    """

    name: str
    dtype: str
    shape: tuple[int, int, int, int]


@dataclass(frozen=True)
class PlanesGraph:
    """A graph from planes to planes for one tile size.

    Attributes:
        onnx: the serialized model; nodes whose names start with `exact/` are to stay in f32.
        inputs: one tensor a plane, the plane as it lies in the frame.
        outputs: the output planes in order, one or more a tensor, stacked on the channel axis; up to one block larger
            than the tile, to be cropped.
        linear_split: whether the linear path was found and split off.
        any_size: whether the model's width and height are open, and `inputs` and `outputs` those of one of its sizes.
        title: what to call it in messages and beside cached engines.
    """

    onnx: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    linear_split: bool
    any_size: bool = False
    title: str = ""
